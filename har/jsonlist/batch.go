package jsonlist

import "errors"

// Elements that are committed at once, or that are long, take the place of a pad
// (see pad.go) together: the pages behind the first one are written first, the last
// of them with the next pad, and what is in the first one makes all of them the
// list's. So nothing is stored, but where the closers have to go further ahead. See
// layout for how the elements have to lie for that.

// maxSpaces is which part of a batch may be added to it as spaces: one in maxSpaces
// bytes, and as much again as a short element may need.
const (
	maxSpaces  = 8
	someSpaces = pageSize / 4
)

// commitBatch writes p, elements that end at ends or one, as [List.Commit] does. It
// reports whether it has: it does not where little would be gained, or they cannot
// lie so, or there is no room.
func (l *List) commitBatch(p []byte, ends []int) (done bool, err error) {
	if l.mark != 0 || len(l.held) > 0 || len(p) > maxJump/4 || !l.padded && len(p) < minJump {
		return false, nil
	}
	if len(ends) == 0 {
		l.whole[0] = len(p)
		ends = l.whole[:]
	}
	if !l.padded || !l.layOut(&l.pad, l.pos, p, ends) {
		if ok, err := l.changePad(p, ends); !ok || err != nil {
			return err != nil, err
		}
	}
	y := &l.layout
	end := y.pos
	l.buf = l.open(l.buf[:0], &l.pad)
	y.add(l.buf)
	if y.pos+2*maxStore > l.far {
		l.scan = l.pad
		err := l.goAhead(l.far, y.pos-l.pos)
		if l.scan = l.base; err != nil {
			return !isFull(err), err
		}
	}
	for i := len(y.pieces) - 1; i >= 0; i-- {
		if err := l.write(y.bytes(y.pieces[i]), y.pieces[i].off); err != nil {
			return true, err
		}
	}
	l.pos, l.last, l.comma = end, end, ",\n"
	return true, nil
}

// layOut lays out elements in the place of a pad at pos. It reports whether they can
// lie there without too many spaces.
func (l *List) layOut(pad *scanner, pos int64, p []byte, ends []int) bool {
	y := &l.layout
	y.pad, y.base, y.blanks, y.src = pad, &l.base, l.blanks, p
	y.begin(pos)
	l.buf = l.open(l.buf[:0], pad)
	return y.placeAll(l.comma, ends, len(l.buf)+maxStore)
}

// changePad has the closers close a pad that elements can take the place of, and
// lays them out. It reports whether there is one. It may be like the one before, in
// the next page.
func (l *List) changePad(p []byte, ends []int) (ok bool, err error) {
	pad, ok := padLike(l.base, p[:ends[0]])
	same := l.padded && pad.like(&l.pad)
	if !ok || (same || !l.layOut(&pad, l.pos, p, ends)) && !l.layOut(&pad, onPage(l.pos), p, ends) {
		return false, nil
	}
	if err := l.leave(); err != nil {
		return false, err
	}
	y := &l.layout
	at, end := y.pieces[0].off, y.pos
	if err = l.openPad(pad, at, end-at); err == nil && l.padded && l.pos != at {
		ok = l.layOut(&pad, l.pos, p, ends)
	}
	y.pad = &l.pad
	return ok && l.padded, err
}

// openPad has the closers go ahead, so that n bytes fit before them, and close a pad
// that begins at pos or behind it, at the next page at most. Where the disk has no
// room for that there is none.
func (l *List) openPad(pad scanner, pos, n int64) error {
	if err := l.reserve(0); err != nil {
		if isFull(err) {
			return nil
		}
		return err
	}
	var err error
	opening := len(l.open(l.buf[:0], &pad))
	if pos > l.pos || pageSize-int(l.pos%pageSize) < opening+2*maxStore {
		err = errors.Join(l.nextPage(), l.reserve(0))
	}
	if err == nil {
		l.buf = pad.closers(l.open(l.buf[:0], &pad))
		err = l.write(l.buf, l.pos)
	}
	if err == nil {
		l.scan = pad
		err = l.goAhead(l.pos+int64(opening), int64(opening)+n)
		l.scan = l.base
	}
	if err == nil {
		l.pad, l.padded = pad, true
		return nil
	}
	if !isFull(err) {
		return err
	}
	l.buf = append(append(l.buf[:0], ending...), l.blanks[:opening+maxStore]...)
	return l.write(l.buf, l.pos)
}

// nextPage brings the closers to the next page, behind spaces.
func (l *List) nextPage() error {
	if n := pageSize - int(l.pos%pageSize) - maxStore; n > 0 {
		l.buf = append(append(l.buf[:0], l.blanks[:n]...), ending...)
		if err := l.write(l.buf, l.pos); err != nil {
			return err
		}
		l.pos += int64(n)
	}
	_, err := l.cross(nil)
	return err
}
