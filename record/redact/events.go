package redact

import (
	"bytes"
	"strings"
)

// An events is the sink for an event stream (WHATWG HTML, section 9.2). The
// data of an event is taken for JSON whatever lines it is on.
type events struct {
	data   *eventData
	txt    text // for everything else
	line   int  // what the line under way is
	field  held // the beginning of a line that may be data
	breaks held // the line feed after data
	blank  bool // nothing came since the last line feed
	cr     bool // the byte before was a carriage return
}

// What a line of an event stream is.
const (
	lineStart = iota
	lineData
	lineSpace // after "data:", before the one space that does not count
	lineOther
)

func newEvents(s *scan) *events {
	return &events{data: newEventData(s), txt: text{s: s}, blank: true}
}

func (e *events) write(p []byte, at int64, n int) {
	if len(p) != n { // no body comes so
		e.txt.write(p, at, n)
		return
	}
	for len(p) > 0 {
		i := 1
		switch {
		case p[0] == '\n' || p[0] == '\r':
			e.lineBreak(p[:1], at)
		case e.line == lineStart:
			e.begin(p[:1], at)
		case e.line == lineSpace:
			e.line = lineData
			if p[0] != ' ' {
				i = 0
			}
		default:
			if i = bytes.IndexAny(p, "\r\n"); i < 0 {
				i = len(p)
			}
			if e.line == lineData {
				e.data.write(p[:i], at, i)
			} else {
				e.txt.write(p[:i], at, i)
			}
		}
		if i > 0 {
			e.cr = p[0] == '\r'
		}
		p, at = p[i:], at+int64(i)
	}
}

// begin takes one byte of the name of a line's field.
func (e *events) begin(p []byte, at int64) {
	const name = "data:"
	e.blank = false
	e.field.add(p, at, 1)
	switch f := string(e.field.text); {
	case f == name:
		e.line = lineSpace
		e.breaks.feed(e.data.write, 0, len(e.breaks.text))
		e.breaks.reset()
		e.field.reset()
	case !strings.HasPrefix(name, f):
		e.line = lineOther
		e.field.feed(e.txt.write, 0, len(f))
		e.field.reset()
	}
}

// lineBreak ends a line, and with a blank one an event.
func (e *events) lineBreak(p []byte, at int64) {
	if p[0] == '\n' && e.cr {
		return
	}
	switch {
	case e.line == lineData || e.line == lineSpace:
		e.breaks.reset()
		e.breaks.add([]byte{'\n'}, at, 1)
	case e.blank:
		e.breaks.reset()
		e.data.next()
	default:
		e.field.feed(e.txt.write, 0, len(e.field.text))
		e.txt.end()
	}
	e.field.reset()
	e.line, e.blank = lineStart, true
}

func (e *events) end() {
	e.field.feed(e.txt.write, 0, len(e.field.text))
	e.txt.end()
	e.data.end()
	e.field.reset()
	e.breaks.reset()
	e.line, e.blank, e.cr = lineStart, true, false
}

func (e *events) pending() int64 {
	return min(e.field.start(0), e.txt.pending(), e.data.pending())
}

// An eventData is the sink for the data of one event after the other. Strings
// of deltas go on from event to event.
type eventData struct {
	*lexer
}

func newEventData(s *scan) *eventData {
	l := newLexer(s, 0)
	l.deltas = &deltas{s: s, open: map[string]*delta{}}
	return &eventData{l}
}

// next ends the data of one event.
func (d *eventData) next() {
	d.lexer.end()
	d.deltas.path = d.deltas.path[:0]
	d.deltas.on = false
}

// end ends the last event, and with it all strings.
func (d *eventData) end() {
	d.next()
	d.deltas.end()
}

func (d *eventData) pending() int64 { return min(d.lexer.pending(), d.deltas.pending()) }

// A deltas holds the strings that arrive in pieces, each in an event of its
// own, as language models send them: {"index":0,"delta":{"text":"Hel"}}.
type deltas struct {
	s    *scan
	on   bool   // the event under way is one of a delta
	path []byte // the indexes that came in it: they tell strings from one another
	open map[string]*delta
}

// A delta is a string that arrives in pieces.
type delta struct{ value }

// maxDeltas bounds the strings that arrive at the same time.
const maxDeltas = 64

// key takes a key of the event under way. All strings end where something whole
// begins.
func (d *deltas) key(name []byte) {
	switch string(name) {
	case "delta", "candidates":
		d.on = true
	case "content_block", "message", "item", "response":
		d.end()
	}
}

// index takes a number that is the value of key.
func (d *deltas) index(key, number []byte) {
	if bytes.HasSuffix(key, []byte("index")) && len(d.path) < 100 {
		d.path = append(append(d.path, '/'), number...)
	}
}

// sink returns the sink for the value of key, or nil where it is not one that
// arrives in pieces.
func (d *deltas) sink(key []byte) *delta {
	if !d.on || !pieceKeys[string(key)] {
		return nil
	}
	name := string(d.path) + "/" + string(key)
	if d.open[name] == nil {
		if len(d.open) >= maxDeltas {
			d.end()
		}
		d.open[name] = &delta{value{s: d.s, txt: text{s: d.s, soft: true}}}
	}
	return d.open[name]
}

// pieceKeys are the keys under which strings arrive in pieces.
var pieceKeys = set("text thinking partial_json content reasoning reasoning_content arguments delta refusal input")

func (d *deltas) end() {
	for _, o := range d.open {
		o.value.end()
	}
	clear(d.open)
}

func (d *deltas) pending() int64 {
	p := int64(settled)
	for _, o := range d.open {
		p = min(p, o.pending())
	}
	return p
}
