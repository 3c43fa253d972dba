package jsonlist

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestPad writes elements with long strings, and short ones between. From one to
// the next of a kind the closers stay ahead, but where a page ends before its
// string begins, and what they close meanwhile is not there in the end.
func TestPad(t *testing.T) {
	long := strings.Repeat(`some \"text\" é `, 600)
	for name, kind := range map[string]struct {
		format string // of an element, with a place for its string
		jumps  int    // at most, for 24 elements of it
	}{
		"body":            {`{"id":1,"response":{"content":{"text":"%s"},"status":200},"time":5}`, 12},
		"in a list":       {`{"id":1,"events":[{"data":"%s"}],"time":5}`, 12},
		"as element":      {`"%s"`, 12},
		"large head":      {`{"id":1,"head":"` + strings.Repeat("h", 3000) + `","text":"%s"}`, 55},
		"larger head":     {`{"id":1,"head":"` + strings.Repeat("h", 5000) + `","text":"%s"}`, 55},
		"large tail":      {`{"id":1,"text":"%s","tail":"` + strings.Repeat("t", 5000) + `"}`, 55},
		"two":             {`{"id":1,"request":{"post":{"text":"%[1]s"}},"response":{"content":{"text":"%[1]s"}}}`, 80},
		"long other head": {`{"id":1,"other":["` + strings.Repeat("h", 20_000) + `"],"text":"%s"}`, 100},
	} {
		t.Run(name, func(t *testing.T) {
			d := &disk{after: func([]byte) {}}
			l, err := Create(d, 0, []byte(`{"log":{"head":""`), "entries")
			if err != nil {
				t.Fatal(err)
			}
			moments := 0
			d.after = func(data []byte) {
				if moments++; moments%7 == 0 && !json.Valid(data) { // TestEveryMoment looks at all
					t.Fatalf("not valid: …%q", tail(data))
				}
			}
			var want []string
			padded := 0
			for i := range 24 {
				v := fmt.Sprintf(kind.format, long[:len(long)-len(long)%16*(i%2)])
				if i%3 == 2 {
					want, v = append(want, v), v+fmt.Sprintf(`,{"short":%d}`, i)
				}
				if err := l.Commit([]byte(v)); err != nil {
					t.Fatal(err)
				}
				if l.padded {
					padded++
				}
				if want = append(want, v); i%3 == 2 {
					want[len(want)-1] = fmt.Sprintf(`{"short":%d}`, i)
				}
				short := fmt.Sprintf(`{"between":%d}`, i)
				if err := l.Commit([]byte(short)); err != nil {
					t.Fatal(err)
				}
				want = append(want, short)
			}
			if padded == 0 && !strings.Contains(name, "tail") {
				t.Error("there was no pad")
			}
			if d.jumps > kind.jumps {
				t.Errorf("%d times stored in two places, want at most %d", d.jumps, kind.jumps)
			}
			if err := l.Finish(nil); err != nil {
				t.Fatal(err)
			}
			checkText(t, d.data, want)
			if bytes.Contains(d.data, []byte(padKey)) {
				t.Error("the pad is in the file")
			}
		})
	}
}
