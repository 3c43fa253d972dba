package har

import (
	"bytes"
	"errors"
	"io"
)

// An output is a file that consists of a head, entries and a trailer.
type output interface {
	// spill writes p, a part of an entry that ends inside a text.
	spill(p []byte) error
	// commit writes p, which ends an entry, and makes it one of the file's.
	commit(p, trailer []byte) error
	// abort takes back what was spilled and not committed, where it can.
	abort() error
	// finish ends the file.
	finish(trailer []byte) error
	// len is how many bytes long the file is.
	len() int64
}

// Len returns how many bytes long the file is by now, which is what importers
// bound: V8 has no strings of 512 MiB.
func (w *Writer) Len() int64 { return w.out.len() }

// A sequential is an output that can only be appended to.
type sequential struct {
	w       io.Writer
	next    []byte // what is to be written first
	written int64
}

func newSequential(w io.Writer, head []byte) (*sequential, error) {
	n, err := w.Write(head)
	return &sequential{w, []byte("\n"), int64(n)}, err
}

func (s *sequential) spill(p []byte) error {
	s.next = append(s.next, p...)
	n, err := s.w.Write(s.next)
	s.written += int64(n)
	s.next = s.next[:0]
	return err
}

func (s *sequential) commit(p, _ []byte) error {
	err := s.spill(p)
	s.next = append(s.next, ",\n"...)
	return err
}

func (s *sequential) abort() error { return nil }

func (s *sequential) len() int64 { return s.written }

func (s *sequential) finish(trailer []byte) error {
	n, err := s.w.Write(trailer)
	s.written += int64(n)
	return err
}

// A file is what can be written in place.
type file interface {
	io.WriteSeeker
	io.WriterAt
	Truncate(size int64) error
}

// asFile returns w where it can be written in place: a pipe cannot seek, a
// device cannot be truncated, and a file opened for appending refuses WriteAt.
func asFile(w io.Writer) (f file, start int64, ok bool) {
	f, ok = w.(file)
	if !ok {
		return nil, 0, false
	}
	start, err := f.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = f.WriteAt(nil, start)
	}
	if err == nil {
		err = f.Truncate(start)
	}
	return f, start, err == nil
}

// An inPlace is an output that is a whole file after every write, since each
// one ends with the trailer and overwrites the one before.
//
// An entry that comes in parts is first put beside the entries, in a field
// "_partial" that readers ignore. A last write of some bytes makes a comma of
// its name and so an entry of what it holds:
//
//	"entries":[ {…} ],"_partial":[ {… "text":"…"}}} ],"pages":[…]}}
//	"entries":[ {…} ,              {… "text":"…"}}} ],"pages":[…]}}
//
// Before anything is overwritten the file is made as long as it will be, with
// spaces, which may follow a JSON text. So a disk that is full says so while
// the file is whole.
type inPlace struct {
	f       file
	start   int64  // where the HAR begins in f
	end     int64  // of the entries, where the trailer is
	size    int64  // of the file
	trailer []byte // after the entries
	comma   string // what comes before the next entry
	partial int64  // where the name of the partial list is, 0 where there is none
	next    int64  // where the partial entry goes on
	buf     []byte
	spaces  []byte
}

const partialName = `],"_partial":[`

// pageSize is the most that is surely written at once: the kernel looks for a
// deadly signal before each page.
const pageSize = 4096

func newInPlace(f file, start int64, head, trailer []byte) (*inPlace, error) {
	o := &inPlace{f: f, start: start, end: start, size: start, comma: "\n", spaces: bytes.Repeat([]byte(" "), spillSize)}
	if _, err := f.WriteAt(append(head, trailer...), start); err != nil {
		return nil, err
	}
	o.end, o.size = start+int64(len(head)), start+int64(len(head)+len(trailer))
	o.trailer = trailer
	return o, nil
}

func (o *inPlace) spill(p []byte) error {
	o.buf = o.buf[:0]
	if o.partial == 0 {
		o.next = o.end
		if room := int(pageSize - o.end%pageSize); room < len(partialName) {
			o.buf = append(o.buf, o.spaces[:room]...)
		}
		o.partial = o.end + int64(len(o.buf))
		o.buf = append(o.buf, partialName...)
	}
	o.buf = append(o.buf, p...)
	at := o.next
	o.next += int64(len(o.buf))
	o.buf = append(append(o.buf, closers...), o.trailer...)
	return o.write(at)
}

func (o *inPlace) commit(p, trailer []byte) error {
	at := o.next
	o.buf = o.buf[:0]
	if o.partial == 0 {
		at = o.end
		o.buf = append(o.buf, o.comma...)
	}
	o.buf = append(o.buf, p...)
	end := at + int64(len(o.buf))
	o.buf = append(o.buf, trailer...)
	if err := o.write(at); err != nil {
		return err
	}
	if o.partial != 0 {
		name := append([]byte(o.comma), o.spaces[:len(partialName)-len(o.comma)]...)
		if _, err := o.f.WriteAt(name, o.partial); err != nil {
			return err
		}
	}
	o.end, o.trailer, o.comma, o.partial = end, trailer, ",\n", 0
	return nil
}

// write writes o.buf at the offset at, having made room for it.
func (o *inPlace) write(at int64) error {
	end := at + int64(len(o.buf))
	for o.size < end {
		n, err := o.f.WriteAt(o.spaces[:min(end-o.size, int64(len(o.spaces)))], o.size)
		o.size += int64(n)
		if err != nil {
			return err
		}
	}
	for end < o.size { // never by much: a trailer that became shorter
		o.buf = append(o.buf, ' ')
		end++
	}
	_, err := o.f.WriteAt(o.buf, at)
	return err
}

func (o *inPlace) len() int64 { return o.size - o.start }

func (o *inPlace) abort() error {
	if _, err := o.f.WriteAt(o.trailer, o.end); err != nil {
		return err
	}
	o.size = o.end + int64(len(o.trailer))
	return o.f.Truncate(o.size)
}

func (o *inPlace) finish(trailer []byte) error {
	o.buf = append(o.buf[:0], trailer...)
	if err := o.write(o.end); err != nil {
		return errors.Join(err, o.abort())
	}
	o.trailer = trailer
	_, err := o.f.Seek(o.size, io.SeekStart)
	return err
}
