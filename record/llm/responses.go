package llm

import (
	"encoding/json"
	"fmt"
	"strings"

	"ssltape/record"
)

// responses is https://platform.openai.com/docs/api-reference/responses.
func responses() api {
	return api{
		name: "OpenAI Responses",
		is: func(method, path string) bool {
			return method == "POST" && strings.HasSuffix(path, "/responses")
		},
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
	CallID    string `json:"call_id"`
	Arguments string
	Input     string          // of a custom tool call
	Output    json.RawMessage // of a result: a string or parts
}

func (i *responsesItem) parts() []Part {
	switch {
	case i.Type == "message" || i.Type == "" && i.Role != "":
		return openAIContent(i.Content)
	case i.Type == "reasoning":
		return []Part{{Kind: Thinking, ID: i.ID, Text: join(openAIContent(i.Summary)) + join(openAIContent(i.Content))}}
	case strings.HasSuffix(i.Type, "_call_output"):
		return []Part{{Kind: Result, ID: i.CallID, Text: join(openAIContent(i.Output))}}
	case strings.HasSuffix(i.Type, "_call"):
		name := i.Name
		if name == "" {
			name = strings.TrimSuffix(i.Type, "_call")
		}
		return []Part{{Kind: ToolUse, Name: name, ID: i.CallID, Text: i.Arguments + i.Input}}
	}
	return []Part{{Kind: Other, Name: i.Type}}
}

func join(parts []Part) string {
	var texts []string
	for _, p := range parts {
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
	json.Unmarshal(body, &r) // what does not fit stays empty
	c.Model = r.Model
	if r.Instructions != "" {
		c.System = []Part{{Kind: Text, Text: r.Instructions}}
	}
	for _, t := range r.Tools {
		c.Tools = append(c.Tools, t.name())
	}
	var text string
	if json.Unmarshal(r.Input, &text) == nil && text != "" {
		c.Messages = []Message{{"user", []Part{{Kind: Text, Text: text}}}}
		return
	}
	var items []responsesItem
	json.Unmarshal(r.Input, &items)
	for _, i := range items {
		switch role := i.Role; {
		case role == "system" || role == "developer":
			c.System = append(c.System, i.parts()...)
		case role == "" && strings.HasSuffix(i.Type, "_output"):
			c.Messages = append(c.Messages, Message{"tool", i.parts()})
		case role == "":
			c.Messages = append(c.Messages, Message{"assistant", i.parts()})
		default:
			c.Messages = append(c.Messages, Message{role, i.parts()})
		}
	}
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
	if r.Incomplete != nil {
		c.Stop += ": " + r.Incomplete.Reason
	}
	for _, i := range r.Output {
		c.Answer.Parts = append(c.Answer.Parts, i.parts()...)
	}
	return c
}

func responsesAnswer(c *Chat, body []byte) {
	var r responsesObject
	if err := json.Unmarshal(body, &r); err != nil {
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

// responsesEvent follows the events by the number of the output item that they
// are about. The last event has the whole response, which is preferred to what
// was put together.
func responsesEvent(e record.Event) []Delta {
	var v struct {
		Type     string
		Output   int `json:"output_index"`
		Content  int `json:"content_index"`
		Summary  int `json:"summary_index"`
		Delta    string
		Item     *responsesItem
		Response *responsesObject
		Message  string
		Code     string
	}
	if json.Unmarshal([]byte(e.Data), &v) != nil {
		return nil
	}
	item := fmt.Sprintf("%d.", v.Output)
	part := fmt.Sprintf("%d.%d", v.Output, v.Content)
	switch v.Type {
	case "response.created":
		if v.Response != nil {
			return []Delta{{Model: v.Response.Model}}
		}
	case "response.completed", "response.incomplete", "response.failed":
		if v.Response != nil {
			c := v.Response.chat()
			return []Delta{{Model: c.Model, Stop: c.Stop, Error: c.Error, Usage: v.Response.Usage.usage(), Answer: c, Last: true}}
		}
	case "response.output_item.added":
		if v.Item != nil && strings.HasSuffix(v.Item.Type, "_call") {
			p := v.Item.parts()[0]
			return []Delta{{Part: item, Kind: p.Kind, Name: p.Name, ID: p.ID, Text: p.Text}}
		}
	case "response.output_text.delta":
		return []Delta{{Part: part, Kind: Text, Text: v.Delta}}
	case "response.refusal.delta":
		return []Delta{{Part: part, Kind: Refusal, Text: v.Delta}}
	case "response.reasoning_summary_text.delta":
		return []Delta{{Part: fmt.Sprintf("%d.s%d", v.Output, v.Summary), Kind: Thinking, Text: v.Delta}}
	case "response.reasoning_text.delta":
		return []Delta{{Part: part, Kind: Thinking, Text: v.Delta}}
	case "error":
		return []Delta{{Error: (&openAIError{Type: v.Code, Message: v.Message}).String()}}
	default:
		// response.function_call_arguments.delta, custom_tool_call_input.delta,
		// mcp_call_arguments.delta and those to come.
		if strings.HasSuffix(v.Type, ".delta") && strings.Contains(v.Type, "_call_") {
			return []Delta{{Part: item, Kind: ToolUse, Text: v.Delta}}
		}
	}
	return nil
}
