package redact

import (
	"net/netip"
	"slices"

	"ssltape/record"
	"ssltape/record/scan"
	"ssltape/record/scan/body"
	"ssltape/record/scan/field"
	"ssltape/record/scan/json"
)

// Exchanges returns a writer that hands to w a twin of each exchange, without
// what p takes out. The exchange itself is not touched; a twin's body in memory
// of which nothing goes is the same memory. The twin is the same for the same exchange, grows as it does, and
// is released after the last call unless w called its Keep.
//
// The twin lags behind by what cannot be decided yet: a value that is not
// complete, an event that may end within one. A body with a content coding
// appears when it is complete: as it was if it holds no secret, else Decoded.
//
// Sizes are those of the wire. Offsets in Marks and Lost are those in the
// twin's body; one within a value is moved to the value's beginning. Where a
// body has lost its content coding they are scaled to its length.
func Exchanges(w record.ExchangeWriter, p Profile) record.ExchangeWriter {
	if p == None {
		return w
	}
	return &exchanges{w: w, texts: texts{profile: p, known: map[text]string{}}, twins: map[*record.Exchange]*twin{},
		conns: map[*record.Conn]*record.Conn{}}
}

type exchanges struct {
	w record.ExchangeWriter
	texts
	twins map[*record.Exchange]*twin
	conns map[*record.Conn]*record.Conn // with what they became
}

// WriteExchange implements [record.ExchangeWriter].
func (e *exchanges) WriteExchange(x *record.Exchange) error {
	t := e.twins[x]
	if t == nil {
		t = newTwin(&e.texts)
		e.twins[x] = t
	}
	t.Conn = e.conn(x.Conn, x.Server)
	err := t.grow(x)
	if werr := e.w.WriteExchange(&t.Exchange); werr != nil {
		err = werr
	}
	if x.Done() {
		delete(e.twins, x)
		if !t.Kept() {
			if rerr := t.Release(); err == nil {
				err = rerr
			}
		}
	}
	return err
}

// conn returns what becomes of c: [Strict] takes out the client's address.
func (e *exchanges) conn(c *record.Conn, server bool) *record.Conn {
	if c == nil || e.profile != Strict && e.freely(c.Exe) == c.Exe && e.freely(c.Comm) == c.Comm {
		return c
	}
	as := e.conns[c]
	if as == nil {
		as = new(record.Conn)
		e.conns[c] = as
	}
	*as = without(c, e.profile, server)
	return as
}

// without returns c without secrets in the names of the program, and with [Strict]
// without the address of the client and the name of who has it in a home folder.
func without(c *record.Conn, p Profile, server bool) record.Conn {
	as := *c
	as.Exe, as.Comm = field.Freely(p, c.Exe), field.Freely(p, c.Comm)
	if p != Strict {
		return as
	}
	if server {
		as.Remote = netip.AddrPort{}
	} else {
		as.Local = netip.AddrPort{}
	}
	return as
}

// A twin is a redacted exchange and how far its source was read.
type twin struct {
	record.Exchange
	*texts
	request, response half
	events            *eventQueue   // or nil
	messages          *messageQueue // or nil
	anomalies         int
	target            string // of the source
}

func newTwin(s *texts) *twin {
	t := &twin{texts: s}
	t.request = half{texts: s, dst: &t.Request.Message}
	t.response = half{texts: s, dst: &t.Response.Message}
	return t
}

// grow makes t what x is by now.
func (t *twin) grow(x *record.Exchange) error {
	t.ID, t.Server, t.Failed, t.Err = x.ID, x.Server, x.Failed, t.failure(x.Err)
	for _, a := range x.Anomalies[min(t.anomalies, len(x.Anomalies)):] {
		t.Anomalies = append(t.Anomalies, t.freely(a))
	}
	t.anomalies = len(x.Anomalies)
	t.Request.Method, t.Request.Pseudo = t.freely(x.Request.Method), t.fields(x.Request.Pseudo)
	if t.target != x.Request.Target {
		t.target = x.Request.Target
		t.Request.Target = t.of(text{kind: urlText, value: t.target})
	}
	t.Response.Status, t.Response.Reason = x.Response.Status, t.freely(x.Response.Reason)
	for _, i := range x.Response.Interim[min(len(t.Response.Interim), len(x.Response.Interim)):] {
		i.Header = t.fields(i.Header)
		t.Response.Interim = append(t.Response.Interim, i)
	}
	if t.messages == nil && len(x.WebSocket) > 0 {
		t.messages = newMessageQueue(t.profile)
	}
	if t.messages != nil {
		t.WebSocket = t.messages.take(t.WebSocket, x.WebSocket, x.Done())
	}
	if t.events == nil && len(x.Response.Events) > 0 {
		t.events = newEventQueue(t.profile)
	}
	if t.events != nil {
		t.Response.Events = t.events.take(t.Response.Events, x.Response.Events, x.Done() || x.Response.Done)
	}
	if err := t.request.grow(&x.Request.Message, x.Done()); err != nil {
		return err
	}
	if err := t.response.grow(&x.Response.Message, x.Done()); err != nil {
		return err
	}
	if (t.request.spoiled || t.response.spoiled) && !slices.Contains(t.Anomalies, AnomalyBody) {
		t.Anomalies = append(t.Anomalies, AnomalyBody)
	}
	return nil
}

// AnomalyBody marks an exchange of which a body was taken out as a whole, since
// there was no end to its decoding.
const AnomalyBody = "redacted-body"

// An eventQueue holds events until they are decided.
type eventQueue struct {
	profile Profile
	scan    scan.Finder
	data    *json.EventData
	at      int64 // end of the data that was scanned
	seen    int   // events of the source
	waiting []record.Event
	from    int64 // where the data of the first of them begins
	spans   []scan.Span
}

func newEventQueue(p Profile) *eventQueue {
	q := &eventQueue{profile: p, scan: scan.Finder{Profile: p}}
	q.data = json.NewEventData(&q.scan)
	return q
}

// take appends to dst what is decided of src, of which it has seen the
// beginning, and all of it at the end.
func (q *eventQueue) take(dst, src []record.Event, end bool) []record.Event {
	for _, e := range src[min(q.seen, len(src)):] {
		q.data.Write([]byte(e.Data), q.at, len(e.Data))
		q.data.Next()
		q.at += int64(len(e.Data)) + 1 // apart, so that no span is in two events
		q.waiting = append(q.waiting, e)
	}
	q.seen = len(src)
	if end {
		q.data.End()
	}
	limit := q.data.Pending()
	if len(q.waiting) > 0 {
		q.spans = append(q.spans, q.scan.Take(limit)...)
	}
	for len(q.waiting) > 0 {
		e := q.waiting[0]
		to := q.from + int64(len(e.Data))
		if to > limit {
			return dst
		}
		k := 0
		for k < len(q.spans) && q.spans[k].Stop() <= to {
			k++
		}
		if k > 0 {
			e.Data = string(scan.Replace(nil, []byte(e.Data), q.from, q.spans[:k]))
			q.spans = q.spans[k:]
		}
		e.Type, e.ID = field.Freely(q.profile, e.Type), field.Freely(q.profile, e.ID)
		dst = append(dst, e)
		q.waiting, q.from = q.waiting[1:], to+1
	}
	return dst
}

// texts redacts short texts and remembers what became of them: most of those of
// an exchange were the same in the one before.
type texts struct {
	profile Profile
	known   map[text]string
	spare   []*bodyScan // for bodies to come
}

// A text is the value of a field, or what else stands in heads.
type text struct {
	kind        kind
	name, value string
}

type kind byte

// Kinds of texts.
const (
	fieldText kind = iota
	urlText
	freeText
)

// Limits of what is remembered.
const (
	maxTexts = 1 << 10
	maxText  = 256
)

// of returns the value of t without its secrets.
func (s *texts) of(t text) string {
	if t.value == "" {
		return ""
	}
	as, ok := s.known[t]
	if ok {
		return as
	}
	switch t.kind {
	case fieldText:
		as = field.Value(s.profile, t.name, t.value)
	case urlText:
		as = field.URL(s.profile, t.value)
	case freeText:
		as = field.Freely(s.profile, t.value)
	}
	if len(t.name)+len(t.value) <= maxText {
		if len(s.known) >= maxTexts {
			clear(s.known)
		}
		s.known[t] = as
	}
	return as
}

// failure returns err without the secrets in its message, which other tools may
// have written.
func (s *texts) failure(err error) error {
	if err == nil {
		return nil
	}
	was := err.Error()
	if message := s.freely(was); message != was {
		return &failure{err, message}
	}
	return err
}

// A failure is an error with another message.
type failure struct {
	error
	message string
}

func (f *failure) Error() string { return f.message }
func (f *failure) Unwrap() error { return f.error }

func (s *texts) freely(value string) string { return s.of(text{kind: freeText, value: value}) }

// A messageQueue holds the messages of a WebSocket until they are decided.
type messageQueue struct {
	sides   [2]messageSide // the server's and the client's
	seen    int
	waiting []waiting
}

// A messageSide is what one side sent.
type messageSide struct {
	scan  scan.Finder
	data  *body.Messages
	at    int64 // where the next message begins
	spans []scan.Span
}

// waiting is a message that is not decided, and where it is.
type waiting struct {
	record.WebSocketMessage
	side *messageSide
	from int64
}

func newMessageQueue(p Profile) *messageQueue {
	q := new(messageQueue)
	for i := range q.sides {
		s := &q.sides[i]
		s.scan.Profile = p
		s.data = body.NewMessages(&s.scan)
	}
	return q
}

// take appends to dst what is decided of src, of which it has seen the
// beginning, and all of it at the end. What cannot be looked into goes.
func (q *messageQueue) take(dst, src []record.WebSocketMessage, end bool) []record.WebSocketMessage {
	for _, m := range src[min(q.seen, len(src)):] {
		s := &q.sides[0]
		if m.FromClient {
			s = &q.sides[1]
		}
		if m.Deflated {
			m.Cut += int64(len(m.Data))
			m.Data = ""
		}
		s.data.Write([]byte(m.Data), s.at, len(m.Data))
		s.data.Next()
		q.waiting = append(q.waiting, waiting{m, s, s.at})
		s.at += int64(len(m.Data)) + 1 // apart, so that no span is in two messages
	}
	q.seen = len(src)
	for i := range q.sides {
		s := &q.sides[i]
		if end {
			s.data.End()
		}
		s.spans = append(s.spans, s.scan.Take(s.data.Pending())...)
	}
	for len(q.waiting) > 0 {
		m := q.waiting[0]
		to := m.from + int64(len(m.Data))
		if to > m.side.data.Pending() {
			break
		}
		k := 0
		for k < len(m.side.spans) && m.side.spans[k].Stop() <= to {
			k++
		}
		if k > 0 {
			m.Data = string(scan.Replace(nil, []byte(m.Data), m.from, m.side.spans[:k]))
			m.side.spans = m.side.spans[k:]
		}
		dst, q.waiting = append(dst, m.WebSocketMessage), q.waiting[1:]
	}
	return dst
}

// fields returns fs without its secrets.
func (s *texts) fields(fs record.Fields) record.Fields {
	if fs == nil {
		return nil
	}
	out := make(record.Fields, len(fs))
	for i, f := range fs {
		out[i] = record.Field{Name: f.Name, Value: s.of(text{fieldText, f.Name, f.Value})}
		if len(f.Name) > maxFieldName {
			out[i].Name = s.freely(f.Name)
		}
	}
	return out
}
