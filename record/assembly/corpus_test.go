package assembly_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ssltape/record"
	"ssltape/record/recordtest"
)

// The corpus is inputs that nobody of this project wrote. It is not a part of
// the repository; where it is not there, its tests are skipped by name.
const corpus = "../../../shared/corpus"

func readCorpus(t *testing.T, name string, v any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(corpus, name))
	if os.IsNotExist(err) {
		t.Skipf("no %s in %s", name, corpus)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

type llhttpCase struct {
	Name string
	Line int
	File string
	Meta struct {
		Type     string
		SkipBody bool
	}
	Input  []byte `json:"input_b64"`
	Expect struct {
		Messages []llhttpMessage
		Error    *struct{ Off int }
	}
}

type llhttpMessage struct {
	Method, URL, Status string
	Headers, Trailers   [][2]string
	Body                []byte `json:"body_b64"`
	Complete            bool
}

// llhttpExceptions are the cases that read otherwise here, with the reason.
var llhttpExceptions = map[string]string{
	"request/content-length.md:447":     "the case tells the parser that there is no body",
	"request/invalid.md:184":            "lenient flag: a CR alone ends a request's line, against RFC 9112 section 2.2",
	"request/transfer-encoding.md:1029": "lenient flag: a CR alone ends the line of a chunk, against RFC 9112 section 2.2",
	"request/invalid.md:571":            "lenient flag: the empty line after the last chunk is not the end, against RFC 9112 section 7.1",
}

func TestLLHTTP(t *testing.T) {
	var cases []llhttpCase
	readCorpus(t, "llhttp.json", &cases)
	for _, c := range cases {
		name := fmt.Sprintf("%s:%d", c.File, c.Line)
		t.Run(name, func(t *testing.T) {
			whole := runLLHTTP(t, c, len(c.Input))
			why, exception := llhttpExceptions[name]
			if exception {
				t.Log("exception:", why)
			}
			for i, want := range c.Expect.Messages {
				if exception || c.Expect.Error != nil && !want.Complete {
					break
				}
				if i >= len(whole) {
					t.Errorf("%q: %d messages, want %d: %v", c.Input, len(whole), len(c.Expect.Messages), whole)
					break
				}
				if w := showLLHTTP(want.unescape()); w != whole[i] {
					t.Errorf("%q: message %d\nwant %s\ngot  %s", c.Input, i, w, whole[i])
				}
			}
			for n := range len(c.Input) {
				if got := runLLHTTP(t, c, n); fmt.Sprint(got) != fmt.Sprint(whole) {
					t.Fatalf("%q: split at %d\nwhole %q\ngot   %q", c.Input, n, whole, got)
				}
			}
		})
	}
}

// unescape returns m with the bytes that its strings stand for: one a rune.
func (m llhttpMessage) unescape() llhttpMessage {
	latin1 := func(s *string) {
		var b []byte
		for _, r := range *s {
			b = append(b, byte(r))
		}
		*s = string(b)
	}
	latin1(&m.URL)
	latin1(&m.Status)
	for i := range m.Headers {
		latin1(&m.Headers[i][1])
	}
	return m
}

func showLLHTTP(m llhttpMessage) string {
	show := func(fs [][2]string) string {
		var b strings.Builder
		if !m.Complete {
			return "" // llhttp has not shown those that may go on
		}
		for _, f := range fs {
			fmt.Fprintf(&b, "%s: %s\n", strings.TrimSpace(f[0]), strings.Join(strings.Fields(f[1]), " "))
		}
		return b.String()
	}
	return fmt.Sprintf("%s %s %s complete=%t body=%q\n%s%s", m.Method, m.URL, m.Status, m.Complete, m.Body, show(m.Headers), show(m.Trailers))
}

// runLLHTTP returns the messages of c, cut in two at n, or into single bytes where n is 0.
func runLLHTTP(t *testing.T, c llhttpCase, n int) []string {
	var got []string
	add := func(m *record.Message, method, url, status string) {
		body, _ := m.Body.Bytes()
		lm := llhttpMessage{Method: method, URL: url, Status: status, Body: body, Complete: m.Done}
		for _, f := range m.Header {
			lm.Headers = append(lm.Headers, [2]string{f.Name, f.Value})
		}
		for _, f := range m.Trailer {
			lm.Trailers = append(lm.Trailers, [2]string{f.Name, f.Value})
		}
		got = append(got, showLLHTTP(lm))
	}
	conn := &record.Conn{ID: 1}
	var chunks []record.Chunk
	dir, response := record.Out, strings.HasPrefix(c.Meta.Type, "response")
	if response {
		method := "GET"
		if c.Meta.SkipBody {
			method = "HEAD"
		}
		dir = record.In
		for range c.Expect.Messages {
			chunks = appendData(chunks, conn, record.Out, []byte(method+" / HTTP/1.1\r\nHost: x\r\n\r\n"))
		}
	}
	if n == 0 {
		for i := range c.Input {
			chunks = appendData(chunks, conn, dir, c.Input[i:i+1])
		}
	} else {
		chunks = appendData(chunks, conn, dir, c.Input[:n])
		chunks = appendData(chunks, conn, dir, c.Input[n:])
	}
	xs, _ := assemble(t, chunks, 0)
	for _, x := range xs {
		if !response {
			add(&x.Request.Message, x.Request.Method, x.Request.Target, "")
			continue
		}
		for _, i := range x.Response.Interim {
			add(&record.Message{Header: i.Header, Done: true}, "", "", i.Reason)
		}
		if x.Response.Seen() {
			add(&x.Response.Message, "", "", x.Response.Reason)
		}
	}
	return got
}

// appendData appends a chunk with p, which continues its direction.
func appendData(cs []record.Chunk, conn *record.Conn, d record.Dir, p []byte) []record.Chunk {
	var off int64
	for _, c := range cs {
		if c.Conn == conn && c.Dir == d {
			off = c.Off + int64(len(c.Data))
		}
	}
	return append(cs, record.Chunk{Conn: conn, Dir: d, Off: off, Time: recordtest.Start, Data: p})
}

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

type zeekCase struct {
	Test    string
	Streams []struct {
		Client []string
		End    map[string]string
		Chunks []struct {
			D string
			T float64
			B []byte
		}
	}
	Logs map[string]any
}

// zeekExceptions are the cases that read otherwise here, with the reason.
var zeekExceptions = map[string]string{
	"scripts.base.protocols.http.curl-http-09":         "Zeek leaves the answer of HTTP/0.9 out, curl took it",
	"scripts.base.protocols.http.no-version":           "Zeek has a second row of an empty request",
	"scripts.base.protocols.http.smuggle-http-request": "Zeek takes the last eight bytes of an unfinished gzip body for its sums",
}

// TestZeek compares with the http.log that Zeek writes of the same traffic.
func TestZeek(t *testing.T) {
	var cases []zeekCase
	readCorpus(t, "zeek.json", &cases)
	for _, c := range cases {
		t.Run(strings.TrimPrefix(c.Test, "scripts.base.protocols.http."), func(t *testing.T) {
			var got []map[string]string
			for i, s := range c.Streams {
				conn := &record.Conn{ID: uint64(i + 1)}
				var chunks []record.Chunk
				var next [2]int64
				dirs := map[string]record.Dir{"c": record.Out, "s": record.In}
				for _, k := range s.Chunks {
					d := dirs[k.D]
					chunks = append(chunks, record.Chunk{Conn: conn, Dir: d, Off: next[d], Time: recordtest.Start, Data: k.B})
					next[d] += int64(len(k.B))
				}
				for _, name := range []string{"c", "s"} {
					end := record.EndCut
					if s.End[name] == "fin" {
						end = record.EndClean
					}
					chunks = append(chunks, record.Chunk{Conn: conn, Dir: dirs[name], Off: next[dirs[name]], Time: recordtest.Start, End: end})
				}
				xs, st := assemble(t, chunks, 0)
				whole := render(xs, st, false)
				for _, n := range []int{1, 7} {
					xs, st := assemble(t, chunks, n)
					if other := render(xs, st, false); other != whole {
						t.Errorf("in pieces of %d: %s", n, diff(whole, other))
					}
				}
				for _, x := range xs {
					if len(x.WebSocket) == 0 || x.Response.Seen() { // Zeek has no row of one without its handshake
						got = append(got, zeekRow(x, s.Client[1]))
					}
				}
			}
			if why, ok := zeekExceptions[c.Test]; ok {
				t.Log("exception:", why)
				return
			}
			want := zeekRows(c.Logs)
			if len(want) != len(got) {
				t.Errorf("%d exchanges, want %d", len(got), len(want))
			}
			for _, w := range want {
				if i := slices.IndexFunc(got, func(g map[string]string) bool { return zeekEqual(w, g) }); i >= 0 {
					got = slices.Delete(got, i, i+1)
				} else {
					t.Errorf("missing %v", w)
				}
			}
			for _, g := range got {
				t.Errorf("too many: %v", g)
			}
		})
	}
}

// zeekRow returns what an http.log would say of x.
func zeekRow(x *record.Exchange, port string) map[string]string {
	row := map[string]string{"id.orig_p": port, "method": x.Request.Method, "uri": x.Request.Target, "host": x.Request.Header.Get("Host"),
		"request_body_len": decodedLen(&x.Request.Message), "response_body_len": decodedLen(&x.Response.Message), "status_msg": x.Response.Reason}
	if x.Response.Seen() {
		row["status_code"] = fmt.Sprint(x.Response.Status)
	}
	return row
}

func decodedLen(m *record.Message) string {
	d, err := m.Decode()
	if err != nil {
		return err.Error()
	}
	defer d.Close()
	n, _ := io.Copy(io.Discard, d)
	return fmt.Sprint(n)
}

// zeekRows returns the rows of the logs, which are objects or text with a line of names.
func zeekRows(logs map[string]any) (rows []map[string]string) {
	for _, log := range logs {
		switch log := log.(type) {
		case []any:
			for _, r := range log {
				row := make(map[string]string)
				for k, v := range r.(map[string]any) {
					row[k] = fmt.Sprint(v)
				}
				rows = append(rows, row)
			}
		case string:
			var names []string
			for line := range strings.Lines(log) {
				f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
				if strings.HasPrefix(line, "#") || len(f) < 2 {
					continue
				}
				if names == nil {
					names = f
					continue
				}
				row := make(map[string]string)
				for i, v := range f {
					row[names[i]] = v
				}
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// zeekEqual reports whether got has what Zeek says in want. Zeek decodes
// targets and leaves the port out of the host.
func zeekEqual(want, got map[string]string) bool {
	for _, k := range []string{"id.orig_p", "method", "uri", "host", "status_code", "status_msg", "request_body_len", "response_body_len"} {
		w, ok := want[k]
		if !ok {
			continue
		}
		g := got[k]
		if w == "-" || w == "(empty)" || w == "<empty>" {
			w = ""
		}
		if k == "uri" {
			if u, err := url.PathUnescape(g); err == nil {
				g = u
			}
		}
		if w != g {
			return false
		}
	}
	return true
}
