//go:build linux && (amd64 || arm64)

package bpf

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"ssltape/bpf/object"
	"ssltape/record"
)

// eventBytes returns an event as tls.c lays it out.
func eventBytes(h object.TlsHead, data string) []byte {
	h.Len = uint32(len(data))
	b := make([]byte, int(unsafe.Sizeof(h)), int(unsafe.Sizeof(h))+len(data))
	*(*object.TlsHead)(unsafe.Pointer(unsafe.SliceData(b))) = h
	return append(b, data...)
}

// script makes events of one connection of words: >N is data of write N, >N. its
// last, +N what write N passes that has not returned, =N says that it is over, <N is
// data that was read when write N was over, <N? before that, $N? is the end of what
// can be read, read before that, and ! ends the connection. Data is the word itself.
func script(words string) (events [][]byte) {
	var off [2]uint64
	for _, word := range strings.Fields(words) {
		h := object.TlsHead{Tgid: 1, Epoch: 1, Ssl: 1, Born: 1, Kind: kindData}
		fmt.Sscanf(word[1:], "%d", &h.Write)
		switch word[0] {
		case '<':
			h.Dir = uint8(record.In)
			if strings.Contains(word, "?") {
				h.Flags = flagPending
			}
		case '>':
			if strings.Contains(word, ".") {
				h.Flags = flagLast
			}
		case '+':
			h.Kind, h.Off = kindSaved, off[record.Out]
			events = append(events, eventBytes(h, word))
			continue
		case '=':
			h.Kind = kindWrote
			events = append(events, eventBytes(h, ""))
			continue
		case '$':
			h.Kind, h.Dir, h.Flags, h.Off, h.End = kindEnd, uint8(record.In), flagPending, off[record.In], uint8(record.EndClean)
			events = append(events, eventBytes(h, ""))
			continue
		case '!':
			h.Kind, h.Off, h.End = kindEnd, off[record.Out], uint8(record.EndClean)
			events = append(events, eventBytes(h, ""))
			h.Dir, h.Off = uint8(record.In), off[record.In]
			events = append(events, eventBytes(h, ""))
			continue
		}
		h.Off = off[h.Dir]
		off[h.Dir] += uint64(len(word))
		events = append(events, eventBytes(h, word))
	}
	return events
}

// testCursor returns a cursor that knows process 1.
func testCursor() *cursor {
	p := &Probe{procs: map[uint32]*process{1: {epoch: 1, conns: map[connKey]*conn{}}}, libraries: []string{"lib"}}
	return newCursor(p)
}

// What was read while a write had not returned comes behind all of that write,
// and behind nothing else, whatever was lost.
func TestCursorOrder(t *testing.T) {
	for _, tt := range []struct{ name, events, want string }{
		{"written before", ">1. <1 >2. <2", ">1. <1 >2. <2"},
		{"read before it returns", "<1?a >1. <1b", ">1. <1?a <1b"},
		{"between its pieces", ">1a <1?b >1c <1?d >1.e <1f", ">1a >1c >1.e <1?b <1?d <1f"},
		{"returned by then", ">1. <1?a <1?b", ">1. <1?a <1?b"},
		{"it fails", "<1?a =1 <1b", "<1?a <1b"},
		{"two writes", "<1?a >1. <2?b >2. <2c", ">1. <1?a >2. <2?b <2c"},
		{"its end is lost", ">1a <1?b >2c <2?d >2.", ">1a <1?b >2c >2. <2?d"},
		{"all of it is lost", "<1?a <2?b >2.", "<1?a >2. <2?b"},
		{"it is lost, reads follow", "<1?a <1b", "<1?a <1b"},
		{"not before the end", ">1a <1?b !", ">1a <1?b !out !in"},
		{"the end is read, too", ">1a <1?b $1? >1.c", ">1a >1.c <1?b !in"},
		{"the end is read, then closed", ">1a $1? !", ">1a !in !out"},
		{"told when another one is over", ">1. >2. <1?a <2b", ">1. >2. <1?a <2b"},
		{"the end is told so", ">1. >2. <1?a $1?", ">1. >2. <1?a !in"},
		{"closed by two threads", ">1. <1 ! !", ">1. <1 !out !in"},
		{"told after the end", ">1. <1 ! =2 +2 $2?", ">1. <1 !out !in"},
		{"no writes of Go", ">0 <0 >0 <0", ">0 <0 >0 <0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, leave := range []bool{false, true} { // Events, after each one
				c := testCursor()
				for _, e := range script(tt.events) { // as they stand in the ring buffer
					c.events = binary.NativeEndian.AppendUint64(c.events, uint64(len(e)))
					c.events = append(c.events, e...)
					c.events = append(c.events, make([]byte, -len(e)&7)...)
				}
				var got []string
				c.yield = func(e Event, _ error) bool {
					if e.Chunk.End != record.EndNone {
						got = append(got, "!"+e.Chunk.Dir.String())
					} else {
						got = append(got, string(e.Chunk.Data))
					}
					return !leave
				}
				for c.next < len(c.events) || len(c.later) > 0 {
					c.left = false
					later := c.later
					c.later = nil
					for _, e := range later {
						c.send(e)
					}
					c.readEvents()
				}
				if s := strings.Join(got, " "); s != tt.want {
					t.Errorf("%s gives %s, want %s (left after each: %v)", tt.events, s, tt.want, leave)
				}
				if c.waits != 0 {
					t.Errorf("%s: %d bytes still wait", tt.events, c.waits)
				}
				if open := len(c.known(1).conns); strings.Contains(tt.want, "!out") && strings.Contains(tt.want, "!in") && open != 0 {
					t.Errorf("%s: %d connections are open", tt.events, open)
				}
			}
		})
	}
}

// What two threads read at once is passed on one after the other, though both were
// told the same place.
func TestCursorSamePlace(t *testing.T) {
	c := testCursor()
	var got []record.Chunk
	c.yield = func(e Event, _ error) bool {
		got = append(got, e.Chunk)
		return true
	}
	for _, off := range []uint64{0, 3, 3, 6} { // the kernel counts the second and the third once
		c.event(eventBytes(object.TlsHead{Tgid: 1, Epoch: 1, Ssl: 1, Born: 1, Kind: kindData, Dir: uint8(record.In), Off: off}, "abc"))
	}
	for i, chunk := range got {
		if want := int64(3 * i); chunk.Off != want || string(chunk.Data) != "abc" {
			t.Errorf("%q at %d, want it at %d", chunk.Data, chunk.Off, want)
		}
	}
	if len(got) != 4 {
		t.Errorf("%d chunks, want 4", len(got))
	}
}

// What one thread has read comes where it stands, though another one has told later
// that it read before. What the kernel has lost is a hole at once, and what is ahead
// of nothing waits for some blocks.
func TestCursorAhead(t *testing.T) {
	for _, tt := range []struct {
		name string
		// Words are data at a place, the ! end there of what can be read, -N bytes that
		// the kernel counts as lost, | the end of a block, || of many, and x that of the process.
		events string
		want   string
	}{
		{"in order", "0abc 3def", "0abc 3def"},
		{"two change places", "3def 0abc 6ghi", "0abc 3def 6ghi"},
		{"three do", "6ghi 3def 0abc", "0abc 3def 6ghi"},
		{"one comes late", "0abc 6ghi 9jkl 3def", "0abc 3def 6ghi 9jkl"},
		{"in the next block", "3def | 6ghi 0abc", "0abc 3def 6ghi"},
		{"too late", "3def | 6ghi || 0abc", "3def 6ghi 9abc"},
		{"never", "3def ||", "3def"},
		{"two holes", "3def 9jkl || 12mno", "3def 9jkl 12mno"},
		{"lost", "-3 3def", "3def"},
		{"lost, then late", "-3 3def 9jkl 6ghi", "3def 6ghi 9jkl"},
		{"late, then lost", "3def 0abc -3 9jkl", "0abc 3def 9jkl"},
		{"lost and late", "-3 9jkl 3def 6ghi", "3def 6ghi 9jkl"},
		{"what is lost is counted late", "3def -3 6ghi", "3def 6ghi"},
		{"it is counted late, and nothing follows", "3def -3 |", "3def"},
		{"lost, with others ahead", "3def -9 9jkl", "3def 9jkl"},
		{"never, then lost", "3def || -3 9jkl 6ghi", "3def 9jkl 12ghi"},
		{"lost elsewhere", "-2 3def 0abc", "0abc 3def"},
		{"lost twice", "-3 3def 9jkl -3 15pqr 12mno", "3def 9jkl 12mno 15pqr"},
		{"the end is told first", "0abc !6 3def", "0abc 3def !6"},
		{"the end is ahead", "0abc !6 ||", "0abc !6"},
		{"the process ends", "3def 6ghi x", "3def 6ghi !9"},
		{"lost before the end", "0abc -3 !6", "0abc !6"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := testCursor()
			var lost uint64
			c.lost = func() uint64 { return lost }
			var got []string
			c.yield = func(e Event, _ error) bool {
				if e.Chunk.Dir == record.In {
					got = append(got, fmt.Sprint(map[bool]string{true: "!"}[e.Chunk.End != record.EndNone], e.Chunk.Off, string(e.Chunk.Data)))
				}
				return true
			}
			for _, word := range strings.Fields(tt.events) {
				h := object.TlsHead{Tgid: 1, Epoch: 1, Ssl: 1, Born: 1, Kind: kindData, Dir: uint8(record.In)}
				var n uint64
				fmt.Sscanf(strings.TrimLeft(word, "!-"), "%d", &n)
				h.Off = n
				switch word[0] {
				case '-':
					lost += n
				case '|':
					for range max(1, (len(word)-1)*patience) {
						c.readEvents()
					}
				case 'x':
					c.end(keyOf(&h), object.TlsEndValue{End: uint32(record.EndCut)}, record.In)
				case '!':
					h.Kind, h.End = kindEnd, uint8(record.EndClean)
					c.event(eventBytes(h, ""))
				default:
					e := eventBytes(h, strings.TrimLeft(word, "0123456789"))
					c.event(e)
					clear(e) // its block is used again
				}
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("%s gives %s, want %s", tt.events, s, tt.want)
			}
			if c.readEvents(); len(c.behind) > 0 {
				t.Errorf("%s: %d connections still wait", tt.events, len(c.behind))
			}
		})
	}
}

// A write that does not return keeps no more than maxWaiting waiting, and is
// counted.
func TestCursorWaits(t *testing.T) {
	c := testCursor()
	got, most := 0, 0
	c.yield = func(e Event, _ error) bool {
		got += len(e.Chunk.Data)
		return true
	}
	piece := strings.Repeat("x", 16384)
	const n = 3 * maxWaiting / 16384
	for i := range n {
		c.event(eventBytes(object.TlsHead{Tgid: 1, Epoch: 1, Ssl: 1, Born: 1, Kind: kindData, Dir: uint8(record.In),
			Flags: flagPending, Write: 1, Off: uint64(i) * 16384}, piece))
		most = max(most, c.waits)
	}
	if got != 3*maxWaiting || most > maxWaiting+16384 || c.waits != 0 || c.p.ahead.Load() != 1 {
		t.Errorf("%d bytes came, %d wait, %d at most; counted %d", got, c.waits, most, c.p.ahead.Load())
	}
}

// A write that had not returned when its process ended comes where it was answered
// and saved, before the answer, and is counted where it was not.
func TestCursorUnended(t *testing.T) {
	for _, tt := range []struct {
		events, want string
		counted      uint64
		cut          uint32 // the write that the kernel has not seen return, if any
	}{
		{">1. <1", ">1. <1", 0, 0},
		{">1. <2?a", ">1.", 1, 0},
		{">1. <2?a >2.", ">1. >2. <2?a", 0, 0},
		{"<1?a <1?b", "", 1, 0},
		{">1. <2?a +2 <2?b", ">1. +2 <2?a <2?b", 0, 0},
		{">1. <2?a +2 >2.", ">1. >2. <2?a", 0, 0},
		{">1. >2. <2?a +2", ">1. >2. <2?a", 0, 0},
		{">1. <2?a +2 >2. <3?b", ">1. >2. <2?a", 1, 0},
		{">1. <2?a +2 =2", ">1. <2?a", 0, 0}, // it failed
		{">1.", ">1.", 1, 2},
		{">1. <2?a +2", ">1. +2 <2?a", 0, 2},
		{">1. <2?a", ">1.", 1, 2},
		{"=0", "", 1, 1},
	} {
		c := testCursor()
		var got []string
		c.yield = func(e Event, _ error) bool {
			got = append(got, string(e.Chunk.Data))
			return true
		}
		for _, e := range script(tt.events) {
			c.event(e)
		}
		for _, conn := range c.p.procs[1].conns {
			c.rescue(conn)
			c.unended(conn, max(tt.cut, conn.over))
		}
		if n := c.p.unended.Load(); n != tt.counted {
			t.Errorf("%s: %d writes counted, want %d", tt.events, n, tt.counted)
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s gives %s, want %s", tt.events, s, tt.want)
		}
		if n := c.p.rescued.Load(); n != uint64(2*strings.Count(tt.want, "+")) {
			t.Errorf("%s: %d bytes more", tt.events, n)
		}
	}
}

// layout returns an event that is more than a head, as tls.c lays it out.
func layout[T any](v T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&v)), unsafe.Sizeof(v))
}

// What becomes of processes is told in their order, with what events say of them:
// the one of these tests is not there to be asked.
func TestCursorProcess(t *testing.T) {
	const gone, clock = 1 << 30, 1000
	c := testCursor()
	c.clock = clock
	c.p.procs[1].Process = Process{PID: 11, Exe: "/bin/parent"}
	var got []ProcessEvent
	c.yield = func(e Event, _ error) bool {
		got = append(got, *e.Process)
		return true
	}
	head := object.TlsHead{Tgid: 7, Pid: gone, Epoch: 3, Time: 5}
	event := func(kind uint8, change func(*object.TlsHead)) object.TlsHead {
		h := head
		h.Kind = kind
		change(&h)
		return h
	}
	start := object.TlsStart{Head: event(kindStart, func(h *object.TlsHead) { h.Ssl = 1 })}
	copy(start.Comm[:], "child")
	c.event(layout(start))
	exec := object.TlsExec{Head: event(kindExec, func(h *object.TlsHead) { h.Epoch, h.Len = 6, 4 })}
	copy(exec.Comm[:], "cat")
	copy(exec.File[:], "/bin/cat")
	copy(exec.Args[:], "a\x00b\x00rest")
	c.event(layout(exec))
	c.event(eventBytes(event(kindLine, func(*object.TlsHead) {}), "typed"))
	// The number of the process was another one's before.
	c.event(eventBytes(event(kindExit, func(h *object.TlsHead) { h.Epoch, h.Off = 5, 1 }), ""))
	c.event(eventBytes(event(kindExit, func(h *object.TlsHead) { h.Epoch, h.Off = 6, 9 }), ""))
	if c.known(7) != nil {
		t.Error("a process that has ended is known")
	}
	exec.Head.Kind = kindRefused
	c.event(layout(start))
	c.event(layout(exec))
	if c.known(7) != nil {
		t.Error("a process that is refused is known")
	}

	at := time.Unix(0, clock+5)
	child := Process{PID: gone, PPID: 11, Comm: "child", Exe: "/bin/parent"}
	cat := Process{PID: gone, PPID: 11, Comm: "cat", Exe: "/bin/cat"}
	want := []ProcessEvent{
		{Kind: Started, Process: child, Time: at},
		{Kind: Exec, Process: cat, Args: []string{"a", "b"}, Time: at},
		{Kind: Typed, Process: cat, Line: "typed", Time: at},
		{Kind: Exited, Process: cat, Status: 9, Time: at},
		{Kind: Started, Process: child, Time: at},
		{Kind: Refused, Process: cat, Args: []string{"a", "b"}, Time: at},
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("event %d: got %+v\nwant %+v", i, got[i:], want[min(i, len(want)):])
		}
	}
}

// What becomes known of a connection is in the next chunk of it.
func TestCursorConnection(t *testing.T) {
	c := testCursor()
	var got record.Conn
	c.yield = func(e Event, _ error) bool {
		got = *e.Chunk.Conn
		return true
	}
	head := object.TlsHead{Tgid: 1, Epoch: 1, Ssl: 1, Born: 1, Library: 1}
	address := object.TlsAddressEvent{Head: head}
	address.Head.Kind = kindAddress
	address.Address.Local[15], address.Address.Lport = 1, 1234
	address.Address.Remote[10], address.Address.Remote[11], address.Address.Remote[12], address.Address.Rport = 0xff, 0xff, 10, 443
	name := object.TlsNameEvent{Head: head}
	name.Head.Kind = kindName
	copy(name.Name[:], "example.com\x00before")
	handshake := head
	handshake.Kind, handshake.Off = kindHandshake, 42
	data := head
	data.Kind = kindData
	for _, e := range [][]byte{layout(address), layout(name), eventBytes(handshake, ""), eventBytes(data, "x")} {
		c.event(e)
	}
	want := record.Conn{ID: 1, Library: "lib", ServerName: "example.com", Handshake: 42,
		Local: netip.MustParseAddrPort("[::1]:1234"), Remote: netip.MustParseAddrPort("10.0.0.0:443")}
	if got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}
