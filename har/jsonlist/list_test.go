package jsonlist

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"
)

// A disk is a File of which every moment is looked at: after each page of a
// write, where the kernel may stop, and after each store.
type disk struct {
	data   []byte
	pos    int64
	fail   int   // the call that fails, from 1 on; 0 for none
	full   error // why, where it is a write
	calls  int
	stores int // of which jumps are to two places
	jumps  int
	after  func([]byte)
}

func (d *disk) Write(p []byte) (int, error) { return d.WriteAt(p, d.pos) }

func (d *disk) Seek(off int64, whence int) (int64, error) {
	d.pos = off
	return off, nil
}

func (d *disk) Truncate(n int64) error {
	d.data = d.data[:n]
	d.after(d.data)
	return nil
}

func (d *disk) WriteAt(p []byte, off int64) (n int, err error) {
	if d.calls++; d.calls == d.fail {
		p, err = p[:len(p)/2], d.full
	}
	if off > int64(len(d.data)) {
		return 0, errors.New("a hole in the file")
	}
	for n < len(p) {
		at := off + int64(n)
		m := min(len(p)-n, int(pageSize-at%pageSize))
		d.data = append(d.data[:at], append(bytes.Clone(p[n:n+m]), d.data[min(at+int64(m), int64(len(d.data))):]...)...)
		if n += m; err == nil {
			d.after(d.data)
		}
	}
	return n, err
}

func (d *disk) Store(p *[maxStore]byte, off int64) error {
	d.stores++
	if d.calls++; d.calls == d.fail {
		return syscall.EIO
	}
	copy(d.data[off:off+maxStore], p[:])
	d.after(d.data)
	return nil
}

// Store2 writes to two places at once, as far as a signal can tell.
func (d *disk) Store2(p *[maxStore]byte, off int64, q *[maxStore]byte, far int64) error {
	d.jumps++
	copy(d.data[off:], p[:])
	return d.Store(q, far)
}

// value returns the JSON of a random value, nested as deep as entries are.
func value(r *rand.Rand, depth int) string {
	switch n := r.IntN(8); {
	case depth > 5 || n < 3:
		units := []string{"a", "b c", "ä", "世", "🙂", `\"`, `\\`, `\n`, `\u0000`, `\u2028`, "}", "]", "{", "[", ","}
		var b strings.Builder
		for range r.IntN([]int{3, 40, 1000, 3000}[r.IntN(4)]) {
			b.WriteString(units[r.IntN(len(units))])
		}
		return `"` + b.String() + `"`
	case n == 3:
		return []string{"1", "-1.5", "true", "null", "1e99", `""`, "{}", "[]"}[r.IntN(8)]
	case n < 6:
		var all []string
		for i := range r.IntN(6) {
			all = append(all, fmt.Sprintf(`"key %d":`, i)+value(r, depth+1))
		}
		return "{" + strings.Join(all, ",") + "}"
	default:
		var all []string
		for range r.IntN(6) {
			all = append(all, value(r, depth+1))
		}
		return "[" + strings.Join(all, ",") + "]"
	}
}

// shortValue returns a value of which a page holds several.
func shortValue(r *rand.Rand, depth int) string {
	for {
		if v := value(r, depth); len(v) < 900 {
			return v
		}
	}
}

// text is what the tests write.
type text struct {
	Log struct {
		Head    string
		Entries []json.RawMessage
		Tail    string
	}
}

// TestEveryMoment writes random elements, in random parts, and looks at the
// text whenever the program could be killed.
func TestEveryMoment(t *testing.T) {
	seeds := uint64(25)
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 1))
		start := []int64{0, 0, 1, 100, 1500, 4095, 4096}[r.IntN(7)]
		d := &disk{data: bytes.Repeat([]byte(" "), int(start)), after: func([]byte) {}}
		head := `{"log":{"head":"` + strings.Repeat("x", r.IntN(2000)) + `"`
		l, err := Create(d, start, []byte(head), "entries")
		if err != nil {
			t.Fatal(err)
		}
		moments, count, batch := 0, 0, 1
		check := func(data []byte) {
			var v text
			if err := json.Unmarshal(data, &v); err != nil || !utf8.Valid(data) {
				t.Fatalf("seed %d, %d elements, %d bytes: %v: …%q", seed, count, len(data), err, tail(data))
			}
			// Of elements that are committed at once some may be there before the others.
			if n := len(v.Log.Entries); n < count || n > count+batch {
				t.Fatalf("seed %d: %d elements, want %d and up to %d more", seed, n, count, batch)
			}
			moments++
		}
		check(d.data)
		d.after = check
		var want []string
		for range 1 + r.IntN(8) {
			next := value
			if r.IntN(2) == 0 {
				next = shortValue
			}
			v := next(r, 0)
			if r.IntN(3) == 0 { // as a body is
				long := value(r, 99)
				for len(long) > 2 && len(long) < 50_000 {
					long = long[:len(long)-1] + value(r, 99)[1:]
				}
				v = `{"body":{"text":` + long + `},"n":` + value(r, 1) + "}"
				spillString(t, l, r, v[:len(long)+15])
				want = append(want, v)
				v = v[len(long)+15:]
			} else {
				want = append(want, v)
			}
			rest := []byte(v)
			var ends []int
			if batch = 1; r.IntN(2) == 0 {
				ends = append(ends, len(rest))
				for batch = 1 + r.IntN(30); len(ends) < batch; ends = append(ends, len(rest)) {
					want = append(want, next(r, 0))
					rest = append(append(rest, ",\n"...), want[len(want)-1]...)
				}
			}
			for ends == nil && len(rest) > 100 && r.IntN(3) > 0 {
				n := 1 + r.IntN(len(rest)-1)
				if err := l.Spill(rest[:n], 0); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if err := l.Commit(rest, ends...); err != nil {
				t.Fatal(err)
			}
			count += batch
			if err := l.SetHead([]byte(fmt.Sprintf(`{"log":{"head":"%d"`, count))); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Finish([]byte(`,"tail":"` + strings.Repeat("end", r.IntN(3000)) + `"`)); err != nil {
			t.Fatal(err)
		}
		t.Log("seed", seed)
		got := checkText(t, d.data, want)
		if got.Log.Head != fmt.Sprint(count) || !strings.HasPrefix(got.Log.Tail+"end", "end") || !bytes.HasSuffix(d.data, []byte("}}\n")) {
			t.Errorf("seed %d: the text ends %.100q", seed, d.data[len(d.data)-50:])
		}
	}
}

// tail returns what data ends with, but for spaces.
func tail(data []byte) []byte {
	data = bytes.TrimRight(data, " ")
	return data[max(0, len(data)-100):]
}

// spillString writes an element's beginning, up to within a string that is its
// end, in pieces, and tells what is to come.
func spillString(t *testing.T, l *List, r *rand.Rand, text string) {
	t.Helper()
	for text != "" {
		n := min(len(text), 100+r.IntN(30_000))
		more := int64(len(text) - n)
		if r.IntN(2) == 0 {
			more = r.Int64N(more + 1)
		}
		if err := l.Spill([]byte(text[:n]), more); err != nil {
			t.Fatal(err)
		}
		text = text[n:]
	}
}

// checkText checks that data is a text with the elements want, and returns it.
func checkText(t *testing.T, data []byte, want []string) (got text) {
	t.Helper()
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Log.Entries) != len(want) {
		t.Fatalf("%d elements, want %d", len(got.Log.Entries), len(want))
	}
	for i, v := range want {
		if !same(t, got.Log.Entries[i], []byte(v)) {
			t.Fatalf("element %d is %.100s, want %.100s", i, got.Log.Entries[i], v)
		}
	}
	return got
}

// same reports whether a and b are the same values.
func same(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

// TestDeep writes strings where the closers are more than can be stored at
// once, and a name that fills more than a page.
func TestDeep(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	d := &disk{after: func([]byte) {}}
	l, err := Create(d, 0, []byte(`{"log":{"head":""`), "entries")
	if err != nil {
		t.Fatal(err)
	}
	deep := strings.Repeat("[", 18) + `"` + long + `"` + strings.Repeat("]", 18)
	tooDeep := strings.Repeat("[", 100) + `"` + long + `"` + strings.Repeat("]", 100)
	for _, v := range []string{deep, `{"` + long + `":1}`, tooDeep, `"` + long + `"`} {
		if err := l.Commit([]byte(v)); err != nil {
			t.Fatal(err)
		}
		var got text
		if err := json.Unmarshal(d.data, &got); err != nil {
			t.Fatal(err)
		}
		if last := got.Log.Entries[len(got.Log.Entries)-1]; !same(t, last, []byte(v)) {
			t.Errorf("%.40s… came back as %.40s…", v, last)
		}
	}
}

// TestFailures has each call fail in turn: Abort leaves what was committed. It
// is no failure where there was no room but for what is yet to come.
func TestFailures(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	var values []string // what is committed at once, with the ends of its elements
	var ends [][]int
	for i := range 18 {
		v, at := value(r, 0), []int(nil)
		if i%4 == 1 { // as bodies are
			v = `{"text":"` + strings.Repeat("some text ", 1000) + `","n":1}`
		}
		for n := 20; i%3 == 2 && n > 0; n-- {
			v += ",\n" + shortValue(r, 0)
			if n == 20 {
				v = shortValue(r, 0)
			}
			at = append(at, len(v))
		}
		values, ends = append(values, v), append(ends, at)
	}
	kept := 0 // elements, where there was no room at the disk
	for n := 4; ; n++ {
		fail, full := n/2, [2]error{syscall.ENOSPC, syscall.EDQUOT}[n%2]
		d := &disk{fail: fail, full: full, after: func([]byte) {}}
		l, err := Create(d, 0, []byte(`{"log":{"head":""`), "entries")
		done := 0
		for i, v := range values {
			if err != nil {
				break
			}
			if err = l.Commit([]byte(v), ends[i]...); err == nil {
				done += max(1, len(ends[i]))
			}
		}
		if err == nil && d.calls < fail {
			if fail < 20 {
				t.Errorf("%d calls in all", fail)
			}
			return
		}
		if err != nil {
			if again := l.Abort(err); again.Error() != err.Error() {
				t.Fatal(again)
			}
		}
		var got text
		if err := json.Unmarshal(d.data, &got); err != nil || len(got.Log.Entries) != done {
			t.Fatalf("call %d fails: %d elements, want %d: %v", fail, len(got.Log.Entries), done, err)
		}
		if n%2 == 1 && done != kept {
			t.Fatalf("call %d fails: %d elements where the quota is used up, %d where the disk is", fail, done, kept)
		}
		kept = done
	}
}

// TestRealFile writes a file of the system, where stores go to its mapping.
func TestRealFile(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "x.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l, err := Create(f, 0, []byte(`{"log":{"head":"h"`), "entries")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	r := rand.New(rand.NewPCG(3, 3))
	for size := int64(0); size < 3<<20; { // more than is mapped at once
		v := value(r, 0)
		want = append(want, v)
		if err := l.Commit([]byte(v)); err != nil {
			t.Fatal(err)
		}
		size += int64(len(v))
		if got, err := os.ReadFile(f.Name()); len(want)%50 == 0 && (err != nil || !json.Valid(got)) {
			t.Fatalf("after %d elements: %v", len(want), err)
		}
	}
	if m, ok := l.store.(interface{ failed() bool }); ok && m.failed() {
		t.Error("the file is not mapped")
	}
	if err := l.Finish(nil); err != nil {
		t.Fatal(err)
	}
	if pos, err := f.Seek(0, io.SeekCurrent); err != nil || pos != l.size {
		t.Errorf("the file is at %d, %v, want %d", pos, err, l.size)
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	checkText(t, data, want)
}
