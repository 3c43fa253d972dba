package jsonlist

// To bring the closers back to the end of a body, and ahead again for the next
// one, touches a page or two of the mapping that nothing was stored in yet. Where
// the file is in large pieces in the kernel's cache, each touch has the kernel map
// the whole of one, which on virtual machines takes longer than all else that is
// done for an entry of 100 KB. So the closers stay ahead, where the end of the
// element fits the page: what they close beside those of the list is a pad, of
// nothing but spaces, that is opened by the same write:
//
//	"entries":[ {…"text":"Hello, world!"}}} ],"_":[{"_":{"_":"     …     "}}}]}}
//
// The next element takes the place of the pad from its beginning on. Where it has
// its own long string as deep as the pad, the closers are that string's then. One
// that ends within the page opens the pad again, after itself; for others the
// closers come back.

// padKey is the name of the list that the pad is in, and of what is nested in it.
const padKey = `"_":`

// open appends what has the same closers as p after an element of the list.
func (l *List) open(b []byte, p *scanner) []byte {
	b = append(append(b, "],"...), padKey...)
	b = append(b, '[')
	for _, closer := range p.stack[l.base.depth:p.depth] {
		if closer == ']' {
			b = append(b, '[')
		} else {
			b = append(append(b, '{'), padKey...)
		}
	}
	return append(b, '"')
}

// fits reports whether n bytes at the closers' old place, and what opens the pad
// after them, fit the page. They have room there to come back, too.
func (l *List) fits(n int, p *scanner) bool {
	n += len(l.open(l.buf[:0], p)) + maxStore
	return n <= pageSize-int(l.pos%pageSize) && l.pos+int64(n+2*maxStore) <= l.far
}

// land writes rest, the last of an element of which a string ends here, before the
// closers that went ahead, and has them close a pad. It reports whether it has.
func (l *List) land(rest []byte) (bool, error) {
	if !l.closing || !l.fits(len(rest), &l.scan) {
		return false, nil
	}
	pad := l.scan
	l.buf = l.open(append(l.buf[:0], rest...), &pad)
	if err := l.write(l.buf, l.pos); err != nil {
		return true, err
	}
	l.pos += int64(len(rest))
	l.pad, l.scan, l.padded = pad, l.base, true
	return true, nil
}

// commitPadded writes elements before the pad, if there is one and they fit the
// page. It reports whether it has.
func (l *List) commitPadded(p []byte) (bool, error) {
	n := len(l.comma) + len(p)
	if !l.padded || !l.fits(n, &l.pad) {
		return false, nil
	}
	l.buf = l.open(append(append(l.buf[:0], l.comma...), p...), &l.pad)
	if err := l.write(l.buf, l.pos); err != nil {
		return true, err
	}
	l.pos += int64(n)
	l.last, l.comma = l.pos, ",\n"
	return true, nil
}

// unpad begins an element with p, in the place of the pad, up to the beginning of a
// long string that the closers ahead fit, and returns how much of p that is. Where
// there is no such string in the page it leaves the pad.
func (l *List) unpad(p []byte) (int, error) {
	if !l.padded {
		return 0, nil
	}
	n, at := l.likePad(p)
	if n == 0 || n+len(partial) < len(l.open(l.buf[:0], &l.pad)) || !l.fits(n+len(partial), &l.pad) {
		return 0, l.leave()
	}
	l.buf = append(append(l.buf[:0], partial...), p[:n]...)
	if err := l.write(l.buf, l.pos); err != nil {
		return 0, err
	}
	l.mark, l.padded, l.scan = l.pos, false, at
	l.pos += int64(len(l.buf))
	return n, nil
}

// likePad returns where in p the first long string begins that has the closers of
// the pad, and the scanner there; 0 where none does before another long one.
func (l *List) likePad(p []byte) (int, scanner) {
	now := l.base
	for i := 0; i < min(len(p), pageSize); i++ {
		if now.text {
			n := endOfString(p[i:])
			lasts := int64(n)
			if i+n == len(p) {
				lasts += l.more
			}
			if lasts >= minJump {
				if !now.like(&l.pad) {
					break
				}
				return i, now
			}
			if i += n; i == len(p) {
				break
			}
		}
		if !now.token(p[i]) {
			break
		}
	}
	return 0, now
}

// leave brings the closers back to the end of the list and takes the pad away, if
// there is one.
func (l *List) leave() error {
	if !l.padded {
		return nil
	}
	pos := l.pos
	opening := len(l.open(l.buf[:0], &l.pad))
	l.pos, l.scan, l.padded = pos+int64(opening), l.pad, false
	if err := l.comeBack(); err != nil {
		return err
	}
	l.buf = append(l.buf[:0], ending...)
	l.buf = append(l.buf, l.blanks[:opening+l.pad.size()-len(ending)]...)
	l.pos, l.scan = pos, l.base
	return l.write(l.buf, pos)
}
