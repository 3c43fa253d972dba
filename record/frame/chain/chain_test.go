package chain

import (
	"encoding/binary"
	"strings"
	"testing"

	"ssltape/record/frame"
)

// h2 is a frame of HTTP/2.
func h2(typ, flags byte, id uint32, payload string) string {
	n := len(payload)
	head := []byte{byte(n >> 16), byte(n >> 8), byte(n), typ, flags}
	return string(binary.BigEndian.AppendUint32(head, id)) + payload
}

// Frames of HTTP/2 are found in the middle of a direction, and protocols that
// put lengths and zeros before what they carry are not taken for it.
func TestFindHTTP2(t *testing.T) {
	long := func(s string) string { return string(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) + s }
	query := "\x04\x00\x00\x01\x07" + long(long("SELECT name FROM system.local WHERE key='local'")+"\x00\x01\x00")
	rows := "\x84\x00\x00\x01\x08" + long("\x00\x00\x00\x02"+strings.Repeat("\x00\x00\x00\x01\x00\x00\x00\x04", 9))
	const grpc = 3 << 20 // streams of a connection that is old
	data := h2(frame.Data, 0, 5, "abcdefgh")
	for name, c := range map[string]struct {
		bytes string
		want  int // where frames start, -1 for nowhere
	}{
		"queries":                    {strings.Repeat(query, 50), -1},
		"rows":                       {strings.Repeat(rows, 50), -1},
		"messages of SMB":            {strings.Repeat("\x00\x00\x00\x2f\xffSMBr\x00\x00\x00\x00\x08\x00\x00\x00\x00\x01NT LM\x00\x00\x02\x00", 50), -1},
		"zeros":                      {strings.Repeat("\x00", 5000), -1},
		"zeros with a 4":             {strings.Repeat("\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01\x00", 50), -1},
		"DATA to promised streams":   {strings.Repeat(h2(frame.Data, 0, 1<<17, "12345"), 50), -1},
		"DATA of one stream":         {"xyz" + strings.Repeat(data, http2Weak), 3},
		"DATA of one stream, less":   {"xyz" + strings.Repeat(data, http2Weak-1), -1},
		"DATA and a window":          {"xyz" + data + h2(frame.WindowUpdate, 0, 5, "\x00\x00\x10\x00") + data, 3},
		"an old connection":          {h2(frame.Headers, frame.FlagEndHeaders, grpc+1, "\x88") + h2(frame.Data, 0, grpc+1, "abc") + h2(frame.Headers, frame.FlagEndHeaders, grpc+3, "\x88"), 0},
		"SETTINGS, HEADERS and DATA": {h2(frame.Settings, frame.FlagAck, 0, "") + h2(frame.Headers, frame.FlagEndHeaders, 1, "\x88") + data, 0},
	} {
		f := HTTP2()
		if start, _ := f.Find([]byte(c.bytes)); start != c.want {
			t.Errorf("%s: found at %d, want %d", name, start, c.want)
		}
	}
}

// ws is a frame of a WebSocket by the server, of fewer than 126 bytes.
func ws(first byte, payload string) string {
	return string([]byte{first, byte(len(payload))}) + payload
}

// Frames of a WebSocket are found in the middle of a direction: the more what
// is in them tells, the fewer it takes.
func TestFindWebSocket(t *testing.T) {
	const text, binary, compressed = 0x80 | frame.OpText, 0x80 | frame.OpBinary, 0x40
	for name, c := range map[string]struct {
		finder Finder
		bytes  string
		want   int // where frames start, -1 for nowhere
	}{
		"text":                     {ResyncWebSocket(false, false), "\xff\xff" + ws(text, "long enough") + ws(text, "long enough"), 2},
		"one text":                 {ResyncWebSocket(false, false), "\xff\xff" + ws(text, "long enough"), -1},
		"short text":               {ResyncWebSocket(false, false), "\xff\xff" + strings.Repeat(ws(text, "short"), 3), 2},
		"short text, less":         {ResyncWebSocket(false, false), "\xff\xff" + strings.Repeat(ws(text, "short"), 2), -1},
		"text that is none":        {ResyncWebSocket(false, false), "\xff\xff" + strings.Repeat(ws(text, "long \xff enough"), 9), -1},
		"binary":                   {ResyncWebSocket(false, false), "\xff\xff" + strings.Repeat(ws(binary, "ab"), webSocketResync), 2},
		"binary, less":             {ResyncWebSocket(false, false), "\xff\xff" + strings.Repeat(ws(binary, "ab"), webSocketResync-1), -1},
		"compressed":               {ResyncWebSocket(false, true), "\xff\xff" + strings.Repeat(ws(text|compressed, "ab"), webSocketResync), 2},
		"compressed, unagreed":     {ResyncWebSocket(false, false), "\xff\xff" + strings.Repeat(ws(text|compressed, "ab"), 9), -1},
		"continuations":            {ResyncWebSocket(false, true), "\xff\xff" + strings.Repeat(ws(0x80, "ab"), webSocketResync), 2},
		"continuations compressed": {ResyncWebSocket(false, true), "\xff\xff" + strings.Repeat(ws(0x80|compressed, "ab"), 9), -1},
		"of the other side":        {ResyncWebSocket(true, false), "\xff\xff" + strings.Repeat(ws(text, "long enough"), 9), -1},
		"unknown, text":            {WebSocket(false), "\xff\xff" + ws(text, "long enough") + ws(text, "long enough"), 2},
		"unknown, binary":          {WebSocket(false), "\xff\xff" + strings.Repeat(ws(binary, "ab"), webSocketNeed), 2},
		"unknown, binary, less":    {WebSocket(false), "\xff\xff" + strings.Repeat(ws(binary, "ab"), webSocketNeed-1), -1},
		"unknown, continuations":   {WebSocket(false), "\xff\xff" + strings.Repeat(ws(0x80, "ab"), 9), -1},
		"unknown, at the start":    {WebSocket(false), ws(binary, "ab") + ws(binary, "ab"), 0},
	} {
		if start, _ := c.finder.Find([]byte(c.bytes)); start != c.want {
			t.Errorf("%s: found at %d, want %d", name, start, c.want)
		}
	}
}

// What came before what was dropped is no start of the direction any more.
func TestFromStart(t *testing.T) {
	short := ws(0x80|frame.OpText, "short")
	f := ResyncWebSocket(false, false)
	f.FromStart()
	if start, end := f.Find([]byte(short + short)); start != 0 || end != len(short) {
		t.Errorf("at the start: found at %d, by %d bytes", start, end)
	}
	f = ResyncWebSocket(false, false)
	f.FromStart()
	before := strings.Repeat("\xff", 100)
	if start, _ := f.Find([]byte(before)); start >= 0 || f.Keep() != len(before) {
		t.Errorf("found at %d, %d bytes are of no use, want %d", start, f.Keep(), len(before))
	}
	f.Drop(len(before))
	if start, _ := f.Find([]byte(short + short)); start != -1 {
		t.Errorf("later: found at %d", start)
	}
	if start, _ := f.Find([]byte(short + short + short)); start != 0 {
		t.Errorf("later, with more: found at %d", start)
	}
}
