package assembly_test

import (
	"bytes"
	"strings"
	"time"

	"golang.org/x/net/http2/hpack"

	"ssltape/record"
	"ssltape/record/recordtest"
)

const (
	client = record.Out
	server = record.In
)

// A talk makes a recording of a connection of HTTP/2, as seen by the client.
type talk struct {
	conn   *record.Conn
	now    time.Time
	bytes  [2]bytes.Buffer // written and not yet sent
	fields [2]bytes.Buffer
	encode [2]*hpack.Encoder
	off    [2]int64
	chunks []record.Chunk
}

// newTalk returns a talk in which both sides have sent what they begin with.
func newTalk() *talk {
	k := &talk{conn: &record.Conn{ID: 1, ServerName: "sni.example"}, now: recordtest.Start}
	for d := range k.encode {
		k.encode[d] = hpack.NewEncoder(&k.fields[d])
	}
	k.bytes[client].WriteString("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	k.frame(client, settings, 0, 0, "\x00\x04\x00\x10\x00\x00")
	k.send(client)
	k.frame(server, settings, 0, 0, "")
	k.frame(server, settings, ack, 0, "")
	k.send(server)
	k.frame(client, settings, ack, 0, "")
	k.send(client)
	return k
}

// Types and flags of frames (RFC 9113, section 6).
const (
	headers, reset, settings, pushPromise, ping, goAway, windowUpdate, continuation = 1, 3, 4, 5, 6, 7, 8, 9

	endStream, ack, endHeaders, padded, priority = 1, 1, 4, 8, 0x20
)

// frame writes a frame.
func (k *talk) frame(d record.Dir, kind, flags byte, id uint32, payload string) {
	n := len(payload)
	k.bytes[d].Write([]byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags, byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)})
	k.bytes[d].WriteString(payload)
}

// block returns a header block of "name: value" lines.
func (k *talk) block(d record.Dir, lines ...string) string {
	k.fields[d].Reset()
	for _, line := range lines {
		i := strings.Index(line[1:], ": ") + 1
		k.encode[d].WriteField(hpack.HeaderField{Name: line[:i], Value: line[i+2:]})
	}
	return k.fields[d].String()
}

// head writes a header block as HEADERS.
func (k *talk) head(d record.Dir, id uint32, end bool, lines ...string) {
	flags := byte(endHeaders)
	if end {
		flags |= endStream
	}
	k.frame(d, headers, flags, id, k.block(d, lines...))
}

// get writes a request without a body.
func (k *talk) get(id uint32, path string) {
	k.head(client, id, true, ":method: GET", ":scheme: https", ":authority: example.com", ":path: "+path, "user-agent: test")
}

// ok writes the head of a response.
func (k *talk) ok(id uint32, lines ...string) {
	k.head(server, id, false, append([]string{":status: 200", "server: test"}, lines...)...)
}

func (k *talk) data(d record.Dir, id uint32, end bool, data string) {
	var flags byte
	if end {
		flags = endStream
	}
	k.frame(d, 0, flags, id, data)
}

// send sends what was written, a millisecond after what was sent before.
func (k *talk) send(d record.Dir) { k.sendAll(d, record.EndNone) }

func (k *talk) sendAll(d record.Dir, end record.End) {
	p := bytes.Clone(k.bytes[d].Bytes())
	k.bytes[d].Reset()
	k.chunks = append(k.chunks, record.Chunk{Conn: k.conn, Dir: d, Off: k.off[d], Time: k.now, Data: p, End: end})
	k.off[d] += int64(len(p))
	k.now = k.now.Add(time.Millisecond)
}

// sendBut is send with the bytes from i to j lost; those below 0 count from the end.
func (k *talk) sendBut(d record.Dir, i, j int) {
	p := bytes.Clone(k.bytes[d].Bytes())
	if i < 0 {
		i += len(p)
	}
	if j <= 0 {
		j += len(p)
	}
	k.bytes[d].Reset()
	k.bytes[d].Write(p[:i])
	k.send(d)
	k.off[d] += int64(j - i)
	k.bytes[d].Write(p[j:])
	k.send(d)
}

// end ends both directions.
func (k *talk) end(end record.End) {
	k.sendAll(server, end)
	k.sendAll(client, end)
}

// attach begins the recording at this point.
func (k *talk) attach() {
	k.chunks, k.off = nil, [2]int64{}
}
