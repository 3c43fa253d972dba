package llm

import (
	"encoding/base64"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"ssltape/record"
)

// frame returns payload as a frame of an AWS event stream with one header.
func frame(payload string) string {
	headers := "\x0b:event-type\x07\x00\x05chunk"
	b := binary.BigEndian.AppendUint32(nil, uint32(16+len(headers)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(headers)))
	return string(b) + "sum1" + headers + payload + "sum2"
}

// What Bedrock carries is what Anthropic sends itself.
func TestBedrock(t *testing.T) {
	text, err := os.ReadFile("testdata/anthropic-stream.case")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(string(text), "\n====\n", 3)
	want, _ := Read(exchange(parts[0], parts[1], parts[2]))
	var body strings.Builder
	for line := range strings.Lines(parts[2]) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			body.WriteString(frame(`{"bytes":"` + base64.StdEncoding.EncodeToString([]byte(data)) + `","p":"abc"}`))
		}
	}
	const target = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke-with-response-stream application/vnd.amazon.eventstream"
	got, ok := Read(exchange(target, parts[1], body.String()))
	if !ok || dump(got) != dump(want) {
		t.Errorf("got\n%s\nwant\n%s", dump(got), dump(want))
	}
	if m := Model(exchange(target, "{}", "")); m != "us.anthropic.claude-sonnet-4-5-20250929-v1:0" {
		t.Errorf("model %q", m)
	}
	cut, _ := Read(exchange(target, parts[1], body.String()[:body.Len()-30]))
	if cut.Broken == "" {
		t.Error("a frame is missing, and it is not said")
	}
	failed, _ := Read(exchange(target, parts[1], frame(`{"message":"Too many \"tokens\""}`)))
	if want := `exception: Too many "tokens"`; failed.Error != want {
		t.Errorf("error %q, want %q", failed.Error, want)
	}
}

// Requests and answers of a WebSocket of the Responses API are one chat.
func TestResponsesWebSocket(t *testing.T) {
	x := exchange("/v1/responses", "", "")
	x.Request.Method = "GET"
	x.Response.Status = 101
	for _, m := range []string{
		`>{"type":"response.create","model":"gpt-5","instructions":"Be exact.","input":"Hi","tools":[{"type":"function","name":"shell"}]}`,
		`<{"type":"response.created","response":{"model":"gpt-5-1","status":"in_progress"}}`,
		`<{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"Hello"}`,
		`<{"type":"response.completed","response":{"id":"resp_1","model":"gpt-5-1","status":"completed","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hello"}]}],"usage":{"input_tokens":3,"output_tokens":1}}}`,
		`>{"type":"response.create","previous_response_id":"resp_1","input":[{"role":"user","content":"More"}]}`,
		`<{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"Bye"}`,
	} {
		x.WebSocket = append(x.WebSocket, record.WebSocketMessage{FromClient: m[0] == '>', Opcode: 1, Data: m[1:]})
	}
	c, ok := Read(x)
	const want = `OpenAI Responses, gpt-5-1, tools ["shell"]
system: text "Be exact."
user: text "Hi"
assistant: text "Hello"
user: text "More"
answer: text "Bye"
stop "", error "", broken "the stream ended without response.completed"
usage "3 in, 1 out"
`
	if !ok || dump(c) != want {
		t.Errorf("got\n%s\nwant\n%s", dump(c), want)
	}
	if m := Model(x); m != "gpt-5-1" {
		t.Errorf("model %q", m)
	}
}

// What is not whole frames is left out, without harm.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(frame(`{"bytes":"e30="}`)))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff0123456789"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, e := range append(awsEvents(b), jsonLines(b)...) {
			if len(e.Data) == 0 {
				t.Error("an event of nothing")
			}
		}
	})
}
