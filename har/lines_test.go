package har_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ssltape/har"
	"ssltape/record"
	"ssltape/record/assembly"
	"ssltape/record/recordtest"
)

func writeLines(t *testing.T, xs ...*record.Exchange) []byte {
	t.Helper()
	var b bytes.Buffer
	w := har.NewLinesWriter(&b, har.Options{Version: "0.1.0", Redaction: "none"})
	for _, x := range xs {
		if err := w.WriteExchange(x); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestLinesGolden(t *testing.T) {
	var b bytes.Buffer
	w := har.NewLinesWriter(&b, har.Options{Version: "0.1.0", Redaction: "none"})
	a := assembly.New(w, assembly.Options{})
	if err := record.Copy(recordtest.Open(t, "../testdata/sse.rec"), a); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	const golden = "../testdata/sse.jsonl"
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%s (go test -update rewrites it): %s", golden, diff(b.Bytes(), want))
	}
}

// TestLines checks that each line is an object, large ones too, and that the
// lines hold what a HAR file does.
func TestLines(t *testing.T) {
	big := withBody(9, nil, []byte(strings.Repeat("\"世\n", 100_000)))
	xs := []*record.Exchange{exchange(), big, exchange()}
	file := writeLines(t, xs...)
	lines := bytes.SplitAfter(file, []byte("\n"))
	lines = slices.DeleteFunc(lines, func(line []byte) bool { return bytes.HasPrefix(line, []byte(`{"type":"event","id":7,`)) })
	if len(lines) != 5 || len(lines[4]) != 0 {
		t.Fatalf("%d lines, want 4", len(lines)-1)
	}
	for i, line := range lines[:4] {
		var o struct {
			Type  string
			ID    uint64
			Entry map[string]any
		}
		if err := json.Unmarshal(line, &o); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		if i == 3 && o.Type != "end" || i < 3 && (o.Type != "exchange" || o.ID != xs[i].ID || o.Entry["request"] == nil) {
			t.Errorf("line %d: type %q, id %d", i+1, o.Type, o.ID)
		}
	}
	var back []*record.Exchange
	for x, err := range har.ReadLines(bytes.NewReader(file)) {
		if err != nil {
			t.Fatal(err)
		}
		x.Keep()
		back = append(back, x)
	}
	if got, want := write(t, back...), write(t, xs...); !bytes.Equal(got, want) {
		t.Errorf("as HAR: %s", diff(got, want))
	}
	if again := writeLines(t, back...); !bytes.Equal(again, file) {
		t.Errorf("read and written again: %s", diff(again, file))
	}
}

// TestLinesUnfold checks that an event is a line when it comes, once.
func TestLinesUnfold(t *testing.T) {
	x := exchange()
	events := x.Response.Events
	x.Response.Done, x.Response.Events = false, nil
	x.Response.Lost = []record.Hole{{Off: -1, Len: 9}}
	var b bytes.Buffer
	w := har.NewLinesWriter(&b, har.Options{})
	grow := func() string {
		b.Reset()
		if err := w.WriteExchange(x); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if got := grow(); got != "" {
		t.Errorf("at first: %s", got)
	}
	x.Response.Events = events[:1]
	const first = `{"type":"event","id":7,"time":1767323045.779901,"eventName":"message","eventId":"","data":"1"}` + "\n"
	if got := grow() + grow(); got != first {
		t.Errorf("the first event: %s", got)
	}
	x.Response.Events, x.Response.Done = events, true
	const rest = `{"type":"event","id":7,"time":1767323045.801901,"eventName":"e","eventId":"9","data":"2"}` + "\n" +
		`{"type":"lost","id":7,"side":"response","offset":null,"length":9}` + "\n" + `{"type":"exchange","id":7,"entry":{`
	if got := grow(); !strings.HasPrefix(got, rest) {
		t.Errorf("the end: %s", got)
	}
}

func TestLinesTruncated(t *testing.T) {
	file := writeLines(t, exchange(), exchange())
	for n := range len(file) - 1 {
		var last error
		whole := 0
		for _, err := range har.ReadLines(bytes.NewReader(file[:n])) {
			if last = err; err == nil {
				whole++
			}
		}
		var cut *har.TruncatedError
		if errors.As(last, &cut) && cut.Entries == whole || whole == 0 && errors.Is(last, har.ErrFormat) {
			continue
		}
		t.Errorf("%d bytes: %d entries, then %v", n, whole, last)
	}
}

// TestLinesOtherTypes checks that lines which are not exchanges are no error.
func TestLinesOtherTypes(t *testing.T) {
	file := writeLines(t, exchange())
	mixed := "{\"type\":\"process\",\"pid\":1}\n\n{\"type\":\"lost\",\"deep\":[[{}]]}\n" + string(file) + "{\"type\":\"end\"}"
	n := 0
	for _, err := range har.ReadLines(strings.NewReader(mixed)) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d exchanges, want 1", n)
	}
}

func TestWriteEntry(t *testing.T) {
	var b bytes.Buffer
	if err := har.WriteEntry(&b, exchange()); err != nil {
		t.Fatal(err)
	}
	want := `{"type":"exchange","id":7,"entry":` + b.String() + "}\n"
	if got := writeLines(t, exchange()); !strings.Contains(string(got), want) {
		t.Errorf("line %s, want %s", got, want)
	}
}

// TestLinesSchema checks that lines of all types, of all recordings, are as
// testdata/jsonl.schema.json says, which allows nothing that it does not name.
func TestLinesSchema(t *testing.T) {
	dir := t.TempDir()
	var xs []*record.Exchange
	for _, rec := range recordings(t) {
		text, err := os.ReadFile(strings.TrimSuffix(rec, ".rec") + ".har")
		if err != nil {
			t.Fatal(err)
		}
		xs = append(xs, read(t, text)...)
	}
	var b bytes.Buffer
	w := har.NewLinesWriter(&b, har.Options{Version: "0.1.0", Redaction: "none", Comment: "from a test"})
	for _, p := range []record.ProcessEvent{
		{Time: t0, Kind: record.Exec, PID: 7, PPID: 1, Comm: "bash", Exe: "/bin/bash", Args: []string{"bash", "-i"}},
		{Time: t0, Kind: record.Line, PID: 7, Comm: "bash", Line: "ls"},
		{Time: t0, Kind: record.Exit, PID: 7, Comm: "bash"},
	} {
		if err := w.WriteProcess(&p); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range xs {
		if err := w.WriteExchange(x); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	good, bad := filepath.Join(dir, "good.jsonl"), filepath.Join(dir, "bad.jsonl")
	wrong := strings.Join([]string{
		`{"type":"end","exchanges":1,"incomplete":0,"lost":0}`,
		`{"type":"process","time":"yesterday","event":"exec","pid":1,"comm":"a"}`,
		`{"type":"exchange","id":1,"entry":{}}`,
		`{"type":"other"}`,
	}, "\n")
	if err := errors.Join(os.WriteFile(good, b.Bytes(), 0o600), os.WriteFile(bad, []byte(wrong), 0o600)); err != nil {
		t.Fatal(err)
	}
	type judged struct {
		At    string
		Why   []string
		Types map[string]int
	}
	all := node[judged](t, "schema.mjs", "../testdata/jsonl.schema.json", good)
	for _, j := range all[:len(all)-1] {
		t.Errorf("%s: %s", j.At, strings.Join(j.Why, "; "))
	}
	want := map[string]int{"exchange": len(xs), "process": 3, "end": 1}
	for _, x := range xs {
		want["event"] += len(x.Response.Events)
		want["lost"] += len(x.Request.Lost) + len(x.Response.Lost)
	}
	if want["event"] == 0 || want["lost"] == 0 {
		t.Errorf("no events or nothing lost in the recordings: %v", want)
	}
	if got := all[len(all)-1].Types; !maps.Equal(got, want) {
		t.Errorf("lines %v, want %v", got, want)
	}
	if n := len(node[judged](t, "schema.mjs", "../testdata/jsonl.schema.json", bad)) - 1; n != 4 {
		t.Errorf("%d of 4 wrong lines are refused", n)
	}
}

// A disk that is full has whole lines only.
func TestFullLines(t *testing.T) {
	whole := &disk{}
	full := func(d *disk) error {
		w := har.NewLinesWriter(d, har.Options{})
		x := exchange()
		x.Response.Body = record.NewBody(bytes.Repeat([]byte("long "), 100_000))
		for range 3 {
			if err := w.WriteExchange(x); err != nil {
				return err
			}
		}
		return w.Close()
	}
	if err := full(whole); err != nil {
		t.Fatal(err)
	}
	for _, room := range []int64{10, 1000, 400_000, 520_000, 1_000_000, int64(len(whole.data)) - 5} {
		d := &disk{room: room}
		if err := full(d); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("room for %d: %v", room, err)
		}
		end := bytes.LastIndexByte(whole.data[:room], '\n') + 1
		if !bytes.Equal(d.data, whole.data[:end]) {
			t.Errorf("room for %d: %d bytes, want the %d of whole lines", room, len(d.data), end)
		}
	}
}
