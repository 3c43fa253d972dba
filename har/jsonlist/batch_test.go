package jsonlist

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestBatch writes batches of elements as a recorder does: next to nothing is stored
// for them, they are there all at once, and they are not much longer than by
// themselves.
func TestBatch(t *testing.T) {
	const entry = `{"time":%d,"request":{"method":"GET","headers":[{"name":"Host","value":"localhost:%[1]d"},` +
		`{"name":"User-Agent","value":"a program/1.0"}],"size":45},"response":{"status":200,"headers":[{"name":"Server","value":"nginx"},` +
		`{"name":"Date","value":"Thu, 26 Nov 2026 13:42:46 GMT"},{"name":"Content-Length","value":"100"}],` +
		`"content":{"size":100,"mimeType":"text/plain","text":"%s"},"redirectURL":""},"cache":{},"timings":{"blocked":-1,"dns":-1},"id":%[1]d}`
	for name, kind := range map[string]struct {
		unit   string // of bodies
		sizes  []int  // how often they have it, in turn
		batch  int    // elements in one
		stores int    // at most, in 20 batches
		spaces int    // at most, one in so many bytes
	}{
		"short":            {`a`, []int{100, 90, 130}, 60, 12, 9},
		"one at a time":    {`a`, []int{100, 90, 130}, 1, 60, 7},
		"bodies":           {`abcdefgh`, []int{12_000, 11_111}, 1, 12, 60},
		"over two pages":   {`a`, []int{5900, 5850, 6000}, 20, 12, 9},
		"some direct":      {`a`, []int{20_900, 300, 300}, 20, 12, 60},
		"escapes":          {`an \"escape\"\n `, []int{6000, 5555}, 1, 12, 60},
		"Chinese":          {`漢字`, []int{6000, 5555}, 1, 12, 60},
		"escapes in short": {`\u0000`, []int{100}, 40, 12, 9},
		"long among short": {`abc`, []int{10, 20, 10_000, 30, 10, 10, 20}, 3, 30, 30},
	} {
		t.Run(name, func(t *testing.T) {
			d := &disk{after: func([]byte) {}}
			l, err := Create(d, 0, []byte(`{"log":{"head":""`), "entries")
			if err != nil {
				t.Fatal(err)
			}
			moments, before, after := 0, 0, 0
			d.after = func(data []byte) {
				if moments++; moments%(17+len(data)>>12) != 0 { // TestEveryMoment looks at all
					return
				}
				var v text
				if err := json.Unmarshal(data, &v); err != nil {
					t.Fatalf("%v: …%q", err, tail(data))
				}
				if n := len(v.Log.Entries); n != before && n != after {
					t.Fatalf("%d elements, want %d or %d", n, before, after)
				}
			}
			var want []string
			net := 0
			for range 20 {
				var p []byte
				var ends []int
				for range kind.batch {
					n := len(want)
					want = append(want, fmt.Sprintf(entry, n, strings.Repeat(kind.unit, kind.sizes[n%len(kind.sizes)])))
					if len(p) > 0 {
						p = append(p, ",\n"...)
					}
					p = append(p, want[n]...)
					ends = append(ends, len(p))
				}
				net += len(p)
				after = len(want)
				if err := l.Commit(p, ends...); err != nil {
					t.Fatal(err)
				}
				before = after
			}
			if d.stores > kind.stores {
				t.Errorf("%d times stored, want at most %d", d.stores, kind.stores)
			}
			if err := l.Finish(nil); err != nil {
				t.Fatal(err)
			}
			if more := len(d.data) - pageSize - net; more > net/kind.spaces {
				t.Errorf("%d bytes for %d of elements, want at most %d more", len(d.data)-pageSize, net, net/kind.spaces)
			}
			checkText(t, d.data, want)
		})
	}
}
