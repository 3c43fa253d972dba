package jsonlist

// A layout says where in the file elements are to stand that come in the place of a
// pad. They may lie over the ends of pages where these are within strings that have
// the closers of the pad: the beginning of such a string is as good as that of the
// pad's, so that whatever pages are there, and whatever others have nothing but
// spaces yet, the text is whole. Spaces before an element bring the end of a page to
// such a place.
type layout struct {
	pad    *scanner // within the string of the pad
	base   *scanner // between elements
	blanks []byte
	src    []byte // the elements
	buf    []byte // what does not stand in the file as in src
	pieces []piece
	pos    int64 // behind what is laid out
	spaces int   // between elements
	lead   int   // of an element, before the first place where a page may end
}

// A piece of what is laid out is written at once. Each but the first begins a page,
// and can only be there before the one that comes before it.
type piece struct {
	off      int64
	from, to int  // in buf
	direct   bool // in src instead
}

// minDirect is how long a piece is that is not copied to the others.
const minDirect = 4 * pageSize

// begin has y be empty, at pos in the file.
func (y *layout) begin(pos int64) {
	y.buf, y.pieces, y.pos, y.spaces = y.buf[:0], append(y.pieces[:0], piece{off: pos}), pos, 0
}

// room returns how much of the page there is behind what is laid out.
func (y *layout) room() int { return pageSize - int(y.pos%pageSize) }

// cut begins a piece, at the beginning of a page.
func (y *layout) cut() {
	y.pieces = append(y.pieces, piece{off: y.pos, from: len(y.buf), to: len(y.buf)})
}

// add lays out b.
func (y *layout) add(b []byte) {
	if y.pieces[len(y.pieces)-1].direct {
		y.cut()
	}
	y.buf = append(y.buf, b...)
	y.pieces[len(y.pieces)-1].to = len(y.buf)
	y.pos += int64(len(b))
}

// addDirect lays out what is between two places of src, which are whole pages.
func (y *layout) addDirect(from, to int) {
	y.pieces = append(y.pieces, piece{off: y.pos, from: from, to: to, direct: true})
	y.pos += int64(to - from)
}

// bytes returns what is in a piece.
func (y *layout) bytes(p piece) []byte {
	if p.direct {
		return y.src[p.from:p.to]
	}
	return y.buf[p.from:p.to]
}

// A mark is a state of a layout to which it can go back.
type mark struct {
	buf, pieces int
	last        piece
	pos         int64
	spaces      int
}

func (y *layout) mark() mark {
	return mark{len(y.buf), len(y.pieces), y.pieces[len(y.pieces)-1], y.pos, y.spaces}
}

func (y *layout) goBack(m mark) {
	y.buf, y.pieces, y.pos, y.spaces = y.buf[:m.buf], y.pieces[:m.pieces], m.pos, m.spaces
	y.pieces[m.pieces-1] = m.last
}

// An element is to stand between what is before and some bytes of room in the page.
type element struct {
	before   string // not long
	from, to int    // in src
	behind   int
	over     int // so many ends of pages, at least
}

// placeAll lays out elements that end at ends, with what comes before the first of
// them. Behind the last one there is room for so many bytes in the page. It reports
// whether that is possible without too many spaces.
func (y *layout) placeAll(before string, ends []int, behind int) bool {
	var last element
	var was mark // before last
	start := 0
	for i, end := range ends { // each but the first has a comma before it
		e := element{before: before, from: start, to: end, behind: 1}
		if i == len(ends)-1 {
			e.behind = behind + y.lead
		}
		now := y.mark()
		ok := y.place(e)
		if !ok && i > 0 { // too near to the end of the page: the one before has to lie over it, too
			last.over = 1 + int(y.pos/pageSize-was.pos/pageSize)
			y.goBack(was)
			if !y.place(last) {
				return false
			}
			now = y.mark()
			ok = y.place(e)
		}
		if !ok && e.behind > behind {
			e.behind = behind
			ok = y.place(e)
		}
		if !ok || y.spaces > len(y.src)/maxSpaces+someSpaces {
			return false
		}
		before, start, last, was = "", end, e, now
	}
	return true
}

// place lays out an element, with spaces before it where it has to be further on. It
// reports whether that is possible.
func (y *layout) place(e element) bool {
	room := y.room()
	if e.over == 0 && len(e.before)+e.to-e.from+e.behind <= room {
		y.add([]byte(e.before))
		y.add(y.src[e.from:e.to])
		return true
	}
	now := y.mark()
	for shift := 0; shift+len(e.before) < room; {
		y.add(y.blanks[:shift])
		y.add([]byte(e.before))
		more := y.cross(e)
		if more == 0 {
			y.spaces += shift
			return true
		}
		y.goBack(now)
		if more < 0 {
			break
		}
		shift += more
	}
	return false
}

// cross lays out an element over the end of the page. It returns 0, or by how many
// bytes the element would have to be further on in the page, or -1 where there is no
// such place.
func (y *layout) cross(e element) (more int) {
	w := walk{now: *y.base, text: y.src[e.from:e.to], pad: y.pad, first: -1, last: -1}
	for done, over := 0, 0; ; over++ {
		end := done + y.room() // so much of it is before the end of the page
		if len(w.text)+e.behind <= end && over >= e.over {
			y.add(w.text[done:])
			return 0
		}
		if !w.goTo(end) {
			if w.last < 0 {
				return -1
			}
			return end - w.last
		}
		at := wholeUnits(w.text, w.at, end)
		y.add(w.text[done:at])
		w.at, done = at, at
		if at < end {
			done += unit(w.text[at:])
			char := overPages(nil, w.text[at:done])
			room := y.room()
			y.add(char[:room])
			y.cut()
			y.add(char[room:])
			w.at = done
		} else if n := w.pages(); n >= minDirect {
			y.addDirect(e.from+at, e.from+at+n)
			w.at, done = at+n, at+n
			over += n / pageSize
		} else if len(y.pieces) == 1 {
			y.cut()
		}
		y.lead = w.first
	}
}

// A walk goes through the strings of an element.
type walk struct {
	now   scanner
	text  []byte
	at    int      // where now is
	end   int      // of the string that at is within, or 0 if that is not known
	first int      // beginning of the first string with the closers of the pad
	last  int      // end of the last string before that with the closers of the pad, or -1
	pad   *scanner // within a string that has them
}

// goTo goes to the string that place is within or at the end of. It reports whether
// there is one, and it has the closers of the pad.
func (w *walk) goTo(place int) bool {
	for w.now.text || w.at < min(place, len(w.text)) {
		if w.now.text {
			if w.end == 0 {
				w.end = w.at + endOfString(w.text[w.at:])
			}
			like := w.now.like(w.pad)
			if like && w.first < 0 {
				w.first = w.at
			}
			if place <= w.end {
				return like
			}
			if like {
				w.last = w.end
			}
			w.at, w.end = w.end, 0
		}
		if w.at == len(w.text) || !w.now.token(w.text[w.at]) {
			return false
		}
		w.at++
	}
	return false
}

// pages returns the length of the whole pages that the string has from at on, of
// which none ends within a character.
func (w *walk) pages() (n int) {
	for at := w.at + pageSize; at <= w.end && wholeUnits(w.text, at-pageSize, at) == at; at += pageSize {
		n += pageSize
	}
	return n
}

// like reports whether s is within a string that has the closers of p.
func (s *scanner) like(p *scanner) bool {
	return s.text && !s.name && s.depth == p.depth && string(s.stack[:s.depth]) == string(p.stack[:p.depth])
}

// padLike returns a scanner within a string of the kind that most of the text of an
// element is in, apart from the names of members. It reports whether there is one
// that a pad can be like.
func padLike(base scanner, text []byte) (pad scanner, ok bool) {
	type kind struct {
		at scanner
		n  int
	}
	var kinds []kind
	best := 0
	for now, i := base, 0; i < len(text); i++ {
		if now.text {
			n := endOfString(text[i:])
			j := 0
			for j < len(kinds) && !kinds[j].at.like(&now) {
				j++
			}
			if !now.name && now.size() <= maxStore {
				if j == len(kinds) {
					kinds = append(kinds, kind{at: now})
				}
				if kinds[j].n += n; kinds[j].n > best {
					best, pad = kinds[j].n, now
				}
			}
			i += n
		}
		if i == len(text) || !now.token(text[i]) {
			break
		}
	}
	return pad, best > 0
}
