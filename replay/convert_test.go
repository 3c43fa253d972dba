package replay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"ssltape/record"
	"ssltape/record/view"
)

// convert writes input to a file with the ending of format and returns it.
func convert(t *testing.T, input []byte, format string, args ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out."+format)
	run(t, input, append(args, "-o", path, "--redact", "none")...)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// facts returns what every format keeps of a recording: who said what to whom,
// when, and what is missing, ordered by time. HAR keeps no content coding, and
// bytes beyond ASCII in fields only where they are UTF-8.
func facts(t *testing.T, input []byte) string {
	t.Helper()
	s, err := Open(bytes.NewReader(input))
	if err != nil {
		t.Fatal(err)
	}
	var f factWriter
	if err := s.Exchanges(&f); err != nil {
		t.Fatal(err)
	}
	slices.Sort(f)
	return strings.Join(f, "")
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

type factWriter []string

func (w *factWriter) WriteExchange(x *record.Exchange) error {
	if !x.Done() {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v %s[%d] %s %s %d %v %v\n", x.Start().UTC(), x.Conn.Comm, x.Conn.PID, x.Request.Method, x.URL(),
		x.Response.Status, x.Duration(), x.Err)
	for _, m := range []*record.Message{&x.Request.Message, &x.Response.Message} {
		r, err := m.Decode()
		if err != nil {
			return err
		}
		body, err := io.ReadAll(r)
		fmt.Fprintf(&b, "  %v-%v %q %v lost %v trailer %v\n", m.Start.UTC(), m.End.UTC(), body, errors.Join(err, r.Close()), m.Lost, m.Trailer)
		for _, f := range m.Header {
			if f.Name != "Content-Encoding" && f.Name != "Content-Length" && isASCII(f.Value) {
				fmt.Fprintf(&b, "    %s: %s\n", f.Name, f.Value)
			}
		}
	}
	for _, i := range x.Response.Interim {
		fmt.Fprintf(&b, "  interim %d %v\n", i.Status, i.Time.UTC())
	}
	for _, e := range x.Response.Events {
		fmt.Fprintf(&b, "  event %v %s %q\n", e.Time.UTC(), e.Type, e.Data)
	}
	for _, m := range x.WebSocket {
		fmt.Fprintf(&b, "  message %v %v %d %q\n", m.Time.UTC(), m.FromClient, m.Opcode, m.Data)
	}
	*w = append(*w, b.String())
	return nil
}

// Whatever way a recording takes through the formats, it says the same.
func TestConversions(t *testing.T) {
	ways := []string{"har", "jsonl", "pcapng", "har.gz", "har pcapng", "har pcapng har", "pcapng jsonl pcapng", "jsonl har pcapng"}
	for _, path := range recordings(t) {
		input := asPcapng(t, path)
		want := facts(t, input)
		for _, way := range ways {
			if filepath.Base(path) == "ws.rec" && way != "pcapng" {
				continue // HAR keeps no messages of WebSockets
			}
			t.Run(filepath.Base(path)+"/"+way, func(t *testing.T) {
				b := input
				for _, format := range strings.Fields(way) {
					b = convert(t, b, format)
				}
				if got := facts(t, b); got != want {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
			})
		}
	}
}

// Converting a file to its own format again changes nothing.
func TestConversionsAreIdempotent(t *testing.T) {
	for _, path := range recordings(t) {
		for _, format := range []string{"har", "jsonl", "pcapng"} {
			t.Run(filepath.Base(path)+"/"+format, func(t *testing.T) {
				once := convert(t, asHAR(t, path), format)
				twice := convert(t, once, format)
				if format == "pcapng" { // its sequence numbers are random
					if chunksOf(t, once) != chunksOf(t, twice) {
						t.Errorf("got\n%s\nwant\n%s", chunksOf(t, twice), chunksOf(t, once))
					}
				} else if !bytes.Equal(once, twice) {
					t.Errorf("got\n%s\nwant\n%s", twice, once)
				}
			})
		}
	}
}

// chunksOf returns the chunks of a file as text.
func chunksOf(t *testing.T, input []byte) string {
	t.Helper()
	s, err := Open(bytes.NewReader(input))
	if err != nil {
		t.Fatal(err)
	}
	var text chunkText
	if err := s.Chunks(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// A chunkText is chunks as text. Those that follow each other at the same time
// are one: packets end where pages of their file do.
type chunkText struct {
	strings.Builder
	head string // of the last chunk
}

func (w *chunkText) WriteChunk(c record.Chunk) error {
	head := "\n" + strings.Join([]string{c.Conn.Comm, c.Dir.String(), c.Time.UTC().Format(time.RFC3339Nano)}, " ") + " "
	if head != w.head {
		w.WriteString(head)
		w.head = head
	}
	w.Write(c.Data)
	return nil
}

// The file is there when there is something to keep, for its owner alone.
func TestOutputFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.har")
	if _, err := tryRun(t, []byte("plain text"), "-o", path); err == nil {
		t.Error("a text file was converted")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("an input that is no capture left an output")
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte("old "), 100000), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, asPcapng(t, "../testdata/sse.rec"), "-o", path)
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", st.Mode())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, b, "-V", "list"); !strings.Contains(got, "/v1/messages") {
		t.Errorf("list of the output: %q", got)
	}
}

func TestParseOutput(t *testing.T) {
	for arg, want := range map[string]string{
		"a.har":            "har a.har",
		"a.json":           "har a.json",
		"A.HAR":            "har A.HAR",
		"a.har.gz":         "har.gz a.har.gz",
		"dir.har/a.pcapng": "pcapng dir.har/a.pcapng",
		"a.jsonl":          "jsonl a.jsonl",
		"txt:a.har":        "txt a.har",
		"har:-":            "har -",
		"har.gz:-":         "har.gz -",
		"12:30.har":        "har 12:30.har",
		"-":                "error output -: stdout has no name that tells the format",
		"a.xyz":            "error output a.xyz: its ending does not tell the format",
		"a":                "error output a: its ending does not tell the format",
		"har:":             "error output har:: no file",
	} {
		format, path, err := ParseOutput(arg)
		got := format + " " + path
		if err != nil {
			got = "error " + err.Error()
		}
		if got != want {
			t.Errorf("ParseOutput(%q) = %s, want %s", arg, got, want)
		}
	}
}

// To a terminal goes nothing that it would act on, and nothing binary.
func TestOutputToTerminal(t *testing.T) {
	for _, f := range formats() {
		var out bytes.Buffer
		file, err := NewOutput(f.name, filepath.Join(t.TempDir(), "a"), OutputOptions{Stdout: &out, Terminal: true})
		if err := errors.Join(err, file.Close()); err != nil {
			t.Errorf("a file of %s beside a terminal: %v", f.name, err)
		}
		o, err := NewOutput(f.name, "-", OutputOptions{Stdout: &out, Terminal: true})
		if binary := f.name == "har.gz" || f.name == "pcapng"; err != nil || binary {
			if e := new(Error); !binary || !errors.As(err, &e) || e.Code != ExitUsage {
				t.Errorf("%s: %v", f.name, err)
			}
			continue
		}
		x := &record.Exchange{ID: 1, Conn: &record.Conn{}}
		x.Request = record.Request{Method: "GET", Target: "/\u009b31m\u202e\u200b"}
		x.Response.Status, x.Request.Done, x.Response.Done = 200, true, true
		if err := errors.Join(o.WriteExchange(x), o.Close()); err != nil {
			t.Errorf("%s: %v", f.name, err)
		}
		if text := out.String(); !strings.Contains(text, "31m") || strings.ContainsAny(text, "\u009b\u202e\u200b") {
			t.Errorf("%s: %q", f.name, text)
		}
	}
}

// What cannot be written to is said before anything is read.
func TestOutputErrors(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "missing", "a.har"): "no such file or directory",
		dir + "/.":                             "is a folder",
	} {
		_, err := NewOutput("har", path, OutputOptions{Text: view.Options{}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewOutput(%s): %v, want %s", path, err, want)
		}
	}
}

// processTexts returns what a recording says of processes.
func processTexts(t *testing.T, input []byte) (texts []string) {
	t.Helper()
	s, err := Open(bytes.NewReader(input))
	if err != nil {
		t.Fatal(err)
	}
	s.Processes = processFunc(func(p *record.ProcessEvent) error {
		p.Time = p.Time.Truncate(time.Microsecond)
		texts = append(texts, fmt.Sprintf("%+v", *p))
		return nil
	})
	if err := s.Exchanges(new(factWriter)); err != nil {
		t.Fatal(err)
	}
	return texts
}

type processFunc func(*record.ProcessEvent) error

func (f processFunc) WriteProcess(p *record.ProcessEvent) error { return f(p) }

// What processes did goes through every conversion, redacted like the rest.
func TestConvertProcesses(t *testing.T) {
	const secret = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz"
	start := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	events := []*record.ProcessEvent{
		{Time: start, Kind: record.Exec, PID: 7, PPID: 1, Comm: "a b", Exe: "/usr/bin/a b", Args: []string{"a", "", "x y\n\"=", "ü", secret}},
		{Time: start.Add(time.Second), Kind: record.Line, PID: 8, PPID: 7, Comm: "bash", Exe: "/bin/bash", Line: "echo 'x'\t\x1b " + secret},
		{Time: start.Add(2 * time.Second), Kind: record.Exit, PID: 7, PPID: 1, Comm: "a b", Exe: "/usr/bin/a b", Status: 143},
		{Time: start.Add(3 * time.Second), Kind: record.Exit, PID: 8, PPID: 7, Comm: "bash"},
	}
	dir := t.TempDir()
	for _, from := range []string{"har", "pcapng", "jsonl"} {
		path := filepath.Join(dir, "in."+from)
		out, err := NewOutput(from, path, OutputOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, e := range events {
			if err := out.WriteProcess(e); err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprintf("%+v", *e))
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		input, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range []string{"har", "pcapng", "jsonl"} {
			if got := processTexts(t, convert(t, input, to)); !slices.Equal(got, want) {
				t.Errorf("%s to %s:\n%q\nwant\n%q", from, to, got, want)
			}
			if got := processTexts(t, convert(t, input, to, "-F", "status:200")); !slices.Equal(got, want) {
				t.Errorf("%s to %s with a filter:\n%q\nwant\n%q", from, to, got, want)
			}
			path := filepath.Join(dir, "redacted."+to)
			run(t, input, "-o", path)
			if b, err := os.ReadFile(path); err != nil || bytes.Contains(b, []byte(secret)) || !bytes.Contains(b, []byte("/bin/bash")) {
				t.Errorf("%s to %s is not redacted (%v)", from, to, err)
			}
		}
	}
}

// A file that is open already is written to, whatever its name leads to by
// then.
func TestOutputOpenFile(t *testing.T) {
	dir := t.TempDir()
	path, victim := filepath.Join(dir, "a.har"), filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(path, path+".moved"), os.Symlink(victim, path)); err != nil {
		t.Fatal(err)
	}
	o, err := NewOutput("har", path, OutputOptions{File: f})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(o.Create(), o.Close()); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(victim); string(text) != "precious" {
		t.Errorf("another file was written to: %.40q", text)
	}
	if text, _ := os.ReadFile(path + ".moved"); !bytes.Contains(text, []byte(`"log"`)) {
		t.Errorf("the file has %.40q", text)
	}
}
