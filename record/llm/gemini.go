package llm

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strconv"
	"strings"

	"ssltape/record"
)

// gemini is https://ai.google.dev/api/generate-content, at Google AI, Vertex,
// and Code Assist, which wraps the same bodies. With alt=sse its stream has
// events, else it is a JSON array that comes in pieces.
func gemini() api {
	return api{
		name:    "Gemini",
		is:      posts(":generateContent", ":streamGenerateContent"),
		model:   geminiModel,
		request: geminiRequest,
		answer:  geminiAnswer,
		event: func(e record.Event) []Delta {
			var r geminiResponse
			if !read([]byte(e.Data), &r) {
				return nil
			}
			return r.deltas()
		},
		last: "a finishReason", // of a candidate: there is no other end
	}
}

// geminiModel returns the model in a path /v1beta/models/MODEL:METHOD, or "".
func geminiModel(path string) string {
	rest, method, ok := strings.Cut(path, ":")
	i := strings.LastIndexByte(rest, '/')
	if !ok || i < 0 || method != "generateContent" && method != "streamGenerateContent" && method != "countTokens" || !strings.HasSuffix(strings.ToLower(rest[:i]), "models") {
		return ""
	}
	return unescape(rest[i+1:])
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
	InlineData     *struct{ MimeType, Data string }
	FileData       *struct{ MimeType, FileURI string }
	ExecutableCode *struct{ Language, Code string }
	Executed       *struct{ Outcome, Output string } `json:"codeExecutionResult"`

	raw json.RawMessage
}

// UnmarshalJSON keeps the JSON of a part of a kind that is not known.
func (p *geminiPart) UnmarshalJSON(raw []byte) error {
	type plain geminiPart
	read(raw, (*plain)(p))
	p.raw = append(p.raw[:0], raw...)
	return nil
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
	case p.InlineData != nil:
		return Part{Kind: Media, Name: mediaName(p.InlineData.MimeType), Text: describe(p.InlineData.MimeType, p.InlineData.Data)}
	case p.FileData != nil:
		return Part{Kind: Media, Name: "file", Text: cite(p.FileData.MimeType, p.FileData.FileURI)}
	case p.ExecutableCode != nil:
		return Part{Kind: ToolUse, Name: strings.ToLower(p.ExecutableCode.Language), Text: p.ExecutableCode.Code}
	case p.Executed != nil:
		return Part{Kind: Result, Text: p.Executed.Output, Failed: p.Executed.Outcome != "OUTCOME_OK"}
	}
	return Part{Kind: Other, Name: "data", Text: compact(p.raw)}
}

func (c *geminiContent) parts() []Part {
	var parts []Part
	for i := range c.Parts {
		parts = append(parts, c.Parts[i].part())
	}
	return parts
}

// A geminiQuestion is a request; Code Assist has it in the field request.
type geminiQuestion struct {
	Model              string
	SystemInstruction  geminiContent
	SystemInstruction2 geminiContent `json:"system_instruction"`
	Contents           []geminiContent
	Tools              []struct {
		Declarations  []struct{ Name string } `json:"functionDeclarations"`
		Declarations2 []struct{ Name string } `json:"function_declarations"`
	}
	Request *geminiQuestion
	Counted *geminiQuestion `json:"generateContentRequest"` // of countTokens
}

func geminiRequest(c *Chat, body []byte) {
	var r geminiQuestion
	read(body, &r)
	set(&c.Model, r.Model)
	if r.Request != nil {
		r = *r.Request
	}
	if r.Counted != nil {
		r = *r.Counted
	}
	c.System = append(r.SystemInstruction.parts(), r.SystemInstruction2.parts()...)
	for i := range r.Contents {
		m := &r.Contents[i]
		c.Messages = append(c.Messages, Message{cmp.Or(m.Role, "user"), m.parts()})
	}
	for _, t := range r.Tools {
		for _, f := range append(t.Declarations, t.Declarations2...) {
			c.Tools = append(c.Tools, f.Name)
		}
	}
}

// A geminiResponse is a piece of a stream, or an answer at once; that of Code
// Assist is in the field response.
type geminiResponse struct {
	Candidates []struct {
		Index         int
		Content       geminiContent
		FinishReason  string
		FinishMessage string
		Grounding     struct {
			Chunks []struct {
				Web struct{ Title, URI string }
			} `json:"groundingChunks"`
		} `json:"groundingMetadata"`
	}
	ModelVersion  string
	UsageMetadata *struct {
		Prompt   *int64 `json:"promptTokenCount"`
		Output   *int64 `json:"candidatesTokenCount"`
		Thoughts *int64 `json:"thoughtsTokenCount"`
		Cached   *int64 `json:"cachedContentTokenCount"`
	}
	PromptFeedback struct{ BlockReason string }
	Error          *struct {
		Status, Message string
		Code            int
	}
	Response *geminiResponse
}

// deltas returns what r adds: text to the part of its kind, unless a tool use
// came between. Thoughts count as output, as with other providers.
func (r *geminiResponse) deltas() []Delta {
	if r.Response != nil {
		r = r.Response
	}
	d := Delta{Model: r.ModelVersion}
	if u := r.UsageMetadata; u != nil {
		d.Usage = &Usage{known(u.Prompt), known(u.Output), known(u.Cached), -1, known(u.Thoughts)}
		if d.Usage.CacheRead > 0 && d.Usage.Input >= d.Usage.CacheRead {
			d.Usage.Input -= d.Usage.CacheRead
		}
		if d.Usage.Thinking > 0 {
			d.Usage.Output = max(0, d.Usage.Output) + d.Usage.Thinking
		}
	}
	if e := r.Error; e != nil {
		status := e.Status
		if status == "" && e.Code != 0 {
			status = strconv.Itoa(e.Code)
		}
		d.Error = cmp.Or(strings.Trim(status+": "+e.Message, ": "), "error")
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
			deltas = append(deltas, Delta{Part: NextPart, Kind: p.Kind, Name: p.Name, ID: p.ID, Text: p.Text, Failed: p.Failed, Choice: c.Index})
		}
		for _, g := range c.Grounding.Chunks {
			deltas = append(deltas, Delta{Part: NextPart, Kind: Text, Cite: cite(g.Web.Title, g.Web.URI), Choice: c.Index})
		}
		if c.FinishReason != "" {
			deltas = append(deltas, Delta{Stop: strings.TrimSuffix(c.FinishReason+": "+c.FinishMessage, ": "), Last: true})
		}
	}
	return deltas
}

// geminiAnswer reads an answer at once, or a stream that is an array.
func geminiAnswer(c *Chat, body []byte) {
	s := newStream(c)
	d := json.NewDecoder(bytes.NewReader(body))
	if b := bytes.TrimLeft(body, " \t\r\n"); len(b) > 0 && b[0] == '[' {
		d.Token()
	}
	for d.More() {
		var r geminiResponse
		if err := d.Decode(&r); err != nil && !isType(err) {
			break
		}
		for _, delta := range r.deltas() {
			s.add(delta)
		}
	}
	s.finish("a finishReason")
	if len(c.Answer.Parts) == 0 && c.Broken != "" && !json.Valid(body) {
		c.Broken = "the answer is not JSON"
	}
}
