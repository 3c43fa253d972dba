package har

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ssltape/record"
)

func TestProcesses(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	events := []*record.ProcessEvent{
		{Time: start, Kind: record.Exec, PID: 7, PPID: 1, Comm: "curl", Exe: "/usr/bin/curl", Args: []string{"curl", "-s", "\xff"}},
		{Time: start.Add(time.Second), Kind: record.Exit, PID: 7, PPID: 1, Comm: "curl", Status: 130},
	}
	want := []string{
		`{"time":"2026-01-02T03:04:05.000000Z","event":"exec","pid":7,"ppid":1,"comm":"curl","exe":"/usr/bin/curl","args":["curl","-s","ÿ"]}`,
		`{"time":"2026-01-02T03:04:06.000000Z","event":"exit","pid":7,"ppid":1,"comm":"curl","status":130}`,
	}
	var file, lines bytes.Buffer
	w, err := NewWriter(&file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := NewLinesWriter(&lines, Options{})
	for _, e := range events {
		if err := w.WriteProcess(e); err != nil {
			t.Fatal(err)
		}
		if err := l.WriteProcess(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(file.Bytes()) || !strings.Contains(file.String(), `"_processes":[`+strings.Join(want, ",")+`]`) {
		t.Errorf("HAR file:\n%s", &file)
	}
	for i, line := range strings.Split(strings.TrimSpace(lines.String()), "\n") {
		if line != `{"type":"process",`+want[i][1:] {
			t.Errorf("line %d:\n%s\nwant\n%s", i, line, want[i])
		}
	}
}

// TestManyProcesses checks that a file has all processes also where they do not
// fit its beginning.
func TestManyProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.har")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := NewWriter(f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	const events = 500
	for i := range events {
		e := &record.ProcessEvent{Kind: record.Exec, PID: i, Comm: "make", Args: []string{"make", strings.Repeat("x", i)}}
		x := &record.Exchange{ID: uint64(i + 1), Err: record.ErrCut}
		if err := errors.Join(w.WriteProcess(e), w.WriteExchange(x)); err != nil {
			t.Fatal(err)
		}
		if file, err := os.ReadFile(path); i%50 == 0 && (err != nil || !json.Valid(file)) {
			t.Fatalf("after %d: %v %s", i, err, file)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Log struct {
			Entries   []struct{}
			Processes []struct{ PID int } `json:"_processes"`
		}
	}
	if err := json.Unmarshal(file, &got); err != nil {
		t.Fatal(err)
	}
	if p := got.Log.Processes; len(got.Log.Entries) != events || len(p) != events || p[events-1].PID != events-1 {
		t.Errorf("%d entries, %d processes", len(got.Log.Entries), len(p))
	}
}
