package llm

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"ssltape/record"
)

// openAIChat is https://platform.openai.com/docs/api-reference/chat, which
// many others offer as well, with additions of their own: Azure, OpenRouter,
// DeepSeek, Groq, Mistral, vLLM.
func openAIChat() api {
	return api{
		name:    "OpenAI Chat Completions",
		is:      posts("/chat/completions"),
		model:   azureModel,
		request: openAIRequest,
		answer:  openAIAnswer,
		event:   openAIEvent,
		last:    "[DONE]",
	}
}

// openAIText is the older https://platform.openai.com/docs/api-reference/completions.
func openAIText() api {
	return api{
		name: "OpenAI Completions",
		is: func(x *record.Exchange) bool {
			return posts("/v1/completions")(x) || posts("/completions")(x) &&
				(azureModel(path(x)) != "" || strings.Contains(path(x), "/engines/")) && !strings.HasSuffix(path(x), "/chat/completions")
		},
		model:   azureModel,
		request: promptRequest,
		answer:  openAIAnswer,
		event:   openAIEvent,
		last:    "[DONE]",
	}
}

// azureModel returns the deployment in /openai/deployments/NAME/…, or "".
func azureModel(path string) string {
	_, rest, _ := strings.Cut(path, "/openai/deployments/")
	name, _, _ := strings.Cut(rest, "/")
	return unescape(name)
}

// An openAIMessage is a message of a request, of an answer, or what a chunk of
// a stream adds to one.
type openAIMessage struct {
	Role       string
	Content    json.RawMessage // a string or parts
	Refusal    string
	Reasoning  string           // of compatible providers, as the next one
	Reasoning2 string           `json:"reasoning_content"`
	ToolCalls  []openAIToolCall `json:"tool_calls"`
	ToolCallID string           `json:"tool_call_id"`
	Name       string           // of the function that a message of role function is from
	Function   *openAIFunction  `json:"function_call"` // older than tool_calls
	Audio      *struct{ Transcript string }
	Cites      []openAIAnnotation `json:"annotations"`
}

type openAIToolCall struct {
	Index    int
	ID       string
	Type     string
	Function openAIFunction
	Custom   struct{ Name, Input string }
}

func (t *openAIToolCall) name() string { return cmp.Or(t.Function.Name, t.Custom.Name) }
func (t *openAIToolCall) text() string { return t.Function.Arguments + t.Custom.Input }

type openAIFunction struct{ Name, Arguments string }

// An openAIAnnotation is a source of a text: in Chat Completions the URL is in
// an object.
type openAIAnnotation struct {
	Title, URL string
	Filename   string
	Citation   struct{ Title, URL string } `json:"url_citation"`
}

func (a *openAIAnnotation) String() string {
	return cite(cmp.Or(a.Title, a.Citation.Title, a.Filename), cmp.Or(a.URL, a.Citation.URL))
}

func (m *openAIMessage) parts() []Part {
	var parts []Part
	if t := cmp.Or(m.Reasoning, m.Reasoning2); t != "" {
		parts = append(parts, Part{Kind: Thinking, Text: t})
	}
	content := openAIContent(m.Content)
	if m.Role == "tool" || m.Role == "function" {
		return append(parts, Part{Kind: Result, ID: m.ToolCallID, Name: m.Name, Text: join(content)})
	}
	if len(content) > 0 {
		for _, a := range m.Cites {
			content[len(content)-1].Cites = append(content[len(content)-1].Cites, a.String())
		}
	}
	parts = append(parts, content...)
	if m.Audio != nil {
		parts = append(parts, Part{Kind: Media, Name: "audio", Text: m.Audio.Transcript})
	}
	if m.Refusal != "" {
		parts = append(parts, Part{Kind: Refusal, Text: m.Refusal})
	}
	for i := range m.ToolCalls {
		t := &m.ToolCalls[i]
		parts = append(parts, Part{Kind: ToolUse, Name: t.name(), ID: t.ID, Text: t.text()})
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
	var list []json.RawMessage
	read(content, &list)
	var parts []Part
	for _, raw := range list {
		parts = append(parts, openAIPart(raw))
	}
	return parts
}

// openAIPart returns a part of a content.
func openAIPart(raw json.RawMessage) Part {
	var c struct {
		Type, Text, Refusal string
		ImageURL            json.RawMessage `json:"image_url"` // a string, or an object with one
		FileID              string          `json:"file_id"`
		FileURL             string          `json:"file_url"`
		FileData            string          `json:"file_data"`
		Filename            string
		File                struct {
			Filename string
			FileID   string `json:"file_id"`
			Data     string `json:"file_data"`
		}
		Audio struct{ Data, Format string } `json:"input_audio"`

		Thinking    json.RawMessage // of Mistral
		Annotations []openAIAnnotation
	}
	read(raw, &c)
	switch c.Type {
	case "text", "input_text", "output_text", "summary_text", "reasoning_text":
		p := Part{Kind: Text, Text: c.Text}
		for _, a := range c.Annotations {
			p.Cites = append(p.Cites, a.String())
		}
		return p
	case "refusal":
		return Part{Kind: Refusal, Text: c.Refusal}
	case "thinking":
		return Part{Kind: Thinking, Text: join(openAIContent(c.Thinking))}
	case "image_url", "input_image", "output_image":
		var url string
		var object struct{ URL string }
		read(c.ImageURL, &url)
		read(c.ImageURL, &object)
		return Part{Kind: Media, Name: "image", Text: cmp.Or(located(url), located(object.URL), c.FileID)}
	case "file", "input_file":
		data := located(cmp.Or(c.FileData, c.File.Data, c.FileURL))
		return Part{Kind: Media, Name: "file", Text: cite(cmp.Or(c.Filename, c.File.Filename, c.FileID, c.File.FileID), data)}
	case "input_audio":
		return Part{Kind: Media, Name: "audio", Text: describe(c.Audio.Format, c.Audio.Data)}
	}
	return Part{Kind: Other, Name: c.Type, Text: compact(raw)}
}

func openAIRequest(c *Chat, body []byte) {
	var r struct {
		Model     string
		Messages  []openAIMessage
		Tools     []openAITool
		Functions []openAITool // older than tools
	}
	read(body, &r)
	set(&c.Model, r.Model)
	for i := range r.Messages {
		m := &r.Messages[i]
		if m.Role == "system" || m.Role == "developer" {
			c.System = append(c.System, m.parts()...)
			continue
		}
		c.Messages = append(c.Messages, Message{m.Role, m.parts()})
	}
	for _, t := range append(r.Tools, r.Functions...) {
		c.Tools = append(c.Tools, t.name())
	}
}

// An openAITool has its name in it (Responses) or in its function (Chat), or
// is called by its type.
type openAITool struct {
	Type, Name string
	Function   struct{ Name string }
	Custom     struct{ Name string }
}

func (t *openAITool) name() string { return cmp.Or(t.Name, t.Function.Name, t.Custom.Name, t.Type) }

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
	Code          any // a word or a number
}

// UnmarshalJSON reads an error that is an object, or, of some providers, a
// text.
func (e *openAIError) UnmarshalJSON(raw []byte) error {
	type plain openAIError
	read(raw, (*plain)(e))
	read(raw, &e.Message)
	return nil
}

func (e *openAIError) String() string {
	if e == nil {
		return ""
	}
	kind, isWord := e.Code.(string)
	if e.Code != nil && !isWord {
		kind = fmt.Sprint(e.Code)
	}
	kind = cmp.Or(kind, e.Type)
	return strings.Trim(kind+": "+e.Message, ": ")
}

// An openAICompletion is an answer, or a piece of one.
type openAICompletion struct {
	Model   string
	Choices []struct {
		Index        int
		Message      openAIMessage
		Delta        openAIMessage
		Text         string // of the older API
		FinishReason string `json:"finish_reason"`
	}
	Usage *openAIUsage
	Error *openAIError
}

func openAIAnswer(c *Chat, body []byte) {
	var r openAICompletion
	if !read(body, &r) {
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
		parts := choice.Message.parts()
		if choice.Text != "" {
			parts = append(parts, Part{Kind: Text, Text: choice.Text})
		}
		for i := range parts {
			parts[i].Choice = choice.Index
		}
		c.Answer.Parts = append(c.Answer.Parts, parts...)
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
	if !read([]byte(e.Data), &v) {
		return nil
	}
	deltas := []Delta{{Model: v.Model, Usage: v.Usage.usage(), Error: v.Error.String()}}
	for _, choice := range v.Choices {
		d := choice.Delta
		key := strconv.Itoa(choice.Index)
		add := func(d Delta) {
			d.Part, d.Choice = key+d.Part, choice.Index
			deltas = append(deltas, d)
		}
		addText := func(part string, kind Kind, text string) {
			if text != "" {
				add(Delta{Part: part, Kind: kind, Text: text})
			}
		}
		addText("thinking", Thinking, cmp.Or(d.Reasoning, d.Reasoning2))
		for _, p := range openAIContent(d.Content) {
			addText(string(p.Kind), p.Kind, p.Text)
		}
		addText("text", Text, choice.Text)
		addText("refusal", Refusal, d.Refusal)
		for _, a := range d.Cites {
			add(Delta{Part: "text", Kind: Text, Cite: a.String()})
		}
		if f := d.Function; f != nil {
			add(Delta{Part: "function", Kind: ToolUse, Name: f.Name, Text: f.Arguments})
		}
		for i := range d.ToolCalls {
			t := &d.ToolCalls[i]
			add(Delta{Part: "tool" + strconv.Itoa(t.Index), Kind: ToolUse, Name: t.name(), ID: t.ID, Text: t.text()})
		}
		if choice.FinishReason != "" {
			deltas = append(deltas, Delta{Stop: choice.FinishReason})
		}
	}
	return deltas
}
