package llm

import (
	"encoding/json"
	"strconv"
	"strings"

	"ssltape/record"
)

// anthropic is https://docs.anthropic.com/en/api/messages, and what streams of
// it look like (messages-streaming).
func anthropic() api {
	return api{
		name: "Anthropic Messages",
		is: func(method, path string) bool {
			return method == "POST" && strings.HasSuffix(path, "/messages")
		},
		request: anthropicRequest,
		answer:  anthropicAnswer,
		event:   anthropicEvent,
		last:    "message_stop",
	}
}

// An anthropicBlock is a block of content of any type.
type anthropicBlock struct {
	Type      string
	Text      string
	Thinking  string
	ID        string
	Name      string
	Input     json.RawMessage
	ToolUseID string          `json:"tool_use_id"`
	Content   json.RawMessage // of a result: a string or blocks
	IsError   bool            `json:"is_error"`
}

func (b *anthropicBlock) part() Part {
	switch {
	case b.Type == "text":
		return Part{Kind: Text, Text: b.Text}
	case b.Type == "thinking":
		return Part{Kind: Thinking, Text: b.Thinking}
	case b.Type == "redacted_thinking":
		return Part{Kind: Thinking, Name: b.Type}
	case strings.HasSuffix(b.Type, "_use"): // tool_use, server_tool_use, mcp_tool_use
		return Part{Kind: ToolUse, Name: b.Name, ID: b.ID, Text: string(b.Input)}
	case strings.HasSuffix(b.Type, "_result"):
		p := Part{Kind: Result, ID: b.ToolUseID, Failed: b.IsError}
		for i, part := range anthropicContent(b.Content) {
			if i > 0 {
				p.Text += "\n"
			}
			p.Text += part.Text
			if part.Kind == Other {
				p.Text += "[" + part.Name + "]"
			}
		}
		return p
	}
	return Part{Kind: Other, Name: b.Type}
}

// anthropicContent returns the parts of content, which is a string, a block or
// a list of blocks.
func anthropicContent(content json.RawMessage) []Part {
	var text string
	if json.Unmarshal(content, &text) == nil && text != "" {
		return []Part{{Kind: Text, Text: text}}
	}
	var blocks []anthropicBlock
	if json.Unmarshal(content, &blocks) != nil {
		var one anthropicBlock
		if json.Unmarshal(content, &one) != nil || one.Type == "" {
			return nil
		}
		blocks = []anthropicBlock{one}
	}
	var parts []Part
	for i := range blocks {
		parts = append(parts, blocks[i].part())
	}
	return parts
}

func anthropicRequest(c *Chat, body []byte) {
	var r struct {
		Model    string
		System   json.RawMessage
		Tools    []struct{ Name string }
		Messages []struct {
			Role    string
			Content json.RawMessage
		}
	}
	json.Unmarshal(body, &r) // what does not fit stays empty
	c.Model, c.System = r.Model, anthropicContent(r.System)
	for _, t := range r.Tools {
		c.Tools = append(c.Tools, t.Name)
	}
	for _, m := range r.Messages {
		c.Messages = append(c.Messages, Message{m.Role, anthropicContent(m.Content)})
	}
}

type anthropicUsage struct {
	Input      *int64 `json:"input_tokens"`
	Output     *int64 `json:"output_tokens"`
	CacheRead  *int64 `json:"cache_read_input_tokens"`
	CacheWrite *int64 `json:"cache_creation_input_tokens"`
	Details    struct {
		Thinking *int64 `json:"thinking_tokens"`
	} `json:"output_tokens_details"`
}

func (u *anthropicUsage) usage() *Usage {
	if u == nil {
		return nil
	}
	return &Usage{known(u.Input), known(u.Output), known(u.CacheRead), known(u.CacheWrite), known(u.Details.Thinking)}
}

func known(n *int64) int64 {
	if n == nil {
		return -1
	}
	return *n
}

type anthropicError struct{ Type, Message string }

func (e *anthropicError) String() string {
	if e == nil || e.Type+e.Message == "" {
		return ""
	}
	return e.Type + ": " + e.Message
}

// An anthropicMessage is an answer.
type anthropicMessage struct {
	Model      string
	Role       string
	Content    json.RawMessage
	StopReason string `json:"stop_reason"`
	Usage      *anthropicUsage
	Error      *anthropicError
}

func anthropicAnswer(c *Chat, body []byte) {
	var m anthropicMessage
	if err := json.Unmarshal(body, &m); err != nil {
		c.Broken = "the answer is not JSON"
		return
	}
	c.Answer = Message{"assistant", anthropicContent(m.Content)}
	set(&c.Model, m.Model)
	c.Stop, c.Error = m.StopReason, m.Error.String()
	if u := m.Usage.usage(); u != nil {
		c.Usage.update(*u)
	}
}

// anthropicEvent follows the accumulation of Anthropic's own SDKs: text is
// added by the index of its block, signatures are not for people, and usage is
// a total.
func anthropicEvent(e record.Event) []Delta {
	var v struct {
		Type    string
		Index   int
		Message *anthropicMessage
		Block   *anthropicBlock `json:"content_block"`
		Delta   struct {
			Type, Text, Thinking, Content string
			PartialJSON                   string `json:"partial_json"`
			StopReason                    string `json:"stop_reason"`
		}
		Usage *anthropicUsage
		Error *anthropicError
	}
	if json.Unmarshal([]byte(e.Data), &v) != nil {
		return nil
	}
	part := strconv.Itoa(v.Index)
	switch v.Type {
	case "message_start":
		if v.Message != nil {
			return []Delta{{Model: v.Message.Model, Usage: v.Message.Usage.usage()}}
		}
	case "content_block_start":
		if v.Block != nil {
			p := v.Block.part()
			if p.Kind == ToolUse { // its input, {}, is a placeholder of what follows
				p.Text = ""
			}
			return []Delta{{Part: part, Kind: p.Kind, Name: p.Name, ID: p.ID, Text: p.Text}}
		}
	case "content_block_delta":
		d := v.Delta
		switch d.Type {
		case "text_delta", "":
			return []Delta{{Part: part, Kind: Text, Text: d.Text}}
		case "thinking_delta":
			return []Delta{{Part: part, Kind: Thinking, Text: d.Thinking}}
		case "input_json_delta":
			return []Delta{{Part: part, Kind: ToolUse, Text: d.PartialJSON}}
		case "compaction_delta":
			return []Delta{{Part: part, Kind: Other, Text: d.Content}}
		}
	case "message_delta":
		return []Delta{{Stop: v.Delta.StopReason, Usage: v.Usage.usage()}}
	case "message_stop":
		return []Delta{{Last: true}}
	case "error":
		return []Delta{{Error: v.Error.String()}}
	}
	return nil
}
