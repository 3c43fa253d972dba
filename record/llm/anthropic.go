package llm

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"ssltape/record"
)

// anthropic is https://docs.anthropic.com/en/api/messages, and what streams of
// it look like (messages-streaming). Bedrock and Vertex carry the same bodies
// at other addresses.
func anthropic() api {
	direct := posts("/v1/messages")
	return api{
		name: "Anthropic Messages",
		is: func(x *record.Exchange) bool {
			return direct(x) || x.Request.Method == "POST" && anthropicModel(path(x)) != ""
		},
		model:   anthropicModel,
		request: anthropicRequest,
		answer:  anthropicAnswer,
		event:   anthropicEvent,
		last:    "message_stop",
	}
}

// anthropicModel returns the model in a path of Bedrock,
// /model/MODEL/invoke-with-response-stream, or of Vertex,
// /v1/projects/…/publishers/anthropic/models/MODEL:streamRawPredict, or "".
func anthropicModel(path string) string {
	for _, end := range []string{"/invoke", "/invoke-with-response-stream"} {
		model, ok := strings.CutSuffix(path, end)
		_, model, isModel := strings.Cut(model, "/model/")
		if model = unescape(model); ok && isModel && strings.Contains(model, "anthropic.") {
			return model
		}
	}
	if _, rest, ok := strings.Cut(path, "/publishers/anthropic/models/"); ok {
		model, method, _ := strings.Cut(rest, ":")
		if method == "rawPredict" || method == "streamRawPredict" {
			return model
		}
	}
	return ""
}

// An anthropicBlock is a block of content of any type.
type anthropicBlock struct {
	Type       string
	Text       string
	Thinking   string
	ID         string
	Name       string
	ServerName string `json:"server_name"` // of MCP
	Input      json.RawMessage
	ToolUseID  string          `json:"tool_use_id"`
	Content    json.RawMessage // of a result: a string or blocks
	IsError    bool            `json:"is_error"`
	Title      string          // of documents and results of searches
	URL        string
	Source     json.RawMessage // of media: an object; of a search result: a URL
	Citations  []anthropicCitation
	// Of what code and commands print.
	Stdout, Stderr string
	ErrorCode      string `json:"error_code"`

	raw json.RawMessage
}

// UnmarshalJSON keeps the JSON of a block of a type that is not known.
func (b *anthropicBlock) UnmarshalJSON(raw []byte) error {
	type plain anthropicBlock
	read(raw, (*plain)(b))
	b.raw = append(b.raw[:0], raw...)
	return nil
}

type anthropicCitation struct {
	Title, URL    string
	Source        string
	DocumentTitle string `json:"document_title"`
}

func (c *anthropicCitation) String() string {
	return cite(cmp.Or(c.Title, c.DocumentTitle), cmp.Or(c.URL, c.Source))
}

func (b *anthropicBlock) part() Part {
	switch {
	case b.Type == "text":
		p := Part{Kind: Text, Text: b.Text}
		for _, c := range b.Citations {
			p.Cites = append(p.Cites, c.String())
		}
		return p
	case b.Type == "thinking":
		return Part{Kind: Thinking, Text: b.Thinking}
	case b.Type == "redacted_thinking":
		return Part{Kind: Thinking, Name: "redacted"}
	case strings.HasSuffix(b.Type, "_use"): // tool_use, server_tool_use, mcp_tool_use
		return Part{Kind: ToolUse, Name: strings.TrimPrefix(b.ServerName+"/"+b.Name, "/"), ID: b.ID, Text: string(b.Input)}
	case strings.HasSuffix(b.Type, "_result") && b.ToolUseID != "":
		return b.result()
	case b.Type == "image" || b.Type == "document" || b.Type == "container_upload":
		return Part{Kind: Media, Name: b.Type, Text: strings.TrimSuffix(cite(b.Title, b.source()), " ")}
	case b.Type == "search_result":
		return Part{Kind: Media, Name: "search result", Text: cite(b.Title, b.source())}
	}
	return Part{Kind: Other, Name: b.Type, Text: compact(b.raw)}
}

// source says where media come from.
func (b *anthropicBlock) source() string {
	var s struct {
		MediaType string `json:"media_type"`
		FileID    string `json:"file_id"`
		Type      string
		Data, URL string
	}
	var url string
	if read(b.Source, &url); url != "" {
		return url
	}
	read(b.Source, &s)
	if s.Type == "text" {
		return fmt.Sprintf("%s, %d bytes", s.MediaType, len(s.Data))
	}
	if s.Data != "" {
		return describe(s.MediaType, s.Data)
	}
	return cmp.Or(s.URL, s.FileID)
}

// result returns what a tool returned: one of ours, or one that ran at the
// provider, whose results have types of their own.
func (b *anthropicBlock) result() Part {
	p := Part{Kind: Result, ID: b.ToolUseID, Failed: b.IsError}
	var texts []string
	for _, r := range anthropicBlocks(b.Content) {
		text := ""
		switch {
		case r.ErrorCode != "":
			p.Failed, text = true, r.ErrorCode
		case r.Type == "text":
			text = r.Text
		case r.Stdout+r.Stderr != "":
			text = r.Stdout + r.Stderr
		case r.URL != "" || r.Title != "":
			text = cite(r.Title, r.URL)
		default:
			q := r.part()
			if text = "[" + strings.TrimSpace(q.Name+" "+q.Text) + "]"; q.Kind == Other {
				text = q.Text
			}
		}
		texts = append(texts, text)
	}
	p.Text = strings.Join(texts, "\n")
	return p
}

// anthropicBlocks returns the blocks of content, which is a string, a block or
// a list of blocks.
func anthropicBlocks(content json.RawMessage) []anthropicBlock {
	var text string
	if json.Unmarshal(content, &text) == nil && text != "" {
		return []anthropicBlock{{Type: "text", Text: text}}
	}
	var blocks []anthropicBlock
	if json.Unmarshal(content, &blocks) == nil {
		return blocks
	}
	var one anthropicBlock
	if json.Unmarshal(content, &one) != nil || one.Type == "" {
		return nil
	}
	return []anthropicBlock{one}
}

func anthropicContent(content json.RawMessage) []Part {
	var parts []Part
	for _, b := range anthropicBlocks(content) {
		parts = append(parts, b.part())
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
	read(body, &r)
	set(&c.Model, r.Model)
	c.System = anthropicContent(r.System)
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

type anthropicError struct{ Type, Message string }

func (e *anthropicError) String() string {
	if e == nil || e.Type+e.Message == "" {
		return ""
	}
	return strings.TrimPrefix(e.Type+": "+e.Message, ": ")
}

// An anthropicStop is why the model stopped.
type anthropicStop struct {
	Reason   string                                 `json:"stop_reason"`
	Sequence string                                 `json:"stop_sequence"`
	Details  struct{ Category, Explanation string } `json:"stop_details"` // of a refusal
}

func (s *anthropicStop) String() string {
	text := strings.TrimSpace(s.Reason + " " + cmp.Or(s.Sequence, s.Details.Category))
	if s.Details.Explanation != "" {
		text += ": " + s.Details.Explanation
	}
	return text
}

// An anthropicMessage is an answer.
type anthropicMessage struct {
	anthropicStop
	Model   string
	Role    string
	Content json.RawMessage
	Usage   *anthropicUsage
	Error   *anthropicError
}

func anthropicAnswer(c *Chat, body []byte) {
	var m anthropicMessage
	if !read(body, &m) {
		c.Broken = "the answer is not JSON"
		return
	}
	c.Answer = Message{"assistant", anthropicContent(m.Content)}
	set(&c.Model, m.Model)
	c.Stop, c.Error = m.String(), m.Error.String()
	if u := m.Usage.usage(); u != nil {
		c.Usage.update(*u)
	}
}
