package session_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"ssltape/record/session/sessiontest"
)

// stopped has a shell get size bytes from s with curl and options of its while the
// recorder that it is the child of does not run, and with reader the process that
// empties the ring buffer.
func stopped(s *sessiontest.Server, reader bool, size int, options string) string {
	which := "$PPID"
	if reader {
		which += " $(grep -l 'empty-ring-buffe[r]' $(cat /proc/$PPID/task/*/children | sed 's:[0-9][0-9]*:/proc/&/cmdline:g') | cut -d/ -f3)"
	}
	// The first curl is there for the recorder to know it: a new one would wait.
	return fmt.Sprintf(`get() { curl -sS --http1.1 --cacert %s -o /dev/null "$@"; }
		get %[2]s/bytes/5; sleep 1; all="%[3]s"; kill -STOP $all; get %[2]s/bytes/%[4]d %[5]s; kill -CONT $all`, s.CertFile, s.URL, which, size, options)
}

// While only the recorder does not run, what happens waits for it, if it does not
// come faster than there is memory to be had: on some virtual machines 150 MB a
// second. The ring buffer holds less than half of it.
func TestStopped(t *testing.T) {
	needs(t, "curl")
	const size = 160_000_000
	r := recordArgs(t, "-s", "2MiB", "--", "sh", "-c", stopped(startServer(t), false, size, "--limit-rate 50M"))
	if r.code != 0 || strings.Contains(r.stderr, "lost: ") {
		t.Errorf("exit code %d", r.code)
	}
	if e := readHAR(t, r.har).find(t, fmt.Sprint("/bytes/", size)); len(e.Lost) > 0 || e.Response.BodySize != size {
		t.Errorf("%v lost of %d bytes", e.Lost, e.Response.BodySize)
	}
}

// A recorder that does not run at all while a client downloads 256 MB loses most
// of it. What is lost is counted, in every file, and the last thing that happened.
func TestLoss(t *testing.T) {
	needs(t, "curl")
	s := startServer(t)
	const size = 256_000_000
	lines := writeFile(t, "a.jsonl", nil)
	r := recordArgs(t, "--strict", "--buffer", "1MiB", "-s", "2MiB", "-o", lines, "--", "sh", "-c", stopped(s, true, size, ""))
	if r.code != 5 || !strings.Contains(r.stderr, "lost: ") || !strings.Contains(r.stderr, "ring buffer full") {
		t.Errorf("exit code %d, want 5", r.code)
	}
	text, err := os.ReadFile(lines)
	if err != nil {
		t.Fatal(err)
	}
	var end struct {
		Type string
		Lost int64
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err := json.Unmarshal([]byte(all[len(all)-1]), &end); err != nil || end.Type != "end" {
		t.Fatalf("last line %q: %v", all[len(all)-1], err)
	}
	if end.Lost < size/2 {
		t.Errorf("%d bytes lost, want most of %d", end.Lost, size)
	}
	for name, h := range map[string]harFile{"har": readHAR(t, r.har), "pcapng": r.convert(t)} {
		e := h.find(t, fmt.Sprint("/bytes/", size))
		var lost int64
		for _, l := range e.Lost {
			lost += l.Length
		}
		if lost != end.Lost || e.Response.BodySize != size || !strings.Contains(e.Response.Content.Comment, "lost") {
			t.Errorf("%s: %d bytes lost of a body of %d, want %d of %d; comment %q", name, lost, e.Response.BodySize, end.Lost, size, e.Response.Content.Comment)
		}
		if other := h.find(t, "/bytes/5"); len(other.Lost) > 0 || other.Response.Content.Comment != "" {
			t.Errorf("%s: lost %v of the other one, %q", name, other.Lost, other.Response.Content.Comment)
		}
	}
}
