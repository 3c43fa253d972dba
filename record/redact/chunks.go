package redact

import (
	"errors"

	"ssltape/record"
	"ssltape/record/scan"
	"ssltape/record/scan/field"
)

// maxQueue is the number of bytes of a connection that are held back. Where a
// body needs more than that to be decided, the rest of it goes.
const maxQueue = 16 << 20

// Chunks returns a writer that hands to w the chunks it is given, with the same
// offsets, lengths, times and order within a connection, and with a filler of
// the same length in the place of what p takes out. Bytes that were seen before
// are cut off.
//
// A chunk is held back, and what follows on its connection with it, while it
// has bytes that cannot be decided yet: a value that is not complete, a
// compressed body. The caller ends with Close, which hands on all of it.
//
// A compressed body that holds secrets is written anew and padded where its
// coding allows that, else it is filler from its first byte to its last.
func Chunks(w record.ChunkWriter, p Profile) *ChunkWriter {
	return &ChunkWriter{w: w, profile: p, conns: map[*record.Conn]*conn{}, known: new(scan.Memory)}
}

// A ChunkWriter redacts chunks. See [Chunks].
type ChunkWriter struct {
	w       record.ChunkWriter
	profile Profile
	conns   map[*record.Conn]*conn
	known   *scan.Memory // what was taken out
	order   []*conn      // as they began
	free    [][]byte     // memory of chunks that were held back
}

// A conn is a connection of which something may be held back.
type conn struct {
	as      record.Conn // what chunks are handed on with, if not as they are
	names   [2]string   // of the program, when it was found that they may stay
	server  bool        // the process is the server
	streams [2]*stream
	queue   []record.Chunk // held back in order of arrival; the data is ours
	begin   []record.Chunk // memory of queue
	size    int            // bytes of queue
	ended   [2]bool
	text    []byte // memory of recall
}

// WriteChunk implements [record.ChunkWriter].
func (w *ChunkWriter) WriteChunk(k record.Chunk) error {
	if w.profile == None {
		return w.w.WriteChunk(k)
	}
	rc := k.Conn
	c := w.conn(rc, k.Dir)
	t := c.streams[k.Dir]
	if seen := t.next - k.Off; seen > 0 {
		if seen >= int64(len(k.Data)) && k.End == record.EndNone {
			return nil
		}
		seen = min(seen, int64(len(k.Data)))
		k.Off, k.Data = k.Off+seen, k.Data[seen:]
	}
	if lost := k.Off - t.next; lost > 0 {
		t.gap(lost)
	}
	k.Conn, t.next = c.is(k.Conn, w.profile), k.Off+int64(len(k.Data))
	t.Write(k.Data, k.Off, len(k.Data))
	if k.End != record.EndNone {
		t.End()
		c.ended[k.Dir] = true
	}
	err := w.pass(c, k)
	if c.ended == [2]bool{true, true} && len(c.queue) == 0 {
		w.forget(c, rc)
	}
	return err
}

// pass hands on k, and what is held back before it, as far as it is decided.
func (w *ChunkWriter) pass(c *conn, k record.Chunk) error {
	t := c.streams[k.Dir]
	end := k.Off + int64(len(k.Data))
	if len(c.queue) == 0 && t.scan.Next() == scan.Settled && t.Pending() == scan.Settled {
		if known, to := t.scan.Knows(k.Data, k.Off, c.ended[k.Dir]); !known && to == end {
			t.decided = end
			return w.w.WriteChunk(k)
		}
	}
	k.Data = append(w.memory(), k.Data...)
	if c.queue = append(c.queue, k); len(c.queue) == 1 {
		c.begin = c.queue
	}
	c.size += len(k.Data)
	for c.patch(); c.size > maxQueue; c.patch() {
		c.streams[c.queue[0].Dir].giveUp()
		c.settle(int(c.queue[0].Dir), c.streams[c.queue[0].Dir], true)
		if err := w.flush(c); err != nil {
			return err
		}
	}
	return w.flush(c)
}

// flush hands on what is decided and patched.
func (w *ChunkWriter) flush(c *conn) error {
	for len(c.queue) > 0 {
		k := c.queue[0]
		t := c.streams[k.Dir]
		if k.Off+int64(len(k.Data)) > t.decided {
			return nil
		}
		c.queue[0] = record.Chunk{}
		if c.queue, c.size = c.queue[1:], c.size-len(k.Data); len(c.queue) == 0 {
			c.queue = c.begin[:0]
		}
		err := w.w.WriteChunk(k)
		if cap(k.Data) <= maxFree && len(w.free) < 16 {
			w.free = append(w.free, k.Data[:0])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// maxFree is how much memory of a chunk is kept for the next one.
const maxFree = 64 << 10

// memory returns what a chunk can be kept in.
func (w *ChunkWriter) memory() []byte {
	n := len(w.free)
	if n == 0 {
		return nil
	}
	p := w.free[n-1]
	w.free = w.free[:n-1]
	return p
}

// patch writes over what the scans found and what is known as far as it is decided. All
// of it is still in the queue, since it was pending until now.
func (c *conn) patch() {
	for dir, t := range c.streams {
		c.settle(dir, t, c.ended[dir])
	}
}

// settle decides what it can of a direction, of which the end came or is not waited for.
func (c *conn) settle(dir int, t *stream, end bool) {
	pending := t.Pending()
	spans := t.scan.Take(pending)
	limit := min(pending, t.scan.Next(), t.next)
	if n := len(spans); n > 0 {
		limit = max(limit, spans[n-1].Stop())
	}
	if limit > t.decided && !t.scan.Memory.IsEmpty() {
		spans, limit = c.recall(dir, t, spans, limit, end && limit == t.next)
	}
	c.write(dir, spans)
	t.decided = max(t.decided, limit)
}

// recall adds to spans, which were found before limit, those of the values that are known,
// and returns them and the place up to which they are decided.
func (c *conn) recall(dir int, t *stream, spans []scan.Span, limit int64, end bool) ([]scan.Span, int64) {
	var all []scan.Span
	at, text := t.decided, c.text[:0]
	next := func(end bool) (to int64) {
		k := 0
		for k < len(spans) && (spans[k].Stop() <= at+int64(len(text)) || end && spans[k].At < at+int64(len(text))) {
			k++
		}
		found, to := t.scan.Recall(spans[:k:k], text, at, end)
		all, spans = append(all, found...), spans[k:]
		return to
	}
	for _, k := range c.queue {
		from, to := max(k.Off, t.decided), min(k.Off+int64(len(k.Data)), limit)
		if int(k.Dir) != dir || from >= to {
			continue
		}
		if from != at+int64(len(text)) { // bytes were lost
			next(true)
			at, text = from, text[:0]
		}
		text = append(text, k.Data[from-k.Off:to-k.Off]...)
	}
	if to := next(end); len(text) > 0 {
		limit = to
	}
	c.text = text[:0]
	return append(all, spans...), limit
}

// write writes spans over what is held back of a direction.
func (c *conn) write(dir int, spans []scan.Span) {
	from := 0 // of the queue: what is before it is before the spans, too
	for _, s := range spans {
		for i, k := range c.queue[from:] {
			lo, hi := s.At-k.Off, s.Stop()-k.Off
			if int(k.Dir) != dir || lo >= int64(len(k.Data)) {
				continue
			}
			if hi <= 0 {
				break
			}
			if lo >= 0 {
				from += i
			}
			copy(k.Data[max(lo, 0):], s.Text[max(-lo, 0):])
		}
	}
}

// is returns what chunks of rc are handed on with.
func (c *conn) is(rc *record.Conn, p Profile) *record.Conn {
	if p == None || p != Strict && c.names == [2]string{rc.Exe, rc.Comm} {
		return rc
	}
	if p != Strict && field.Freely(p, rc.Exe) == rc.Exe && field.Freely(p, rc.Comm) == rc.Comm {
		c.names = [2]string{rc.Exe, rc.Comm}
		return rc
	}
	c.as = without(rc, p, c.server)
	return &c.as
}

// conn returns the state of rc, of which the first chunk is of direction dir.
// Who hears first is the server.
func (w *ChunkWriter) conn(rc *record.Conn, dir record.Dir) *conn {
	c := w.conns[rc]
	if c == nil {
		c = &conn{server: dir == record.In}
		o := new(order)
		for dir := range c.streams {
			c.streams[dir] = newStream(&scan.Finder{Profile: w.profile, Fill: true, Safe: true, Memory: w.known}, o)
		}
		w.conns[rc] = c
		w.order = append(w.order, c)
	}
	return c
}

func (w *ChunkWriter) forget(c *conn, rc *record.Conn) {
	delete(w.conns, rc)
	for i, o := range w.order {
		if o == c {
			w.order = append(w.order[:i], w.order[i+1:]...)
			return
		}
	}
}

// Close decides and hands on everything that is held back. It does not close
// the writer below.
func (w *ChunkWriter) Close() error {
	var errs []error
	for _, c := range w.order {
		for _, t := range c.streams {
			t.End()
		}
		c.ended = [2]bool{true, true}
		c.patch()
		errs = append(errs, w.flush(c))
	}
	clear(w.conns)
	w.order = nil
	return errors.Join(errs...)
}

// An order is what the two directions of a connection have to know of one
// another to find the ends of responses (RFC 9112, section 6.3).
type order struct {
	methods    []string // of the requests that have had no final response
	webSocket  bool     // the connection has changed to WebSocket
	extensions string   // that were agreed on for it
}

// answered returns the method of the request that a response with status is
// for, or "".
func (o *order) answered(status int) string {
	if len(o.methods) == 0 {
		return ""
	}
	method := o.methods[0]
	if status >= 200 || status == 101 {
		o.methods = o.methods[1:]
	}
	return method
}
