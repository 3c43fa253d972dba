package json

import (
	"bytes"

	"ssltape/record/scan"
	"ssltape/record/secret"
)

// A deltas holds the strings that arrive in pieces, each in an event of its
// own, as language models send them: {"index":0,"delta":{"text":"Hel"}}.
type deltas struct {
	s     *scan.Finder
	path  []byte // the indexes that came in it: they tell strings from one another
	open  map[string]*delta
	name  []byte   // memory of a key of open
	heads [2]*head // of events before, or nil
	next  int      // of these, the one that the next one replaces
	ends  int      // how often all strings ended
	root  byte     // tells the strings that are whole values from one another, or 0
	series
}

// A delta is a string that arrives in pieces.
type delta struct{ value }

// maxDeltas bounds the strings that arrive at the same time.
const maxDeltas = 64

// key takes a key of the event under way. All strings end where something whole
// begins.
func (d *deltas) key(name []byte) {
	switch string(name) {
	case "delta", "candidates", "inputTextDelta", "argsTextDelta":
		d.on = true
	case "model":
		d.model = true
	case "content_block", "message", "item", "response":
		if d.each && d.model {
			d.on = true
		} else if !d.on { // else it is a part of the delta
			d.End()
		}
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
	if !d.on || !isPieceKey(key) {
		return nil
	}
	return d.named(key)
}

// newDelta returns a string that reports to s.
func newDelta(s *scan.Finder) *delta {
	o := &delta{value{s: s, txt: NewText(s)}}
	o.txt.Soft = true
	o.esc = &escapes{txt: &o.txt}
	return o
}

// named returns the string that arrives under key.
func (d *deltas) named(key []byte) *delta {
	d.name = append(append(append(d.name[:0], d.path...), '/'), key...)
	o := d.open[string(d.name)]
	if o == nil {
		if len(d.open) >= maxDeltas {
			d.End()
		}
		o = newDelta(d.s)
		d.open[string(d.name)] = o
	}
	return o
}

// isPieceKey reports whether strings arrive in pieces under key.
func isPieceKey(key []byte) bool {
	switch string(key) {
	case "text", "thinking", "partial_json", "content", "reasoning", "reasoning_content", "arguments", "delta", "refusal", "input",
		"response", "inputTextDelta", "argsTextDelta":
		return true
	}
	return false
}

// End implements [scan.Sink].
func (d *deltas) End() {
	for _, o := range d.open {
		o.value.End()
	}
	clear(d.open)
	d.heads, d.next = [2]*head{}, 0
	d.ends++
}

// Pending implements [scan.Sink].
func (d *deltas) Pending() int64 {
	p := int64(scan.Settled)
	for _, o := range d.open {
		p = min(p, o.Pending())
	}
	return p
}

// An EventData is the sink for the data of one event after the other. Strings
// of deltas go on from event to event, and so does text that is not JSON.
type EventData struct {
	*lexer
	begun bool   // some of the event under way came
	text  *delta // of all events, where they are text; else nil
	json  bool   // an event was not
}

// NewEventData returns an EventData that reports to s.
func NewEventData(s *scan.Finder) *EventData {
	l := newLexer(s, 0)
	l.deltas = &deltas{s: s, open: map[string]*delta{}}
	return &EventData{lexer: l}
}

// Write implements [scan.Sink].
func (d *EventData) Write(p []byte, at int64, n int) {
	if !d.begun && len(p) > 0 {
		d.tell(p)
	}
	if d.text != nil {
		d.text.Write(p, at, n)
	}
	if !d.begun && len(p) == n && d.s.Profile == secret.Secrets {
		i := d.quick(p, at)
		p, at, n = p[i:], at+int64(i), n-i
		d.begun = true
	}
	if n > 0 {
		d.begun = true
		d.lexer.Write(p, at, n)
	}
}

// tell tells by the beginning of an event whether the events are text.
func (d *EventData) tell(p []byte) {
	switch {
	case bytes.HasPrefix(p, []byte("{\"")) && len(p) >= minText:
		if d.json = true; d.text != nil {
			d.text.End()
			d.text = nil
		}
	case d.json || d.text != nil:
	case p[0] == '{' || p[0] == '[' || p[0] == '"':
		d.json = true
	default:
		d.text = newDelta(d.s)
	}
}

// minText is the length from which on what begins as an object is one, rather than
// a piece of text.
const minText = 12

// Next ends the data of one event.
func (d *EventData) Next() {
	d.lexer.End()
	if d.text != nil {
		d.text.pause()
	}
	d.deltas.path = d.deltas.path[:0]
	d.deltas.on = false
	d.begun = false
}

// End ends the last event, and with it all strings.
func (d *EventData) End() {
	d.Next()
	d.deltas.End()
	d.deltas.series = series{each: d.deltas.each}
	if d.text != nil {
		d.text.End()
	}
	d.text, d.json = nil, false
}

// Pending implements [scan.Sink].
func (d *EventData) Pending() int64 {
	p := min(d.lexer.Pending(), d.deltas.Pending())
	if d.text != nil {
		p = min(p, d.text.Pending())
	}
	return p
}
