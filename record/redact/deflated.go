package redact

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"strings"

	"ssltape/record/scan"
)

const (
	window       = 32 << 10 // of DEFLATE (RFC 1951, section 2)
	maxInflated  = 16 << 20 // of a message
	maxVariation = 48       // texts that are tried to get the right length
)

// A deflater looks into the messages of one direction of a WebSocket that are
// compressed (RFC 7692). One with a secret is written anew in as many bytes,
// which decode to as many as before, so that later messages that repeat a part
// of it still decode. Where that cannot be it is written without compression,
// as filler.
type deflater struct {
	profile Profile
	keeps   bool   // messages refer to those before
	narrow  bool   // a smaller window was agreed on
	lost    bool   // those before are not known
	real    []byte // the end of the messages before
	shown   []byte // the same of what they are written as
}

// newDeflater returns a deflater for the messages of a side, "client" or
// "server", if the extensions agreed on have compression (RFC 7692, section 7.1),
// else nil.
func newDeflater(p Profile, extensions, side string) *deflater {
	if !strings.Contains(extensions, "permessage-deflate") {
		return nil
	}
	return &deflater{profile: p, keeps: !strings.Contains(extensions, side+"_no_context_takeover"),
		narrow: strings.Contains(extensions, side+"_max_window_bits=")}
}

// message returns what stands for a message, or nil where it stays as it is.
// With plain it is not compressed.
func (d *deflater) message(p []byte) (instead []byte, plain bool) {
	if !d.keeps {
		d.real, d.shown = nil, nil
	}
	text, err := inflate(p, d.real)
	if err != nil || d.lost {
		d.lost = d.keeps
		return omitted(p), true
	}
	f := scan.Finder{Profile: d.profile, Fill: true}
	sink := scan.NewBody(&f, "")
	sink.Write(text, 0, len(text))
	sink.End()
	spans := f.Take(scan.Settled)
	if f.Found == 0 {
		if bytes.Equal(d.real, d.shown) {
			d.real = tail(d.real, text)
			d.shown = d.real
			return nil, false
		}
		if seen, err := inflate(p, d.shown); err == nil && bytes.Equal(seen, text) {
			d.real, d.shown = tail(d.real, text), tail(d.shown, text)
			return nil, false
		}
	}
	d.real = tail(d.real, text)
	levels := []int{6, 9, 1, flate.HuffmanOnly}
	if d.narrow {
		levels = levels[3:] // refers to nothing
	}
	instead = deflateTo(scan.Replace(nil, text, 0, spans), d.shown, len(p), levels)
	if instead == nil { // nothing takes less than asterisks
		for i := range spans {
			spans[i].Text = strings.Repeat("*", spans[i].N)
		}
		instead = deflateTo(scan.Replace(nil, text, 0, spans), d.shown, len(p), levels)
	}
	if instead == nil {
		return omitted(p), true
	}
	if seen, err := inflate(instead, d.shown); err == nil {
		d.shown = tail(d.shown, seen)
	}
	return instead, false
}

// omitted returns text of the length of p that says that it is not p.
func omitted(p []byte) []byte { return []byte(scan.Filler(len(p), string(p))) }

// tail returns what a window holds after more.
func tail(before, more []byte) []byte {
	all := append(bytes.Clone(before), more...)
	return all[max(0, len(all)-window):]
}

// emptyBlock ends what a message is compressed to and is not sent (RFC 7692,
// section 7.2.1).
const emptyBlock = "\x00\x00\xff\xff"

// inflate decompresses a message after those before it.
func inflate(p, before []byte) ([]byte, error) {
	r := flate.NewReaderDict(io.MultiReader(bytes.NewReader(p), strings.NewReader(emptyBlock+"\x01"+emptyBlock)), before)
	out, err := io.ReadAll(io.LimitReader(r, maxInflated+1))
	if len(out) > maxInflated {
		err = errors.New("message is too long")
	}
	return out, err
}

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
	return bytes.TrimSuffix(out.Bytes(), []byte(emptyBlock))
}

// pad makes p as long as n with empty blocks, or returns nil. A block that is
// stored begins with a byte and has the four that are not sent; before it there
// may be blocks of ten bits each with a fixed code (RFC 1951, section 3.2).
func pad(p []byte, n int) []byte {
	for len(p)+10 < n {
		p = append(p, emptyBlock+"\x00"...)
	}
	missing := n - len(p)
	if missing == 0 {
		return p
	}
	if missing == 10 {
		return append(p, emptyBlock+"\x00"+emptyBlock+"\x00"...)
	}
	blocks := map[int]int{5: 0, 6: 1, 7: 2, 9: 3}
	count, ok := blocks[missing]
	if !ok {
		return nil
	}
	p = append(p, emptyBlock...)
	var bits uint64
	for i := range count {
		bits |= 2 << (10 * i)
	}
	for range missing - len(emptyBlock) {
		p = append(p, byte(bits))
		bits >>= 8
	}
	return p
}
