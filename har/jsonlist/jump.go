package jsonlist

import (
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// minJump is the length of a string from which on the closers go ahead, and
	// maxJump how far they do.
	minJump, maxJump = 4 * pageSize, 1 << 20
	// filler stands in a string for what is to come: it makes an escape of one
	// that is cut, \ or \u00.
	filler = 'b'
)

// jump sends the closers ahead, where p is within a string that is long: as far
// as it will surely come. What is between is written in large pieces then, and
// the text is whole all the time. The closers go by two store instructions, one
// right after the other.
func (l *List) jump(p []byte) error {
	n := min(int64(len(p))+l.more, maxJump)
	if n < minJump || !l.scan.text || l.scan.size() > maxStore || l.scan.string(p, 0) < len(p)-maxUnit {
		return nil
	}
	far := l.pos + n
	if in := far % pageSize; in < maxStore || in > pageSize-maxStore { // no end of a page near it
		far -= 3 * maxStore
	}
	if err := l.reserve(int(n)); err != nil {
		return err
	}
	var ahead [maxStore]byte
	l.buf = l.scan.closers(l.buf[:0])
	copy(ahead[copy(ahead[:], l.buf):], l.blanks)
	copy(l.unit[:], l.blanks)
	copy(l.unit[:], fillers[:len(l.buf)])
	if err := l.store.Store2(&l.unit, l.pos, &ahead, far); err != nil {
		return err
	}
	l.far = far
	for off := l.pos + int64(len(l.buf)); off < far; {
		n := min(far-off, int64(len(fillers)))
		if err := l.write(fillers[:n], off); err != nil {
			return err
		}
		off += n
	}
	return nil
}

// fill writes of p what is before the closers that went ahead, and returns its
// length.
func (l *List) fill(p []byte) (done int, err error) {
	for done < len(p) {
		rest := p[done:]
		n := len(rest)
		if room := l.far - l.pos; int64(n) > room {
			n = wholeUnits(rest, 0, int(room))
			if n == 0 {
				return done, l.arrive()
			}
		} else if n = complete(rest); n == 0 {
			return done, nil
		}
		n, char := l.split(rest[:n])
		text := rest[:n]
		if n == 0 {
			l.buf = escape(l.buf[:0], char)
			text, n = l.buf, len(char)
		}
		if err := l.write(text, l.pos); err != nil {
			return done, err
		}
		l.pos += int64(len(text))
		done += n
	}
	if l.pos == l.far {
		l.far = 0
	}
	return done, nil
}

// complete returns the length of p without a character that is not whole.
func complete(p []byte) int {
	n := 0
	if len(p) > maxUnit {
		n = wholeUnits(p, 0, len(p)-maxUnit)
	}
	for n < len(p) && n+unit(p[n:]) <= len(p) {
		n += unit(p[n:])
	}
	return n
}

// arrive brings the closers to the text before them, which ends less than a
// character before.
func (l *List) arrive() error {
	l.buf = l.scan.closers(l.buf[:0])
	copy(l.unit[copy(l.unit[:], l.buf):], l.blanks)
	l.far = 0
	return l.store.Store(&l.unit, l.pos)
}

// split returns how much of p comes before a character beyond ASCII that lies
// over the end of a page, and where that is nothing, the character.
func (l *List) split(p []byte) (n int, char []byte) {
	for end := int(pageSize - l.pos%pageSize); end < len(p); end += pageSize {
		if utf8.RuneStart(p[end]) {
			continue
		}
		start := end - 1
		for start > 0 && !utf8.RuneStart(p[start]) {
			start--
		}
		_, size := utf8.DecodeRune(p[start:])
		return start, p[start : start+size]
	}
	return len(p), nil
}

// escape appends the escapes of a character (RFC 8259, section 7).
func escape(b, char []byte) []byte {
	r, _ := utf8.DecodeRune(char)
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		return unicode(unicode(b, high), low)
	}
	return unicode(b, r)
}

func unicode(b []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

// fillers is a piece of filler.
var fillers = func() []byte {
	p := make([]byte, 64<<10)
	for i := range p {
		p[i] = filler
	}
	return p
}()
