package assembly

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
		f := newHTTP2Finder(http2Need, http2Weak)
		if start, _ := f.find([]byte(c.bytes)); start != c.want {
			t.Errorf("%s: found at %d, want %d", name, start, c.want)
		}
	}
}
