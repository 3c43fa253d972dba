package view

import (
	"strings"
	"testing"

	"ssltape/record"
)

// What a program tells the model amid a conversation is not shown at length,
// as its first instructions are not; what people say is.
func TestInstructionsAreShort(t *testing.T) {
	x := &record.Exchange{ID: 1, Request: record.Request{Method: "POST", Target: "/v1/messages"}}
	x.Request.Proto, x.Request.Done, x.Response.Proto, x.Response.Done = "HTTP/1.1", true, "HTTP/1.1", true
	x.Request.Body = record.NewBody([]byte(`{"model":"m","messages":[{"role":"user","content":"first\nsecond"},
		{"role":"system","content":[{"type":"text","text":"There are tools:\n- one of them"}]}]}`))
	var b strings.Builder
	v, err := New("chat", &b, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.WriteExchange(x); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	const want = "-- user\n  first\n  second\n-- system\n  There are tools: … (30 bytes)\n"
	if !strings.Contains(b.String(), want) {
		t.Errorf("got\n%s\nwant in it\n%s", b.String(), want)
	}
}
