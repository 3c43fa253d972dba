package redact

import (
	"bytes"
	"compress/flate"
	"slices"
	"strings"

	"ssltape/record/frame"
	"ssltape/record/scan"
	"ssltape/record/scan/body"
)

const maxVariation = 48 // texts that are tried to get the right length

// A deflater looks into the messages of one direction of a WebSocket that are
// compressed (RFC 7692). One with a secret is written anew in as many bytes,
// which decode to as many as before, so that later messages that repeat a part
// of it still decode. Where that cannot be it is written without compression,
// as filler.
type deflater struct {
	frame.Inflater
	keeps  bool   // messages refer to those before
	narrow bool   // a smaller window was agreed on
	lost   bool   // those before are not known
	real   []byte // the end of the messages before
	shown  []byte // the same of what they are written as

	scan     scan.Finder
	messages *body.Messages // of what they decompress to
	at       int64          // of the next one
	place    int64          // of it on the connection
	spans    []scan.Span    // of those that wait
	waiting  []deflated
}

// newDeflater returns a deflater for the messages of a side, "client" or
// "server", if the extensions agreed on have compression (RFC 7692, section 7.1),
// else nil. They are a part of what f is for.
func newDeflater(f *scan.Finder, extensions, side string) *deflater {
	if !strings.Contains(extensions, "permessage-deflate") {
		return nil
	}
	d := &deflater{keeps: !strings.Contains(extensions, side+"_no_context_takeover"),
		narrow: strings.Contains(extensions, side+"_max_window_bits="), scan: scan.Finder{Profile: f.Profile, Fill: true}}
	d.scan.PartOf(f, func(int64) int64 { return d.place })
	d.messages = body.NewMessages(&d.scan)
	return d
}

// A deflated is a message that waits until it is decided.
type deflated struct {
	packed
	plain    []byte // what it decompresses to
	from, to int64  // where that is in the text of all messages
}

// add takes a message and returns those that are decided now.
func (d *deflater) add(k packed) (decided []deflated) {
	if !d.keeps {
		d.real = nil
	}
	d.place = k.at
	m := deflated{packed: k, from: d.at, to: d.at}
	m.text, m.runs = bytes.Clone(k.text), slices.Clone(k.runs)
	text, err := d.Inflate(k.text, d.real)
	if err != nil || d.lost {
		m.gone, d.lost = true, d.keeps
	} else {
		d.real = frame.Slide(d.real, text)
		m.plain, m.to = text, d.at+int64(len(text))
		d.messages.Write(text, d.at, len(text))
		d.messages.Next()
	}
	d.at = m.to + 1 // apart, so that no span is in two messages
	d.waiting = append(d.waiting, m)
	return d.take()
}

// end returns all messages that wait.
func (d *deflater) end() []deflated {
	d.messages.End()
	return d.take()
}

// take returns the messages that are decided.
func (d *deflater) take() []deflated {
	limit := d.messages.Pending()
	k := 0
	for k < len(d.waiting) && d.waiting[k].to <= limit {
		k++
	}
	out := d.waiting[:k:k]
	d.waiting = d.waiting[k:]
	spans := d.scan.Take(limit)
	for _, m := range out {
		k := 0
		for k < len(spans) && spans[k].Stop() <= m.to {
			k++
		}
		known, _ := d.scan.Recall(spans[:k:k], m.plain, m.from, true)
		d.spans, spans = append(d.spans, known...), spans[k:]
	}
	d.spans = append(d.spans, spans...)
	return out
}

// write returns what stands for a message that is decided, or nil where it stays
// as it is. With plain it is not compressed. It is called in the order of messages.
func (d *deflater) write(m deflated) (instead []byte, plain bool) {
	if !d.keeps {
		d.shown = nil
	}
	if m.gone {
		return omitted(m.text), true
	}
	k := 0
	for k < len(d.spans) && d.spans[k].Stop() <= m.to {
		k++
	}
	spans := d.spans[:k:k]
	d.spans = d.spans[k:]
	if len(spans) == 0 {
		if seen, err := d.Inflate(m.text, d.shown); err == nil && bytes.Equal(seen, m.plain) {
			d.shown = frame.Slide(d.shown, m.plain)
			return nil, false
		}
	}
	levels := []int{6, 9, 1, flate.HuffmanOnly}
	if d.narrow {
		levels = levels[3:] // refers to nothing
	}
	instead = deflateTo(scan.Replace(nil, m.plain, m.from, spans), d.shown, len(m.text), levels)
	if instead == nil { // nothing takes less than asterisks
		for i := range spans {
			spans[i].Text = strings.Repeat("*", spans[i].N)
		}
		instead = deflateTo(scan.Replace(nil, m.plain, m.from, spans), d.shown, len(m.text), levels)
	}
	if instead == nil {
		return omitted(m.text), true
	}
	if seen, err := d.Inflate(instead, d.shown); err == nil {
		d.shown = frame.Slide(d.shown, seen)
	}
	return instead, false
}

// omitted returns text of the length of p that says that it is not p.
func omitted(p []byte) []byte { return []byte(scan.Filler(len(p), string(p))) }

// deflateTo compresses text after what is before it to exactly n bytes, or
// returns nil. To get there it pads with empty blocks, and varies the asterisks
// of fillers where no such padding has the length that is missing.
func deflateTo(text, before []byte, n int, levels []int) []byte {
	for _, level := range levels {
		if out := pad(deflate(text, before, level), n); out != nil {
			return out
		}
	}
	varied := bytes.Clone(text)
	for i, k := 0, 0; i < len(varied) && k < maxVariation; i++ {
		if varied[i] != '*' || i > 0 && varied[i-1] != '*' && varied[i-1] != '+' && varied[i-1] != '-' {
			continue
		}
		varied[i] = "+-"[k*7%5%2]
		k++
		if out := pad(deflate(varied, before, levels[0]), n); out != nil {
			return out
		}
	}
	return nil
}

// deflate compresses text after what is before it, without the end that is not
// sent.
func deflate(text, before []byte, level int) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriterDict(&out, level, before)
	if err != nil { // no level is bad
		return nil
	}
	w.Write(text)
	w.Flush()
	return bytes.TrimSuffix(out.Bytes(), []byte(frame.EmptyBlock))
}

// pad makes p as long as n with empty blocks, or returns nil. A block that is
// stored begins with a byte and has the four that are not sent; before it there
// may be blocks of ten bits each with a fixed code (RFC 1951, section 3.2).
func pad(p []byte, n int) []byte {
	for len(p)+10 < n {
		p = append(p, frame.EmptyBlock+"\x00"...)
	}
	missing := n - len(p)
	if missing == 0 {
		return p
	}
	if missing == 10 {
		return append(p, frame.EmptyBlock+"\x00"+frame.EmptyBlock+"\x00"...)
	}
	blocks := map[int]int{5: 0, 6: 1, 7: 2, 9: 3}
	count, ok := blocks[missing]
	if !ok {
		return nil
	}
	p = append(p, frame.EmptyBlock...)
	var bits uint64
	for i := range count {
		bits |= 2 << (10 * i)
	}
	for range missing - len(frame.EmptyBlock) {
		p = append(p, byte(bits))
		bits >>= 8
	}
	return p
}
