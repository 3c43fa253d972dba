package llm

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ssltape/record"
)

var update = flag.Bool("update", false, "rewrite the wanted outputs")

// A case of testdata is a request target, the body of the request, and the
// body of the answer, with "====" lines between. The answer is an event stream
// unless it starts like JSON, or the target is followed by another media type.
func TestRead(t *testing.T) {
	paths, _ := filepath.Glob("testdata/*.case")
	if len(paths) == 0 {
		t.Fatal("no cases")
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			parts := strings.SplitN(string(text), "\n====\n", 3)
			if len(parts) != 3 {
				t.Fatalf("%d parts", len(parts))
			}
			x := exchange(parts[0], parts[1], parts[2])
			c, ok := Read(x)
			if !ok {
				t.Fatal("the API is not known")
			}
			if got := Failure(x); got != c.Error {
				t.Errorf("failure %q, error %q", got, c.Error)
			}
			golden(t, strings.TrimSuffix(path, ".case")+".want.txt", dump(c))
		})
	}
}

func exchange(target, request, answer string) *record.Exchange {
	x := new(record.Exchange)
	target, mediaType, _ := strings.Cut(target, " ")
	x.Request.Proto, x.Request.Method, x.Request.Target = "HTTP/1.1", "POST", target
	x.Request.Body, x.Request.Done = record.NewBody([]byte(request)), true
	x.Response.Proto, x.Response.Status, x.Response.Done = "HTTP/1.1", 200, true
	x.Response.Body = record.NewBody([]byte(answer))
	if mediaType != "" {
		x.Request.Header = record.Fields{{Name: "User-Agent", Value: "ollama-python/0.4"}}
		x.Response.Header = record.Fields{{Name: "Content-Type", Value: mediaType}}
		return x
	}
	if t := strings.TrimSpace(answer); strings.HasPrefix(t, "{") || strings.HasPrefix(t, "[") {
		x.Response.Header = record.Fields{{Name: "Content-Type", Value: "application/json"}}
		return x
	}
	x.Response.Header = record.Fields{{Name: "Content-Type", Value: "text/event-stream"}}
	x.Response.Events, _ = record.ParseEvents(strings.NewReader(answer)) // a string cannot fail to be read
	return x
}

// dump returns c as text, a line for each part.
func dump(c *Chat) string {
	var b strings.Builder
	parts := func(who string, ps []Part) {
		for _, p := range ps {
			fmt.Fprintf(&b, "%s: %s %q\n", who, strings.Join(strings.Fields(fmt.Sprint(p.Kind, " ", p.Name, " ", p.ID)), " "), p.Text)
			if p.Failed {
				b.WriteString("  failed\n")
			}
			if p.Choice > 0 {
				fmt.Fprintf(&b, "  choice %d\n", p.Choice)
			}
			for _, c := range p.Cites {
				fmt.Fprintf(&b, "  cites %s\n", c)
			}
		}
	}
	fmt.Fprintf(&b, "%s, %s, tools %q\n", c.API, c.Model, c.Tools)
	parts("system", c.System)
	for _, m := range c.Messages {
		parts(m.Role, m.Parts)
	}
	parts("answer", c.Answer.Parts)
	fmt.Fprintf(&b, "stop %q, error %q, broken %q\nusage %q\n", c.Stop, c.Error, c.Broken, c.Usage.String())
	if c.Unread != "" {
		fmt.Fprintf(&b, "unread %q\n", c.Unread)
	}
	return b.String()
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Streams that providers really sent give what their SDKs make of them.
func TestCorpus(t *testing.T) {
	const dir = "../../../shared/corpus/sse"
	for name, want := range map[string]string{
		"anthropic-basic_response.txt":                   `end_turn 11/6 "" [text "Hello there!"]`,
		"anthropic-tool_use_response.txt":                `tool_use 377/65 "" [text "I'll check the current weather in Paris for you."] [tool use get_weather "{\"location\": \"Paris\"}"]`,
		"anthropic-incomplete_partial_json_response.txt": `max_tokens 450/124 ""`,
		"anthropic-stream-b-fallback.sse":                `end_turn 31/547 ""`,
		"openai-chat-173417d5.txt":                       `stop 79/11 "" [refusal "I'm sorry, I can't assist with that request."]`,
		"openai-chat-2018feb6.txt":                       `tool_calls 44/16 "" [tool use get_weather "{\"city\":\"New York City\"}"]`,
		"openai-chat-4cc50a61.txt":                       `length 79/1 "" [text "{\""]`,
	} {
		answer, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Skip("the corpus is not here: ", err)
		}
		target := "/v1/messages"
		if strings.HasPrefix(name, "openai") {
			target = "/v1/chat/completions"
		}
		c, _ := Read(exchange(target, "{}", string(answer)))
		got := fmt.Sprintf("%s %d/%d %q", c.Stop, c.Usage.Input, c.Usage.Output, c.Broken+c.Error)
		for _, p := range c.Answer.Parts {
			got += fmt.Sprintf(" [%s %q]", strings.TrimSpace(string(p.Kind)+" "+p.Name), p.Text)
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// A stream that breaks off says so, wherever that is.
func TestBroken(t *testing.T) {
	paths, _ := filepath.Glob("testdata/*stream.case")
	if len(paths) < 4 {
		t.Fatalf("%d streams, want one of each API", len(paths))
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.SplitN(string(text), "\n====\n", 3)
		events := strings.SplitAfter(strings.TrimSpace(parts[2]), "\n\n")
		for n := range len(events) - 1 {
			c, _ := Read(exchange(parts[0], parts[1], strings.Join(events[:n], "")+": ping\n\n"))
			if c.Broken == "" && c.Error == "" && c.Stop == "" {
				t.Errorf("%s after %d events of %d: not said to be broken", path, n, len(events))
			}
		}
	}
}

// An event called error is a failure of any stream; what a provider says of one
// is read in whatever carries it.
func TestFailure(t *testing.T) {
	const bedrock = "/model/anthropic.claude-v2/invoke-with-response-stream application/vnd.amazon.eventstream"
	for _, c := range []struct{ target, answer, want string }{
		{"/anything", "event: error\ndata: out of cheese\n\n", "out of cheese"},
		{"/anything", "event: error\ndata:\n\n", "error"},
		{"/anything", "event: note\ndata: {\"error\": \"no\"}\n\n", ""},
		{"/anything", "{\"error\": \"no\"}", ""},
		{"/v1/responses", `data: {"type":"response.failed","response":{"status":"failed"}}` + "\n\n", "failed"},
		{"/v1/responses", `{"status":"failed"}`, "failed"},
		{bedrock, frame(`{"message":"Too many tokens"}`), "exception: Too many tokens"},
	} {
		if got := Failure(exchange(c.target, "{}", c.answer)); got != c.want {
			t.Errorf("%s, %q: %q, want %q", c.target, c.answer, got, c.want)
		}
	}
	x := exchange("/v1/responses", "", "")
	x.Response.Status = 101
	for _, m := range []string{`>{"type":"response.create","input":"Hi"}`, `<{"type":"response.failed","response":{"status":"failed"}}`} {
		x.WebSocket = append(x.WebSocket, record.WebSocketMessage{FromClient: m[0] == '>', Opcode: 1, Data: m[1:]})
	}
	if got := Failure(x); got != "failed" {
		t.Errorf("WebSocket: %q, want failed", got)
	}
}

// A body that the recording lacks is not taken for one of a broken stream, or
// for one that is no JSON.
func TestLacking(t *testing.T) {
	for _, answer := range []string{"data: {}\n\n", "{\"content\":["} {
		x := exchange("/v1/messages", "{\"model\":", answer)
		x.Request.Cut, x.Response.Cut = 5, 7
		c, _ := Read(x)
		if c.Unread != "the body is not whole" || c.Broken != "the recording does not have the whole answer" {
			t.Errorf("%q: unread %q, broken %q", answer, c.Unread, c.Broken)
		}
	}
}

func TestOthers(t *testing.T) {
	for _, target := range []string{"/", "/v1/messages/batches", "/v1/models", "/v1beta/models/x:embedContent",
		"/channels/1/messages", "/surveys/1/responses", "/api/chat", "/model/meta.llama3/invoke", "/tasks/1/completions"} {
		if c, ok := Read(exchange(target, "{}", "{}")); ok {
			t.Errorf("%s is %s", target, c.API)
		}
	}
}

// What hostile servers and clients send is read without harm.
func FuzzRead(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*.case")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		parts := strings.SplitN(string(text), "\n====\n", 3)
		f.Add(parts[0], parts[1], parts[2])
	}
	f.Fuzz(func(t *testing.T, target, request, answer string) {
		x := exchange(target, request, answer)
		if c, ok := Read(x); ok && c.API == "" {
			t.Error("an API without a name")
		}
		Model(x)
	})
}
