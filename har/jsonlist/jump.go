package jsonlist

import (
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// minJump is the length of a string from which on the closers go ahead, and
	// maxJump how far they do at once. They may go as far again, so that the next
	// strings find them ahead: a page that nothing was stored in yet is what costs.
	minJump, maxJump = 2 * pageSize, 4 << 20
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
	if end = endOfString(p); end < len(p) {
		return end, int64(end)
	}
	return end, int64(end) + l.more
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
		if isFull(err) {
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
// and returns its length. Where the string ends they come back, or close a pad.
func (l *List) fill(p []byte) (done int, err error) {
	end, known := l.lasts(p)
	for done < end {
		rest := p[done:end]
		room := l.far - l.pos - 2*maxStore
		room -= room / pageSize * maxGrowth
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
		if err = l.fillPages(rest[:n]); err != nil {
			return done, err
		}
		done += n
	}
	if end == len(p) {
		return done, nil
	}
	if landed, err := l.land(p[end:]); landed {
		return len(p), err
	}
	return done, l.comeBack()
}

// fillPages writes p, which are whole characters. The kernel may stop at the end
// of each page, after which spaces come: where a character lies over that end,
// what comes after it is written before what comes before it.
func (l *List) fillPages(p []byte) error {
	n := l.upToSplit(p, 0)
	if n == len(p) {
		err := l.write(p, l.pos)
		l.pos += int64(n)
		return err
	}
	start := l.pos
	l.buf, l.splits = l.buf[:0], l.splits[:0]
	for from := 0; ; n = l.upToSplit(p, from) {
		l.buf = append(l.buf, p[from:n]...)
		l.pos += int64(n - from)
		if n == len(p) {
			break
		}
		l.splits = append(l.splits, int(onPage(l.pos)-start))
		from = n + unit(p[n:])
		before := len(l.buf)
		l.buf = overPages(l.buf, p[n:from])
		l.pos += int64(len(l.buf) - before)
	}
	end := len(l.buf)
	for i := len(l.splits) - 1; i >= 0; i-- {
		if err := l.write(l.buf[l.splits[i]:end], start+int64(l.splits[i])); err != nil {
			return err
		}
		end = l.splits[i]
	}
	return l.write(l.buf[:end], start)
}

// upToSplit returns where in p, of which p[from:] is to stand from l.pos on, the
// next character is that lies over the end of a page.
func (l *List) upToSplit(p []byte, from int) int {
	whole := from
	for end := from + int(pageSize-l.pos%pageSize); end < len(p); end += pageSize {
		if whole = wholeUnits(p, whole, end); whole < end {
			return whole
		}
	}
	return len(p)
}

// maxGrowth is how much longer overPages makes a character.
const maxGrowth = 8

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
