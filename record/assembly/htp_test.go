package assembly_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"ssltape/record"
	"ssltape/record/recordtest"
)

type htpCase struct {
	Name, File string
	StreamOK   bool `json:"stream_ok"`
	CustomCfg  bool `json:"custom_cfg"`
	TxCount    *int `json:"tx_count"`
	Chunks     []struct {
		D   string
		B   []byte
		Gap int64
	}
	Asserts []htpAssert
}

type htpAssert struct {
	Tx    int
	Field string
	Key   any
	Value any
}

// htpExceptions are the cases or asserts that read otherwise here, with the reason.
var htpExceptions = map[string]string{
	"GetRequestLineNul":                  "the target is kept as sent, also after NUL",
	"Unknown_MethodOnly":                 "a word on a line is not evidence enough for HTTP/0.9",
	"InvalidHtpProtocol":                 "neither is a GET of an unknown protocol",
	"InvalidRequestHeader":               "libhtp joins spaces in values; they are kept as sent",
	"GetWhitespace":                      "a space before the method is no part of it",
	"PartialRequestTimeout":              "the request never came whole: it is not complete",
	"ResponsesCut":                       "the second request's head has no end: it is not complete",
	"Expect100":                          "the last response's head has no end: it is not complete (RFC 9112, section 8)",
	"ResponseBodyData":                   "there is nothing of HTTP in it",
	"HttpEvader318 response_message_len": "libhtp counts what follows the body of known length",
	"HttpEvader416 response_message_len": "the same",
	"HttpEvader416 response_entity_len":  "the same",
	"HttpCloseHeaders":                   "the response's head has no end: it is not complete (RFC 9112, section 8)",
}

func TestHTP(t *testing.T) {
	var cases []htpCase
	readCorpus(t, "htp.json", &cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			conn := &record.Conn{ID: 1}
			var chunks []record.Chunk
			var next [2]int64
			for i, k := range c.Chunks {
				d := record.Out
				if k.D == "s" {
					d = record.In
				}
				next[d] += k.Gap
				chunks = append(chunks, record.Chunk{Conn: conn, Dir: d, Off: next[d], Time: recordtest.Start.Add(time.Duration(i)), Data: k.B})
				next[d] += int64(len(k.B))
			}
			for _, d := range []record.Dir{record.Out, record.In} {
				chunks = append(chunks, record.Chunk{Conn: conn, Dir: d, Off: next[d], Time: recordtest.Start, End: record.EndClean})
			}
			xs, st := assemble(t, chunks, 0)
			whole := render(xs, st, false)
			for _, n := range []int{1, 2, 3, 7} {
				xs, st := assemble(t, chunks, n)
				if got := render(xs, st, false); got != whole {
					t.Errorf("in pieces of %d: %s", n, diff(whole, got))
				}
			}
			why, exception := htpExceptions[c.Name]
			if c.CustomCfg {
				why, exception = "needs libhtp's configuration", true
			}
			if exception {
				t.Log("exception:", why)
				return
			}
			if c.TxCount != nil && len(xs) != *c.TxCount {
				t.Errorf("%d exchanges, want %d", len(xs), *c.TxCount)
			}
			for _, a := range c.Asserts {
				if a.Tx < 0 {
					continue // about libhtp's connection flags
				}
				if a.Tx >= len(xs) {
					t.Errorf("no exchange %d", a.Tx)
					continue
				}
				if htpExceptions[c.Name+" "+a.Field] != "" {
					continue
				}
				if want, got, ok := a.check(xs[a.Tx]); ok && want != got {
					t.Errorf("exchange %d: %s %v is %.200q, want %.200q", a.Tx, a.Field, a.Key, got, want)
				}
			}
			if t.Failed() {
				t.Log(whole)
			}
		})
	}
}

// check returns what a wants of x and what x has; ok is false where a is about
// something that only libhtp has.
func (a htpAssert) check(x *record.Exchange) (want, got string, ok bool) {
	if want = fmt.Sprint(a.Value); a.Value == nil {
		want = ""
	}
	r := &x.Response
	decoded := func(m *record.Message) string {
		d, err := m.Decode()
		if err != nil {
			return err.Error()
		}
		defer d.Close()
		p, _ := io.ReadAll(d)
		return string(p)
	}
	raw, _ := r.Body.Bytes()
	switch a.Field {
	case "complete":
		return want, fmt.Sprint(x.Done()), true
	case "request_progress", "request_complete":
		return "true", fmt.Sprint(x.Request.Done), want == "COMPLETE" || want == "true"
	case "response_progress", "response_complete":
		return "true", fmt.Sprint(r.Done), want == "COMPLETE" || want == "true"
	case "request_method":
		return want, x.Request.Method, true
	case "request_uri":
		return want, x.Request.Target, true
	case "request_header_eq":
		return want, x.Request.Header.Get(fmt.Sprint(a.Key)), true
	case "request_protocol":
		return want, x.Request.Proto, strings.HasPrefix(want, "HTTP")
	case "response_protocol":
		return strings.NewReplacer("V", "HTTP/", "_", ".").Replace(want), r.Proto, true
	case "response_status":
		return want, fmt.Sprint(r.Status), true
	case "response_message":
		return want, r.Reason, true
	case "response_content_type":
		return want, r.MediaType(), true
	case "response_header_eq":
		return want, r.Header.Get(fmt.Sprint(a.Key)), true
	case "response_header_count":
		return want, fmt.Sprint(len(r.Header)), true
	case "response_transfer_coding":
		return want, strings.Trim(r.Header.Get("Transfer-Encoding"), "\x00"), true
	case "response_body_decoded":
		return want, decoded(&r.Message), true
	case "response_body_piece":
		return "true", fmt.Sprint(strings.Contains(string(raw), want)), want != "\n"
	case "response_message_len":
		return want, fmt.Sprint(r.BodySize), !r.Header.Has("Transfer-Encoding") // libhtp counts framing
	case "response_entity_len":
		return want, fmt.Sprint(len(decoded(&r.Message))), true
	case "request_message_len":
		return want, fmt.Sprint(x.Request.BodySize), true
	case "request_entity_len":
		return want, fmt.Sprint(len(decoded(&x.Request.Message))), true
	}
	return "", "", false
}
