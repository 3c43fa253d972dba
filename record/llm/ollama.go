package llm

import (
	"encoding/json"
	"strings"

	"ssltape/record"
)

// ollama is https://github.com/ollama/ollama/blob/main/docs/api.md: chat and
// generate, which stream a JSON object a line.
func ollama() api {
	chats := posts("/api/chat", "/api/generate")
	return api{
		name: "Ollama",
		is: func(x *record.Exchange) bool { // others have such paths, too
			who := strings.ToLower(x.Host() + " " + x.Request.Header.Get("User-Agent"))
			return chats(x) && (strings.Contains(who, "ollama") || strings.Contains(who, ":11434"))
		},
		request: ollamaRequest,
		answer:  func(c *Chat, body []byte) { answerAtOnce(c, body, ollamaEvent) },
		event:   ollamaEvent,
		last:    `"done": true`,
	}
}

type ollamaMessage struct {
	Role, Content, Thinking string
	ToolName                string `json:"tool_name"` // of what a tool returned
	Images                  []string
	ToolCalls               []struct {
		ID       string
		Function struct {
			Name      string
			Arguments json.RawMessage
		}
	} `json:"tool_calls"`
}

func (m *ollamaMessage) parts() []Part {
	var parts []Part
	if m.Role == "tool" {
		return []Part{{Kind: Result, Name: m.ToolName, Text: m.Content}}
	}
	if m.Thinking != "" {
		parts = append(parts, Part{Kind: Thinking, Text: m.Thinking})
	}
	if m.Content != "" {
		parts = append(parts, Part{Kind: Text, Text: m.Content})
	}
	for _, image := range m.Images {
		parts = append(parts, Part{Kind: Media, Name: "image", Text: describe("", image)})
	}
	for _, t := range m.ToolCalls {
		parts = append(parts, Part{Kind: ToolUse, Name: t.Function.Name, ID: t.ID, Text: string(t.Function.Arguments)})
	}
	return parts
}

func ollamaRequest(c *Chat, body []byte) {
	promptRequest(c, body)
	var r struct {
		Messages []ollamaMessage
		Tools    []openAITool
	}
	read(body, &r)
	for i := range r.Messages {
		m := &r.Messages[i]
		if m.Role == "system" {
			c.System = append(c.System, m.parts()...)
			continue
		}
		c.Messages = append(c.Messages, Message{m.Role, m.parts()})
	}
	for i := range r.Tools {
		c.Tools = append(c.Tools, r.Tools[i].name())
	}
}

func ollamaEvent(e record.Event) []Delta {
	var v struct {
		Model, Response, Thinking, Error string
		Message                          ollamaMessage
		Done                             bool
		Reason                           string `json:"done_reason"`
		Prompt                           *int64 `json:"prompt_eval_count"`
		Output                           *int64 `json:"eval_count"`
	}
	if !read([]byte(e.Data), &v) {
		return nil
	}
	deltas := []Delta{{Model: v.Model, Stop: v.Reason, Error: v.Error, Last: v.Done,
		Usage: &Usage{known(v.Prompt), known(v.Output), -1, -1, -1}}}
	v.Message.Content += v.Response
	v.Message.Thinking += v.Thinking
	for _, p := range v.Message.parts() {
		deltas = append(deltas, Delta{Part: NextPart, Kind: p.Kind, Name: p.Name, ID: p.ID, Text: p.Text})
	}
	return deltas
}
