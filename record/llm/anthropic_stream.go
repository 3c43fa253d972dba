package llm

import (
	"cmp"
	"strconv"

	"ssltape/record"
)

// anthropicEvent follows the accumulation of Anthropic's own SDKs: text is
// added by the index of its block, signatures are not for people, and usage is
// a total.
func anthropicEvent(e record.Event) []Delta {
	var v struct {
		Type    string
		Index   int
		Message *anthropicMessage
		Block   *anthropicBlock `json:"content_block"`
		Delta   anthropicDelta
		Usage   *anthropicUsage
		Error   *anthropicError
	}
	if !read([]byte(e.Data), &v) {
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
			return []Delta{{Part: part, Kind: p.Kind, Name: p.Name, ID: p.ID, Text: p.Text, Failed: p.Failed}}
		}
	case "content_block_delta":
		return v.Delta.of(part)
	case "message_delta":
		return []Delta{{Stop: v.Delta.String(), Usage: v.Usage.usage()}}
	case "message_stop":
		return []Delta{{Last: true}}
	case "error":
		return []Delta{{Error: cmp.Or(v.Error.String(), "error")}}
	}
	return nil
}

// An anthropicDelta is what is added to a block, or said at the end.
type anthropicDelta struct {
	anthropicStop
	Type, Text, Thinking, Content string
	PartialJSON                   string `json:"partial_json"`
	Citation                      *anthropicCitation
}

func (d *anthropicDelta) of(part string) []Delta {
	switch d.Type {
	case "text_delta", "":
		return []Delta{{Part: part, Kind: Text, Text: d.Text}}
	case "thinking_delta":
		return []Delta{{Part: part, Kind: Thinking, Text: d.Thinking}}
	case "input_json_delta":
		return []Delta{{Part: part, Kind: ToolUse, Text: d.PartialJSON}}
	case "compaction_delta":
		return []Delta{{Part: part, Kind: Other, Name: "compaction", Text: d.Content}}
	case "citations_delta":
		if d.Citation != nil {
			return []Delta{{Part: part, Kind: Text, Cite: d.Citation.String()}}
		}
	}
	return nil
}

// anthropicText is the older https://docs.anthropic.com/en/api/complete.
func anthropicText() api {
	type completion struct {
		Model, Completion string
		Stop              string `json:"stop_reason"`
		Error             *anthropicError
	}
	event := func(e record.Event) []Delta {
		var v completion
		if !read([]byte(e.Data), &v) {
			return nil
		}
		deltas := []Delta{{Model: v.Model, Stop: v.Stop, Error: v.Error.String(), Last: v.Stop != ""}}
		if v.Completion != "" {
			deltas = append(deltas, Delta{Part: NextPart, Kind: Text, Text: v.Completion})
		}
		return deltas
	}
	return api{
		name:    "Anthropic Text Completions",
		is:      posts("/v1/complete"),
		request: promptRequest,
		answer:  func(c *Chat, body []byte) { answerAtOnce(c, body, event) },
		event:   event,
		last:    "a stop_reason",
	}
}

// promptRequest reads a request whose question is a prompt.
func promptRequest(c *Chat, body []byte) {
	var r struct{ Model, System, Prompt, Suffix string }
	read(body, &r)
	set(&c.Model, r.Model)
	if r.System != "" {
		c.System = []Part{{Kind: Text, Text: r.System}}
	}
	if r.Prompt != "" {
		c.Messages = []Message{{"user", []Part{{Kind: Text, Text: r.Prompt}}}}
	}
}

// answerAtOnce reads an answer that has the form of a stream's only event.
func answerAtOnce(c *Chat, body []byte, event func(record.Event) []Delta) {
	deltas := event(record.Event{Data: string(body)})
	if deltas == nil {
		c.Broken = "the answer is not JSON"
		return
	}
	s := newStream(c)
	for _, d := range deltas {
		s.add(d)
	}
	s.last = true
	s.finish("")
}
