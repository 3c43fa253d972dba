package wire

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"ssltape/record"
)

// pieceSize is how much of a body goes into one chunk at most.
const pieceSize = 32 << 10

// A Writer is an [record.ExchangeWriter] that makes a recording byte by byte
// out of one message by message, when the latter is all that there is. Each
// exchange is written when it is done, on the connection it came on, request
// first. An exchange after which a connection can carry no more (one that was
// cut, whose response ends with the connection, or that began another
// protocol) ends it; the next one of that connection then gets a new one.
//
// Lost and cut bytes become holes of the same length. What was not HTTP/1
// becomes HTTP/1.1.
type Writer struct {
	w     record.ChunkWriter
	conns map[*record.Conn]*stream
	last  uint64 // ID of the newest connection
	buf   [pieceSize]byte
}

// A stream is what was written on a connection.
type stream struct {
	conn record.Conn
	next [2]int64 // end of each direction, by Dir
}

// NewWriter returns a Writer that writes to w.
func NewWriter(w record.ChunkWriter) *Writer {
	return &Writer{w: w, conns: map[*record.Conn]*stream{}}
}

// WriteExchange implements [record.ExchangeWriter].
func (w *Writer) WriteExchange(x *record.Exchange) error {
	if !x.Done() {
		return nil
	}
	s := w.stream(x.Conn)
	out, in := &side{w: w, s: s, dir: record.Out}, &side{w: w, s: s, dir: record.In}
	if x.Server {
		out, in = in, out
	}
	out.request(x)
	in.response(x)
	for i := range x.WebSocket {
		m, d := &x.WebSocket[i], in
		if m.FromClient {
			d = out
		}
		d.data(m.Time, frame(m))
	}
	err := errors.Join(out.err, in.err)
	if err == nil && (x.Err != nil || in.closes || x.Response.Status == 101 || len(x.WebSocket) > 0) {
		end := record.EndClean
		if x.Err != nil {
			end = record.EndCut
		}
		err = w.end(s, x, end)
		delete(w.conns, x.Conn)
	}
	return err
}

// stream returns the stream of the connection c, which may be nil.
func (w *Writer) stream(c *record.Conn) *stream {
	s := w.conns[c]
	if s == nil {
		s = new(stream)
		w.last++
		s.conn.ID = w.last
		if c != nil {
			id := s.conn.ID
			s.conn = *c
			s.conn.ID = id
			w.conns[c] = s
		}
	}
	return s
}

// end ends both directions of s, unless it was the recording that ended.
func (w *Writer) end(s *stream, x *record.Exchange, end record.End) error {
	if errors.Is(x.Err, record.ErrStopped) {
		return nil
	}
	t := x.Start().Add(x.Duration())
	for _, d := range []record.Dir{record.In, record.Out} {
		if err := w.w.WriteChunk(record.Chunk{Conn: &s.conn, Dir: d, Off: s.next[d], Time: t, End: end}); err != nil {
			return err
		}
	}
	return nil
}

// A side writes the messages of one direction. It remembers the first error.
type side struct {
	w      *Writer
	s      *stream
	dir    record.Dir
	now    time.Time // of the last chunk
	closes bool      // the body ends with the connection
	err    error
}

func (d *side) request(x *record.Exchange) {
	r := &x.Request
	if !r.Seen() {
		return
	}
	p := newPlan(&r.Message, true, r.Method == "CONNECT")
	if !p.fields.Has("Host") && !strings.HasPrefix(r.Proto, "HTTP/1.") {
		p.fields = append(record.Fields{{Name: "Host", Value: x.Host()}}, p.fields...)
	}
	d.data(r.Start, head(r.Method+" "+r.Target+" "+version(r.Proto), p.fields))
	d.body(&r.Message, p, nil)
}

func (d *side) response(x *record.Exchange) {
	r := &x.Response
	for _, i := range r.Interim {
		d.data(i.Time, head(statusLine("HTTP/1.1", i.Status, i.Reason), i.Header))
	}
	if !r.Seen() {
		return
	}
	bodiless := x.Request.Method == "HEAD" || r.Status < 200 || r.Status == 204 || r.Status == 304 ||
		x.Request.Method == "CONNECT" && r.Status < 300
	p := newPlan(&r.Message, false, bodiless)
	d.data(r.Start, head(statusLine(version(r.Proto), r.Status, r.Reason), p.fields))
	d.body(&r.Message, p, r.Events)
	d.closes = p.framing == untilClose
}

// version returns proto, or HTTP/1.1 where it is of another major version.
func version(proto string) string {
	if strings.HasPrefix(proto, "HTTP/1.") {
		return proto
	}
	return "HTTP/1.1"
}

// data writes a chunk.
func (d *side) data(t time.Time, b []byte) {
	if d.err != nil || len(b) == 0 {
		return
	}
	d.now = t
	d.chunk(record.Chunk{Time: t, Data: b})
	d.s.next[d.dir] += int64(len(b))
}

// chunk writes c where the direction has come to.
func (d *side) chunk(c record.Chunk) {
	if d.err == nil {
		c.Conn, c.Dir, c.Off = &d.s.conn, d.dir, d.s.next[d.dir]
		d.err = d.w.w.WriteChunk(c)
	}
}

// body writes the body of m, its holes and trailer.
func (d *side) body(m *record.Message, p plan, events []record.Event) {
	if p.framing == none {
		return
	}
	marks := m.Marks
	if len(marks) == 0 && (m.Decoded || !m.Header.Has("Content-Encoding")) {
		marks = eventMarks(&m.Body, events)
	}
	lost := m.Lost
	for off := int64(0); off < m.Body.Len() && d.err == nil; {
		for len(lost) > 0 && lost[0].Off <= off {
			d.hole(p, lost[0])
			lost = lost[1:]
		}
		end, t := m.Body.Len(), m.End
		for len(marks) > 1 && marks[1].Off <= off {
			marks = marks[1:]
		}
		if len(marks) > 0 && marks[0].Off <= off {
			t = marks[0].Time
			marks = marks[1:]
		}
		if len(marks) > 0 {
			end = min(end, marks[0].Off)
		}
		if len(lost) > 0 {
			end = min(end, lost[0].Off)
		}
		d.run(m, p, record.Mark{Off: off, Time: t}, end)
		off = end
	}
	if n := m.Cut + p.missing; n > 0 {
		lost = append(lost[:len(lost):len(lost)], record.Hole{Off: m.Body.Len(), Len: n})
	}
	for _, h := range lost {
		d.hole(p, h)
	}
	if len(lost) > 0 && p.framing != chunked { // say so, since nothing may follow
		d.chunk(record.Chunk{Time: d.now})
	}
	if p.framing == chunked && m.Done {
		d.data(m.End, head("0", m.Trailer))
	}
}

// run writes the bytes of m's body from the mark on to end.
func (d *side) run(m *record.Message, p plan, from record.Mark, end int64) {
	for off := from.Off; off < end && d.err == nil; {
		b := d.w.buf[:min(pieceSize, end-off)]
		n, err := m.Body.ReadAt(b, off)
		if n < len(b) {
			d.err = errors.Join(err, io.ErrUnexpectedEOF)
			return
		}
		if p.framing == chunked {
			d.data(from.Time, chunkOf(b))
		} else {
			d.data(from.Time, b)
		}
		off += int64(n)
	}
}

func chunkOf(b []byte) []byte {
	c := append(strconv.AppendInt(nil, int64(len(b)), 16), "\r\n"...)
	return append(append(c, b...), "\r\n"...)
}

// hole leaves out the bytes of a hole. In a chunked body they get a chunk of
// their own, so that its framing survives; a hole in a head cannot be made
// again, since the head would not be understood.
func (d *side) hole(p plan, h record.Hole) {
	if h.Off < 0 {
		return
	}
	if p.framing == chunked {
		d.data(d.now, append(strconv.AppendInt(nil, h.Len, 16), "\r\n"...))
	}
	d.s.next[d.dir] += h.Len
	if p.framing == chunked {
		d.data(d.now, []byte("\r\n"))
	}
}
