package frame

import (
	"bytes"
	"compress/flate"
	"strings"
	"testing"
)

func TestParseHTTP2(t *testing.T) {
	f := ParseHTTP2([]byte("\x03\x01\x02\x01\x25\x80\x00\x00\x03"))
	if want := (HTTP2{Length: 0x30102, Type: Headers, Flags: FlagEndHeaders | FlagPriority | FlagEndStream, Stream: 3}); f != want {
		t.Errorf("got %+v, want %+v", f, want)
	}
	for _, c := range []struct {
		f    HTTP2
		want bool
	}{
		{f, true},
		{HTTP2{Type: Data}, false},
		{HTTP2{Type: Settings, Length: 6}, true},
		{HTTP2{Type: Settings, Length: 6, Flags: FlagAck}, false},
		{HTTP2{Type: Settings, Length: 6, Stream: 1}, false},
		{HTTP2{Type: Settings}, true},
		{HTTP2{Type: Settings, Flags: FlagAck}, true},
		{HTTP2{Type: Settings, Length: 5}, false},
		{HTTP2{Type: Priority, Length: 5, Stream: 1}, true},
		{HTTP2{Type: Priority, Length: 5}, false},
		{HTTP2{Type: Reset, Length: 4, Stream: 1}, true},
		{HTTP2{Type: Reset, Length: 5, Stream: 1}, false},
		{HTTP2{Type: Ping, Length: 8}, true},
		{HTTP2{Type: Ping, Length: 7}, false},
		{HTTP2{Type: Ping, Length: 8, Stream: 1}, false},
		{HTTP2{Type: GoAway, Length: 8}, true},
		{HTTP2{Type: GoAway, Length: 7}, false},
		{HTTP2{Type: GoAway, Length: 9, Stream: 1}, false},
		{HTTP2{Type: WindowUpdate, Length: 4}, true},
		{HTTP2{Type: WindowUpdate, Length: 4, Stream: 1}, true},
		{HTTP2{Type: WindowUpdate, Length: 5}, false},
		{HTTP2{Type: PushPromise, Length: 4, Stream: 1}, true},
		{HTTP2{Type: PushPromise, Length: 3, Stream: 1}, false},
		{HTTP2{Type: 0xfe, Length: 1 << 20, Stream: 9}, true},
	} {
		if got := c.f.Valid(); got != c.want {
			t.Errorf("%+v: valid is %v", c.f, got)
		}
	}
}

func TestFragment(t *testing.T) {
	for _, c := range []struct {
		name, payload string
		f             HTTP2
		want          string
		promised      uint32
		ok            bool
	}{
		{"plain", "abc", HTTP2{Type: Headers, Length: 3}, "abc", 0, true},
		{"padded", "\x02abc..", HTTP2{Type: Headers, Length: 6, Flags: FlagPadded}, "abc", 0, true},
		{"all padding", "\x05.....", HTTP2{Type: Headers, Length: 6, Flags: FlagPadded}, "", 0, true},
		{"too much padding", "\x06.....", HTTP2{Type: Headers, Length: 6, Flags: FlagPadded}, "", 0, false},
		{"priority", "pppppabc", HTTP2{Type: Headers, Length: 8, Flags: FlagPriority}, "abc", 0, true},
		{"promise", "\x80\x00\x00\x02abc", HTTP2{Type: PushPromise, Length: 7}, "abc", 2, true},
		{"continuation", "\x02abc", HTTP2{Type: Continuation, Length: 4, Flags: FlagPadded}, "\x02abc", 0, true},
		{"cut", "\x02abc", HTTP2{Type: Headers, Length: 9, Flags: FlagPadded}, "abc", 0, true},
		{"promise, cut after that", "\x80\x00\x00\x02", HTTP2{Type: PushPromise, Length: 9}, "", 2, true},
		{"promise, cut before that", "\x80\x00\x00", HTTP2{Type: PushPromise, Length: 9}, "", 0, true},
		{"cut within priority", "ppp", HTTP2{Type: Headers, Length: 9, Flags: FlagPriority}, "", 0, true},
	} {
		block, promised, ok := c.f.Fragment([]byte(c.payload))
		if string(block) != c.want || promised != c.promised || ok != c.ok {
			t.Errorf("%s: got %q, %d, %v", c.name, block, promised, ok)
		}
	}
}

func TestErrorName(t *testing.T) {
	for code, want := range map[uint32]string{0: "NO_ERROR", 8: "CANCEL", 13: "HTTP_1_1_REQUIRED", 14: "code 0xe"} {
		if got := ErrorName(code); got != want {
			t.Errorf("%d: got %s, want %s", code, got, want)
		}
	}
}

// A header is read at its last byte, not before, and never as another.
func TestParseWebSocket(t *testing.T) {
	for _, c := range []struct {
		p    string
		want WebSocket
	}{
		{"\x81\x05", WebSocket{Final: true, Opcode: OpText, Length: 5, Size: 2}},
		{"\x42\x80abcd", WebSocket{Compressed: true, Opcode: OpBinary, Masked: true, Key: [4]byte{'a', 'b', 'c', 'd'}, Size: 6}},
		{"\xa2\x7e\x01\x00", WebSocket{Final: true, Reserved: 0x20, Opcode: OpBinary, Length: 256, Size: 4}},
		{"\x00\xff\x00\x00\x00\x00\x00\x01\x00\x00abcd", WebSocket{Masked: true, Key: [4]byte{'a', 'b', 'c', 'd'}, Length: 1 << 16, Size: 14}},
		{"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", WebSocket{Final: true, Opcode: OpBinary, Length: -1 << 63, Size: 10}},
	} {
		for i := range c.p {
			if _, more := ParseWebSocket([]byte(c.p[:i])); !more {
				t.Errorf("%q: %d bytes are taken for all", c.p, i)
			}
		}
		if f, more := ParseWebSocket([]byte(c.p + "x")); f != c.want || more {
			t.Errorf("%q: got %+v", c.p, f)
		}
	}
}

func TestValidWebSocket(t *testing.T) {
	for p, want := range map[string][2]bool{
		"\x81\x7d":             {true, true},
		"\x81\x7e\x00\x7d":     {true, false},
		"\x81\x7e\x00\x7e":     {true, true},
		"\x83\x00":             {false, true},
		"\x8b\x00":             {false, true},
		"\xa1\x00":             {false, true},
		"\x89\x7d":             {true, true},
		"\x09\x00":             {false, true}, // in parts
		"\xc9\x00":             {false, true}, // compressed
		"\x89\x7e\x00\x7e":     {false, true}, // too long
		"\x8a\xfe\x00\x7eabcd": {false, true},
		"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff": {true, false},
		"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00": {true, false},
	} {
		f, _ := ParseWebSocket([]byte(p))
		if got := [2]bool{f.Valid(), f.ValidLength()}; got != want {
			t.Errorf("%q: got %v, want %v", p, got, want)
		}
	}
}

func TestXOR(t *testing.T) {
	f := WebSocket{Masked: true, Key: [4]byte{1, 2, 3, 4}}
	whole, parts := []byte("a message"), []byte("a message")
	f.XOR(whole, 0)
	f.XOR(parts[:3], 0)
	f.XOR(parts[3:], 3)
	if !bytes.Equal(whole, parts) || whole[8] != 'e'^1 {
		t.Errorf("got %q and in parts %q", whole, parts)
	}
}

// Messages refer to those before them as far as the window goes.
func TestInflate(t *testing.T) {
	var f Inflater
	var window []byte
	for i, text := range []string{"hello, hello", "hello again", strings.Repeat("0123456789", 5000), "9012345678 hello"} {
		var b bytes.Buffer
		w, _ := flate.NewWriterDict(&b, 9, window)
		w.Write([]byte(text))
		w.Flush()
		got, err := f.Inflate(bytes.TrimSuffix(b.Bytes(), []byte(EmptyBlock)), window)
		if string(got) != text || err != nil {
			t.Fatalf("message %d: got %d bytes, %v", i, len(got), err)
		}
		if window = Slide(window, got); len(window) > windowSize || !bytes.HasSuffix(window, got[max(0, len(got)-windowSize):]) {
			t.Errorf("message %d: the window has %d bytes", i, len(window))
		}
	}
	if _, err := f.Inflate([]byte("\x06\xff\xff"), nil); err == nil {
		t.Error("read what is no message")
	}
	for _, more := range []int{0, 9} {
		var bomb bytes.Buffer
		w, _ := flate.NewWriter(&bomb, 9)
		w.Write(make([]byte, MaxMessage+more))
		w.Flush()
		message := bytes.TrimSuffix(bomb.Bytes(), []byte(EmptyBlock))
		if got, err := f.Inflate(message, nil); (err != nil) != (more > 0) || len(got) != MaxMessage+min(more, 1) {
			t.Errorf("a message of %d bytes: read %d, %v", MaxMessage+more, len(got), err)
		}
	}
}
