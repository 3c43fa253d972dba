// Package llm understands exchanges with the APIs of large language models:
// Anthropic Messages, OpenAI Chat Completions and Responses, and Gemini. It
// reads what was asked, and puts the streamed answer together again by the
// rules of each provider.
package llm

import (
	"encoding/json"
	"io"
	"strings"

	"ssltape/record"
)

// A Kind is what a part of a message is.
type Kind string

// The kinds of parts.
const (
	Text     Kind = "text"
	Thinking Kind = "thinking"
	ToolUse  Kind = "tool use"    // Name, ID; Text is the input as JSON
	Result   Kind = "tool result" // ID of the use
	Refusal  Kind = "refusal"
	Other    Kind = "other" // Name is the provider's word for it; Text is JSON or ""
)

// A Part is a part of a message.
type Part struct {
	Kind   Kind
	Name   string
	ID     string // pairs a tool use with its result, "" where there is none
	Text   string
	Failed bool // the tool said that it failed
}

// A Message is what one of those who talk said.
type Message struct {
	Role  string // as the provider calls it: "user", "assistant", "model", "tool"
	Parts []Part
}

// Usage counts tokens; -1 is not known. Input counts what was neither read
// from nor written to a cache.
type Usage struct {
	Input, Output         int64
	CacheRead, CacheWrite int64
	Thinking              int64 // of Output
}

// noUsage is the Usage of which nothing is known.
var noUsage = Usage{-1, -1, -1, -1, -1}

// A Chat is an exchange with a model.
type Chat struct {
	API      string // "Anthropic Messages", "OpenAI Chat Completions", "OpenAI Responses", "Gemini"
	Model    string // as answered, else as asked for
	System   []Part
	Tools    []string // names
	Messages []Message
	Answer   Message
	Stop     string // why the model stopped, in the provider's words
	Usage    Usage
	Error    string // what the provider said went wrong
	Broken   string // why the answer is not whole, or ""
}

// An api is a provider's interface.
type api struct {
	name    string
	is      func(method, path string) bool // by the request's target, without the query
	request func(c *Chat, body []byte)
	answer  func(c *Chat, body []byte) // not streamed
	event   func(e record.Event) []Delta
	last    string // what ends a stream, for people; "" where nothing does
}

func apis() []api {
	return []api{anthropic(), openAIChat(), responses(), gemini()}
}

// find returns the interface that x was sent to.
func find(x *record.Exchange) (api, bool) {
	path, _, _ := strings.Cut(x.Request.Target, "?")
	for _, a := range apis() {
		if a.is(x.Request.Method, path) {
			return a, true
		}
	}
	return api{}, false
}

// Is reports whether x was sent to an API that Read knows.
func Is(x *record.Exchange) bool {
	_, ok := find(x)
	return ok
}

// maxBody is how much of a body is read: more than any model takes.
const maxBody = 64 << 20

// Read returns what x says, as far as it has come; ok is false where x was not
// sent to an API that is known.
func Read(x *record.Exchange) (c *Chat, ok bool) {
	a, ok := find(x)
	if !ok {
		return nil, false
	}
	c = &Chat{API: a.name, Model: geminiModel(x.Request.Target), Usage: noUsage}
	if b, err := content(&x.Request.Message); err == nil {
		a.request(c, b)
	}
	if x.Response.MediaType() == "text/event-stream" {
		s := newStream(c)
		for _, e := range x.Response.Events {
			for _, d := range a.event(e) {
				s.add(d)
			}
		}
		s.finish(a.last)
	} else if b, err := content(&x.Response.Message); x.Response.Seen() && (err == nil || len(b) > 0) {
		a.answer(c, b)
	}
	if c.Broken == "" && x.Err != nil {
		c.Broken = x.Err.Error()
	}
	return c, true
}

// content returns the decoded body of m, as much of it as there is.
func content(m *record.Message) ([]byte, error) {
	r, err := m.Decode()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, maxBody))
}

// Model returns the model that x asked for, or "".
func Model(x *record.Exchange) string {
	if !Is(x) {
		return ""
	}
	if m := geminiModel(x.Request.Target); m != "" {
		return m
	}
	b, err := content(&x.Request.Message)
	if err != nil {
		return ""
	}
	var body struct{ Model string }
	json.Unmarshal(b, &body)
	return body.Model
}

// A Delta is what an event adds to an answer.
type Delta struct {
	Part   string // key of the part of the answer that it is about, "" if about none
	Kind   Kind   // of the part; "" where another delta says it
	Name   string // of the part, set where not ""
	ID     string // of the part, set where not ""
	Text   string // added to the part
	Whole  bool   // Text is all of the part
	Model  string // set where not ""
	Stop   string // set where not ""
	Error  string // set where not ""
	Usage  *Usage // overwrites, but for what is -1
	Answer *Chat  // the whole answer, which replaces all parts before it
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

// A stream puts deltas together.
type stream struct {
	chat *Chat
	part map[string]int // index in chat.Answer.Parts
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
	if d.Answer != nil {
		c.Answer.Parts = d.Answer.Answer.Parts
		clear(s.part)
	}
	if d.Part == "" {
		return
	}
	p := s.at(d)
	if d.Kind != "" {
		p.Kind = d.Kind
	}
	set(&p.Name, d.Name)
	set(&p.ID, d.ID)
	if d.Whole {
		p.Text = ""
	}
	p.Text += d.Text
}

// at returns the part that d is about.
func (s *stream) at(d Delta) *Part {
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
	return &(*parts)[i]
}

// finish says what is wrong with a stream that ended before last came.
func (s *stream) finish(last string) {
	if last != "" && !s.last && s.chat.Error == "" {
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
