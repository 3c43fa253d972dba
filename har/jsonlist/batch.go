package jsonlist

// Elements that fit a page are cheap to write many at a time, each of them within
// one: the closers go ahead of them, over spaces, by two store instructions, and
// then one write puts the elements before them. Wherever the kernel stops, what is
// there are whole elements and spaces. Other elements have the closers go over the
// end of every page, each of which has to be mapped for that.

// maxWaste is which part of what a batch has may be added to it as spaces: one in
// maxWaste bytes.
const maxWaste = 4

// commitPages writes p, elements that end at ends, as [List.Commit] does. It
// reports whether it has: it does not where one of them is longer than a page, they
// leave too much of their pages, or there is no room for that.
func (l *List) commitPages(p []byte, ends []int) (done bool, err error) {
	b, ok := l.layOut(l.buf[:0], p, ends)
	l.buf = b
	if !ok || l.reserve(len(b)+maxStore) != nil {
		return false, nil
	}
	end := l.pos + int64(len(b))
	var there [maxStore]byte
	copy(l.unit[:], l.blanks)
	copy(there[:], l.blanks)
	copy(there[:], ending)
	if err := l.store.Store2(&l.unit, l.pos, &there, end); err != nil {
		return true, err
	}
	if err := l.write(b, l.pos); err != nil {
		return true, err
	}
	l.pos, l.last, l.comma = end, end, ",\n"
	return true, nil
}

// layOut appends the elements of p, as they are to stand from l.pos on, to b, which
// is empty. It reports whether they can stand so.
func (l *List) layOut(b, p []byte, ends []int) (all []byte, ok bool) {
	before, start := l.comma, 0
	for _, end := range ends { // each but the first has a comma before it
		n := len(before) + end - start
		if n > pageSize {
			return b, false
		}
		if room := pageSize - int((l.pos+int64(len(b)))%pageSize); n > room {
			b = append(b, l.blanks[:room]...)
		}
		b = append(append(b, before...), p[start:end]...)
		before, start = "", end
	}
	return b, len(b)-len(p) <= len(p)/maxWaste && len(b) > 2*maxStore
}
