package assembly_test

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"

	"ssltape/record"
	"ssltape/record/recordtest"
)

type zeekCase struct {
	Test    string
	Streams []struct {
		Client []string
		End    map[string]string
		Chunks []struct {
			D string
			T float64
			B []byte
		}
	}
	Logs map[string]any
}

// zeekExceptions are the cases that read otherwise here, with the reason.
var zeekExceptions = map[string]string{
	"scripts.base.protocols.http.curl-http-09":         "Zeek leaves the answer of HTTP/0.9 out, curl took it",
	"scripts.base.protocols.http.no-version":           "Zeek has a second row of an empty request",
	"scripts.base.protocols.http.smuggle-http-request": "Zeek takes the last eight bytes of an unfinished gzip body for its sums",
}

// TestZeek compares with the http.log that Zeek writes of the same traffic.
func TestZeek(t *testing.T) {
	var cases []zeekCase
	readCorpus(t, "zeek.json", &cases)
	for _, c := range cases {
		t.Run(strings.TrimPrefix(c.Test, "scripts.base.protocols.http."), func(t *testing.T) {
			var got []map[string]string
			for i, s := range c.Streams {
				conn := &record.Conn{ID: uint64(i + 1)}
				var chunks []record.Chunk
				var next [2]int64
				dirs := map[string]record.Dir{"c": record.Out, "s": record.In}
				for _, k := range s.Chunks {
					d := dirs[k.D]
					chunks = append(chunks, record.Chunk{Conn: conn, Dir: d, Off: next[d], Time: recordtest.Start, Data: k.B})
					next[d] += int64(len(k.B))
				}
				for _, name := range []string{"c", "s"} {
					end := record.EndCut
					if s.End[name] == "fin" {
						end = record.EndClean
					}
					chunks = append(chunks, record.Chunk{Conn: conn, Dir: dirs[name], Off: next[dirs[name]], Time: recordtest.Start, End: end})
				}
				xs, st := assemble(t, chunks, 0)
				whole := render(xs, st, false)
				for _, n := range []int{1, 7} {
					xs, st := assemble(t, chunks, n)
					if other := render(xs, st, false); other != whole {
						t.Errorf("in pieces of %d: %s", n, diff(whole, other))
					}
				}
				for _, x := range xs {
					if len(x.WebSocket) == 0 || x.Response.Seen() { // Zeek has no row of one without its handshake
						got = append(got, zeekRow(x, s.Client[1]))
					}
				}
			}
			if why, ok := zeekExceptions[c.Test]; ok {
				t.Log("exception:", why)
				return
			}
			want := zeekRows(c.Logs)
			if len(want) != len(got) {
				t.Errorf("%d exchanges, want %d", len(got), len(want))
			}
			for _, w := range want {
				if i := slices.IndexFunc(got, func(g map[string]string) bool { return zeekEqual(w, g) }); i >= 0 {
					got = slices.Delete(got, i, i+1)
				} else {
					t.Errorf("missing %v", w)
				}
			}
			for _, g := range got {
				t.Errorf("too many: %v", g)
			}
		})
	}
}

// zeekRow returns what an http.log would say of x.
func zeekRow(x *record.Exchange, port string) map[string]string {
	row := map[string]string{"id.orig_p": port, "method": x.Request.Method, "uri": x.Request.Target, "host": x.Request.Header.Get("Host"),
		"request_body_len": decodedLen(&x.Request.Message), "response_body_len": decodedLen(&x.Response.Message), "status_msg": x.Response.Reason}
	if x.Response.Seen() {
		row["status_code"] = fmt.Sprint(x.Response.Status)
	}
	return row
}

func decodedLen(m *record.Message) string {
	d, err := m.Decode()
	if err != nil {
		return err.Error()
	}
	defer d.Close()
	n, _ := io.Copy(io.Discard, d)
	return fmt.Sprint(n)
}

// zeekRows returns the rows of the logs, which are objects or text with a line of names.
func zeekRows(logs map[string]any) (rows []map[string]string) {
	for _, log := range logs {
		switch log := log.(type) {
		case []any:
			for _, r := range log {
				row := make(map[string]string)
				for k, v := range r.(map[string]any) {
					row[k] = fmt.Sprint(v)
				}
				rows = append(rows, row)
			}
		case string:
			var names []string
			for line := range strings.Lines(log) {
				f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
				if strings.HasPrefix(line, "#") || len(f) < 2 {
					continue
				}
				if names == nil {
					names = f
					continue
				}
				row := make(map[string]string)
				for i, v := range f {
					row[names[i]] = v
				}
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// zeekEqual reports whether got has what Zeek says in want. Zeek decodes
// targets and leaves the port out of the host.
func zeekEqual(want, got map[string]string) bool {
	for _, k := range []string{"id.orig_p", "method", "uri", "host", "status_code", "status_msg", "request_body_len", "response_body_len"} {
		w, ok := want[k]
		if !ok {
			continue
		}
		g := got[k]
		if w == "-" || w == "(empty)" || w == "<empty>" {
			w = ""
		}
		if k == "uri" {
			if u, err := url.PathUnescape(g); err == nil {
				g = u
			}
		}
		if w != g {
			return false
		}
	}
	return true
}
