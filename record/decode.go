package record

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/ulikunitz/xz/lzma"
)

// Limits of what Decode gives, against bodies made to fill a disk.
const (
	maxDecoded   = 1 << 30  // bytes
	freeDecoded  = 64 << 20 // bytes that may come from any input
	maxRatio     = 200      // of output to input beyond that
	maxCodings   = 8
	maxWindow    = 8 << 20 // of zstd (RFC 9659), and of lzma
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
// have it, without), br, zstd and lzma, and lists of them. A body that starts like
// gzip or zstd is decoded without a label too, unless its media type says that
// it is such a file. What is labelled and does not look it is passed through,
// as is a body that is [Message.Decoded]. Labels that only few recipients
// understand count as well, since what the bytes are decides.
//
// An error names a coding that is not known, where no other could be undone.
// The reader returns what there is
// of a body that is incomplete, then [io.ErrUnexpectedEOF]; and
// [ErrDecodedSize] or [ErrDecodedRatio] where the body is out of bounds.
// The caller closes the reader before m's body is released.
func (m *Message) Decode() (io.ReadCloser, error) {
	if m.Decoded {
		return io.NopCloser(m.Body.Reader()), nil
	}
	codings, unknown := contentCodings(m.Header)
	switch {
	case len(codings) > 0:
	case unknown != nil:
		return nil, unknown
	case m.isArchive():
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
		if unknown != nil {
			return nil, unknown
		}
		return io.NopCloser(m.Body.Reader()), nil
	}
	return d, nil
}

// Plain returns m's body, to be read only, where it is in memory and Decode
// would give it as it is.
func (m *Message) Plain() (p []byte, ok bool) {
	p = m.Body.Memory()
	if m.Body.Len() > 0 && p == nil || m.Decoded {
		return p, m.Decoded && (p != nil || m.Body.Len() == 0)
	}
	codings, unknown := contentCodings(m.Header)
	if len(p) == 0 { // nothing to undo
		return p, unknown == nil
	}
	plain := len(codings) == 0 && unknown == nil && (m.isArchive() || recognize("", p[:min(len(p), probeDecoder)]) == "")
	return p, plain
}

// contentCodings returns the codings of fs, outermost last, and an error for
// those that are not known. Those of the transfer (RFC 9112, section 7) that
// are still there are the outermost: all but a final chunked, which was removed
// where the body ends by it.
func contentCodings(fs Fields) (codings []string, unknown error) {
	for label := range labels(fs, "Content-Encoding") {
		switch coding := codingOf(label); {
		case coding != "":
			codings = append(codings, coding)
		case label != "identity" && label != "none" && unknown == nil:
			unknown = fmt.Errorf("content coding %q: not known", label)
		}
	}
	n, strange := len(codings), false
	for label := range labels(fs, "Transfer-Encoding") {
		if coding := codingOf(label); coding != "" {
			codings = append(codings, coding)
		} else if label != "identity" {
			strange = true
		}
	}
	switch {
	case len(codings) > n && framedByChunks(fs):
		codings = codings[:len(codings)-1]
	case len(codings) == n && strange:
		codings = append(codings, "chunked") // what else would it be
	}
	if len(codings) > maxCodings {
		return nil, fmt.Errorf("content coding: %d codings on top of each other", len(codings))
	}
	return codings, unknown
}

// framedByChunks reports whether chunked is the last transfer coding of fs
// (RFC 9112, section 6.3, rule 4).
func framedByChunks(fs Fields) bool {
	last := ""
	for _, f := range fs {
		if f.Value != "" && strings.EqualFold(f.Name, "Transfer-Encoding") {
			last = f.Value
		}
	}
	return strings.EqualFold(strings.Trim(last[strings.LastIndexByte(last, ',')+1:], " \t"), "chunked")
}

// labels iterates over the words of the fields called name, without parameters
// and what cannot stand in a word. Fields that only some recipients find are
// read too: with other bytes in the name, and folded to the field before.
func labels(fs Fields, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, f := range fs {
			value, ok := f.Value, strings.EqualFold(f.Name, name)
			if !ok {
				if value, ok = hiddenField(f, name); !ok {
					continue
				}
			}
			value = strings.ToLower(strings.ReplaceAll(value, "\x00", ""))
			for word := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ',' || r == ' ' || r >= '\t' && r <= '\r' }) {
				word, _, _ = strings.Cut(strings.Trim(word, ":;"), ";")
				if word != "" && !yield(word) {
					return
				}
			}
		}
	}
}

// hiddenField returns the value of a field called name that f hides.
func hiddenField(f Field, name string) (value string, ok bool) {
	if len(f.Name) > len(name) && len(f.Name) < len(name)+8 {
		visible := strings.Map(func(r rune) rune {
			if r <= ' ' {
				return -1
			}
			return r
		}, f.Name)
		if strings.EqualFold(visible, name) {
			return f.Value, true
		}
	}
	if i := strings.IndexByte(f.Value, ':'); i >= len(name) && strings.EqualFold(f.Value[i-len(name):i], name) {
		return f.Value[i+1:], true
	}
	return "", false
}

// codingOf returns the coding that a label means, "" for none. Labels that
// contain the name of a coding are taken for it, as by some recipients.
func codingOf(label string) string {
	if label == "br" {
		return label
	}
	for _, name := range []string{"gzip", "deflate", "zstd", "lzma", "chunked"} {
		if strings.Contains(label, name) {
			return name
		}
	}
	return ""
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
		return &gzipReader{in: r, inflater: d.take(inflate, r).(inflater)}
	case "gzip without parts":
		r.Discard(10)
		return d.take(inflate, r)
	case "zlib":
		r.Discard(2)
		return d.take(inflate, r)
	case "deflate":
		return d.take(inflate, r)
	case "br":
		return d.take(unbrotli, r)
	case "chunked":
		return &chunkedReader{in: r}
	case "lzma":
		z, err := lzma.NewReader(r)
		if err != nil {
			return nil
		}
		return z
	case "zstd":
		return d.take(unzstd, r)
	}
	return nil
}

// take opens one of the decoders that are used again, until d is closed.
func (d *decoder) take(open func(io.Reader) (io.Reader, func()), r io.Reader) io.Reader {
	z, free := open(r)
	d.close = append(d.close, free)
	return z
}

// Close gives back the decoders. What reads on finds the end.
func (d *decoder) Close() error {
	d.Reader = nothing
	for _, f := range d.close {
		f()
	}
	d.close = nil
	return nil
}

// recognize returns what head, the start of a body that is labelled with
// coding, really is: one of the names that open knows, or "" for none of them.
// It is "gzip without parts" where the header of gzip announces parts that are
// not there.
func recognize(coding string, head []byte) string {
	switch {
	case len(head) >= 3 && head[0] == 0x1f && head[1] == 0x8b && (head[2] == 8 || coding == "gzip"): // RFC 1952
		n := gzipHeader(head)
		if len(head) > 10 && (n == 0 || !decodes(head[n:], inflate)) && decodes(head[10:], inflate) {
			return "gzip without parts"
		}
		return "gzip"
	case len(head) >= 4 && string(head[1:4]) == "\xb5\x2f\xfd" && head[0] == 0x28: // RFC 8878
		return "zstd"
	case coding == "" || coding == "zstd" || len(head) == 0:
		return ""
	case coding == "chunked":
		if startsChunked(head) {
			return coding
		}
		return ""
	case coding == "lzma":
		if startsLZMA(head) {
			return coding
		}
		return ""
	case coding == "br":
		if decodes(head, unbrotli) {
			return "br"
		}
		return ""
	case len(head) >= 2 && head[0]&15 == 8 && (int(head[0])<<8|int(head[1]))%31 == 0: // RFC 1950
		return "zlib"
	case decodes(head, inflate):
		return "deflate"
	case len(head) > 2 && head[0]&15 == 8 && decodes(head[2:], inflate):
		return "zlib"
	}
	return ""
}
