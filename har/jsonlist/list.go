// Package jsonlist keeps a JSON text in a file that is whole at every moment,
// while a list at its end grows: whenever the program is killed, what is there
// parses and has all elements that were committed.
//
// # How
//
// The kernel looks for a deadly signal between two pages of a write, never
// within one. So every write here stays within a page, and leaves a whole text, or
// does so with each of its pages:
//
//	{"log":{"pages":[],   "entries":[ {…}, {…} ]}}
//
// The head has a page of its own, with room in it, in which it can be changed.
// An element is written with the closers of all that is open after it; spaces,
// which may follow a JSON text, were put there before, so that a disk that is
// full says so while the file is whole.
//
// An element that does not fit the rest of a page is first put beside the list,
// as the only one of another list. Each page of it ends with what closes it
// there, in the middle of a string if need be, and a last write over some bytes
// makes it one of the elements:
//
//	"entries":[ {…} ],"_partial":[{… "text":"Hello, wor"}}}]}}
//	"entries":[ {…} ,             {… "text":"Hello, world!"}}}]}}
//
// What remains is to bring the closers from the end of a page to the next one.
// No write within one page can do that: either there would be two of them or
// none. A single store instruction to the mapped file can, since interrupts
// come between instructions. Within a long string, such as a body, the closers
// go ahead, over spaces in the place of what is to come, and back at its end, by
// two store instructions one after the other: cheaper, and moments of less than
// a nanosecond; or they stay where they are for the next one (see pad.go), and what
// is committed at once needs no store at all (see batch.go). Where a file cannot be
// mapped these are writes of 16 bytes, between the pages of which the kernel may
// stop.
package jsonlist

import (
	"errors"
	"io"
	"slices"
	"syscall"
)

const (
	pageSize = 4096
	partial  = `],"_partial":[`
	ending   = "]}}" // the list, what it is a member of, and the text
	// spare is how many bytes of spaces come after a long text, at most but for
	// those that the closers go over; after a short one it is as much again.
	spare = 256 << 10
	// maxStore is how many bytes are stored at once.
	maxStore = 16
	// minHead is the least room that a head gets.
	minHead = 3600
)

// A File is what can be written in place.
type File interface {
	io.WriteSeeker
	io.WriterAt
	Truncate(size int64) error
}

// A List is a JSON text with a list at its end. After an error nothing but
// Abort and Len may be called.
type List struct {
	f       File
	store   storer
	name    string // of the list, with what is before it and its bracket
	head    int64  // where the head is
	room    int    // for the head, with name
	pos     int64  // where the closers are
	size    int64  // of the file: spaces after the closers
	last    int64  // pos after the last element
	mark    int64  // where partial is, 0 where it is not
	comma   string // what comes before the next element
	scan    scanner
	base    scanner // between elements
	held    []byte  // what is to be written when it can end
	ends    []int   // places in what is added next that are between elements
	more    int64   // bytes that are to come after it in the same string
	far     int64   // where the closers are while the text before them is not there yet, else 0
	ahead   int64   // where they were then the last time
	padded  bool    // they are ahead of no text but those of pad
	pad     scanner // within the pad
	layout  layout
	whole   [1]int
	closing bool // what is added ends an element
	buf     []byte
	splits  []int // places in buf where pages end within a character
	unit    [maxStore]byte
	blanks  []byte
	started int64
}

// Create begins a text at start in f with head, which is the beginning of an
// object in an object. name is the key of the list.
func Create(f File, start int64, head []byte, name string) (*List, error) {
	l := &List{f: f, name: "\n" + `,"` + name + `":[`, head: start, started: start, comma: "\n", blanks: make([]byte, spare)}
	for i := range l.blanks {
		l.blanks[i] = ' '
	}
	if s, ok := f.(storer); ok {
		l.store = s
	} else {
		l.store = newStorer(f)
	}
	l.room = pageSize - int(start%pageSize) - len(ending)
	if l.room < minHead { // on to the next page
		if err := l.write(l.blanks[:l.room+len(ending)], start); err != nil {
			return nil, err
		}
		l.head += int64(l.room + len(ending))
		l.room = pageSize - len(ending)
	}
	for _, c := range []byte("{{[") {
		l.base.token(c)
	}
	l.scan = l.base
	if len(head) > l.Room() {
		return nil, errors.New("head of a JSON text: too long")
	}
	l.pos = l.head + int64(l.room)
	l.last, l.size = l.pos, l.pos+int64(len(ending))
	return l, l.write(append(l.appendHead(l.buf, head), ending...), l.head)
}

// Room returns how long a head may be.
func (l *List) Room() int { return l.room - len(l.name) }

// SetHead replaces the head.
func (l *List) SetHead(head []byte) error {
	if len(head) > l.Room() {
		return errors.New("head of a JSON text: too long")
	}
	l.buf = l.appendHead(l.buf[:0], head)
	return l.write(l.buf, l.head)
}

func (l *List) appendHead(b, head []byte) []byte {
	b = append(b, head...)
	b = append(b, l.blanks[:l.Room()-len(head)]...)
	return append(b, l.name...)
}

// Len returns the length of the text.
func (l *List) Len() int64 { return l.pos + int64(len(l.held)+len(ending)) - l.started }

// Spill writes p, a part of an element. Where it ends within a string, at least
// more bytes of that string are still to come.
func (l *List) Spill(p []byte, more int64) error {
	l.more = more
	n, err := l.unpad(p)
	if err == nil && l.mark == 0 {
		err = l.begin()
	}
	if err != nil {
		return err
	}
	return l.add(p[n:])
}

// Reserve takes the room for n bytes of elements from the disk. An error leaves
// the text as it is, and l as usable as before.
func (l *List) Reserve(n int) error { return l.reserve(n + n/pageSize*maxStore + pageSize) }

// Commit writes p, the rest of an element, after which it is one of the list. p
// may hold further elements, with commas between; ends then may say where each
// of them ends, so that not all of p has to be looked at.
func (l *List) Commit(p []byte, ends ...int) error {
	if done, err := l.commitPadded(p); done {
		return err
	}
	if done, err := l.commitBatch(p, ends); done {
		return err
	}
	l.more = 0
	n, err := l.unpad(p)
	if err != nil {
		return err
	}
	if n > 0 {
		p, ends = p[n:], nil
	}
	if l.mark == 0 {
		room := pageSize - int(l.pos%pageSize)
		if n := len(l.comma) + len(p); n+len(ending) <= room {
			if err := l.reserve(0); err != nil {
				return err
			}
			l.buf = append(append(append(l.buf[:0], l.comma...), p...), ending...)
			if err := l.write(l.buf, l.pos); err != nil {
				return err
			}
			l.pos += int64(n)
			l.last, l.comma = l.pos, ",\n"
			return nil
		}
	}
	if len(l.held) == 0 {
		l.ends = ends
	}
	l.closing = true
	err = l.Spill(p, 0)
	l.ends, l.closing = nil, false
	if err != nil {
		return err
	}
	if err := l.flush(); err != nil {
		return err
	}
	l.buf = append(append(l.buf[:0], l.comma...), l.blanks[:len(partial)-len(l.comma)]...)
	if err := l.write(l.buf, l.mark); err != nil {
		return err
	}
	l.mark, l.last, l.comma = 0, l.pos, ",\n"
	return nil
}

// begin begins the list of the partial element. Its name must be within a page.
func (l *List) begin() error {
	if err := l.reserve(0); err != nil {
		return err
	}
	if int(pageSize-l.pos%pageSize) < len(partial)+len(ending) {
		if _, err := l.cross(nil); err != nil {
			return err
		}
	}
	l.buf = append(append(l.buf[:0], partial...), ending...)
	if err := l.write(l.buf, l.pos); err != nil {
		return err
	}
	l.mark = l.pos
	l.pos += int64(len(partial))
	return nil
}

// add writes p as far as the text can end there, and holds back the rest. It
// changes p meanwhile.
func (l *List) add(p []byte) error {
	if len(l.held) > 0 {
		l.held = append(l.held, p...)
		p = l.held
	}
	n, err := l.addWhole(p)
	l.held = append(l.held[:0], p[n:]...)
	return err
}

// addWhole writes p as far as the text can end there and returns how far.
func (l *List) addWhole(p []byte) (done int, err error) {
	for {
		if err := l.reserve(0); err != nil {
			return done, err
		}
		if l.far == 0 {
			if err := l.jump(p[done:]); err != nil {
				return done, err
			}
		}
		if l.far != 0 {
			n, err := l.fill(p[done:])
			if done += n; err != nil || l.far != 0 {
				return done, err
			}
		}
		rest, old, room := p[done:], l.scan.size(), pageSize-int(l.pos%pageSize)
		n := 0
		if old <= room { // else it is being crossed
			n = l.cut(rest, done, max(0, room-maxStore)) // a store after it then needs no other page
		}
		if n > 0 {
			if err := l.writeWhole(rest, n, old); err != nil {
				return done, err
			}
			done += n
			continue
		}
		// There may have to be more of it; what needs more than a page is held.
		if room == pageSize || !l.scan.canCut(rest) {
			return done, nil
		}
		before := l.pos
		n, err := l.cross(rest)
		if done += n; err != nil || l.pos == before { // a string so deep that there is no room
			return done, err
		}
	}
}

// cut is that of the scanner for the rest of what is added, of which done bytes
// went before. It begins at the last place between elements.
func (l *List) cut(rest []byte, done, room int) int {
	i, _ := slices.BinarySearch(l.ends, done+room-len(ending)+1)
	if i == 0 || l.ends[i-1] <= done {
		return l.scan.cut(rest, room)
	}
	n := l.ends[i-1] - done
	l.scan = l.base
	return n + l.scan.cut(rest[n:], room-n)
}

// writeWhole writes p[:n] and closers after it, over old bytes of others.
func (l *List) writeWhole(p []byte, n, old int) error {
	l.buf = l.scan.closers(l.buf[:0])
	for n+len(l.buf) < old {
		l.buf = append(l.buf, ' ')
	}
	off := l.pos
	l.pos += int64(n)
	if len(p) < n+len(l.buf) {
		end := len(l.buf)
		l.buf = append(append(l.buf, p[:n]...), l.buf[:end]...)
		return l.write(l.buf[end:], off)
	}
	// In p itself, which saves the copy of a page.
	var was [maxDepth + 1]byte
	tail := p[n : n+len(l.buf)]
	copy(was[:], tail)
	copy(tail, l.buf)
	err := l.write(p[:n+len(tail)], off)
	copy(tail, was[:])
	return err
}

// flush writes what add has held back, which ends an element.
func (l *List) flush() error {
	if err := l.add(nil); err != nil || len(l.held) == 0 {
		return err
	}
	// A name or a number that fills a page, or a string that is nested deeper
	// than the closers stored at once: it is not cut, and so not quite safe.
	l.scan = l.base
	if err := l.reserve(len(l.held)); err != nil {
		return err
	}
	l.buf = append(append(append(l.buf[:0], l.held...), ending...), l.blanks[:maxDepth]...)
	if err := l.write(l.buf, l.pos); err != nil {
		return err
	}
	l.pos += int64(len(l.held))
	l.held = l.held[:0]
	return nil
}

// cross brings the closers over the end of the page: in the middle of a string
// with some of p, of which it returns the length, else with spaces. Where p does
// not suffice the closers stay in between.
func (l *List) cross(p []byte) (done int, err error) {
	page := (l.pos/pageSize + 1) * pageSize
	for l.pos < page && l.scan.size() < maxStore {
		var n int
		var text []byte
		if l.scan.text {
			if n = l.scan.cut(p[done:], maxStore); n == 0 {
				return done, nil
			}
			text = p[done : done+n]
			done += n
		} else {
			n = int(min(page-l.pos, int64(maxStore-l.scan.size())))
			text = l.blanks[:n]
		}
		l.buf = l.scan.closers(append(l.buf[:0], text...))
		copy(l.unit[copy(l.unit[:], l.buf):], l.blanks)
		if err := l.store.Store(&l.unit, l.pos); err != nil {
			return done, err
		}
		l.pos += int64(n)
	}
	return done, nil
}

// reserve makes the file long enough for what comes next, n bytes or a page,
// with spaces.
func (l *List) reserve(n int) error {
	end := l.pos + int64(n) + pageSize + maxStore
	for l.size < end {
		m, err := l.f.WriteAt(l.blanks[:max(pageSize, min(spare, l.size-l.started)/pageSize*pageSize)], l.size)
		l.size += int64(m)
		if full := isFull(err); err != nil && !(full && l.size >= end) {
			return err // but for room that is not needed yet
		}
	}
	return nil
}

// isFull reports whether err says that there is no room, for anybody or for this user.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

func (l *List) write(p []byte, off int64) error {
	_, err := l.f.WriteAt(p, off)
	return err
}

// Abort takes back what was written of an element that was not committed, for the
// reason err. It returns that, and what else it could not do for another one.
func (l *List) Abort(err error) error {
	if again := l.write([]byte(ending), l.last); err == nil || again != nil && again.Error() != err.Error() {
		err = errors.Join(err, again)
	}
	return errors.Join(err, l.f.Truncate(l.last+int64(len(ending))), closeStorer(l.store))
}

// Finish ends the text, with tail after the list, and leaves the file at its
// end. Nothing may be called after it.
func (l *List) Finish(tail []byte) error {
	err := l.leave()
	if err == nil {
		err = l.add([]byte("\n]"))
	}
	if err == nil {
		err = l.add(tail)
	}
	if err == nil {
		err = l.reserve(0)
	}
	if err == nil {
		l.buf = append(l.scan.closers(l.buf[:0]), '\n')
		if len(l.buf) > pageSize-int(l.pos%pageSize) { // the end of the line alone is beyond
			l.buf = l.buf[:len(l.buf)-1]
		}
		err = l.write(l.buf, l.pos)
	}
	if err != nil {
		return l.Abort(err)
	}
	end := l.pos + int64(len(l.buf))
	_, seek := l.f.Seek(end, io.SeekStart)
	l.size = end
	return errors.Join(l.f.Truncate(end), seek, closeStorer(l.store))
}

func closeStorer(s storer) error {
	if c, ok := s.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
