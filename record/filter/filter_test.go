package filter

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"ssltape/record"
)

var start = time.Date(2026, 1, 2, 14, 30, 0, 0, time.Local)

// example is an exchange of which much can be said.
func example() *record.Exchange {
	x := &record.Exchange{ID: 7, Conn: &record.Conn{ID: 3, PID: 42, Comm: "node", Remote: netip.MustParseAddrPort("192.0.2.1:443")}}
	x.Request = record.Request{Method: "POST", Target: "/v1/messages?beta=true"}
	x.Request.Message = record.Message{Proto: "HTTP/1.1", Done: true, Start: start, End: start, BodySize: 34,
		Header: record.Fields{{Name: "Host", Value: "api.example.com:8443"}, {Name: "X-Api-Key", Value: "secret"}},
		Body:   record.NewBody([]byte(`{"model":"claude-x","stream":true}`))}
	x.Response = record.Response{Status: 429, Events: []record.Event{{Type: "ping"}, {}}}
	x.Response.Message = record.Message{Proto: "HTTP/1.1", Done: true, Start: start.Add(time.Second), End: start.Add(3 * time.Second), BodySize: 12000,
		Header: record.Fields{{Name: "Content-Type", Value: "text/event-stream; charset=utf-8"}}, Body: record.NewBody([]byte("Too Many\nRequests"))}
	x.Response.Lost = []record.Hole{{Off: 3, Len: 5}}
	return x
}

// terms are expressions and whether the example matches them.
var terms = map[string]bool{
	"":                                  true,
	"  ":                                true,
	"messages":                          true,
	"MESSAGES":                          true,
	"nothing":                           false,
	"https://api.example.com":           true,
	"beta=true,x":                       false,
	`"v1/messages?beta"`:                true,
	"host:api.example.com":              true,
	"host:api.example.com:8443":         true,
	"host:example.com":                  false,
	"host:*.example.com":                true,
	"domain:*.example.com":              true,
	"host:/^api[.]/":                    true,
	"host:/^API[.]/":                    false,
	"host:/^API[.]/i":                   true,
	"path:/v1/messages":                 true,
	"path:/v1":                          false,
	"path:/v1/*":                        true,
	"path:*beta*":                       true,
	"path:'/v1/messages?beta=true'":     true,
	"url:beta=true":                     true,
	"method:post":                       true,
	"method:GET,PUT":                    false,
	"method:GET,POST":                   true,
	"status:429":                        true,
	"status:4xx":                        true,
	"status:5xx":                        false,
	"status:400..499":                   true,
	"status:..399":                      false,
	"status:>=400":                      true,
	"status-code:429":                   true,
	"type:text/event-stream":            true,
	"type:event-stream":                 true,
	"type:sse":                          true,
	"mime-type:text/*":                  true,
	"type:json":                         false,
	"pid:42":                            true,
	"comm:no*":                          true,
	"time:>2s":                          true,
	"time:3":                            true,
	"time:<2900ms":                      false,
	"size:>10k":                         true,
	"size:>12KiB":                       false,
	"size:11.9k..12.1k":                 true,
	"larger-than:12k":                   true,
	"larger-than:13k":                   false,
	"req.size:34":                       true,
	"req.size:<=34":                     true,
	"req.size:<34":                      false,
	"header:event-stream":               true,
	"header:secret":                     false,
	"req.header:x-api-key":              true,
	"req.header:'X-Api-Key: secret'":    true,
	"body:requests":                     true,
	"body:/Many.Requests/":              false,
	`body:/Many\sRequests/`:             true,
	"req.body:stream":                   true,
	"event:ping":                        true,
	"event:message":                     true,
	"event:done":                        false,
	"model:claude-*":                    true,
	"model:gpt-4":                       false,
	"conn:3":                            true,
	"id:5..9":                           true,
	"after:14:00":                       true,
	"after:14:30:01":                    false,
	"before:2026-01-03":                 true,
	"before:2026-01-02T14:00":           false,
	"is:sse":                            true,
	"is:llm":                            true,
	"is:error":                          true,
	"is:incomplete":                     false,
	"is:lost":                           true,
	"is:cut":                            false,
	"is:websocket":                      false,
	"has:req.header.x-api-key":          true,
	"has:req.header.cookie":             false,
	"has:header.content-type":           true,
	"has:body":                          true,
	"has:req.body":                      true,
	"-is:sse":                           false,
	"!is:sse":                           false,
	"!is:websocket":                     true,
	`-host:"ends with \\"`:              true,
	"not is:cut":                        true,
	"not not is:sse":                    true,
	"--is:sse":                          true,
	"is:cut or is:sse":                  true,
	"is:cut is:sse or status:429":       true,
	"is:cut (is:sse or status:429)":     false,
	"-(is:cut or is:incomplete) is:sse": true,
	"is:sse and status:429":             true,
	"is:sse AND NOT status:200":         true,
	"(messages)":                        true,
	`path:/(x\/)?mess/`:                 true,
	"(body:/MANY/i)":                    true,
	"host:/x/,/^api/":                   true,
}

func TestTerms(t *testing.T) {
	x := example()
	for expr, want := range terms {
		f, err := Parse(expr)
		if err != nil {
			t.Errorf("Parse(%q): %v", expr, err)
			continue
		}
		if got := f(x) == Yes; got != want {
			t.Errorf("%q matches: %v, want %v", expr, got, want)
		}
		f(&record.Exchange{}) // of which nothing is known
	}
}

// A term may name a host without its port, a path without its query, and a form
// of JSON as JSON.
func TestPartsOfValues(t *testing.T) {
	tunnel, api := new(record.Exchange), new(record.Exchange)
	tunnel.Request.Method, tunnel.Request.Target = "CONNECT", "[2001:db8::1]:443"
	tunnel.Request.Header = record.Fields{{Name: "Host", Value: "[2001:db8::1]:443"}}
	api.Request.Header = record.Fields{{Name: "Host", Value: "[2001:db8::1]"}}
	api.Response.Header = record.Fields{{Name: "Content-Type", Value: "application/problem+json"}}
	for _, c := range []struct{ got, want []string }{
		{hosts(tunnel), []string{"[2001:db8::1]:443", "[2001:db8::1]"}},
		{hosts(api), []string{"[2001:db8::1]"}},
		{paths(tunnel), []string{"/"}},
		{types(api), []string{"application/problem+json", "problem+json", "json"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// Units are those of decimal and binary prefixes; what is no number is refused,
// also where Go reads one.
func TestSize(t *testing.T) {
	for s, want := range map[string]float64{"0": 0, "65536": 65536, "64k": 64e3, "64KB": 64e3, "64KiB": 64 << 10, "1.5M": 1.5e6, "16MiB": 16 << 20, "16mi": 16 << 20,
		"2G": 2e9, "2GiB": 2 << 30, "100B": 100, "1e3": 1000, "-1": -1} {
		if n, err := Size(s); err != nil || n != want {
			t.Errorf("%s: %v, %v, want %v", s, n, err, want)
		}
	}
	for _, s := range []string{"", "k", "KiB", "12xyz", "10kk", "10bb", "10ib", "nan", "inf", "0x10", "1_000", "64 k", "1.2.3"} {
		if n, err := Size(s); err == nil {
			t.Errorf("%q is taken for %v", s, n)
		}
	}
}

func TestSeveralExpressions(t *testing.T) {
	for _, c := range []struct {
		exprs []string
		want  Verdict
	}{
		{nil, Yes},
		{[]string{"is:cut or is:sse", "status:429"}, Yes},
		{[]string{"is:cut or is:sse", "status:200"}, No},
	} {
		f, err := Parse(c.exprs...)
		if err != nil {
			t.Fatal(err)
		}
		if got := f(example()); got != c.want {
			t.Errorf("%q: %v, want %v", c.exprs, got, c.want)
		}
	}
}

// Errors point at what is wrong.
func TestSyntaxErrors(t *testing.T) {
	for expr, want := range map[string]string{
		"stauts:200":             `1 "stauts" is no key`,
		"is:sse stauts:200":      `8 "stauts" is no key`,
		"héé:1":                  "", // not a key: a word
		"host:é x:1":             `8 "x" is no key`,
		"status:abc":             `8 "abc" is no number`,
		"status:200,abc":         `12 "abc" is no number`,
		"status:":                "8 a value is missing",
		"status:200,":            "12 a value is missing",
		"(is:sse":                "1 not closed",
		"is:sse)":                "7 nothing to close",
		"is:sse or":              "10 a term is missing",
		"or is:sse":              "1 a term is missing",
		"()":                     "2 a term is missing",
		"not":                    "4 a term is missing",
		"is:nothing":             "4 nothing is:nothing",
		"has:x":                  "5 nothing has:x",
		"after:noon":             `7 "noon" is no time`,
		"path:'/x":               "6 the quote is not closed",
		"path:'/x'y":             "10 a space is missing",
		"host:/(/":               "6 error parsing regexp",
		"size:>10x":              `6 ">10x" is no number`,
		"size:/4../":             `6 "4.." is no number`,
		strings.Repeat("(", 500): "101 too deep",
	} {
		_, err := Parse(expr)
		got := ""
		if e := new(SyntaxError); errors.As(err, &e) {
			got = strings.TrimPrefix(strings.Split(e.Error(), "\n")[0], "filter, column ")
			got = strings.Replace(got, ": ", " ", 1)
			if e.Expr != expr {
				t.Errorf("Parse(%q): about %q", expr, e.Expr)
			}
		} else if err != nil {
			t.Errorf("Parse(%q): %v is no SyntaxError", expr, err)
		}
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("Parse(%q): %q, want %q", expr, got, want)
		}
	}
}

// An exchange that goes on is passed on as soon as the verdict is certain, and
// never taken back.
func TestExchanges(t *testing.T) {
	for expr, want := range map[string]string{
		"host:api.example.com:8443": "request response done",
		"status:429":                "response done",
		"not status:429":            "",
		"time:>2s":                  "done",
		"method:GET or status:4xx":  "response done",
		"-body:nothing-of-the-kind": "done",
		"method:GET":                "",
	} {
		f, err := Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		var got stages
		w := Exchanges(&got, f)
		x, whole := example(), example()
		x.Request, x.Response = whole.Request, record.Response{}
		got.stage = "request"
		w.WriteExchange(x)
		x.Response = whole.Response
		x.Response.Done = false
		got.stage = "response"
		w.WriteExchange(x)
		x.Response.Done = true
		got.stage = "done"
		w.WriteExchange(x)
		if strings.Join(got.seen, " ") != want {
			t.Errorf("%q: passed on at %v, want %s", expr, got.seen, want)
		}
	}
}

type stages struct {
	stage string
	seen  []string
}

func (s *stages) WriteExchange(*record.Exchange) error {
	s.seen = append(s.seen, s.stage)
	return nil
}

// No expression can do harm, and none that parses is undecided in the end.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"is:sse -(path:/x or 'a b') status:4xx,500..599 host:/a|b/i", "((", "a:b", "-", "not or and", "size:>=1e999k"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		filter, err := Parse(expr)
		if err != nil {
			if e := new(SyntaxError); !errors.As(err, &e) || e.Column < 1 || e.Column > len(expr)+1 {
				t.Errorf("Parse(%q): %v", expr, err)
			}
			return
		}
		if v := filter(example()); v == Maybe {
			t.Errorf("%q is undecided", expr)
		}
		filter(&record.Exchange{})
	})
}

// TestModelErrors checks that is:error finds what a model said went wrong
// under a status of 200.
func TestModelErrors(t *testing.T) {
	const anthropic, chat, responses, gemini = "/v1/messages", "/v1/chat/completions", "/v1/responses", "/v1beta/models/gemini-2.0-flash:streamGenerateContent?alt=sse"
	is, err := Parse("is:error")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		target, mime, body string
		want               Verdict
	}{
		{anthropic, "text/event-stream", "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n", Yes},
		{anthropic, "text/event-stream", "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", No},
		{anthropic, "application/json", `{"type":"error","error":{"type":"api_error","message":"x"}}`, Yes},
		{chat, "text/event-stream", "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\"}}\n\n", Yes},
		{chat, "text/event-stream", "data: {\"choices\":[{\"delta\":{\"content\":\"error\"}}]}\n\ndata: [DONE]\n\n", No},
		{responses, "text/event-stream", "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"x\"}}}\n\n", Yes},
		{responses, "text/event-stream", "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":null}}\n\n", Yes},
		{responses, "text/event-stream", "event: error\ndata: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"x\"}\n\n", Yes},
		{responses, "application/json", `{"status":"completed","error":null,"output":[]}`, No},
		{gemini, "text/event-stream", "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\n\ndata: {\"error\":{\"code\":503,\"message\":\"overloaded\",\"status\":\"UNAVAILABLE\"}}\n\n", Yes},
		{gemini, "application/json", `[{"candidates":[]},{"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}]`, Yes},
		{"/other", "text/event-stream", "event: error\ndata: {\"type\":\"error\",\"error\":{}}\n\n", Yes},
		{"/other", "text/event-stream", "event: note\ndata: {\"type\":\"error\",\"error\":{}}\n\n", No},
	} {
		x := &record.Exchange{Request: record.Request{Method: "POST", Target: c.target}, Response: record.Response{Status: 200}}
		x.Request.Proto, x.Request.Done, x.Response.Proto, x.Response.Done = "HTTP/1.1", true, "HTTP/1.1", true
		x.Response.Header = record.Fields{{Name: "Content-Type", Value: c.mime}}
		x.Response.Body = record.NewBody([]byte(c.body))
		if c.mime == "text/event-stream" {
			x.Response.Events, _ = record.ParseEvents(strings.NewReader(c.body))
		}
		if got := is(x); got != c.want {
			t.Errorf("%s %s: %v, want %v", c.target, c.body, got, c.want)
		}
	}
}
