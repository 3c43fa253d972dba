package binary

import (
	"testing"

	"ssltape/record/scan"
	"ssltape/record/secret"
)

// redact returns what becomes of in, which is given to the sink in pieces of n bytes.
func redact(f Format, in string, n int) string {
	s := scan.Finder{Profile: secret.Secrets}
	b := New(&s, f)
	for at := 0; at < len(in); at += n {
		p := in[at:min(at+n, len(in))]
		b.Write([]byte(p), int64(at), len(p))
	}
	b.End()
	return string(scan.Replace(nil, []byte(in), 0, s.Take(scan.Settled)))
}

// TestFormats holds that values go by their keys, wherever items are, and that all
// else stays.
func TestFormats(t *testing.T) {
	const key = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"
	for name, c := range map[string]struct {
		f        Format
		in, want string
	}{
		"msgpack":              {MessagePack, "\x82\xa8password\xa6secret\xa4user\xa3bob", "\x82\xa8password\xa6******\xa4user\xa3bob"},
		"msgpack list":         {MessagePack, "\x81\xa6apiKey\x92\xa2ab\xd9\x02cd\xa1x", "\x81\xa6apiKey\x92\xa2**\xd9\x02**\xa1x"},
		"msgpack in a list":    {MessagePack, "\xdc\x00\x02\x81\xa8password\xc4\x03abc\x81\xa4user\xa3bob", "\xdc\x00\x02\x81\xa8password\xc4\x03***\x81\xa4user\xa3bob"},
		"msgpack number":       {MessagePack, "\x82\xa8password\xce\x01\x02\x03\x04\xa1n\xcd\x01\x02", "\x82\xa8password\xce\x00\x00\x00\x00\xa1n\xcd\x01\x02"},
		"msgpack nested":       {MessagePack, "\x81\xa1a\x82\xa6secret\xa3abc\xa1b\xa3def", "\x81\xa1a\x82\xa6secret\xa3***\xa1b\xa3def"},
		"msgpack others":       {MessagePack, "\x84\xa1a\xc0\xa1b\xc3\xa1c\xcb12345678\xa8password\xd6\x01abcd", "\x84\xa1a\xc0\xa1b\xc3\xa1c\xcb12345678\xa8password\xd6\x00\x00\x00\x00\x00"},
		"msgpack key":          {MessagePack, "\x81\xa4note\xd9\x24see " + key, "\x81\xa4note\xd9\x24see " + scan.Filler(len(key), key)},
		"msgpack empty":        {MessagePack, "\x83\xa1a\x80\xa1b\x90\xa8password\xa0\x81\xa8password\xa2ab", "\x83\xa1a\x80\xa1b\x90\xa8password\xa0\x81\xa8password\xa2**"},
		"cbor":                 {CBOR, "\xa2\x68password\x66secret\x64user\x63bob", "\xa2\x68password\x66******\x64user\x63bob"},
		"cbor of any length":   {CBOR, "\xbf\x68password\x7f\x62ab\x61c\xff\x64user\x9f\x63bob\xff\xff\xa1\x66secret\x61x", "\xbf\x68password\x7f\x62**\x61*\xff\x64user\x9f\x63bob\xff\xff\xa1\x66secret\x61*"},
		"cbor tag":             {CBOR, "\xd9\xd9\xf7\xa1\x68password\xc1\x42ab", "\xd9\xd9\xf7\xa1\x68password\xc1\x42**"},
		"cbor number":          {CBOR, "\xa2\x68password\x1a\x01\x02\x03\x04\x61n\x19\x01\x02", "\xa2\x68password\x1a\x00\x00\x00\x00\x61n\x19\x01\x02"},
		"cbor number as a key": {CBOR, "\xa2\x01\x63abc\x66secret\x63def", "\xa2\x01\x63abc\x66secret\x63***"},
		"malformed":            {CBOR, "\xfd password=" + key, "\xfd password=" + scan.Filler(len(key), key)},
		"cut off":              {MessagePack, "\x81\xa8password\xaaabc", "\x81\xa8password\xaa***"},
	} {
		whole := redact(c.f, c.in, len(c.in))
		if whole != c.want {
			t.Errorf("%s: %q, want %q", name, whole, c.want)
		}
		for _, n := range []int{1, 2, 3, 7} {
			if out := redact(c.f, c.in, n); out != whole {
				t.Errorf("%s in pieces of %d: %q, want %q", name, n, out, whole)
			}
		}
		if again := redact(c.f, whole, len(whole)); again != whole {
			t.Errorf("%s again: %q, once %q", name, again, whole)
		}
	}
}

// TestGuess holds that maps are told from text and other data.
func TestGuess(t *testing.T) {
	for in, want := range map[string]bool{
		"\x82\xa8password\xa6secret": true, "\xde\x00\x02\xa4user\xa3bob": true, "\xa2\x68password\x66": true, "\xbf\x64user\x63bob\xff": true,
		"{\"password\":1}": false, "\x80\x80\x80\x80\x80\x80\x80\x80": false, "\x89PNG\r\n\x1a\n\x00": false, "\xff\xd8\xff\xe0\x00\x10JFIF": false,
		"\xc3\xa9t\xc3\xa9 \xc3\xa0 la": false, "\xef\xbb\xbfname,value": false, "\xa4\xa4\xa4\xa4\xa4\xa4\xa4\xa4": false,
	} {
		if got := Guess([]byte(in)) != nil; got != want {
			t.Errorf("%q: %v", in, got)
		}
	}
}

func FuzzFormats(f *testing.F) {
	f.Add("\x82\xa8password\xa6secret\xa4user\xa3bob")
	f.Add("\xbf\x68password\x7f\x62ab\x61c\xff\x64user\x9f\x63bob\xff\xff")
	f.Fuzz(func(t *testing.T, in string) {
		for _, format := range []Format{MessagePack, CBOR} {
			whole := redact(format, in, max(len(in), 1))
			if len(whole) != len(in) {
				t.Fatalf("%q became %q", in, whole)
			}
			if out := redact(format, in, 1); out != whole {
				t.Fatalf("%q byte by byte: %q, want %q", in, out, whole)
			}
		}
	})
}
