package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"ssltape/record"
)

// gemini is https://ai.google.dev/api/generate-content. With alt=sse its
// stream has events, else it is a JSON array that comes in pieces.
func gemini() api {
	return api{
		name: "Gemini",
		is: func(method, path string) bool {
			return method == "POST" && geminiModel(path) != ""
		},
		request: geminiRequest,
		answer:  geminiAnswer,
		event: func(e record.Event) []Delta {
			var r geminiResponse
			if json.Unmarshal([]byte(e.Data), &r) != nil {
				return nil
			}
			return r.deltas()
		},
		last: "a finishReason", // of a candidate: there is no other end
	}
}

// geminiModel returns the model in a target /v1beta/models/MODEL:METHOD, or "".
func geminiModel(target string) string {
	path, _, _ := strings.Cut(target, "?")
	rest, method, ok := strings.Cut(path, ":")
	if !ok || method != "generateContent" && method != "streamGenerateContent" {
		return ""
	}
	return rest[strings.LastIndexByte(rest, '/')+1:]
}

type geminiContent struct {
	Role  string
	Parts []geminiPart
}

type geminiPart struct {
	Text         *string
	Thought      bool
	FunctionCall *struct {
		ID, Name string
		Args     json.RawMessage
	}
	FunctionResponse *struct {
		ID, Name string
		Response json.RawMessage
	}
}

func (p *geminiPart) part() Part {
	switch {
	case p.Text != nil && p.Thought:
		return Part{Kind: Thinking, Text: *p.Text}
	case p.Text != nil:
		return Part{Kind: Text, Text: *p.Text}
	case p.FunctionCall != nil:
		return Part{Kind: ToolUse, Name: p.FunctionCall.Name, ID: p.FunctionCall.ID, Text: string(p.FunctionCall.Args)}
	case p.FunctionResponse != nil:
		return Part{Kind: Result, Name: p.FunctionResponse.Name, ID: p.FunctionResponse.ID, Text: string(p.FunctionResponse.Response)}
	}
	return Part{Kind: Other, Name: "data"}
}

func (c *geminiContent) parts() []Part {
	var parts []Part
	for i := range c.Parts {
		parts = append(parts, c.Parts[i].part())
	}
	return parts
}

func geminiRequest(c *Chat, body []byte) {
	var r struct {
		SystemInstruction  geminiContent
		SystemInstruction2 geminiContent `json:"system_instruction"`
		Contents           []geminiContent
		Tools              []struct {
			FunctionDeclarations []struct{ Name string }
		}
	}
	json.Unmarshal(body, &r) // what does not fit stays empty
	c.System = append(r.SystemInstruction.parts(), r.SystemInstruction2.parts()...)
	for _, m := range r.Contents {
		c.Messages = append(c.Messages, Message{m.Role, m.parts()})
	}
	for _, t := range r.Tools {
		for _, f := range t.FunctionDeclarations {
			c.Tools = append(c.Tools, f.Name)
		}
	}
}

// A geminiResponse is a piece of a stream, or an answer at once.
type geminiResponse struct {
	Candidates []struct {
		Content      geminiContent
		FinishReason string
	}
	ModelVersion  string
	UsageMetadata *struct {
		Prompt   *int64 `json:"promptTokenCount"`
		Output   *int64 `json:"candidatesTokenCount"`
		Thoughts *int64 `json:"thoughtsTokenCount"`
		Cached   *int64 `json:"cachedContentTokenCount"`
	}
	PromptFeedback struct{ BlockReason string }
	Error          *struct{ Status, Message string }
}

// deltas returns what r adds: text to the part of its kind, unless a tool use
// came between.
func (r *geminiResponse) deltas() []Delta {
	d := Delta{Model: r.ModelVersion}
	if u := r.UsageMetadata; u != nil {
		d.Usage = &Usage{known(u.Prompt), known(u.Output), known(u.Cached), -1, known(u.Thoughts)}
		if d.Usage.CacheRead > 0 && d.Usage.Input >= d.Usage.CacheRead {
			d.Usage.Input -= d.Usage.CacheRead
		}
	}
	if r.Error != nil {
		d.Error = r.Error.Status + ": " + r.Error.Message
	}
	if r.PromptFeedback.BlockReason != "" {
		d.Stop, d.Last = r.PromptFeedback.BlockReason, true
	}
	deltas := []Delta{d}
	for _, c := range r.Candidates {
		for i := range c.Content.Parts {
			p := c.Content.Parts[i].part()
			if p.Kind == Text && p.Text == "" { // as comes with a finishReason
				continue
			}
			deltas = append(deltas, Delta{Part: NextPart, Kind: p.Kind, Name: p.Name, ID: p.ID, Text: p.Text})
		}
		if c.FinishReason != "" {
			deltas = append(deltas, Delta{Stop: c.FinishReason, Last: true})
		}
	}
	return deltas
}

func geminiAnswer(c *Chat, body []byte) {
	s := newStream(c)
	d := json.NewDecoder(bytes.NewReader(body))
	if b := bytes.TrimLeft(body, " \t\r\n"); len(b) > 0 && b[0] == '[' {
		d.Token()
	}
	for d.More() {
		var r geminiResponse
		if err := d.Decode(&r); err != nil {
			if !errors.Is(err, io.EOF) && !s.last {
				c.Broken = "the answer is not whole JSON"
			}
			break
		}
		for _, delta := range r.deltas() {
			s.add(delta)
		}
	}
	if c.Broken == "" {
		s.finish("a finishReason")
	}
}
