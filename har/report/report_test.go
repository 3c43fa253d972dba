package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ssltape/har/report"
	"ssltape/record"
	"ssltape/record/assembly"
	"ssltape/record/filter"
	"ssltape/record/recordtest"
)

// page returns the report on a recording.
func page(t *testing.T, rec string, processes ...*record.ProcessEvent) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := report.NewWriter(&b, report.Options{Version: "test", Comment: "from a <test>", Redaction: "secrets"})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range processes {
		if err := w.WriteProcess(e); err != nil {
			t.Fatal(err)
		}
	}
	a := assembly.New(w, assembly.Options{})
	if err := record.Copy(recordtest.Read(strings.NewReader(rec)), a); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readRec(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// attack is put wherever a recording has a place for text.
const attack = "\u202e" + `</script><script>window.injected=1</script><img/src=x/onerror=window.injected=1><!--<script>`

// hostile is a recording with the attack in every field.
func hostile() string {
	q := fmt.Sprintf("%q", attack)
	q = q[1 : len(q)-1]
	return `conn 1 comm=` + attack + ` sni=` + attack + "\n" +
		`> "POST /v1/messages?` + q + ` HTTP/1.1\r\nHost: h\r\nX-` + "A: " + q + `\r\nContent-Type: ` + q + `\r\nContent-Length: ` +
		fmt.Sprint(len(body)) + `\r\n\r\n" ` + fmt.Sprintf("%q", body) + "\n" +
		`< "HTTP/1.1 200 ` + q + `\r\nContent-Type: text/event-stream\r\nSet-Cookie: ` + q + `\r\nConnection: close\r\n\r\nevent: ` + q + `\nid: ` + q +
		`\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"` + strings.ReplaceAll(q, `"`, `\"`) + `\"}}\n\n"` + "\n< end\n"
}

var body = "{\"x\":\"\u2028\"," + `"model":"` + attack + `","system":"` + attack + `","messages":[{"role":"user","content":"` + attack + `"}]}`

// What was captured is in the page as data only.
func TestHostile(t *testing.T) {
	html := page(t, hostile(), &record.ProcessEvent{Kind: record.Line, Comm: attack, Line: attack, Args: []string{attack}})
	rest, scripts, data := string(html), 0, 0
	for {
		_, after, found := strings.Cut(rest, "<script")
		if !found {
			break
		}
		attributes, after, _ := strings.Cut(after, ">")
		content, after, _ := strings.Cut(after, "</script>")
		if strings.Contains(attributes, `type="application/json"`) {
			data++
			if !json.Valid([]byte(content)) {
				t.Errorf("data is not JSON: %.200s", content)
			}
			if strings.Contains(content, "<") {
				t.Errorf("data holds a <: %.200s", content)
			}
		} else {
			scripts++
		}
		rest = after
	}
	if scripts != 1 || data != 5 {
		t.Errorf("%d scripts and %d of data, want 1 and 5", scripts, data)
	}
	if strings.Contains(rest, "injected") {
		t.Error("the attack is outside of scripts")
	}
}

// The facts of a talk are there as the terminal has them; what came all at once
// has no speed.
func TestFacts(t *testing.T) {
	const ask = "> \"POST /v1/chat/completions HTTP/1.1\\r\\nHost: h\\r\\nContent-Length: 2\\r\\n\\r\\n{}\"\n" +
		"< +=40ms \"HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\nConnection: close\\r\\n\\r\\n\"\n"
	first := `< "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n"` + "\n"
	last := `< "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":82,\"completion_tokens\":41,\"prompt_tokens_details\":{\"cached_tokens\":64}}}\n\ndata: [DONE]\n\n"` + "\n< end\n"
	for _, test := range []struct{ rec, rate string }{{ask + first + last, ""}, {ask + first + strings.Replace(last, "<", "< +=500ms", 1), `,"Rate":82`}} {
		want := `"Tokens":"82 in (64 read from cache), 41 out","FirstToken":40` + test.rate + "}</script>"
		if got := page(t, test.rec); !bytes.Contains(got, []byte(want)) {
			_, got, _ = bytes.Cut(got, []byte(`class="chat">`))
			t.Errorf("no %s in %.600s", want, got)
		}
	}
}

// What went wrong after a status of 200 is told of a model and of any stream.
func TestFailures(t *testing.T) {
	html := string(page(t, readRec(t, "../../replay/testdata/failed.rec")))
	for _, want := range []string{
		`"wrong":"overloaded_error: Overloaded","failed":true`,
		`"wrong":"502: Provider down","failed":true`,
		`"wrong":"out of cheese","failed":true`,
	} {
		if !strings.Contains(html, want) {
			t.Errorf("%s is not on the page", want)
		}
	}
	if n := strings.Count(html, `"failed":true`); n != 3 {
		t.Errorf("%d failed, want 3", n)
	}
}

// Without its data the page stays small.
func TestSize(t *testing.T) {
	if n := len(page(t, "")); n > 150_000 {
		t.Errorf("an empty page has %d bytes, want at most 150 kB", n)
	}
}

// seen is what page.mjs prints.
type seen struct {
	Messages, Requests []string
	Rows               int
	Header, Processes  string
	Tabs               []map[string]string // of each exchange
	Bars               [][]string          // of each exchange, from when to when
	Filters            []filtered
	Closed             bool
	Count, Second      string
	Narrow             int
	Injected           string
	Markup             int
}

type filtered struct {
	IDs   []uint64
	Wrong string
}

// open uses the page in headless Chromium.
func open(t *testing.T, html []byte, filters ...string) seen {
	t.Helper()
	dir, chromium := os.Getenv("SSLTAPE_NPM"), "/usr/lib/chromium/chromium"
	_, err := os.Stat(chromium)
	if dir == "" || err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("SSLTAPE_NPM=%q, %s: %v", dir, chromium, err)
		}
		t.Skip("needs Chromium, and playwright-core in SSLTAPE_NPM")
	}
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, html, 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(append([]string{}, filters...))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"testdata/page.mjs", file, string(list)}
	if shots := os.Getenv("SSLTAPE_SCREENSHOTS"); shots != "" {
		args = append(args, filepath.Join(shots, t.Name()))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute) // should the browser hang
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", args...)
	var stderr bytes.Buffer
	cmd.Stderr, cmd.WaitDelay = &stderr, time.Second
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("page.mjs: %v\n%s", errors.Join(err, ctx.Err()), &stderr)
	}
	var s seen
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Messages) > 0 || len(s.Requests) != 1 || s.Injected != "no" || s.Markup > 0 {
		t.Errorf("the page complained %q, asked for %q, injected %s, has %d elements of markup", s.Messages, s.Requests, s.Injected, s.Markup)
	}
	if s.Narrow > 390 {
		t.Errorf("on a phone the page is %d wide", s.Narrow)
	}
	return s
}

// wantTabs checks that tabs of an exchange, by number, show texts.
func (s *seen) wantTabs(t *testing.T, n int, want map[string]string) {
	t.Helper()
	for tab, text := range want {
		if got := s.Tabs[n-1][tab]; !strings.Contains(got, text) || strings.Contains(got, "[object") || strings.Contains(got, "undefined") {
			t.Errorf("#%d, tab %s shows %.400q, want %q in it", n, tab, got, text)
		}
	}
}

func TestInChromium(t *testing.T) {
	s := open(t, page(t, readRec(t, "../../testdata/sse.rec"),
		&record.ProcessEvent{Kind: record.Line, Comm: "bash", PID: 7, Line: "make it so"},
		&record.ProcessEvent{Kind: record.Exit, Comm: "make", PID: 8, Status: 2}), "is:sse")
	if s.Rows != 3 || s.Count != "1 of 3 exchanges" || s.Second != "2" || !s.Closed {
		t.Errorf("rows %d, count %q, second %q, closed %v", s.Rows, s.Count, s.Second, s.Closed)
	}
	for _, want := range []string{"1 incomplete", "2 B lost", "1 chat", "2 process events", "redacted: secrets"} {
		if !strings.Contains(s.Header, want) {
			t.Errorf("the header is %q, want %q in it", s.Header, want)
		}
	}
	if !strings.Contains(s.Processes, "make it so") || !strings.Contains(s.Processes, "status 2") {
		t.Errorf("processes: %q", s.Processes)
	}
	s.wantTabs(t, 1, map[string]string{"Chat": "Hello", "Overview": "x-api-key", "Request": `"stream": true`, "Response": "event: message_start", "Events": "content_block_delta"})
	s.wantTabs(t, 2, map[string]string{"Overview": "lost: 2 B of the response at 4"})
	s.wantTabs(t, 3, map[string]string{"Overview": "incomplete: connection ended"})
}

// Talks with all kinds of models are shown as people read them.
func TestChatsInChromium(t *testing.T) {
	s := open(t, page(t, readRec(t, "../../replay/testdata/agent.rec")))
	s.wantTabs(t, 1, map[string]string{"Chat": "python3 -m unittest demo"})
	s.wantTabs(t, 2, map[string]string{"Chat": "overloaded_error: Overloaded"})
	s.wantTabs(t, 3, map[string]string{"Chat": "the question again of"})
	s.wantTabs(t, 4, map[string]string{"Chat": "result of Edit toolu_2", "Events": "content_block_delta"})
	s.wantTabs(t, 5, map[string]string{"Chat": "19 earlier messages"}) // Gemini
	s.wantTabs(t, 6, map[string]string{"Chat": "Hello"})               // Ollama
	if !strings.Contains(s.Tabs[4]["Chat"], "4 thinking") || !strings.Contains(s.Tabs[4]["Chat"], "Let me look.") || strings.Contains(s.Tabs[0]["Chat"], "line 30") {
		t.Errorf("Gemini: %q", s.Tabs[4]["Chat"])
	}
	s = open(t, page(t, readRec(t, "../../replay/testdata/chat.rec")))
	s.wantTabs(t, 2, map[string]string{"Chat": "OpenAI Responses"})
	s.wantTabs(t, 3, map[string]string{"Chat": "the answer is not whole"})
	if !strings.Contains(s.Tabs[1]["Chat"], "result of shell call_1") || !strings.Contains(s.Tabs[1]["Chat"], "Two files.") {
		t.Errorf("Responses: %q", s.Tabs[1]["Chat"])
	}
}

// The filter box leaves what the same filter leaves on the command line, and
// points at the same column where it cannot be read.
func TestFiltersAgree(t *testing.T) {
	filters := []string{"host:a.test", "host:*.test -path:/slow", "path:/close,/form", "url:TRAILER", "trailer", "method:put,post", "status:2xx", "status:200..299", "status:>=400,204",
		"type:json", "mime-type:text/html", "pid:10..11", "comm:py*", "time:>100ms", "time:<=0.005", "size:>=1", "larger-than:1", "req.size:>4", "header:set-cookie", "header:/^Set-Cookie: b/",
		"req.header:/HOST/i", "body:/é.*n/", `body:"no"`, "req.body:a", "model:*", "conn:1", "id:2..3,5", "is:error", "is:incomplete or method:head", "not (host:a.test or host:b.test)",
		"is:sse", "is:lost", "is:cut", "is:websocket", "is:llm", "has:req.header.expect", "has:header.x-y", "has:body", "has:req.body -method:PUT", "after:2026-01-02", "before:2026-01-01T00:00:00",
		"event:message", "https://a", "method:GET and status:200", "!status:200", "", `"a.test/slow"`,
		"foo:bar", "status:x", "(", "a)", "or", "is:none", "has:none", `"a`, "host:", "time:1y", "after:noon", `body:/(/`, "not"}
	rec := readRec(t, "../../replay/testdata/mixed.rec")
	s := open(t, page(t, rec), filters...)
	column := regexp.MustCompile(`column \d+`)
	for i, f := range filters {
		got := s.Filters[i]
		accept, err := filter.Parse(f)
		if err != nil {
			if want := column.FindString(err.Error()); column.FindString(got.Wrong) != want {
				t.Errorf("%s: the page says %q, the command %q", f, got.Wrong, err)
			}
			continue
		}
		want := []uint64{}
		a := assembly.New(filter.Exchanges(done(func(x *record.Exchange) { want = append(want, x.ID) }), accept), assembly.Options{})
		if err := errors.Join(record.Copy(recordtest.Read(strings.NewReader(rec)), a), a.Close()); err != nil {
			t.Fatal(err)
		}
		if slices.Sort(want); got.Wrong != "" || !slices.Equal(sorted(got.IDs), want) {
			t.Errorf("%s: the page leaves %d %s, the command %d", f, got.IDs, got.Wrong, want)
		}
	}
}

func sorted(ids []uint64) []uint64 { return slices.Sorted(slices.Values(ids)) }

// done is an ExchangeWriter of exchanges that are done.
type done func(x *record.Exchange)

func (d done) WriteExchange(x *record.Exchange) error {
	if x.Done() {
		d(x)
	}
	return nil
}

func TestHostileInChromium(t *testing.T) {
	s := open(t, page(t, hostile(), &record.ProcessEvent{Kind: record.Line, Comm: attack, Line: attack, Args: []string{attack}}))
	shown := strings.ReplaceAll(attack, "\u202e", `\u202e`)
	for _, tab := range []string{"Chat", "Overview", "Request", "Response", "Events"} {
		if !strings.Contains(s.Tabs[0][tab], shown) && !strings.Contains(s.Tabs[0][tab], strings.ReplaceAll(shown, `"`, `\"`)) {
			t.Errorf("%s: the attack is not shown as text: %.300q", tab, s.Tabs[0][tab])
		}
	}
	if !strings.Contains(s.Processes, shown) {
		t.Errorf("processes: %q", s.Processes)
	}
}

// A page with thousands of exchanges works.
func TestMany(t *testing.T) {
	var rec strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&rec, "> +=5ms \"GET /%d HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n\"\n< +=5ms \"HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nContent-Length: 2\\r\\n\\r\\nhi\"\n", i)
	}
	s := open(t, page(t, rec.String()), "path:/199*", "body:hi")
	if s.Rows != 2000 || len(s.Filters[0].IDs) != 11 || len(s.Filters[1].IDs) != 2000 {
		t.Errorf("%d rows, %d and %d after filters", s.Rows, len(s.Filters[0].IDs), len(s.Filters[1].IDs))
	}
}
