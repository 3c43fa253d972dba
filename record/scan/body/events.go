package body

import (
	"bytes"
	"strings"

	"ssltape/record/scan"
	"ssltape/record/scan/binary"
	"ssltape/record/scan/json"
	"ssltape/record/scan/text"
	"ssltape/record/secret"
)

// An events is the sink for an event stream (WHATWG HTML, section 9.2). The
// data of an event is taken for JSON whatever lines it is on.
type events struct {
	s      *scan.Finder
	data   *json.EventData
	txt    text.Text // for everything else
	line   int       // what the line under way is
	field  scan.Held // the beginning of a line that may be data
	breaks scan.Held // the line feed after data
	blank  bool      // nothing came since the last line feed
	cr     bool      // the byte before was a carriage return
	before []byte    // the last line that was not of data and had no secret
}

// What a line of an event stream is.
const (
	lineStart = iota
	lineData
	lineSpace // after "data:", before the one space that does not count
	lineOther
)

func newEvents(s *scan.Finder) *events {
	return &events{s: s, data: json.NewEventData(s), txt: json.NewText(s), blank: true}
}

// Write implements [scan.Sink].
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
		n := bytes.IndexByte(p[:min(len(p), text.MaxQuick)], '\n')
		if n <= 0 || e.s.Profile != secret.Secrets || p[n-1] == '\r' {
			return 0
		}
		if !bytes.Equal(p[:n], e.before) {
			if !e.txt.Harmless(p[:n]) {
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

// End implements [scan.Sink].
func (e *events) End() {
	e.field.Feed(e.txt.Write, 0, len(e.field.Text))
	e.txt.End()
	e.data.End()
	e.field.Reset()
	e.breaks.Reset()
	e.line, e.blank, e.cr = lineStart, true, false
}

// Pending implements [scan.Sink].
func (e *events) Pending() int64 {
	return min(e.field.Start(0), e.breaks.Start(0), e.txt.Pending(), e.data.Pending())
}

// An unlabelled is the sink for a body whose type does not say what it is. If it
// begins as an event stream or a map of MessagePack or CBOR does it is taken for
// that, else for text.
type unlabelled struct {
	s    *scan.Finder
	lead scan.Held // the beginning, as long as it may be that
	is   scan.Sink
	text scan.Sink // what it is if it is no event stream; made when it is first needed
}

// fieldsOfEvents are what event streams begin with.
var fieldsOfEvents = []string{dataName, "event:", "id:", "retry:"}

// Write implements [scan.Sink].
func (u *unlabelled) Write(p []byte, at int64, n int) {
	if u.is != nil {
		u.is.Write(p, at, n)
		return
	}
	if len(p) == 0 {
		return
	}
	begin := p
	if len(u.lead.Text) > 0 {
		u.lead.Add(p, at, n)
		begin = u.lead.Text
	}
	stream, open := beginsEvents(begin)
	parts, may := json.IsParts(begin)
	packed := binary.Guess(begin)
	switch {
	case stream:
		u.is = newEvents(u.s)
	case parts:
		u.is = json.NewParts(u.s)
	case packed != nil:
		u.is = binary.New(u.s, packed)
	case !open && !may && (len(begin) >= binary.MinGuess || begin[0] < 0x80):
		u.is = u.plain()
	case len(u.lead.Text) == 0:
		u.lead.Add(p, at, n)
		return
	default:
		return
	}
	if len(u.lead.Text) == 0 {
		u.is.Write(p, at, n)
		return
	}
	u.giveOn()
}

// beginsEvents reports whether p begins as an event stream does, and whether it may
// when more has come.
func beginsEvents(p []byte) (yes, maybe bool) {
	for _, f := range fieldsOfEvents {
		yes = yes || bytes.HasPrefix(p, []byte(f))
		maybe = maybe || len(p) < len(f) && f[:len(p)] == string(p)
	}
	return yes, maybe
}

// plain returns the sink for text.
func (u *unlabelled) plain() scan.Sink {
	if u.text == nil {
		u.text = json.NewLoose(u.s)
	}
	return u.text
}

// giveOn gives on what came to the sink for the rest.
func (u *unlabelled) giveOn() {
	u.lead.Feed(u.is.Write, 0, len(u.lead.Text))
	u.lead.Reset()
}

// End implements [scan.Sink].
func (u *unlabelled) End() {
	if u.is == nil {
		u.is = u.plain()
		u.giveOn()
	}
	u.is.End()
	u.is = nil
}

// Pending implements [scan.Sink].
func (u *unlabelled) Pending() int64 {
	if u.is == nil {
		return u.lead.Start(0)
	}
	return u.is.Pending()
}
