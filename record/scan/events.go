package scan

import (
	"bytes"
	"strings"
)

// An events is the sink for an event stream (WHATWG HTML, section 9.2). The
// data of an event is taken for JSON whatever lines it is on.
type events struct {
	data   *EventData
	txt    text   // for everything else
	line   int    // what the line under way is
	field  Held   // the beginning of a line that may be data
	breaks Held   // the line feed after data
	blank  bool   // nothing came since the last line feed
	cr     bool   // the byte before was a carriage return
	before []byte // the last line that was not of data and had no secret
}

// What a line of an event stream is.
const (
	lineStart = iota
	lineData
	lineSpace // after "data:", before the one space that does not count
	lineOther
)

func newEvents(s *Finder) *events {
	return &events{data: NewEventData(s), txt: text{s: s}, blank: true}
}

func (e *events) Write(p []byte, at int64, n int) {
	if len(p) != n { // no body comes so
		e.txt.Write(p, at, n)
		return
	}
	for len(p) > 0 {
		i := 1
		switch {
		case p[0] == '\n' || p[0] == '\r':
			e.lineBreak(p[:1], at)
		case e.line == lineStart:
			if i = e.quick(p); i == 0 {
				i = 1
				e.begin(p[:1], at)
			}
		case e.line == lineSpace:
			e.line = lineData
			if p[0] != ' ' {
				i = 0
			}
		default:
			i = lineEnd(p)
			if e.line == lineData {
				e.data.Write(p[:i], at, i)
			} else {
				e.txt.Write(p[:i], at, i)
			}
		}
		if i > 0 {
			e.cr = p[0] == '\r'
		}
		p, at = p[i:], at+int64(i)
	}
}

// lineEnd returns the length of p up to a line break.
func lineEnd(p []byte) int {
	const block = 512 // no byte is looked at for each of many lines
	for from := 0; from < len(p); from += block {
		part := p[from:min(len(p), from+block)]
		feed := bytes.IndexByte(part, '\n')
		if feed >= 0 {
			part = part[:feed]
		}
		if i := bytes.IndexByte(part, '\r'); i >= 0 {
			return from + i
		}
		if feed >= 0 {
			return from + feed
		}
	}
	return len(p)
}

// quick takes the name of the field that p begins with, if that is of data and
// all of it is there, or a line without secrets, and returns the length, or 0.
func (e *events) quick(p []byte) int {
	switch {
	case len(e.field.Text) > 0 || len(p) < len(dataName):
		return 0
	case string(p[:len(dataName)]) != dataName:
		n := bytes.IndexByte(p[:min(len(p), maxQuick)], '\n')
		if n <= 0 || e.data.s.Profile != Secrets || p[n-1] == '\r' {
			return 0
		}
		if !bytes.Equal(p[:n], e.before) {
			if !e.data.s.harmlessBytes(p[:n]) {
				return 0
			}
			e.before = append(e.before[:0], p[:n]...)
		}
		e.blank, e.line = false, lineOther
		return n
	case len(e.breaks.Text) > 0:
		return 0
	}
	e.blank, e.line = false, lineSpace
	return len(dataName)
}

// dataName is the name of the field that has the data of an event.
const dataName = "data:"

// begin takes one byte of the name of a line's field.
func (e *events) begin(p []byte, at int64) {
	e.blank = false
	e.field.Add(p, at, 1)
	switch f := string(e.field.Text); {
	case f == dataName:
		e.line = lineSpace
		e.breaks.Feed(e.data.Write, 0, len(e.breaks.Text))
		e.breaks.Reset()
		e.field.Reset()
	case !strings.HasPrefix(dataName, f):
		e.line = lineOther
		e.field.Feed(e.txt.Write, 0, len(f))
		e.field.Reset()
	}
}

// lineBreak ends a line, and with a blank one an event.
func (e *events) lineBreak(p []byte, at int64) {
	if p[0] == '\n' && e.cr {
		return
	}
	switch {
	case e.line == lineData || e.line == lineSpace:
		e.breaks.Reset()
		e.breaks.Add([]byte{'\n'}, at, 1)
	case e.blank:
		e.breaks.Reset()
		e.data.Next()
	default:
		e.field.Feed(e.txt.Write, 0, len(e.field.Text))
		e.txt.End()
	}
	e.field.Reset()
	e.line, e.blank = lineStart, true
}

func (e *events) End() {
	e.field.Feed(e.txt.Write, 0, len(e.field.Text))
	e.txt.End()
	e.data.End()
	e.field.Reset()
	e.breaks.Reset()
	e.line, e.blank, e.cr = lineStart, true, false
}

func (e *events) Pending() int64 {
	return min(e.field.Start(0), e.txt.Pending(), e.data.Pending())
}

// An unlabelled is the sink for a body whose type does not say what it is. If it
// begins as an event stream does it is taken for that, else for text.
type unlabelled struct {
	s    *Finder
	lead Held // the beginning, as long as it may be that
	is   Sink
}

// fieldsOfEvents are what event streams begin with.
var fieldsOfEvents = []string{dataName, "event:", "id:", "retry:"}

// Write implements [Sink].
func (u *unlabelled) Write(p []byte, at int64, n int) {
	if u.is != nil {
		u.is.Write(p, at, n)
		return
	}
	u.lead.Add(p, at, n)
	text, open := string(u.lead.Text), false
	for _, f := range fieldsOfEvents {
		if strings.HasPrefix(text, f) {
			u.decide(newEvents(u.s))
			return
		}
		open = open || strings.HasPrefix(f, text)
	}
	if !open {
		u.decide(newLoose(u.s))
	}
}

// decide gives on what came to the sink for the rest.
func (u *unlabelled) decide(is Sink) {
	u.is = is
	u.lead.Feed(is.Write, 0, len(u.lead.Text))
	u.lead.Reset()
}

// End implements [Sink].
func (u *unlabelled) End() {
	if u.is == nil {
		u.decide(newLoose(u.s))
	}
	u.is.End()
	u.is = nil
}

// Pending implements [Sink].
func (u *unlabelled) Pending() int64 {
	if u.is == nil {
		return u.lead.Start(0)
	}
	return u.is.Pending()
}

// An EventData is the sink for the data of one event after the other. Strings
// of deltas go on from event to event.
type EventData struct {
	*lexer
	begun bool // some of the event under way came
}

// NewEventData returns an EventData that reports to s.
func NewEventData(s *Finder) *EventData {
	l := newLexer(s, 0)
	l.deltas = &deltas{s: s, open: map[string]*delta{}}
	return &EventData{lexer: l}
}

// Write implements [Sink].
func (d *EventData) Write(p []byte, at int64, n int) {
	if !d.begun && len(p) == n && d.s.Profile == Secrets {
		i := d.quick(p, at)
		p, at, n = p[i:], at+int64(i), n-i
		d.begun = true
	}
	if n > 0 {
		d.begun = true
		d.lexer.Write(p, at, n)
	}
}

// Next ends the data of one event.
func (d *EventData) Next() {
	d.lexer.End()
	d.deltas.path = d.deltas.path[:0]
	d.deltas.on = false
	d.begun = false
}

// End ends the last event, and with it all strings.
func (d *EventData) End() {
	d.Next()
	d.deltas.End()
}

// Pending implements [Sink].
func (d *EventData) Pending() int64 { return min(d.lexer.Pending(), d.deltas.Pending()) }

// Messages is the sink for one message after the other, as on a WebSocket. In
// those that are JSON the strings of deltas go on from message to message.
type Messages struct {
	s    *Finder
	json *EventData
	is   Sink // what the message under way is, or nil
}

// NewMessages returns a Messages that reports to s.
func NewMessages(s *Finder) *Messages { return &Messages{s: s, json: NewEventData(s)} }

// Write implements [Sink].
func (m *Messages) Write(p []byte, at int64, n int) {
	if m.is == nil && len(p) > 0 {
		if m.is = m.json; p[0] != '{' {
			m.is = newBody(m.s, "", 0)
		}
	}
	if m.is != nil {
		m.is.Write(p, at, n)
	}
}

// Next ends a message.
func (m *Messages) Next() {
	switch m.is {
	case nil:
	case Sink(m.json):
		m.json.Next()
	default:
		m.is.End()
	}
	m.is = nil
}

// End ends the last message, and with it all strings.
func (m *Messages) End() {
	m.Next()
	m.json.End()
}

// Pending implements [Sink].
func (m *Messages) Pending() int64 {
	if m.is == nil || m.is == Sink(m.json) {
		return m.json.Pending()
	}
	return min(m.is.Pending(), m.json.Pending())
}
