package llm

import (
	"fmt"
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

// FirstToken returns the time from the end of the request to the first of what
// the model said, thought or asked of a tool, which is after the events that
// only announce an answer; ok is false where nothing came, and of answers that
// are not streamed.
func FirstToken(x *record.Exchange) (d time.Duration, ok bool) {
	a, known := find(x)
	if !known || x.Request.End.IsZero() {
		return 0, false
	}
	for _, e := range x.Response.Events {
		for _, d := range a.event(e) {
			if d.Part != "" && (d.Text != "" || d.Kind == ToolUse && d.Name != "") {
				return max(0, e.Time.Sub(x.Request.End)), true
			}
		}
	}
	return 0, false
}

// Rate returns the tokens of c, what x says, per second of its stream; ok is
// false where the answer is not whole, ended in an error, or was not streamed.
func (c *Chat) Rate(x *record.Exchange) (perSecond float64, ok bool) {
	es := x.Response.Events
	if len(es) < 2 || c.Usage.Output <= 0 || c.Broken+c.Error != "" {
		return 0, false
	}
	d := es[len(es)-1].Time.Sub(es[0].Time)
	if d <= 0 { // all came at once
		return 0, false
	}
	return float64(c.Usage.Output) / d.Seconds(), true
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

// In returns all that the model was given, also from a cache, or -1 where that
// is not known.
func (u Usage) In() int64 {
	if u.Input < 0 {
		return -1
	}
	return u.Input + max(0, u.CacheRead) + max(0, u.CacheWrite)
}

// String returns what is known of u for people, as "84 in (64 read from
// cache), 41 out (12 thinking)", or "". Providers differ in whether their input
// counts what was cached; here it always does.
func (u Usage) String() string {
	type count struct {
		n    int64
		name string
	}
	var parts []string
	add := func(n int64, name string, of ...count) {
		if n < 0 {
			return
		}
		s := fmt.Sprintf("%d %s", n, name)
		of = slices.DeleteFunc(of, func(c count) bool { return c.n <= 0 })
		for i, c := range of {
			s += fmt.Sprintf("%s%d %s", [...]string{" (", ", "}[min(i, 1)], c.n, c.name)
		}
		if len(of) > 0 {
			s += ")"
		}
		parts = append(parts, s)
	}
	add(u.In(), "in", count{u.CacheRead, "read from cache"}, count{u.CacheWrite, "written to cache"})
	add(u.Output, "out", count{u.Thinking, "thinking"})
	return strings.Join(parts, ", ")
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
