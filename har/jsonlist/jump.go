package jsonlist

import (
	"bytes"
	"errors"
	"syscall"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// minJump is the length of a string from which on the closers go ahead, and
	// maxJump how far they do at once. They may go as far again, so that the next
	// strings find them ahead: a page that nothing was stored in yet is what costs.
	minJump, maxJump = 2 * pageSize, 1 << 20
)

// jump sends the closers ahead, where p is within a string that is long. What
// is between is spaces, which text takes the place of in large pieces, and the
// text is whole all the time. The closers go by two store instructions, one
// right after the other.
func (l *List) jump(p []byte) error {
	if !l.scan.text || l.scan.size() > maxStore || int64(len(p))+l.more < minJump {
		return nil
	}
	_, n := l.lasts(p)
	if n < minJump {
		return nil
	}
	return l.goAhead(l.pos, n)
}

// lasts returns where in p the string that p is within ends, and how much of
// it is known to come.
func (l *List) lasts(p []byte) (end int, n int64) {
	for end < len(p) {
		i := bytes.IndexByte(p[end:], '"')
		if i < 0 {
			break
		}
		end += i
		escapes := end
		for escapes > 0 && p[escapes-1] == '\\' {
			escapes--
		}
		if (end-escapes)%2 == 0 {
			return end, int64(end)
		}
		end++
	}
	return len(p), int64(len(p)) + l.more
}

// goAhead brings the closers from where they are to a place that n bytes of
// text, or maxJump, fit before.
func (l *List) goAhead(from, n int64) error {
	n = min(n, maxJump) + 2*maxStore
	far := l.ahead
	if far < l.pos+n || far <= from {
		need := max(onPage(l.pos+n), onPage(from+1))
		far = need + min(maxJump, l.pos-l.started)&^(pageSize-1)
		err := l.reserve(int(far - l.pos))
		if errors.Is(err, syscall.ENOSPC) {
			far = need
			err = l.reserve(int(far - l.pos))
		}
		if err != nil {
			return err
		}
	}
	var there [maxStore]byte
	copy(l.unit[:], l.blanks)
	copy(there[:], l.blanks)
	copy(there[:], l.scan.closers(l.buf[:0]))
	if err := l.store.Store2(&l.unit, from, &there, far); err != nil {
		return err
	}
	l.far, l.ahead = far, far
	return nil
}

// onPage returns the beginning of the page that is at off or after it.
func onPage(off int64) int64 { return (off + pageSize - 1) &^ (pageSize - 1) }

// comeBack brings the closers to where the text ends.
func (l *List) comeBack() error {
	var there [maxStore]byte
	copy(there[:], l.blanks)
	copy(l.unit[:], l.blanks)
	copy(l.unit[:], l.scan.closers(l.buf[:0]))
	far := l.far
	l.far = 0
	return l.store.Store2(&l.unit, l.pos, &there, far)
}

// fill writes of p what is in the string, before the closers that went ahead,
// and returns its length. Where the string ends they come back.
func (l *List) fill(p []byte) (done int, err error) {
	end, known := l.lasts(p)
	for done < end {
		rest := p[done:end]
		room := l.far - l.pos - 2*maxStore
		if room < int64(len(rest)) && room < minJump {
			if err := l.goAhead(l.far, known-int64(done)); err != nil {
				return done, err
			}
			continue
		}
		n := len(rest)
		if int64(n) > room {
			n = wholeUnits(rest, 0, int(room))
		} else if end == len(p) {
			n = complete(rest)
		}
		if n == 0 {
			return done, nil
		}
		if n, err = l.fillPages(rest[:n]); err != nil {
			return done, err
		}
		done += n
	}
	if end < len(p) {
		return done, l.comeBack()
	}
	return done, nil
}

// fillPages writes p, or the part of it before a character that lies over the
// end of a page, or only that. It returns how much of p that was. The kernel
// may stop at the end of each page, after which spaces come.
func (l *List) fillPages(p []byte) (int, error) {
	n, whole := len(p), 0
	for end := int(pageSize - l.pos%pageSize); end < len(p); end += pageSize {
		if whole = wholeUnits(p, whole, end); whole < end {
			n = whole
			break
		}
	}
	if n > 0 {
		err := l.write(p[:n], l.pos)
		l.pos += int64(n)
		return n, err
	}
	n = unit(p)
	l.buf = overPages(l.buf[:0], p[:n])
	cut := min(int(pageSize-l.pos%pageSize), len(l.buf))
	if cut < len(l.buf) { // first what makes no escape of itself
		if err := l.write(l.buf[cut:], l.pos+int64(cut)); err != nil {
			return 0, err
		}
	}
	err := l.write(l.buf[:cut], l.pos)
	l.pos += int64(len(l.buf))
	return n, err
}

// overPages appends a character, as text of which any end may stand in a string
// by itself: not a quote, a backslash or a part of a character in UTF-8.
func overPages(b, char []byte) []byte {
	switch {
	case char[0] >= utf8.RuneSelf:
		return escape(b, char)
	case len(char) == 2 && (char[1] == '"' || char[1] == '\\'):
		return unicode(b, rune(char[1]))
	}
	return append(b, char...)
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
