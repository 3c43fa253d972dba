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
	memory := new(scan.Memory)
	return &exchanges{w: w, texts: texts{profile: p, memory: memory, rewrite: field.Texts{Profile: p, Memory: memory}, done: map[text]done{}},
		twins: map[*record.Exchange]*twin{}, conns: map[*record.Conn]*record.Conn{}}
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
	t.response = half{texts: s, dst: &t.Response.Message, family: s.memory.NewFamily()}
	return t
}

// grow makes t what x is by now.
func (t *twin) grow(x *record.Exchange) error {
	t.ID, t.Server, t.Failed, t.Err = x.ID, x.Server, x.Failed, t.failure(x.Err)
	for _, a := range x.Anomalies[min(t.anomalies, len(x.Anomalies)):] {
		t.Anomalies = append(t.Anomalies, t.freely(a))
	}
	t.anomalies = len(x.Anomalies)
	t.request.head(&x.Request.Message)
	t.Request.Method, t.Request.Pseudo = t.freely(x.Request.Method), t.fields(x.Request.Pseudo)
	if t.target != x.Request.Target {
		t.target = x.Request.Target
		t.Request.Target = t.of(text{kind: urlText, value: t.target})
	}
	if err := t.request.grow(&x.Request.Message, x.Done()); err != nil {
		return err
	}
	t.response.head(&x.Response.Message)
	t.Response.Status, t.Response.Reason = x.Response.Status, t.freely(x.Response.Reason)
	for _, i := range x.Response.Interim[min(len(t.Response.Interim), len(x.Response.Interim)):] {
		i.Header = t.fields(i.Header)
		t.Response.Interim = append(t.Response.Interim, i)
	}
	if err := t.response.grow(&x.Response.Message, x.Done()); err != nil {
		return err
	}
	if t.messages == nil && len(x.WebSocket) > 0 {
		t.messages = newMessageQueue(t.texts)
	}
	if t.messages != nil {
		t.WebSocket = t.messages.take(t.WebSocket, x.WebSocket, x.Done())
	}
	if t.events == nil && len(x.Response.Events) > 0 {
		t.events = newEventQueue(t.texts, t.response.family)
	}
	if t.events != nil {
		t.Response.Events = t.events.take(t.Response.Events, x.Response.Events, x.Done() || x.Response.Done)
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
	*texts
	scan    scan.Finder
	data    *json.EventData
	at      int64 // end of the data that was scanned
	seen    int   // events of the source
	waiting []record.Event
	from    int64 // where the data of the first of them begins
	spans   []scan.Span
}

// newEventQueue returns a queue for the events of a body of the given family.
func newEventQueue(s *texts, family uint64) *eventQueue {
	q := &eventQueue{texts: s, scan: scan.Finder{Profile: s.profile, Memory: s.memory, Family: family}}
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
		e.Data = replaced(&q.scan, q.spans[:k:k], e.Data, q.from)
		q.spans = q.spans[k:]
		e.Type, e.ID = q.rewrite.Freely(e.Type), q.rewrite.Freely(e.ID)
		dst = append(dst, e)
		q.waiting, q.from = q.waiting[1:], to+1
	}
	return dst
}

// replaced returns data, which stands at at, without spans and what is known.
func replaced(s *scan.Finder, spans []scan.Span, data string, at int64) string {
	if len(spans) == 0 && s.Memory.IsEmpty() {
		return data
	}
	text := []byte(data)
	if spans, _ = s.Recall(spans, text, at, true); len(spans) == 0 {
		return data
	}
	return string(scan.Replace(nil, text, at, spans))
}

// texts redacts short texts and remembers what became of them: most of those of
// an exchange were the same in the one before.
type texts struct {
	profile Profile
	memory  *scan.Memory // of what was taken out
	rewrite field.Texts
	done    map[text]done
	spare   []*bodyScan // for bodies to come
}

// done is what became of a text by what was known then.
type done struct {
	as      string
	version int
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
	is, ok := s.done[t]
	if ok && is.version == s.memory.Version {
		return is.as
	}
	switch {
	case ok:
		is.as = s.rewrite.Recall(is.as, t.isURL())
	case t.kind == fieldText:
		is.as = s.rewrite.Value(t.name, t.value)
	case t.kind == urlText:
		is.as = s.rewrite.URL(t.value)
	case t.kind == freeText:
		is.as = s.rewrite.Freely(t.value)
	}
	is.version = s.memory.Version
	if len(t.name)+len(t.value) <= maxText {
		if len(s.done) >= maxTexts {
			clear(s.done)
		}
		s.done[t] = is
	}
	return is.as
}

// isURL reports whether t is a URL.
func (t text) isURL() bool { return t.kind == urlText || t.kind == fieldText && field.IsURL(t.name) }

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

func newMessageQueue(t *texts) *messageQueue {
	q := new(messageQueue)
	for i := range q.sides {
		s := &q.sides[i]
		s.scan.Profile, s.scan.Memory = t.profile, t.memory
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
		m.Data = replaced(&m.side.scan, m.side.spans[:k:k], m.Data, m.from)
		m.side.spans = m.side.spans[k:]
		dst, q.waiting = append(dst, m.WebSocketMessage), q.waiting[1:]
	}
	return dst
}

// fields returns fs without its secrets. What is known by one field goes from all.
func (s *texts) fields(fs record.Fields) record.Fields {
	if fs == nil {
		return nil
	}
	out := make(record.Fields, len(fs))
	for version := s.memory.Version - 1; version != s.memory.Version; {
		version = s.memory.Version
		s.each(out, fs)
	}
	return out
}

// each sets out to what becomes of fs.
func (s *texts) each(out, fs record.Fields) {
	for i, f := range fs {
		out[i] = record.Field{Name: f.Name, Value: s.of(text{fieldText, f.Name, f.Value})}
		if len(f.Name) > maxFieldName {
			out[i].Name = s.freely(f.Name)
		}
	}
}
