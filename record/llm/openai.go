package llm

import (
	"encoding/json"
	"strconv"
	"strings"

	"ssltape/record"
)

// openAIChat is https://platform.openai.com/docs/api-reference/chat, which
// many others offer as well.
func openAIChat() api {
	return api{
		name: "OpenAI Chat Completions",
		is: func(method, path string) bool {
			return method == "POST" && strings.HasSuffix(path, "/chat/completions")
		},
		request: openAIRequest,
		answer:  openAIAnswer,
		event:   openAIEvent,
		last:    "[DONE]",
	}
}

// An openAIMessage is a message of a request, of an answer, or what a chunk of
// a stream adds to one.
type openAIMessage struct {
	Role       string
	Content    json.RawMessage // a string or parts
	Refusal    string
	Reasoning  string           `json:"reasoning_content"` // of compatible providers
	ToolCalls  []openAIToolCall `json:"tool_calls"`
	ToolCallID string           `json:"tool_call_id"`
	Function   *openAIFunction  `json:"function_call"` // older than tool_calls
}

type openAIToolCall struct {
	Index    int
	ID       string
	Function openAIFunction
}

type openAIFunction struct{ Name, Arguments string }

func (m *openAIMessage) parts() []Part {
	var parts []Part
	if m.Reasoning != "" {
		parts = append(parts, Part{Kind: Thinking, Text: m.Reasoning})
	}
	content := openAIContent(m.Content)
	if m.Role == "tool" {
		p := Part{Kind: Result, ID: m.ToolCallID}
		for _, c := range content {
			p.Text += c.Text
		}
		return append(parts, p)
	}
	parts = append(parts, content...)
	if m.Refusal != "" {
		parts = append(parts, Part{Kind: Refusal, Text: m.Refusal})
	}
	for _, t := range m.ToolCalls {
		parts = append(parts, Part{Kind: ToolUse, Name: t.Function.Name, ID: t.ID, Text: t.Function.Arguments})
	}
	if f := m.Function; f != nil {
		parts = append(parts, Part{Kind: ToolUse, Name: f.Name, Text: f.Arguments})
	}
	return parts
}

// openAIContent returns the parts of content, a string or a list; those of the
// Responses API have other types for the same.
func openAIContent(content json.RawMessage) []Part {
	var text string
	if json.Unmarshal(content, &text) == nil && text != "" {
		return []Part{{Kind: Text, Text: text}}
	}
	var list []struct{ Type, Text, Refusal string }
	json.Unmarshal(content, &list)
	var parts []Part
	for _, c := range list {
		switch c.Type {
		case "text", "input_text", "output_text", "summary_text", "reasoning_text":
			parts = append(parts, Part{Kind: Text, Text: c.Text})
		case "refusal":
			parts = append(parts, Part{Kind: Refusal, Text: c.Refusal})
		default:
			parts = append(parts, Part{Kind: Other, Name: c.Type})
		}
	}
	return parts
}

func openAIRequest(c *Chat, body []byte) {
	var r struct {
		Model    string
		Messages []openAIMessage
		Tools    []openAITool
	}
	json.Unmarshal(body, &r) // what does not fit stays empty
	c.Model = r.Model
	for _, m := range r.Messages {
		if m.Role == "system" || m.Role == "developer" {
			c.System = append(c.System, m.parts()...)
			continue
		}
		c.Messages = append(c.Messages, Message{m.Role, m.parts()})
	}
	for _, t := range r.Tools {
		c.Tools = append(c.Tools, t.name())
	}
}

// An openAITool has its name in it (Responses) or in its function (Chat), or
// is called by its type.
type openAITool struct {
	Type, Name string
	Function   struct{ Name string }
}

func (t *openAITool) name() string {
	for _, s := range []string{t.Name, t.Function.Name} {
		if s != "" {
			return s
		}
	}
	return t.Type
}

type openAIUsage struct {
	Prompt        *int64 `json:"prompt_tokens"`
	Completion    *int64 `json:"completion_tokens"`
	Input         *int64 `json:"input_tokens"`
	Output        *int64 `json:"output_tokens"`
	PromptDetails struct {
		Cached *int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	InputDetails struct {
		Cached *int64 `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	CompletionDetails struct {
		Reasoning *int64 `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
	OutputDetails struct {
		Reasoning *int64 `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
}

// usage counts cached tokens apart from the others, as Anthropic does; OpenAI
// has them in both.
func (u *openAIUsage) usage() *Usage {
	if u == nil {
		return nil
	}
	v := &Usage{
		Input:     max(known(u.Prompt), known(u.Input)),
		Output:    max(known(u.Completion), known(u.Output)),
		CacheRead: max(known(u.PromptDetails.Cached), known(u.InputDetails.Cached)),
		Thinking:  max(known(u.CompletionDetails.Reasoning), known(u.OutputDetails.Reasoning)), CacheWrite: -1,
	}
	if v.Input >= v.CacheRead && v.CacheRead > 0 {
		v.Input -= v.CacheRead
	}
	return v
}

type openAIError struct {
	Type, Message string
	Code          any
}

func (e *openAIError) String() string {
	if e == nil {
		return ""
	}
	kind := e.Type
	if code, ok := e.Code.(string); ok && kind == "" {
		kind = code
	}
	if kind == "" {
		return e.Message
	}
	return kind + ": " + e.Message
}

type openAICompletion struct {
	Model   string
	Choices []struct {
		Index        int
		Message      openAIMessage
		Delta        openAIMessage
		FinishReason string `json:"finish_reason"`
	}
	Usage *openAIUsage
	Error *openAIError
}

func openAIAnswer(c *Chat, body []byte) {
	var r openAICompletion
	if err := json.Unmarshal(body, &r); err != nil {
		c.Broken = "the answer is not JSON"
		return
	}
	c.Answer.Role = "assistant"
	set(&c.Model, r.Model)
	c.Error = r.Error.String()
	if u := r.Usage.usage(); u != nil {
		c.Usage.update(*u)
	}
	for _, choice := range r.Choices {
		c.Answer.Parts = append(c.Answer.Parts, choice.Message.parts()...)
		set(&c.Stop, choice.FinishReason)
	}
}

// openAIEvent merges as OpenAI's own SDK does: strings are added, by the index
// of the choice and of the tool call; an index, id or type is set.
func openAIEvent(e record.Event) []Delta {
	if strings.HasPrefix(e.Data, "[DONE]") {
		return []Delta{{Last: true}}
	}
	var v openAICompletion
	if json.Unmarshal([]byte(e.Data), &v) != nil {
		return nil
	}
	deltas := []Delta{{Model: v.Model, Usage: v.Usage.usage(), Error: v.Error.String()}}
	for _, choice := range v.Choices {
		d := choice.Delta
		key := strconv.Itoa(choice.Index)
		add := func(part string, kind Kind, text string) {
			if text != "" {
				deltas = append(deltas, Delta{Part: key + part, Kind: kind, Text: text})
			}
		}
		var text string
		json.Unmarshal(d.Content, &text)
		add("thinking", Thinking, d.Reasoning)
		add("text", Text, text)
		add("refusal", Refusal, d.Refusal)
		if f := d.Function; f != nil {
			deltas = append(deltas, Delta{Part: key + "function", Kind: ToolUse, Name: f.Name, Text: f.Arguments})
		}
		for _, t := range d.ToolCalls {
			deltas = append(deltas, Delta{Part: key + "tool" + strconv.Itoa(t.Index), Kind: ToolUse,
				Name: t.Function.Name, ID: t.ID, Text: t.Function.Arguments})
		}
		if choice.FinishReason != "" {
			deltas = append(deltas, Delta{Stop: choice.FinishReason})
		}
	}
	return deltas
}
