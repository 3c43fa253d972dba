package llm

import (
	"slices"
	"strings"
	"time"

	"ssltape/record"
)

// A Delta is what an event adds to an answer.
type Delta struct {
	Part   string // key of the part of the answer that it is about, "" if about none
	Kind   Kind   // of the part; "" where another delta says it
	Name   string // of the part, set where not ""
	ID     string // of the part, set where not ""
	Text   string // added to the part
	Cite   string // added to the sources of the part
	Choice int    // of the part
	Failed bool   // of the part
	Model  string // set where not ""
	Stop   string // set where not ""
	Error  string // set where not ""
	Usage  *Usage // overwrites, but for what is -1
	Answer *Chat  // the whole answer, which replaces the parts before it where it has no fewer
	Last   bool   // the stream is complete
}

// NextPart is the key of a part that has none: text goes on in the last part
// where that is of the same kind, all else is a part of its own.
const NextPart = "next"

// Deltas returns what e, an event of the answer x, adds to it. It is nil for
// events that add nothing, and for answers of APIs that are not known.
func Deltas(x *record.Exchange, e record.Event) []Delta {
	if a, ok := find(x); ok {
		return a.event(e)
	}
	return nil
}

// FirstToken returns when the first of what the model said, thought or asked of
// a tool came, which is after the events that only announce an answer; ok is
// false where nothing did, and of answers that are not streamed.
func FirstToken(x *record.Exchange) (t time.Time, ok bool) {
	a, known := find(x)
	if !known {
		return t, false
	}
	for _, e := range x.Response.Events {
		for _, d := range a.event(e) {
			if d.Part != "" && (d.Text != "" || d.Kind == ToolUse && d.Name != "") {
				return e.Time, true
			}
		}
	}
	return t, false
}

// A stream puts deltas together.
type stream struct {
	chat *Chat
	part map[string]int     // index in chat.Answer.Parts
	text []*strings.Builder // of each of them
	last bool
}

func newStream(c *Chat) *stream {
	c.Answer.Role = "assistant"
	return &stream{chat: c, part: map[string]int{}}
}

func (s *stream) add(d Delta) {
	c := s.chat
	set(&c.Model, d.Model)
	set(&c.Stop, d.Stop)
	set(&c.Error, d.Error)
	if d.Usage != nil {
		c.Usage.update(*d.Usage)
	}
	s.last = s.last || d.Last
	// One that failed may have nothing, and some servers leave out what they
	// streamed, such as the reasoning.
	if d.Answer != nil && len(d.Answer.Answer.Parts) >= max(1, len(c.Answer.Parts)) {
		c.Answer.Parts, s.text = d.Answer.Answer.Parts, nil
		clear(s.part)
	}
	if d.Part == "" {
		return
	}
	i := s.at(d)
	p := &c.Answer.Parts[i]
	if d.Kind != "" {
		p.Kind = d.Kind
	}
	set(&p.Name, d.Name)
	set(&p.ID, d.ID)
	p.Choice, p.Failed = d.Choice, p.Failed || d.Failed
	if d.Cite != "" && !slices.Contains(p.Cites, d.Cite) {
		p.Cites = append(p.Cites, d.Cite)
	}
	s.text[i].WriteString(d.Text)
}

// at returns the index of the part that d is about.
func (s *stream) at(d Delta) int {
	parts := &s.chat.Answer.Parts
	i, ok := s.part[d.Part]
	if d.Part == NextPart {
		i = len(*parts) - 1
		ok = i >= 0 && (*parts)[i].Kind == d.Kind && (d.Kind == Text || d.Kind == Thinking)
	}
	if !ok {
		i = len(*parts)
		s.part[d.Part] = i
		*parts = append(*parts, Part{Kind: Other})
	}
	for len(s.text) < len(*parts) { // those of a whole answer have their text
		b := new(strings.Builder)
		b.WriteString((*parts)[len(s.text)].Text)
		s.text = append(s.text, b)
	}
	return i
}

// finish ends the answer, and says what is wrong with a stream that ended
// before what should have been its last event.
func (s *stream) finish(last string) {
	for i, b := range s.text {
		s.chat.Answer.Parts[i].Text = b.String()
	}
	if !s.last && s.chat.Error == "" {
		s.chat.Broken = "the stream ended without " + last
	}
}

func set(s *string, to string) {
	if to != "" {
		*s = to
	}
}

// update overwrites what v knows. Counts are totals so far, never to be added
// up.
func (u *Usage) update(v Usage) {
	for _, f := range []struct{ to, from *int64 }{
		{&u.Input, &v.Input}, {&u.Output, &v.Output}, {&u.CacheRead, &v.CacheRead},
		{&u.CacheWrite, &v.CacheWrite}, {&u.Thinking, &v.Thinking},
	} {
		if *f.from >= 0 {
			*f.to = *f.from
		}
	}
}

func known(n *int64) int64 {
	if n == nil {
		return -1
	}
	return *n
}
