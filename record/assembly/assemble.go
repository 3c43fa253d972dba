// Package assembly makes exchanges out of chunks: it finds out what a
// connection speaks and reads HTTP/1.x, HTTP/2 and WebSocket, whichever side
// is recorded, from wherever the recording begins, and past what was lost.
//
// Traffic is untrusted. Nothing in it is an error: what cannot be read is
// counted, and oddities are noted in [record.Exchange.Anomalies].
package assembly

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"ssltape/record"
)

// Options are the limits of an [Assembler].
type Options struct {
	// MaxBody is how many bytes of a body are kept, 0 for all. What is
	// beyond goes to Message.Cut.
	MaxBody int64
	// NoBodies says that nobody wants more of a body than its size: none of it
	// is kept, and it counts for nothing that a limit cut off.
	NoBodies bool
}

// An Assembler is a [record.ChunkWriter] that makes exchanges out of chunks. It
// is not safe for use by several goroutines at once.
//
// Memory is bounded: a connection holds at most one unfinished message head
// of 1 MiB a direction and 1000 requests without a response; bodies are in
// [record.Body]. Traffic that goes beyond is counted as unparsed.
type Assembler struct {
	out   record.ExchangeWriter
	opts  Options
	conns map[*record.Conn]*connection
	last  uint64 // ID of the newest exchange
	stats Stats
	errs  []error // not yet returned
}

// Stats counts what went through an [Assembler]. Each byte is in one of Head,
// Body, Framing and Unparsed once the connections have ended; until then some
// are held because what they belong to is not clear yet.
type Stats struct {
	Conns                  map[string]int // connections by protocol, such as "HTTP/1" or "unknown"
	Open, Done, Incomplete int            // exchanges: going on, ended, ended with an error
	Bytes, Lost            int64          // bytes seen, and bytes known to be missing
	Head, Body, Framing    int64          // bytes of heads and trailers, of bodies, and between them
	Unparsed               int64          // bytes that belong to no message
	Cut                    int64          // bytes of bodies that a limit or an error kept out
}

// New returns an Assembler that passes exchanges to out.
func New(out record.ExchangeWriter, opts Options) *Assembler {
	return &Assembler{out: out, opts: opts, conns: make(map[*record.Conn]*connection), stats: Stats{Conns: make(map[string]int)}}
}

// WriteChunk implements [record.ChunkWriter]. It passes on each exchange that c makes
// grow. The errors it returns are those of the ExchangeWriter and of bodies
// that could not be kept; bad traffic is no error. It may be called again
// after an error: nothing but what the error says is lost.
func (a *Assembler) WriteChunk(c record.Chunk) error {
	s := a.conns[c.Conn]
	if s == nil {
		s = &connection{Conn: c.Conn, a: a}
		s.become(protoUnknown, &opening{connection: s})
		a.conns[c.Conn] = s
	}
	s.chunk(c)
	if s.ended[record.Out] && s.ended[record.In] {
		delete(a.conns, c.Conn)
	}
	return a.takeErr()
}

// Close ends what is still open: its exchanges are passed on a last time with
// [record.ErrStopped]. The Assembler must not be used afterwards, except for Stats.
func (a *Assembler) Close() error {
	open := make([]*connection, 0, len(a.conns))
	for _, s := range a.conns {
		open = append(open, s)
	}
	slices.SortFunc(open, func(x, y *connection) int { return cmp.Compare(x.ID, y.ID) })
	for _, s := range open {
		for _, d := range []record.Dir{record.Out, record.In} {
			if !s.ended[d] {
				s.ended[d] = true
				s.parser.end(d, time.Time{}, record.ErrStopped)
			}
		}
	}
	clear(a.conns)
	return a.takeErr()
}

// Stats returns the counts so far.
func (a *Assembler) Stats() Stats {
	s := a.stats
	s.Conns = make(map[string]int, len(a.stats.Conns))
	for name, n := range a.stats.Conns {
		if n > 0 {
			s.Conns[name] = n
		}
	}
	return s
}

func (a *Assembler) takeErr() error {
	if a.errs == nil {
		return nil
	}
	err := errors.Join(a.errs...)
	a.errs = nil
	return err
}

// A parser reads one connection of one protocol. It is told what happens and
// never waits; it holds what it cannot use yet. What it makes of the bytes
// must not depend on how they are cut into calls of data, other than in times.
type parser interface {
	data(d record.Dir, t time.Time, p []byte) // p is not empty and not kept
	gap(d record.Dir, n int64)                // the next n bytes are missing
	end(d record.Dir, t time.Time, why error) // nothing follows; why is nil where it ended in order
}

// Names of what connections speak, as [Stats] has them.
const (
	protoUnknown   = "unknown"
	protoHTTP1     = "HTTP/1"
	protoHTTP2     = "HTTP/2"
	protoWebSocket = "WebSocket"
	protoTLS       = "TLS" // inside a tunnel: its plaintext is another connection
	protoTunnel    = "tunnel"
)

// A connection is what the parsers of one connection share.
type connection struct {
	*record.Conn
	a      *Assembler
	parser parser
	proto  string
	next   [2]int64 // position that is expected next
	ended  [2]bool

	numbered bool // the first exchange on it has its number
}

func (s *connection) chunk(c record.Chunk) {
	if s.ended[c.Dir] {
		s.a.stats.Bytes += int64(len(c.Data))
		s.a.stats.Unparsed += int64(len(c.Data))
		return
	}
	next := &s.next[c.Dir]
	if n := c.Off - *next; n > 0 {
		s.a.stats.Lost += n
		*next = c.Off
		s.parser.gap(c.Dir, n)
	} else if n < 0 { // seen before
		c.Data = c.Data[min(-n, int64(len(c.Data))):]
	}
	if n := int64(len(c.Data)); n > 0 {
		s.a.stats.Bytes += n
		*next += n
		s.parser.data(c.Dir, c.Time, c.Data)
	}
	if c.End != record.EndNone {
		s.ended[c.Dir] = true
		var why error
		if c.End == record.EndCut {
			why = record.ErrCut
		}
		s.parser.end(c.Dir, c.Time, why)
	}
}

// become makes p the parser of what follows.
func (s *connection) become(proto string, p parser) {
	if s.proto != "" {
		s.a.stats.Conns[s.proto]--
	}
	s.proto, s.parser = proto, p
	s.a.stats.Conns[proto]++
}

// number makes x an exchange of s.
func (s *connection) number(x *record.Exchange) {
	s.a.last++
	s.a.stats.Open++
	x.ID, x.Conn = s.a.last, s.Conn
	if !s.numbered {
		s.numbered, x.Handshake = true, s.Conn.Handshake
	}
}

// emit passes on x, which has grown, and releases it when it is done.
func (s *connection) emit(x *record.Exchange) {
	a := s.a
	if err := a.out.WriteExchange(x); err != nil {
		a.errs = append(a.errs, err)
	}
	if !x.Done() {
		return
	}
	a.stats.Open--
	a.stats.Done++
	if x.Err != nil {
		a.stats.Incomplete++
	}
	if !x.Kept() {
		if err := x.Release(); err != nil {
			a.errs = append(a.errs, err)
		}
	}
}

// A span is what a byte belongs to.
type span uint8

const (
	headSpan span = iota
	bodySpan
	framingSpan
	unparsedSpan
)

// span counts n bytes of the connection.
func (s *connection) span(kind span, n int) {
	stats := &s.a.stats
	switch kind {
	case headSpan:
		stats.Head += int64(n)
	case bodySpan:
		stats.Body += int64(n)
	case framingSpan:
		stats.Framing += int64(n)
	case unparsedSpan:
		stats.Unparsed += int64(n)
	}
}

// keep adds p to the body of m, a message of x, as far as the limits allow, and
// returns how much of it that was. Where something was cut nothing can follow.
func (s *connection) keep(x *record.Exchange, m *record.Message, p []byte) (n int) {
	if s.a.opts.NoBodies {
		return 0
	}
	room := len(p)
	if limit := s.a.opts.MaxBody; limit > 0 {
		room = int(min(int64(room), limit-m.Body.Len()))
	}
	if m.Cut == 0 && room > 0 {
		var err error
		if n, err = m.Body.Write(p[:room]); err != nil {
			note(x, bodyNotKept)
			s.a.errs = append(s.a.errs, err)
		}
	}
	m.Cut += int64(len(p) - n)
	s.a.stats.Cut += int64(len(p) - n)
	return n
}

// maxMarks is how many marks and holes a body has; the last one stands for the rest.
const maxMarks = 1 << 16

// eventStream returns what reads the body of r as events, where anybody wants
// them, else nil.
func (s *connection) eventStream(r *record.Response) *record.EventStream {
	if s.a.opts.NoBodies || !r.IsEventStream() {
		return nil
	}
	return record.NewEventStream(r)
}

// mark says that the last n bytes of the body of m came at t.
func mark(m *record.Message, n int, t time.Time) {
	k := len(m.Marks)
	if n > 0 && k < maxMarks && (k == 0 || !m.Marks[k-1].Time.Equal(t)) {
		m.Marks = append(m.Marks, record.Mark{Off: m.Body.Len() - int64(n), Time: t})
	}
}

// maxInterim is how many interim responses of an exchange are kept, and
// maxInterimHead how long the head of one may be whose fields are.
const (
	maxInterim     = 1000
	maxInterimHead = 64 << 10
)

// addInterim adds i, whose head has this size, to the interim responses of x.
func addInterim(x *record.Exchange, i record.Interim, size int64) {
	if size > maxInterimHead {
		note(x, fieldsCut)
		i.Header = nil
	}
	if r := &x.Response; len(r.Interim) < maxInterim {
		r.Interim = append(r.Interim, i)
	}
}

// opaque is the parser of what cannot be parsed: it counts.
type opaque struct{ *connection }

func (o opaque) data(_ record.Dir, _ time.Time, p []byte) { o.a.stats.Unparsed += int64(len(p)) }
func (o opaque) gap(record.Dir, int64)                    {}
func (o opaque) end(record.Dir, time.Time, error)         {}

// addHole says that bytes of m are missing. Holes at the same place are one,
// and so are those beyond a limit: a recording full of them takes no more
// memory than another.
func addHole(m *record.Message, x record.Hole) {
	if n := len(m.Lost); n > 0 && (m.Lost[n-1].Off == x.Off || n >= maxMarks) {
		m.Lost[n-1].Len += x.Len
		return
	}
	m.Lost = append(m.Lost, x)
}

// A pending holds the bytes of a direction that cannot be read before there are
// more. A parser that is given p reads what join returns, and then calls either
// wait or took.
type pending struct {
	buf   []byte
	found bool // what comes next was looked for and found, and nothing of it was read
}

// join returns what is held with p after it.
func (b *pending) join(p []byte) []byte {
	if len(b.buf) == 0 {
		return p
	}
	b.buf = append(b.buf, p...)
	return b.buf
}

// wait holds all, which join returned. Its results are those of a step that
// needs more.
func (b *pending) wait(all []byte) ([]byte, bool) {
	if len(b.buf) == 0 {
		b.buf = append(b.buf, all...)
	}
	return nil, false
}

// took returns what follows the first n bytes of all, which join returned.
func (b *pending) took(all []byte, n int) []byte {
	b.buf = nil
	if n > 0 {
		b.found = false
	}
	return all[n:]
}

// unreadable returns how much to skip of what cannot be read: where it was found, a
// byte, since it would be found again for ever.
func (b *pending) unreadable() int {
	if b.found {
		return 1
	}
	return 0
}
