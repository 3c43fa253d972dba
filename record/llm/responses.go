package llm

import (
	"cmp"
	"encoding/json"
	"strings"

	"ssltape/record"
)

// responses is https://platform.openai.com/docs/api-reference/responses, by
// requests of their own or by messages of a WebSocket.
func responses() api {
	return api{
		name: "OpenAI Responses",
		is: func(x *record.Exchange) bool {
			return endsIn(x, "/v1/responses", "/openai/responses", "/codex/responses") && (x.Request.Method == "POST" || isWebSocket(x))
		},
		model:   azureModel,
		request: responsesRequest,
		answer:  responsesAnswer,
		event:   responsesEvent,
		last:    "response.completed",
	}
}

// A responsesItem is an item of the input or of the output.
type responsesItem struct {
	Type      string
	ID        string
	Role      string
	Content   json.RawMessage
	Summary   json.RawMessage // of reasoning
	Name      string
	Server    string `json:"server_label"` // of MCP
	CallID    string `json:"call_id"`
	Arguments string
	Input     string          // of a custom tool call
	Action    json.RawMessage // of a call of a tool of OpenAI
	Code      string          // of the code interpreter
	Queries   json.RawMessage // of a search in files
	Output    json.RawMessage // of a result: a string or parts; of a call of MCP: what it returned
	Error     json.RawMessage // of a call that failed

	raw json.RawMessage
}

// UnmarshalJSON keeps the JSON of an item of a type that is not known.
func (i *responsesItem) UnmarshalJSON(raw []byte) error {
	type plain responsesItem
	read(raw, (*plain)(i))
	i.raw = append(i.raw[:0], raw...)
	return nil
}

func (i *responsesItem) parts() []Part {
	switch {
	case i.Type == "message" || i.Type == "" && i.Role != "":
		return openAIContent(i.Content)
	case i.Type == "reasoning":
		p := Part{Kind: Thinking, Text: join(append(openAIContent(i.Summary), openAIContent(i.Content)...))}
		if p.Text == "" {
			p.Name = "redacted"
		}
		return []Part{p}
	case strings.HasSuffix(i.Type, "_call_output") || i.Type == "mcp_approval_response":
		p := Part{Kind: Result, ID: i.CallID, Text: join(openAIContent(i.Output))}
		if p.Text == "" && len(i.Output) > 0 && i.Output[0] == '{' {
			p.Text = compact(i.Output)
		}
		return []Part{p}
	case strings.HasSuffix(i.Type, "_call"):
		return i.call()
	}
	return []Part{{Kind: Other, Name: i.Type, Text: compact(i.raw)}}
}

// call returns a call of a tool, and its result where OpenAI ran it.
func (i *responsesItem) call() []Part {
	p := Part{Kind: ToolUse, ID: cmp.Or(i.CallID, i.ID), Text: i.Arguments + i.Input + i.Code}
	p.Name = strings.TrimPrefix(i.Server+"/"+cmp.Or(i.Name, strings.TrimSuffix(i.Type, "_call")), "/")
	for _, raw := range []json.RawMessage{i.Action, i.Queries} {
		if p.Text == "" && len(raw) > 0 && string(raw) != "null" {
			p.Text = compact(raw)
		}
	}
	parts := []Part{p}
	if i.Type == "mcp_call" && len(i.Output) > 0 && string(i.Output) != "null" {
		parts = append(parts, Part{Kind: Result, ID: p.ID, Text: join(openAIContent(i.Output))})
	}
	if len(i.Error) > 0 && string(i.Error) != "null" {
		parts = append(parts, Part{Kind: Result, ID: p.ID, Text: compact(i.Error), Failed: true})
	}
	return parts
}

// join returns the text of parts; of those that are none, what they are.
func join(parts []Part) string {
	var texts []string
	for _, p := range parts {
		if p.Kind == Media {
			p.Text = "[" + strings.TrimSpace(p.Name+" "+p.Text) + "]"
		}
		texts = append(texts, p.Text)
	}
	return strings.Join(texts, "\n")
}

func responsesRequest(c *Chat, body []byte) {
	var r struct {
		Model        string
		Instructions string
		Input        json.RawMessage // a string or items
		Tools        []openAITool
	}
	read(body, &r)
	set(&c.Model, r.Model)
	if r.Instructions != "" {
		c.System = []Part{{Kind: Text, Text: r.Instructions}}
	}
	if len(r.Tools) > 0 {
		c.Tools = nil
	}
	for i := range r.Tools {
		c.Tools = append(c.Tools, r.Tools[i].name())
	}
	var text string
	if json.Unmarshal(r.Input, &text) == nil && text != "" {
		c.Messages = append(c.Messages, Message{"user", []Part{{Kind: Text, Text: text}}})
		return
	}
	var items []responsesItem
	read(r.Input, &items)
	for n := range items {
		i := &items[n]
		switch role := i.Role; {
		case role == "system" || role == "developer":
			c.System = append(c.System, i.parts()...)
		case role == "" && strings.HasSuffix(i.Type, "_output"):
			c.say("tool", i.parts())
		case role == "":
			c.say("assistant", i.parts())
		default:
			c.say(role, i.parts())
		}
	}
}

// say adds parts to the last message where that is of the same role, so that
// the items of an answer are one message again.
func (c *Chat) say(role string, parts []Part) {
	if n := len(c.Messages); n > 0 && c.Messages[n-1].Role == role && role != "user" {
		c.Messages[n-1].Parts = append(c.Messages[n-1].Parts, parts...)
		return
	}
	c.Messages = append(c.Messages, Message{role, parts})
}

// A responsesObject is a response, whole or at its start.
type responsesObject struct {
	Model      string
	Status     string
	Output     []responsesItem
	Usage      *openAIUsage
	Error      *openAIError
	Incomplete *struct{ Reason string } `json:"incomplete_details"`
}

// chat returns r as an answer.
func (r *responsesObject) chat() *Chat {
	c := &Chat{Model: r.Model, Stop: r.Status, Error: r.Error.String(), Answer: Message{Role: "assistant"}}
	if r.Status == "failed" {
		set(&c.Error, cmp.Or(c.Error, "failed"))
	}
	if r.Incomplete != nil && r.Incomplete.Reason != "" {
		c.Stop += ": " + r.Incomplete.Reason
	}
	for i := range r.Output {
		c.Answer.Parts = append(c.Answer.Parts, r.Output[i].parts()...)
	}
	return c
}

func responsesAnswer(c *Chat, body []byte) {
	var r responsesObject
	if !read(body, &r) {
		c.Broken = "the answer is not JSON"
		return
	}
	a := r.chat()
	c.Answer, c.Stop, c.Error = a.Answer, a.Stop, a.Error
	set(&c.Model, a.Model)
	if u := r.Usage.usage(); u != nil {
		c.Usage.update(*u)
	}
}
