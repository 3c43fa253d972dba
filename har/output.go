package har

import (
	"io"

	"ssltape/har/jsonlist"
)

// An output is a file that consists of entries and what it tells of itself.
type output interface {
	// tell says what is known of the file by now.
	tell(*about) error
	// spill writes p, a part of an entry. Where it ends within a string, at least
	// more bytes of that are to come.
	spill(p []byte, more int64) error
	// commit writes p, which ends an entry and may hold others after it, and
	// makes them the file's. ends says where in p each ends.
	commit(p []byte, ends []int) error
	// abort takes back what was spilled and not committed, where it can, for the
	// reason err, and returns that with what went wrong in it for another one.
	abort(err error) error
	// finish ends the file.
	finish(*about) error
	// len is how many bytes long the file is.
	len() int64
}

// Len returns how many bytes long the file is by now, which is what importers
// bound: V8 has no strings of 512 MiB.
func (w *Writer) Len() int64 { return w.out.len() + int64(len(w.batch)) }

// A sequential is an output that can only be appended to. What the file tells
// of itself comes last.
type sequential struct {
	w       io.Writer
	next    []byte // what is to be written first
	written int64
}

func newSequential(w io.Writer, a *about) (*sequential, error) {
	n, err := w.Write(append(begin(a.fixed), `,"entries":[`...))
	return &sequential{w, []byte("\n"), int64(n)}, err
}

func (s *sequential) tell(*about) error { return nil }

func (s *sequential) spill(p []byte, _ int64) error {
	s.next = append(s.next, p...)
	n, err := s.w.Write(s.next)
	s.written += int64(n)
	s.next = s.next[:0]
	return err
}

func (s *sequential) commit(p []byte, _ []int) error {
	err := s.spill(p, 0)
	s.next = append(s.next, separator...)
	return err
}

func (s *sequential) abort(err error) error { return err }

func (s *sequential) len() int64 { return s.written }

func (s *sequential) finish(a *about) error {
	n, err := s.w.Write(append(append([]byte("\n],"), mustMarshal(a.rest)[1:]...), "}\n"...))
	s.written += int64(n)
	return err
}

// asFile returns w where it can be written in place: a pipe cannot seek, a
// device cannot be truncated, and a file opened for appending refuses WriteAt.
func asFile(w io.Writer) (f jsonlist.File, start int64, ok bool) {
	f, ok = w.(jsonlist.File)
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

// An inPlace is an output that is a whole file at every moment. What the file
// tells of itself comes first there, in room of its own; where the processes
// do not fit, they come last.
type inPlace struct {
	list *jsonlist.List
	late []byte // what is to come last
}

func newInPlace(f jsonlist.File, start int64, about *about) (*inPlace, error) {
	l, err := jsonlist.Create(f, start, about.head(), "entries")
	return &inPlace{list: l}, err
}

func (o *inPlace) spill(p []byte, more int64) error { return o.list.Spill(p, more) }

// commit writes as many entries as there is room for on the disk.
func (o *inPlace) commit(p []byte, ends []int) error {
	if len(ends) == 1 {
		return o.list.Commit(p)
	}
	if o.list.Reserve(len(p)) == nil {
		return o.list.Commit(p, ends...)
	}
	start := 0
	for _, end := range ends {
		if err := o.list.Commit(p[start:end]); err != nil {
			return err
		}
		start = end + len(separator)
	}
	return nil
}

func (o *inPlace) abort(err error) error { return o.list.Abort(err) }

func (o *inPlace) len() int64 { return o.list.Len() + int64(len(o.late)) }

func (o *inPlace) tell(a *about) error {
	head := a.head()
	if len(head) > o.list.Room() {
		brief := *a
		brief.Processes = nil
		head, o.late = brief.head(), a.late()
	}
	return o.list.SetHead(head)
}

func (o *inPlace) finish(a *about) error {
	err := o.tell(a)
	if err != nil {
		return o.abort(err)
	}
	return o.list.Finish(o.late)
}
