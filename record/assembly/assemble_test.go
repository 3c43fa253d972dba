package assembly_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ssltape/record"
	"ssltape/record/assembly"
	"ssltape/record/recordtest"
)

var update = flag.Bool("update", false, "rewrite the wanted outputs")

// A sink keeps the exchanges that it is given, and checks that they come the
// way ExchangeWriter promises.
type sink struct {
	t     testing.TB
	last  map[*record.Exchange]bool // done by exchange
	all   []*record.Exchange
	calls int
}

func newSink(t testing.TB) *sink { return &sink{t: t, last: make(map[*record.Exchange]bool)} }

func (s *sink) WriteExchange(x *record.Exchange) error {
	s.calls++
	done, known := s.last[x]
	if done {
		s.t.Errorf("exchange %d: written after it was done", x.ID)
	}
	if !known {
		s.all = append(s.all, x)
		x.Keep()
	}
	s.last[x] = x.Done()
	return nil
}

// assemble passes chunks through an Assembler in pieces of at most n bytes, 0
// for whole, and returns the exchanges in order of their numbers.
func assemble(t testing.TB, chunks []record.Chunk, n int) ([]*record.Exchange, assembly.Stats) {
	t.Helper()
	s := newSink(t)
	a := assembly.New(s, assembly.Options{})
	var w record.ChunkWriter = a
	if n > 0 {
		w = recordtest.Splitter{N: n, W: a}
	}
	for _, c := range chunks {
		if err := w.WriteChunk(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	for x, done := range s.last {
		if !done {
			t.Errorf("exchange %d: never done", x.ID)
		}
		t.Cleanup(func() { x.Release() })
	}
	byID := make([]*record.Exchange, len(s.all))
	for _, x := range s.all {
		if x.ID < 1 || int(x.ID) > len(byID) || byID[x.ID-1] != nil {
			t.Fatalf("exchange number %d of %d", x.ID, len(byID))
		}
		byID[x.ID-1] = x
	}
	st := a.Stats()
	if sum := st.Head + st.Body + st.Framing + st.Unparsed; sum != st.Bytes {
		t.Errorf("%d bytes, but head %d + body %d + framing %d + unparsed %d = %d", st.Bytes, st.Head, st.Body, st.Framing, st.Unparsed, sum)
	}
	if st.Open != 0 || st.Done != len(byID) {
		t.Errorf("%d exchanges, but stats say %d open, %d done", len(byID), st.Open, st.Done)
	}
	return byID, st
}

// render writes what was assembled as text; without times where they depend on
// how the chunks were cut.
func render(xs []*record.Exchange, st assembly.Stats, times bool) string {
	var b strings.Builder
	for _, x := range xs {
		fmt.Fprintf(&b, "exchange %d conn=%d", x.ID, x.Conn.ID)
		if x.Server {
			b.WriteString(" server")
		}
		if x.Err != nil {
			fmt.Fprintf(&b, " err=%q", x.Err)
		}
		if len(x.Anomalies) > 0 {
			fmt.Fprintf(&b, " anomalies=%s", strings.Join(x.Anomalies, ","))
		}
		fmt.Fprintf(&b, "\n> %s %s\n", x.Request.Method, x.Request.Target)
		renderFields(&b, ">   ", x.Request.Pseudo)
		renderMessage(&b, '>', &x.Request.Message, times)
		for _, i := range x.Response.Interim {
			fmt.Fprintf(&b, "< interim %d %s\n", i.Status, i.Reason)
			renderFields(&b, "<   ", i.Header)
		}
		fmt.Fprintf(&b, "< %d %s\n", x.Response.Status, x.Response.Reason)
		renderMessage(&b, '<', &x.Response.Message, times)
		for _, e := range x.Response.Events {
			b.WriteString("< event")
			if times {
				fmt.Fprintf(&b, " %s", e.Time.Sub(recordtest.Start))
			}
			fmt.Fprintf(&b, " type=%q id=%q data=%q\n", e.Type, e.ID, e.Data)
		}
		for _, m := range x.WebSocket {
			renderWebSocket(&b, m, times)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "stats %v open=%d done=%d incomplete=%d\n", st.Conns, st.Open, st.Done, st.Incomplete)
	fmt.Fprintf(&b, "bytes=%d lost=%d head=%d body=%d framing=%d unparsed=%d cut=%d\n", st.Bytes, st.Lost, st.Head, st.Body, st.Framing, st.Unparsed, st.Cut)
	return b.String()
}

func renderWebSocket(b *strings.Builder, m record.WebSocketMessage, times bool) {
	side := '<'
	if m.FromClient {
		side = '>'
	}
	fmt.Fprintf(b, "%c websocket", side)
	if times {
		fmt.Fprintf(b, " %s", m.Time.Sub(recordtest.Start))
	}
	fmt.Fprintf(b, " opcode=%d", m.Opcode)
	if m.Deflated {
		b.WriteString(" deflated")
	}
	if m.Lost > 0 {
		fmt.Fprintf(b, " lost=%d", m.Lost)
	}
	if m.Cut > 0 {
		fmt.Fprintf(b, " cut=%d", m.Cut)
	}
	fmt.Fprintf(b, " %s\n", abbreviate([]byte(m.Data)))
}

func renderFields(b *strings.Builder, indent string, fs record.Fields) {
	for _, f := range fs {
		fmt.Fprintf(b, "%s%s: %s\n", indent, f.Name, quoteOdd(f.Value))
	}
}

// quoteOdd quotes s where it would not show as it is.
func quoteOdd(s string) string {
	if q := fmt.Sprintf("%q", s); q != `"`+s+`"` {
		return q
	}
	return s
}

func renderMessage(b *strings.Builder, side byte, m *record.Message, times bool) {
	if !m.Seen() {
		fmt.Fprintf(b, "%c not seen\n", side)
		return
	}
	fmt.Fprintf(b, "%c %s head=%d body=%d wire=%d", side, m.Proto, m.HeadSize, m.BodySize, m.WireSize)
	if m.Cut > 0 {
		fmt.Fprintf(b, " cut=%d", m.Cut)
	}
	if len(m.Lost) > 0 {
		fmt.Fprintf(b, " lost=%v", m.Lost)
	}
	if !m.Done {
		b.WriteString(" incomplete")
	}
	if times {
		fmt.Fprintf(b, " %s..%s", m.Start.Sub(recordtest.Start), m.End.Sub(recordtest.Start))
	}
	b.WriteByte('\n')
	renderFields(b, string(side)+"   ", m.Header)
	body, err := m.Body.Bytes()
	if err != nil {
		fmt.Fprintf(b, "%c body: %v\n", side, err)
	} else if len(body) > 0 {
		fmt.Fprintf(b, "%c body %s\n", side, abbreviate(body))
	}
	if times && len(m.Marks) > 0 {
		fmt.Fprintf(b, "%c marks", side)
		for _, k := range m.Marks {
			fmt.Fprintf(b, " %d@%s", k.Off, k.Time.Sub(recordtest.Start))
		}
		b.WriteByte('\n')
	}
	if len(m.Trailer) > 0 {
		fmt.Fprintf(b, "%c trailer\n", side)
		renderFields(b, string(side)+"   ", m.Trailer)
	}
}

func abbreviate(p []byte) string {
	if len(p) > 2000 {
		return fmt.Sprintf("%q... %d bytes", p[:50], len(p))
	}
	return fmt.Sprintf("%q", p)
}

func readChunks(t testing.TB, path string) []record.Chunk {
	t.Helper()
	var cs []record.Chunk
	for c, err := range recordtest.Open(t, path) {
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		cs = append(cs, c)
	}
	return cs
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, []byte(got)) {
		t.Errorf("%s differs (go test -update rewrites it):\n%s", path, diff(string(want), got))
	}
}

// diff shows the first line in which want and got differ.
func diff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i+1, w[i], g[i])
		}
	}
	return fmt.Sprintf("want %d lines, got %d", len(w), len(g))
}

// recordings returns the recordings that all packages test with, and those of
// hard cases that only this one has.
func recordings() ([]string, error) {
	shared, err := filepath.Glob("../../testdata/*.rec")
	own, err2 := filepath.Glob("testdata/*.rec")
	return append(shared, own...), errors.Join(err, err2)
}

func TestGolden(t *testing.T) {
	paths, err := recordings()
	if err != nil || len(paths) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".rec")
		t.Run(name, func(t *testing.T) {
			checkGolden(t, strings.TrimSuffix(path, ".rec")+".exchanges", readChunks(t, path))
		})
	}
}

// checkGolden compares what chunks are assembled to with the file at path, and
// with what they are when they come in pieces.
func checkGolden(t *testing.T, path string, chunks []record.Chunk) {
	t.Helper()
	xs, st := assemble(t, chunks, 0)
	golden(t, path, render(xs, st, true))
	whole := render(xs, st, false)
	for _, n := range []int{1, 2, 3, 7} {
		xs, st := assemble(t, chunks, n)
		if got := render(xs, st, false); got != whole {
			t.Errorf("in pieces of %d: %s", n, diff(whole, got))
		}
	}
}
