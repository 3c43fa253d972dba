package assembly_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"ssltape/record"
	"ssltape/record/recordtest"
)

// FuzzAssembler holds the invariants of the assembler on any traffic: however
// it is cut the exchanges are the same, each byte belongs to one span, each
// exchange is done once (assemble checks the last two), and nothing panics.
func FuzzAssembler(f *testing.F) {
	paths, err := recordings()
	if err != nil || len(paths) == 0 {
		f.Fatalf("no recordings: %v", err)
	}
	for i, path := range paths {
		var both [2][]byte
		for _, c := range readChunks(f, path) {
			both[c.Dir] = append(both[c.Dir], c.Data...)
		}
		f.Add(both[record.Out], both[record.In], uint64(i))
		f.Add(both[record.In], both[record.Out], uint64(i+1000))
	}
	f.Fuzz(checkCuts)
}

// FuzzHTTP2 is FuzzAssembler from the talks of TestHTTP2.
func FuzzHTTP2(f *testing.F) {
	for _, name := range slices.Sorted(maps.Keys(http2Cases)) {
		k := newTalk()
		http2Cases[name](k)
		addTalk(f, k.chunks)
	}
	f.Fuzz(checkCuts)
}

// FuzzWebSocket is FuzzAssembler from the sockets of TestWebSocket.
func FuzzWebSocket(f *testing.F) {
	for _, name := range slices.Sorted(maps.Keys(webSocketCases)) {
		addTalk(f, webSocketCases[name]().chunks)
	}
	f.Fuzz(checkCuts)
}

// addTalk adds what chunks carry to the seeds, in several orders.
func addTalk(f *testing.F, chunks []record.Chunk) {
	var both [2][]byte
	for _, c := range chunks {
		both[c.Dir] = append(both[c.Dir], c.Data[:min(len(c.Data), 2000)]...)
	}
	for seed := range uint64(4) {
		f.Add(both[client], both[server], seed)
	}
}

// checkCuts checks that a recording means the same however it is cut.
func checkCuts(t *testing.T, out, in []byte, seed uint64) {
	chunks := shuffle(out, in, seed)
	xs, st := assemble(t, chunks, 0)
	whole := render(xs, st, false)
	for _, n := range []int{1, 3} {
		xs, st := assemble(t, chunks, n)
		if got := render(xs, st, false); got != whole {
			t.Fatalf("in pieces of %d: %s\nwhole:\n%s", n, diff(whole, got), whole)
		}
	}
}

// shuffle makes a recording of what two directions carried, with the turns,
// losses and ends that seed chooses.
func shuffle(out, in []byte, seed uint64) []record.Chunk {
	r := rand.New(rand.NewPCG(seed, 1))
	conn := &record.Conn{ID: 1}
	left := [2][]byte{out, in}
	var off [2]int64
	var cs []record.Chunk
	lossy := seed%3 == 0
	for len(left[0])+len(left[1]) > 0 {
		d := record.Dir(r.IntN(2))
		if len(left[d]) == 0 {
			d = d.Peer()
		}
		n := 1 + r.IntN(len(left[d]))
		if lossy && r.IntN(6) == 0 { // lost
			k := r.IntN(n)
			left[d], off[d], n = left[d][k:], off[d]+int64(k), n-k
		}
		cs = append(cs, record.Chunk{Conn: conn, Dir: d, Off: off[d], Time: recordtest.Start, Data: left[d][:n]})
		left[d], off[d] = left[d][n:], off[d]+int64(n)
	}
	for _, d := range []record.Dir{record.In, record.Out} {
		if end := record.End(r.IntN(3)); end != record.EndNone {
			cs = append(cs, record.Chunk{Conn: conn, Dir: d, Off: off[d] + int64(seed%2), Time: recordtest.Start, End: end})
		}
	}
	return cs
}
