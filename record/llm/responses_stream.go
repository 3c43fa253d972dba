package llm

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"ssltape/record"
)

// responsesEvent follows the events by the number of the output item that they
// are about. The last event has the whole response, which is preferred to what
// was put together.
func responsesEvent(e record.Event) []Delta {
	var v struct {
		Type       string
		Output     int `json:"output_index"`
		Content    int `json:"content_index"`
		Summary    int `json:"summary_index"`
		Delta      string
		Item       *responsesItem
		Response   *responsesObject
		Annotation *openAIAnnotation
		Error      *openAIError
		openAIError2
	}
	if !read([]byte(e.Data), &v) {
		return nil
	}
	item := fmt.Sprintf("%d.", v.Output)
	part := fmt.Sprintf("%d.%d", v.Output, v.Content)
	switch v.Type {
	case "response.created":
		if v.Response != nil {
			return []Delta{{Model: v.Response.Model}}
		}
	case "response.completed", "response.incomplete", "response.failed", "response.cancelled":
		if v.Response != nil {
			c := v.Response.chat()
			return []Delta{{Model: c.Model, Stop: c.Stop, Error: c.Error, Usage: v.Response.Usage.usage(), Answer: c, Last: true}}
		}
	case "response.output_item.added":
		if v.Item != nil && strings.HasSuffix(v.Item.Type, "_call") {
			p := v.Item.call()[0]
			return []Delta{{Part: item, Kind: p.Kind, Name: p.Name, ID: p.ID, Text: v.Item.Arguments + v.Item.Input + v.Item.Code}}
		}
	case "response.output_item.done":
		// What a tool of OpenAI was asked is said only now.
		if v.Item != nil && len(v.Item.Action)+len(v.Item.Queries) > 0 {
			return []Delta{{Part: item, Kind: ToolUse, Text: v.Item.call()[0].Text}}
		}
	case "response.output_text.delta":
		return []Delta{{Part: part, Kind: Text, Text: v.Delta}}
	case "response.output_text.annotation.added":
		if v.Annotation != nil {
			return []Delta{{Part: part, Kind: Text, Cite: v.Annotation.String()}}
		}
	case "response.refusal.delta":
		return []Delta{{Part: part, Kind: Refusal, Text: v.Delta}}
	case "response.reasoning_summary_text.delta":
		return []Delta{{Part: fmt.Sprintf("%d.s%d", v.Output, v.Summary), Kind: Thinking, Text: v.Delta}}
	case "response.reasoning_text.delta":
		return []Delta{{Part: part, Kind: Thinking, Text: v.Delta}}
	case "response.audio.transcript.delta", "response.output_audio_transcript.delta":
		return []Delta{{Part: part, Kind: Media, Name: "audio", Text: v.Delta}}
	case "error":
		return []Delta{{Error: cmp.Or(v.Error.String(), (&openAIError{Type: v.Code, Message: v.Message}).String(), "error")}}
	default:
		// response.function_call_arguments.delta, custom_tool_call_input.delta,
		// mcp_call_arguments.delta, code_interpreter_call_code.delta and those
		// to come.
		if strings.HasSuffix(v.Type, ".delta") && strings.Contains(v.Type, "_call_") {
			return []Delta{{Part: item, Kind: ToolUse, Text: v.Delta}}
		}
	}
	return nil
}

// An openAIError2 is an error in the fields of its event.
type openAIError2 struct{ Code, Message string }

func isWebSocket(x *record.Exchange) bool {
	return len(x.WebSocket) > 0 || strings.EqualFold(x.Request.Header.Get("Upgrade"), "websocket") ||
		x.Request.Pseudo.Get(":protocol") == "websocket"
}

// talk reads a WebSocket of the Responses API: the client sends requests of
// type response.create, to which the server answers by the events of a stream.
// All but the last answer become messages of the chat.
func talk(c *Chat, x *record.Exchange) {
	var s *stream
	finish := func() {
		if s != nil {
			s.finish("response.completed")
		}
	}
	for i := range x.WebSocket {
		m := &x.WebSocket[i]
		if m.Opcode != 1 {
			continue
		}
		if !m.FromClient {
			if s == nil {
				s = newStream(c)
			}
			for _, d := range responsesEvent(record.Event{Data: m.Data}) {
				s.add(d)
			}
			continue
		}
		var create struct {
			Type     string
			Response json.RawMessage // the request, of some clients
		}
		if !read([]byte(m.Data), &create) || create.Type != "response.create" {
			continue
		}
		finish()
		if len(c.Answer.Parts) > 0 {
			c.Messages = append(c.Messages, c.Answer)
		}
		c.Answer, c.Stop, c.Broken, c.Error = Message{}, "", "", ""
		if len(create.Response) > 0 {
			responsesRequest(c, create.Response)
		} else {
			responsesRequest(c, []byte(m.Data))
		}
		s = newStream(c)
	}
	finish()
}
