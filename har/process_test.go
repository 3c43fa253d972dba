package har

import (
	"bytes"
	"encoding/json"
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
