// Package llm understands exchanges with the APIs of large language models:
// Anthropic Messages (also as Bedrock and Vertex carry it), OpenAI Chat
// Completions and Responses, which many others offer too, Gemini, and Ollama.
// It reads what was asked, and puts the streamed answer together again by the
// rules of each provider.
package llm

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"ssltape/record"
)

// A Kind is what a part of a message is.
type Kind string

// The kinds of parts.
const (
	Text     Kind = "text"
	Thinking Kind = "thinking"    // Name is "redacted" where its text is kept secret by the provider
	ToolUse  Kind = "tool use"    // Name, ID; Text is the input as JSON
	Result   Kind = "tool result" // ID of the use, Name of the tool where that is known
	Refusal  Kind = "refusal"
	Media    Kind = "media" // Name is "image" or so; Text says what is known of it, never its bytes
	Other    Kind = "other" // Name is the provider's word for it; Text is JSON or ""
)

// A Part is a part of a message.
type Part struct {
	Kind   Kind
	Name   string
	ID     string // pairs a tool use with its result, "" where there is none
	Text   string
	Failed bool     // the tool said that it failed
	Cites  []string `json:",omitempty"` // sources that the text refers to: titles and URLs
	Choice int      `json:",omitempty"` // of several answers to one question, from 0
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
	API      string // "Anthropic Messages", "OpenAI Chat Completions", "OpenAI Responses", "Gemini" and so on
	Model    string // as answered, else as asked for
	System   []Part
	Tools    []string // names
	Messages []Message
	Answer   Message
	Stop     string // why the model stopped, in the provider's words
	Usage    Usage
	Error    string // what the provider said went wrong
	Broken   string // why the answer is not whole, or ""
	Unread   string // why what was asked could not be read, or ""
	Counts   bool   `json:",omitempty"` // no answer was asked for, but how many tokens the question has
}

// An api is a provider's interface.
type api struct {
	name    string
	is      func(x *record.Exchange) bool // by the head of the request
	model   func(path string) string      // that the path of the request names; nil where none does
	request func(c *Chat, body []byte)
	answer  func(c *Chat, body []byte) // not streamed
	event   func(e record.Event) []Delta
	last    string // what ends a stream, for people
}

func apis() []api {
	return []api{anthropic(), anthropicText(), openAIChat(), openAIText(), responses(), gemini(), ollama(), counts("Anthropic Messages, tokens counted", anthropicRequest, "/v1/messages/count_tokens"),
		counts("OpenAI Responses, tokens counted", responsesRequest, "/responses/input_tokens"), counts("Gemini, tokens counted", geminiRequest, ":countTokens")}
}

// counts returns the interface that says how many tokens a question has.
func counts(name string, request func(*Chat, []byte), ending string) api {
	return api{
		name:  name,
		is:    posts(ending),
		model: geminiModel,
		request: func(c *Chat, body []byte) {
			c.Counts = true
			request(c, body)
		},
		answer: func(c *Chat, body []byte) {
			var r struct {
				Input  *int64 `json:"input_tokens"`
				Total  *int64 `json:"totalTokens"`
				Cached *int64 `json:"cachedContentTokenCount"`
				Error  *openAIError
			}
			if !read(body, &r) {
				c.Broken = "the answer is not JSON"
				return
			}
			c.Error = r.Error.String()
			if n := max(known(r.Input), known(r.Total)); n >= 0 {
				c.Usage.Input, c.Usage.CacheRead = n-max(0, known(r.Cached)), known(r.Cached)
			}
		},
		event: func(record.Event) []Delta { return nil },
	}
}

// posts returns a test of requests that post to a path with one of the endings.
func posts(endings ...string) func(x *record.Exchange) bool {
	return func(x *record.Exchange) bool { return x.Request.Method == "POST" && endsIn(x, endings...) }
}

func endsIn(x *record.Exchange, endings ...string) bool {
	path := path(x)
	return slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(path, e) })
}

// path returns the target of x's request without the query.
func path(x *record.Exchange) string {
	path, _, _ := strings.Cut(x.Request.Target, "?")
	return path
}

// find returns the interface that x was sent to.
func find(x *record.Exchange) (api, bool) {
	for _, a := range apis() {
		if a.is(x) {
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
	c = &Chat{API: a.name, Usage: noUsage}
	if a.model != nil {
		c.Model = a.model(path(x))
	}
	if len(x.WebSocket) > 0 {
		talk(c, x)
	} else {
		a.ask(c, &x.Request.Message)
		a.reply(c, &x.Response)
	}
	if c.Broken == "" && x.Err != nil {
		c.Broken = x.Err.Error()
	}
	c.match()
	return c, true
}

// match gives results the names of the tools that they are of.
func (c *Chat) match() {
	names := map[string]string{}
	for _, m := range append(c.Messages[:len(c.Messages):len(c.Messages)], c.Answer) {
		for i := range m.Parts {
			switch p := &m.Parts[i]; {
			case p.ID == "":
			case p.Kind == ToolUse:
				names[p.ID] = p.Name
			case p.Kind == Result && p.Name == "":
				p.Name = names[p.ID]
			}
		}
	}
}

// ask reads what was asked.
func (a *api) ask(c *Chat, m *record.Message) {
	b, err := content(m)
	switch {
	case err != nil:
		c.Unread = err.Error()
	case m.Seen() && !json.Valid(b):
		c.Unread = "the body is not JSON"
		if n := m.LostBytes() + m.Cut; n > 0 || !m.Done {
			c.Unread = "the body is not whole"
		}
	}
	a.request(c, b)
}

// reply reads the answer. Where the recording lacks a part of it, that is what
// is wrong.
func (a *api) reply(c *Chat, r *record.Response) {
	a.read(c, r)
	if c.Broken != "" && r.LostBytes()+r.Cut > 0 {
		c.Broken = "the recording does not have the whole answer"
	}
}

func (a *api) read(c *Chat, r *record.Response) {
	events, streamed := stored(r)
	if r.IsEventStream() {
		events, streamed = r.Events, true
	}
	if streamed {
		s := newStream(c)
		for _, e := range events {
			for _, d := range a.event(e) {
				s.add(d)
			}
		}
		s.finish(a.last)
		return
	}
	b, err := content(&r.Message)
	switch {
	case !r.Seen():
		c.Broken = "no answer was seen"
	case err != nil && len(b) == 0:
		c.Broken = err.Error()
	default:
		a.answer(c, b)
		if t := r.MediaType(); c.Broken != "" && t != "" && t != "application/json" {
			c.Broken += " but " + t
		}
	}
}

// awsStream is the media type of frames of AWS.
const awsStream = "application/vnd.amazon.eventstream"

// stored returns the events of a stream that is not of server-sent events: a
// JSON value a line, or frames of AWS. Nobody knows when each of them came.
func stored(r *record.Response) (events []record.Event, ok bool) {
	var split func([]byte) []record.Event
	switch r.MediaType() {
	case "application/x-ndjson", "application/jsonl", "application/json-seq":
		split = jsonLines
	case awsStream:
		split = awsEvents
	default:
		return nil, false
	}
	b, _ := content(&r.Message) // a part is better than nothing
	return split(b), true
}

// jsonLines returns an event for each line of b.
func jsonLines(b []byte) []record.Event {
	var events []record.Event
	for line := range strings.Lines(string(b)) {
		if line = strings.Trim(line, "\x1e \t\r\n"); line != "" {
			events = append(events, record.Event{Data: line})
		}
	}
	return events
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
	a, ok := find(x)
	if !ok {
		return ""
	}
	if a.model != nil {
		if m := a.model(path(x)); m != "" {
			return m
		}
	}
	if len(x.WebSocket) > 0 {
		c, _ := Read(x)
		return c.Model
	}
	b, err := content(&x.Request.Message)
	if err != nil {
		return ""
	}
	var body struct{ Model string }
	read(b, &body)
	return body.Model
}

// read reads JSON into v as far as it fits: what providers add or change in
// one field leaves the others as they are. It reports whether b is JSON.
func read(b []byte, v any) bool {
	err := json.Unmarshal(b, v)
	return err == nil || isType(err)
}

// isType reports whether err is of a value that has another type than expected.
func isType(err error) bool { return errors.As(err, new(*json.UnmarshalTypeError)) }
