package socks_test

import (
	"testing"

	"ssltape/record/assembly/socks"
)

func TestHandshake(t *testing.T) {
	for handshake, what := range map[string]string{
		"\x05\x01\x00\x05\x01\x00\x01\x01\x02\x03\x04\x00P":                           "client, by address",
		"\x05\x02\x00\x02\x01\x04user\x04pass\x05\x01\x00\x03\x0bexample.com\x01\xbb": "client, by name, with a password",
		"\x05\x02\x01\x00\x05\x01\x00\x04aaaabbbbccccdddd\x00P":                       "client, IPv6",
		"\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00":                            "server",
		"\x05\x02\x01\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00":                    "server, with a password",
		"\x04\x01\x00P\x01\x02\x03\x04me\x00":                                         "client of version 4",
		"\x04\x01\x00P\x00\x00\x00\x01\x00example.com\x00":                            "client of version 4A",
		"\x00\x5a\x00\x00\x00\x00\x00\x00":                                            "server of version 4",
	} {
		for _, rest := range []string{"GET / HTTP/1.1\r\n", "\x16\x03\x01", ""} {
			if n, more := socks.Handshake([]byte(handshake + rest)); n != len(handshake) || more {
				t.Errorf("%s and %q: %d, %v, want %d", what, rest, n, more, len(handshake))
			}
		}
		for i := range handshake {
			if n, more := socks.Handshake([]byte(handshake[:i])); n != 0 || !more {
				t.Errorf("%s, %d bytes of it: %d, %v", what, i, n, more)
			}
		}
	}
	for _, other := range []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00", "\x05hello", "\x05\x01\x00\x07", "\x04\x09", "\x00\x00\x12\x04\x00", "\x05\xff\x01", "\x00\x5b\x00"} {
		if n, more := socks.Handshake([]byte(other)); n != 0 || more {
			t.Errorf("%q: %d, %v", other, n, more)
		}
	}
}
