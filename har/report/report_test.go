package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ssltape/har/report"
	"ssltape/record"
	"ssltape/record/assembly"
	"ssltape/record/recordtest"
)

// page returns the report on a recording.
func page(t *testing.T, rec string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := report.NewWriter(&b, report.Options{Version: "test", Comment: "from a <test>", Redaction: "secrets"})
	if err != nil {
		t.Fatal(err)
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

func readRec(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../testdata/sse.rec")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// attack is put wherever a recording has a place for text.
const attack = `</script><script>window.injected=1</script><img/src=x/onerror=window.injected=1><!--<script>`

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

var body = `{"model":"` + attack + `","system":"` + attack + `","messages":[{"role":"user","content":"` + attack + `"}]}`

// What was captured is in the page as data only.
func TestHostile(t *testing.T) {
	html := page(t, hostile())
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
	if scripts != 1 || data != 4 {
		t.Errorf("%d scripts and %d of data, want 1 and 4", scripts, data)
	}
	if strings.Contains(rest, "injected") {
		t.Error("the attack is outside of scripts")
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
	Rows, Filtered     int
	Tabs               map[string]string
	Closed             bool
	Count, Second      string
	Narrow             int
	Injected           string
	Markup             int
}

// open uses the page in headless Chromium.
func open(t *testing.T, html []byte) seen {
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
	args := []string{"testdata/page.mjs", file}
	if shots := os.Getenv("SSLTAPE_SCREENSHOTS"); shots != "" {
		args = append(args, shots)
	}
	cmd := exec.Command("node", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("page.mjs: %v\n%s", err, &stderr)
	}
	var s seen
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestInChromium(t *testing.T) {
	s := open(t, page(t, readRec(t)))
	if len(s.Messages) > 0 {
		t.Errorf("the page complained: %q", s.Messages)
	}
	if len(s.Requests) != 1 {
		t.Errorf("the page asked for %q", s.Requests)
	}
	if s.Rows != 3 || s.Filtered != 1 || s.Count != "1 of 3 exchanges" || s.Second != "2" || !s.Closed {
		t.Errorf("rows %d, filtered %d (%q), second %q, closed %v", s.Rows, s.Filtered, s.Count, s.Second, s.Closed)
	}
	for tab, want := range map[string]string{
		"Chat": "Hello", "Headers": "x-api-key", "Request": `"stream": true`, "Response": "event: message_start",
		"Events": "content_block_delta", "Timing": "total",
	} {
		if !strings.Contains(s.Tabs[tab], want) {
			t.Errorf("tab %s shows %.200q, want %q in it", tab, s.Tabs[tab], want)
		}
		if strings.Contains(s.Tabs[tab], "[object") {
			t.Errorf("tab %s shows an object: %.200q", tab, s.Tabs[tab])
		}
	}
	if s.Narrow > 390 {
		t.Errorf("on a phone the page is %d wide", s.Narrow)
	}
}

func TestHostileInChromium(t *testing.T) {
	s := open(t, page(t, hostile()))
	if s.Injected != "no" || len(s.Messages) > 0 || s.Markup > 0 || len(s.Requests) != 1 {
		t.Errorf("injected %s, %d elements, asked for %q, complained %q", s.Injected, s.Markup, s.Requests, s.Messages)
	}
	if !strings.Contains(s.Tabs["Chat"], attack) || !strings.Contains(s.Tabs["Headers"], attack) {
		t.Errorf("the attack is not shown as text: %.300q", s.Tabs)
	}
}

// A page with thousands of exchanges works.
func TestMany(t *testing.T) {
	var rec strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&rec, "> +=5ms \"GET /%d HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n\"\n< +=5ms \"HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nContent-Length: 2\\r\\n\\r\\nhi\"\n", i)
	}
	if s := open(t, page(t, rec.String())); s.Rows != 2000 || s.Filtered != 0 {
		t.Errorf("%d rows, %d after the filter", s.Rows, s.Filtered)
	}
}
