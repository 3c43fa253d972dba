package pcapng_test

import (
	"bytes"
	"encoding/binary"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/gopacket/layers"

	"ssltape/pcapng"
	"ssltape/record"
	"ssltape/record/recordtest"
)

// Read takes anything: it ends, offsets do not go back, nothing follows an end.
func FuzzRead(f *testing.F) {
	for _, rec := range recordings(f) {
		f.Add(write(f, recordtest.Open(f, rec), pcapng.Options{}))
		f.Add(write(f, recordtest.Open(f, rec), pcapng.Options{Framing: pcapng.FramingTLS}))
	}
	f.Add(newTalk(client4, server4).get(100).raw())
	f.Add(newTalk(client6, server6).get(100).file(layers.LinkTypeRaw, raw))
	f.Fuzz(func(t *testing.T, file []byte) {
		type place struct {
			conn *record.Conn
			dir  record.Dir
		}
		next, ended := map[place]int64{}, map[place]bool{}
		ids := map[uint64]*record.Conn{}
		for c, err := range pcapng.Read(bytes.NewReader(file)) {
			if err != nil {
				continue
			}
			p := place{c.Conn, c.Dir}
			if c.Off < next[p] || ended[p] {
				t.Fatalf("chunk at %d, want %d or more; ended: %v", c.Off, next[p], ended[p])
			}
			next[p], ended[p] = c.Off+int64(len(c.Data)), c.End != record.EndNone
			if other := ids[c.Conn.ID]; c.Conn.ID == 0 || other != nil && other != c.Conn {
				t.Fatalf("number %d is not unique", c.Conn.ID)
			}
			ids[c.Conn.ID] = c.Conn
		}
	})
}

// Any recording is read back as it was written, and its file has no fault that
// a reader of packets would see.
func FuzzRoundTrip(f *testing.F) {
	for _, rec := range recordings(f) {
		text, err := os.ReadFile(rec)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, plan []byte) {
		for _, framing := range []pcapng.Framing{pcapng.FramingPlain, pcapng.FramingTLS} {
			want := newDump()
			file := write(t, planned(plan), pcapng.Options{Framing: framing}, want)
			if got := read(t, file, want); got != want.String() {
				t.Errorf("framing %d: got:\n%s\nwant:\n%s", framing, got, want)
			}
		}
	})
}

// planned is a recording made of arbitrary bytes: which connection, how much,
// what is lost, when, and what becomes known of the connection.
func planned(plan []byte) iter.Seq2[record.Chunk, error] {
	next := func(n int) []byte {
		p := make([]byte, n)
		copy(p, plan)
		plan = plan[min(n, len(plan)):]
		return p
	}
	return func(yield func(record.Chunk, error) bool) {
		now := recordtest.Start
		var conns [4]*record.Conn
		var off [4][2]int64
		var ended [4][2]bool
		for len(plan) > 0 {
			op := next(4)
			i, d := op[0]%4, record.Dir(op[0]>>2&1)
			if conns[i] == nil {
				conns[i] = &record.Conn{ID: uint64(i) + 1, PID: int(op[1]), Comm: string(next(int(op[1] % 16))), Exe: string(next(int(op[2] % 32)))}
			}
			c := conns[i]
			if ended[i][d] {
				continue
			}
			now = now.Add(time.Duration(int8(op[1])) * time.Microsecond)
			chunk := record.Chunk{Conn: c, Dir: d, Off: off[i][d], Time: now}
			switch op[2] % 8 {
			case 0:
				chunk.Off += int64(binary.LittleEndian.Uint16(next(2)))
			case 1:
				chunk.End = record.End(1 + op[3]&1)
			case 2:
				c.ServerName = string(next(int(op[3] % 32)))
			case 3:
				c.Local = netip.AddrPortFrom(netip.AddrFrom4([4]byte(next(4))), binary.LittleEndian.Uint16(op))
			case 4:
				c.Remote = netip.AddrPortFrom(netip.AddrFrom16([16]byte(next(16))), binary.LittleEndian.Uint16(op))
			}
			if chunk.Data = next(int(op[3])); len(chunk.Data) == 0 && chunk.End == record.EndNone {
				chunk.Data = []byte("x")
			}
			if op[2] == 0xff {
				chunk.Data = bytes.Repeat(append(chunk.Data, 'y'), 1000)
			}
			off[i][d] = chunk.Off + int64(len(chunk.Data))
			ended[i][d] = chunk.End != record.EndNone
			if !yield(chunk, nil) {
				return
			}
		}
	}
}

// A file that was cut anywhere is one that Wireshark's rules allow, up to the
// cut: all calls of Write end at the end of a block.
func TestWholeBlocks(t *testing.T) {
	var w wholeBlocks
	pw, err := pcapng.NewWriter(&w, pcapng.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := record.Copy(exchanges(bodies()), pw); err != nil {
		t.Fatal(err)
	}
	if err := pw.Close(); err != nil {
		t.Fatal(err)
	}
	if w.calls < 10 {
		t.Errorf("%d calls of Write for 20 MB", w.calls)
	}
	if w.broken > 0 {
		t.Errorf("%d calls of Write did not end at the end of a block", w.broken)
	}
	if path := filepath.Join(t.TempDir(), "x.pcapng"); os.WriteFile(path, w.first, 0o600) == nil {
		run(t, "tshark", "-r", path)
	}
}

// wholeBlocks counts calls of Write that are not whole blocks.
type wholeBlocks struct {
	calls, broken int
	first         []byte
}

func (w *wholeBlocks) Write(p []byte) (int, error) {
	if w.calls++; w.calls < 5 {
		w.first = append(w.first, p...)
	}
	b := p
	for len(b) >= 12 {
		n := int(binary.LittleEndian.Uint32(b[4:]))
		if n < 12 || n > len(b) || int(binary.LittleEndian.Uint32(b[n-4:])) != n {
			break
		}
		b = b[n:]
	}
	if len(b) > 0 {
		w.broken++
	}
	return len(p), nil
}
