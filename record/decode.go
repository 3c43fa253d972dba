package record

import (
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// Limits of what Decode gives, against bodies made to fill a disk.
const (
	maxDecoded   = 1 << 30  // bytes
	freeDecoded  = 64 << 20 // bytes that may come from any input
	maxRatio     = 200      // of output to input beyond that
	maxCodings   = 8
	maxWindow    = 8 << 20 // of zstd (RFC 9659)
	probeDecoder = 4 << 10 // bytes on which a decoder is tried
	probeStream  = 4       // the same where waiting for them is a delay
)

// Errors of a body that expands beyond a limit. What was read before is valid.
var (
	ErrDecodedSize  = errors.New("decoded body is too large")
	ErrDecodedRatio = errors.New("body expands too much")
)

// Decode returns a reader of m's body without its content coding (RFC 9110,
// section 8.4.1): gzip, deflate (with the zlib wrapper or, as some servers
// have it, without), br and zstd, and lists of them. A body that starts like
// gzip or zstd is decoded without a label too, unless its media type says that
// it is such a file. What is labelled and does not look it is passed through,
// as is a body that is [Message.Decoded].
//
// An error names a coding that is not known. The reader returns what there is
// of a body that is incomplete, then [io.ErrUnexpectedEOF]; and
// [ErrDecodedSize] or [ErrDecodedRatio] where the body is out of bounds.
// The caller closes the reader before m's body is released.
func (m *Message) Decode() (io.ReadCloser, error) {
	if m.Decoded {
		return io.NopCloser(m.Body.Reader()), nil
	}
	codings, err := contentCodings(m.Header)
	if err != nil {
		return nil, err
	}
	if len(codings) == 0 && m.isArchive() {
		return io.NopCloser(m.Body.Reader()), nil
	}
	var src io.Reader = m.Body.Reader()
	for _, h := range m.Lost {
		if h.Off >= 0 && h.Off < m.Body.Len() { // nothing can be decoded after a hole
			src = io.LimitReader(src, h.Off)
			break
		}
	}
	d := newDecoder(src, codings, probeDecoder)
	if d.plain {
		d.Close()
		return io.NopCloser(m.Body.Reader()), nil
	}
	return d, nil
}

// contentCodings returns the codings of fs, outermost last. Those of the
// transfer (RFC 9112, section 7.2) were not removed from the body, but for
// chunked, and are the outermost.
func contentCodings(fs Fields) ([]string, error) {
	var codings []string
	for name := range labels(fs, "Content-Encoding") {
		coding, ok := codingOf(name)
		if !ok {
			return nil, fmt.Errorf("content coding %q: not known", name)
		}
		if coding != "" {
			codings = append(codings, coding)
		}
	}
	for name := range labels(fs, "Transfer-Encoding") {
		switch name {
		case "gzip", "x-gzip":
			codings = append(codings, "gzip")
		case "deflate":
			codings = append(codings, name)
		}
	}
	if len(codings) > maxCodings {
		return nil, fmt.Errorf("content coding: %d codings on top of each other", len(codings))
	}
	return codings, nil
}

// labels iterates over the words of the fields called name, without parameters.
func labels(fs Fields, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, f := range fs {
			if !strings.EqualFold(f.Name, name) {
				continue
			}
			v := strings.ToLower(strings.ReplaceAll(f.Value, "\x00", ""))
			for word := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ',' || r == ' ' || r >= '\t' && r <= '\r' }) {
				if word, _, _ = strings.Cut(word, ";"); word != "" && !yield(word) {
					return
				}
			}
		}
	}
}

// codingOf returns the coding that a label means, "" for none. Labels that
// contain the name of a coding are taken for it, as by some recipients.
func codingOf(label string) (coding string, ok bool) {
	switch {
	case label == "identity", label == "none":
		return "", true
	case label == "br", label == "zstd":
		return label, true
	case strings.Contains(label, "gzip"):
		return "gzip", true
	case strings.Contains(label, "deflate"):
		return "deflate", true
	}
	return "", false
}

// isArchive reports whether the media type of m says that its body is a file
// that may well be compressed itself.
func (m *Message) isArchive() bool {
	t := m.MediaType()
	for _, part := range []string{"gzip", "zstd", "zip", "tar", "tgz", "compress", "octet-stream", "binary"} {
		if strings.Contains(t, part) {
			return true
		}
	}
	return strings.HasPrefix(t, "image/") || strings.HasPrefix(t, "font/")
}

// A decoder is a reader of a body without its codings.
type decoder struct {
	io.Reader
	plain bool // there was nothing to decode
	close []func()
}

// newDecoder returns a decoder of src. Where bytes have to tell what they are,
// the decoder is tried on probe bytes of them.
func newDecoder(src io.Reader, codings []string, probe int) *decoder {
	d := &decoder{plain: true}
	if len(codings) == 0 {
		codings = []string{""}
	}
	for i := len(codings) - 1; i >= 0; i-- {
		counted := &countingReader{r: src}
		in := bufio.NewReaderSize(counted, max(probe, 512))
		head, _ := in.Peek(probe)
		if r := d.open(recognize(codings[i], head), in); r != nil {
			d.plain = false
			src = &boundedReader{r: r, in: counted}
			continue
		}
		src = in
	}
	d.Reader = src
	return d
}

// open returns a reader of what r is in the coding, or nil for none.
func (d *decoder) open(coding string, r *bufio.Reader) io.Reader {
	switch coding {
	case "gzip":
		return &gzipReader{in: r}
	case "gzip without parts":
		r.Discard(10)
		return flate.NewReader(r)
	case "zlib":
		r.Discard(2)
		return flate.NewReader(r)
	case "deflate":
		return flate.NewReader(r)
	case "br":
		return brotli.NewReader(r)
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil // only for options that it does not know
		}
		d.close = append(d.close, z.Close)
		return z
	}
	return nil
}

// Close frees what the decoders hold.
func (d *decoder) Close() error {
	for _, f := range d.close {
		f()
	}
	d.close = nil
	return nil
}

// recognize returns what head, the start of a body that is labelled with
// coding, really is: "gzip", "zlib", "deflate", "br", "zstd" or "", or "gzip
// without parts" where the header of gzip announces parts that it has not.
func recognize(coding string, head []byte) string {
	switch {
	case len(head) >= 3 && head[0] == 0x1f && head[1] == 0x8b && (head[2] == 8 || coding == "gzip"): // RFC 1952
		n := gzipHeader(head)
		if len(head) > 10 && (n == 0 || !inflates(head[n:])) && inflates(head[10:]) {
			return "gzip without parts"
		}
		return "gzip"
	case len(head) >= 4 && string(head[1:4]) == "\xb5\x2f\xfd" && head[0] == 0x28: // RFC 8878
		return "zstd"
	case coding == "" || coding == "zstd" || len(head) == 0:
		return ""
	case coding == "br":
		if decodes(brotli.NewReader(bytes.NewReader(head))) {
			return "br"
		}
		return ""
	case len(head) >= 2 && head[0]&15 == 8 && (int(head[0])<<8|int(head[1]))%31 == 0: // RFC 1950
		return "zlib"
	case inflates(head):
		return "deflate"
	case len(head) > 2 && head[0]&15 == 8 && inflates(head[2:]):
		return "zlib"
	}
	return ""
}

// decodes reports whether r, the decoder of the start of a body, finds no
// fault with it for a while; it does soon with text.
func decodes(r io.Reader) bool {
	_, err := io.ReadFull(r, make([]byte, 64))
	return err == nil || err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF)
}

func inflates(p []byte) bool { return decodes(flate.NewReader(bytes.NewReader(p))) }

// A gzipReader reads gzip members (RFC 1952) the way browsers do: flags and
// sums are not held against the data, and what follows the last member is
// left alone. (compress/gzip gives nothing of a file with a bad header sum.)
type gzipReader struct {
	in   *bufio.Reader
	data io.Reader // of the current member, nil between members
	some bool      // a member began
}

func (g *gzipReader) Read(p []byte) (int, error) {
	for {
		if g.data == nil {
			if err := g.header(); err != nil {
				return 0, err
			}
		}
		n, err := g.data.Read(p)
		if err != io.EOF {
			return n, err
		}
		g.data = nil
		g.in.Discard(8) // sum and size
		if n > 0 {
			return n, nil
		}
	}
}

// header skips the header of a member.
func (g *gzipReader) header() error {
	for n := 10; ; n++ {
		head, err := g.in.Peek(min(n, g.in.Size()))
		if g.some && (len(head) < 3 || head[0] != 0x1f || head[1] != 0x8b || head[2] != 8) {
			return io.EOF
		}
		if size := gzipHeader(head); size > 0 {
			g.in.Discard(size)
			g.some, g.data = true, flate.NewReader(g.in)
			return nil
		}
		if n > g.in.Size() {
			return errors.New("gzip: header is too long")
		}
		if err != nil {
			return noEOF(err)
		}
	}
}

// gzipHeader returns the length of the header that p starts with (RFC 1952,
// section 2.3), or 0 where p does not hold all of it.
func gzipHeader(p []byte) int {
	n := 10
	if len(p) < n {
		return 0
	}
	flags := p[3]
	if flags&4 != 0 { // extra field
		if len(p) < n+2 {
			return 0
		}
		n += 2 + int(p[n]) + int(p[n+1])<<8
	}
	for _, text := range []byte{8, 16} { // name, comment
		if flags&text != 0 {
			i := bytes.IndexByte(p[min(n, len(p)):], 0)
			if i < 0 {
				return 0
			}
			n += i + 1
		}
	}
	if flags&2 != 0 { // sum of the header
		n += 2
	}
	if n > len(p) {
		return 0
	}
	return n
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// A countingReader counts what was read of r.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// A boundedReader reads a decoder of in within the limits.
type boundedReader struct {
	r  io.Reader
	in *countingReader
	n  int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	switch {
	case b.n > maxDecoded:
		return n, ErrDecodedSize
	case b.n > freeDecoded && b.n > maxRatio*b.in.n:
		return n, ErrDecodedRatio
	}
	return n, err
}
