package replay

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The numbers of the view stats are those that a script of another language
// counts in the HAR file.
func TestStatsByAnotherHand(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	var rec strings.Builder
	for i := range 300 {
		host := []string{"a.test", "b.test", "c.test:8443"}[min(r.IntN(5), 2)]
		fmt.Fprintf(&rec, "> +=%dms \"GET /%d HTTP/1.1\\r\\nHost: %s\\r\\n\\r\\n\"\n", 1+r.IntN(30), i, host)
		status := []int{200, 200, 200, 404, 503}[r.IntN(5)]
		if r.IntN(3) > 0 {
			body := strings.Repeat("x", r.IntN(2000))
			fmt.Fprintf(&rec, "< +=%dms \"HTTP/1.1 %d X\\r\\nContent-Length: %d\\r\\n\\r\\n%s\"\n", 1+r.IntN(2500), status, len(body), body[:len(body)/2])
			fmt.Fprintf(&rec, "< +=%dms %q\n", 1+r.IntN(900), body[len(body)/2:])
			continue
		}
		n := 1 + r.IntN(20)
		fmt.Fprintf(&rec, "< +=%dms \"HTTP/1.1 %d X\\r\\nContent-Type: text/event-stream\\r\\nContent-Length: %d\\r\\n\\r\\n\"\n", 1+r.IntN(300), status, 9*n)
		for range n {
			fmt.Fprintf(&rec, "< +=%dms \"data: 1\\n\"\n< +=1ms \"\\n\"\n", r.IntN(120))
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "stats.rec")
	if err := os.WriteFile(path, []byte(rec.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	har := filepath.Join(dir, "stats.har")
	if err := os.WriteFile(har, asHAR(t, path), 0o600); err != nil {
		t.Fatal(err)
	}
	want, err := exec.Command(python, "testdata/stats.py", har).Output()
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for line := range strings.Lines(run(t, asHAR(t, path), "-V", "stats")) {
		if f := strings.Fields(line); len(f) > 0 && strings.Contains(f[0], ".test") {
			got.WriteString(strings.Join(f, " ") + "\n")
		}
	}
	if got.String() != string(want) || strings.Count(got.String(), "\n") != 6 {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}
