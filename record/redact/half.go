package redact

import (
	"errors"
	"io"
	"slices"
	"sort"
	"strings"

	"ssltape/record"
	"ssltape/record/scan"
)

// A half makes one message of a twin.
type half struct {
	*texts
	dst     *record.Message
	family  uint64 // of the body: see [scan.Memory.NewFamily]
	fields  int    // of the source's header and trailer that were seen
	trailer int
	body    *bodyScan // nil until the body begins
	coded   bool      // it has a content coding
	read    int64     // bytes of the source's body that were scanned
	buf     []byte    // those that are held back, if they are not shared
	done    int64     // position of buf
	marks   int       // of the source's that were taken over
	shifts  []shift
	ended   bool
	over    bool // of the body nothing comes
	spoiled bool // the body was taken out as a whole
}

// A shift says that the source's bytes [from, to) became what ends at dst in
// the twin's body.
type shift struct{ from, to, dst int64 }

// head makes the header of the twin's message what that of m is by now.
func (h *half) head(m *record.Message) {
	if h.fields != len(m.Header) {
		h.fields, h.dst.Header = len(m.Header), h.texts.fields(m.Header)
	}
}

// grow makes the rest of the twin's message what that of m is by now, and all of it at the
// end.
func (h *half) grow(m *record.Message, end bool) error {
	err := h.content(m, end)
	if h.trailer != len(m.Trailer) {
		h.trailer, h.dst.Trailer = len(m.Trailer), h.texts.fields(m.Trailer)
	}
	return err
}

// content does so but for the trailer, by which nothing of the body is known.
func (h *half) content(m *record.Message, end bool) error {
	d := h.dst
	d.Proto = h.freely(m.Proto)
	d.HeadSize, d.BodySize, d.Cut, d.WireSize = m.HeadSize, m.BodySize, m.Cut, m.WireSize
	d.Start, d.End, d.Done = m.Start, m.End, m.Done
	d.Comment = h.freely(m.Comment)
	if h.ended {
		return nil
	}
	h.ended = end || m.Done
	if h.body == nil && m.Body.Len() > 0 {
		h.begin(m)
	}
	var err error
	switch {
	case h.body == nil:
	case !h.coded:
		d.Decoded = m.Decoded
		if err = h.copy(&m.Body); err == nil && h.ended {
			h.spend(h.body, h.read)
			h.body = nil
		}
	case h.ended:
		err = h.decode(m)
	}
	h.offsets(m)
	return err
}

// begin chooses how to scan the body of m, if enough of it has come to tell.
func (h *half) begin(m *record.Message) {
	var begin [4]byte
	n, _ := m.Body.ReadAt(begin[:], 0)
	coded, maybe := hasMagic(begin[:n])
	if maybe && !h.ended {
		return
	}
	h.coded = !m.Decoded && (coded || withoutIdentity(m.Header.Get("Content-Encoding")) != "")
	h.body = h.newBody(m)
}

// newBody returns the scan for the body of m, the same one whether that is still
// coded or was decoded by who redacted it before.
func (h *half) newBody(m *record.Message) *bodyScan {
	contentType := m.Header.Get("Content-Type")
	if i := slices.IndexFunc(h.spare, func(b *bodyScan) bool { return b.contentType == contentType }); i >= 0 {
		b := h.spare[i]
		h.spare = slices.Delete(h.spare, i, i+1)
		b.found.Family = h.family
		return b
	}
	media := strings.ToLower(contentType)
	b := &bodyScan{contentType: contentType, found: scan.Finder{Profile: h.profile, Memory: h.memory, Family: h.family,
		Safe: strings.Contains(media, "x-www-form-urlencoded"), Even: !isText(media)}}
	b.Sink = &opening{s: &b.found, body: newGuess(&b.found, contentType, 0)}
	return b
}

// A bodyScan is the sink of a body with what it found. As each sink begins anew after
// its end the next body of this type goes to the same one.
type bodyScan struct {
	scan.Sink
	found       scan.Finder
	contentType string
}

// Limits of what is kept for the bodies of other exchanges. A long body has no use for
// it, and may have left much memory in it.
const (
	maxSpare     = 8
	maxSpareBody = 256 << 10
)

// spend keeps the scan of a body that came to its end for another one.
func (s *texts) spend(b *bodyScan, size int64) {
	if size > maxSpareBody {
		return
	}
	if len(s.spare) == maxSpare { // the one that was kept first is needed least
		s.spare = slices.Delete(s.spare, 0, 1)
	}
	b.found.Reset()
	s.spare = append(s.spare, b)
}

// maxPiece is how much of a body is scanned at once.
const maxPiece = 64 << 10

// copy takes over what is decided of what src has grown by. As long as nothing
// of it goes that is shared rather than copied, if it is in memory.
func (h *half) copy(src *record.Body) error {
	if mem := src.Memory(); mem != nil && len(h.shifts) == 0 {
		for h.read < int64(len(mem)) {
			p := mem[h.read:min(h.read+maxPiece, int64(len(mem)))]
			h.body.Write(p, h.read, len(p))
			h.read += int64(len(p))
		}
		if h.ended {
			h.body.End()
			h.over = true
		}
		to := min(h.body.Pending(), h.read)
		known, to := h.body.found.Knows(mem[h.done:to], h.done, h.over && to == h.read)
		if h.body.found.Next() == scan.Settled && !known {
			h.done = to
			h.dst.Body.Share(src, h.done)
			return nil
		}
		return h.hold(mem[h.done:])
	}
	if held := h.read - h.done; int64(len(h.buf)) < held { // it was shared until now
		h.buf = make([]byte, held)
		if n, err := src.ReadAt(h.buf, h.done); int64(n) < held {
			return err
		}
	}
	piece := make([]byte, min(maxPiece, src.Len()-h.read))
	if h.ended { // else it grows as the source does
		h.dst.Body.Grow(src.Len() - h.read)
	}
	for h.read < src.Len() {
		n, err := src.ReadAt(piece[:min(int64(len(piece)), src.Len()-h.read)], h.read)
		if n == 0 {
			return err
		}
		if err := h.Write(piece[:n]); err != nil {
			return err
		}
	}
	if h.ended {
		return h.End()
	}
	return nil
}

// Write scans p, which follows what was scanned, and appends to the twin's body
// what is decided. It keeps a copy of what is not.
func (h *half) Write(p []byte) error {
	h.body.Write(p, h.read, len(p))
	h.read += int64(len(p))
	if len(h.buf) > 0 {
		h.buf = append(h.buf, p...)
		p = h.buf
	}
	return h.hold(p)
}

// hold appends to the twin's body what is decided of p, which stands at h.done,
// and keeps a copy of the rest.
func (h *half) hold(p []byte) error {
	rest, err := h.flush(p)
	h.buf = append(h.buf[:0], rest...)
	return err
}

// End decides and appends all that is held back.
func (h *half) End() error {
	h.body.End()
	h.over = true
	_, err := h.flush(h.buf)
	h.buf = nil
	return err
}

// flush appends what is decided of p, which stands at h.done, and returns the
// rest of p.
func (h *half) flush(p []byte) ([]byte, error) {
	to := min(h.body.Pending(), h.read)
	spans := h.body.found.Take(to)
	to = min(to, h.body.found.Next())
	if n := len(spans); n > 0 {
		to = max(to, spans[n-1].Stop())
	}
	spans, to = h.body.found.Recall(spans, p[:to-h.done], h.done, h.over && to == h.read)
	for _, s := range spans {
		head := p[:s.At-h.done]
		if err := h.append(head, []byte(s.Text)); err != nil {
			return p, err
		}
		p, h.done = p[len(head)+s.N:], s.Stop()
		h.shifts = append(h.shifts, shift{s.At, h.done, h.dst.Body.Len()})
	}
	if to <= h.done {
		return p, nil
	}
	n := to - h.done
	h.done = to
	return p[n:], h.append(p[:n])
}

func (h *half) append(parts ...[]byte) error {
	for _, p := range parts {
		if _, err := h.dst.Body.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// decode takes over a body that has a content coding: decoded if there is
// something to take out, else as it is. What cannot be decoded is scanned as it
// is, and what has no end goes.
func (h *half) decode(m *record.Message) error {
	derr, err := decode(m, h.Write)
	if err := errors.Join(err, h.End()); err != nil {
		return err
	}
	if h.body.found.Found > 0 && !isBomb(derr) {
		h.dst.Decoded = true
		return nil
	}
	if err := h.dst.Body.Close(); err != nil {
		return err
	}
	*h = half{texts: h.texts, dst: h.dst, family: h.family, fields: h.fields, trailer: h.trailer, ended: true}
	switch {
	case derr == nil || errors.Is(derr, io.ErrUnexpectedEOF):
		_, err = io.Copy(&h.dst.Body, m.Body.Reader())
		h.done = m.Body.Len()
		return err
	case isBomb(derr):
		h.dst.Decoded, h.spoiled = true, true
		_, err = io.WriteString(&h.dst.Body, scan.Omitted(m.Body.Len()))
		return err
	}
	h.body = h.newBody(m)
	return h.copy(&m.Body)
}

// offsets takes over marks and holes as far as the body has come.
func (h *half) offsets(m *record.Message) {
	for h.marks < len(m.Marks) {
		k := m.Marks[h.marks]
		if k.Off >= h.done && !h.ended {
			break
		}
		h.dst.Marks = append(h.dst.Marks, record.Mark{Off: h.place(k.Off, m), Time: k.Time})
		h.marks++
	}
	h.dst.Lost = slices.Clone(m.Lost)
	for i, l := range h.dst.Lost {
		if l.Off >= 0 {
			h.dst.Lost[i].Off = h.place(l.Off, m)
		}
	}
}

// place returns the place in the twin's body of off in that of m.
func (h *half) place(off int64, m *record.Message) int64 {
	if h.dst.Decoded && !m.Decoded {
		if m.Body.Len() == 0 {
			return 0
		}
		return int64(float64(off) / float64(m.Body.Len()) * float64(h.dst.Body.Len()))
	}
	i := sort.Search(len(h.shifts), func(i int) bool { return h.shifts[i].from >= off })
	if i == 0 {
		return min(off, h.dst.Body.Len())
	}
	s := h.shifts[i-1]
	return min(s.dst+max(off-s.to, 0), h.dst.Body.Len())
}
