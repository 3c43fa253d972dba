package replay

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

// sniffSize is how many bytes of an input say what it is.
const sniffSize = 512

// A coding is what the whole of an input may be in.
type coding struct {
	name string
	is   func(start []byte) bool
	open func(r io.Reader) (io.Reader, error)
}

func codings() []coding {
	return []coding{
		{"gzip", magic("\x1f\x8b"), func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
		{"zlib", magic("\x78\x01", "\x78\x5e", "\x78\x9c", "\x78\xda"), // mitmproxy's .zhar
			func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }},
		{"bzip2", magic("BZh"), func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
		{"zstd", magic("\x28\xb5\x2f\xfd"), func(r io.Reader) (io.Reader, error) {
			return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
		}},
		{"UTF-16", magic("\xff\xfe", "{\x00"), func(r io.Reader) (io.Reader, error) { return newUTF16(r, binary.LittleEndian), nil }},
		{"UTF-16", magic("\xfe\xff", "\x00{"), func(r io.Reader) (io.Reader, error) { return newUTF16(r, binary.BigEndian), nil }},
	}
}

// A utf16Reader is UTF-16 as UTF-8, as what Windows' PowerShell redirects to a
// file.
type utf16Reader struct {
	r     *bufio.Reader
	order binary.ByteOrder
	buf   []byte // what was not read yet
}

func newUTF16(r io.Reader, order binary.ByteOrder) io.Reader {
	return &utf16Reader{r: bufio.NewReader(r), order: order}
}

// Read implements [io.Reader].
func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.buf) < 4096 {
		c, err := u.unit()
		if err != nil && len(u.buf) == 0 {
			return 0, err
		} else if err != nil {
			break
		}
		if utf16.IsSurrogate(c) {
			low, _ := u.unit() // at the end it is 0, which makes no pair
			c = utf16.DecodeRune(c, low)
		}
		u.buf = utf8.AppendRune(u.buf, c)
	}
	n := copy(p, u.buf)
	u.buf = u.buf[:copy(u.buf, u.buf[n:])]
	return n, nil
}

func (u *utf16Reader) unit() (rune, error) {
	var b [2]byte
	_, err := io.ReadFull(u.r, b[:])
	return rune(u.order.Uint16(b[:])), err
}

// Another is a format that is not read.
type another struct {
	is   func(start []byte) bool
	name string
	hint string // "" says what is read
}

const (
	hintFormats = "replay reads HAR, pcapng, pcap and JSON Lines, compressed by gzip or not"
	hintEditcap = "editcap -F pcapng IN OUT, which comes with Wireshark, makes it one that replay reads"
	hintUnpack  = "uncompress it first"
	hintUnzip   = "unpack it: the .har or the capture is one of its files"
)

// zipMagic begins a zip file that holds something.
const zipMagic = "PK\x03\x04"

func others() []another {
	return []another{
		{magic(""), "empty", ""},
		{zeros, "nothing but zeros at its start", ""},
		{magic(zipMagic), "a zip archive", hintUnzip},
		{magic("\xfd7zXZ"), "compressed by xz", hintUnpack},
		{magic("\x04\x22\x4d\x18"), "compressed by lz4", hintUnpack},
		{magic("7z\xbc\xaf"), "a 7z archive", hintUnpack},
		{flows, "flows of mitmproxy", "mitmdump -nr FILE --set hardump=OUT.har makes a HAR of it"},
		{magic("snoop\x00\x00\x00"), "a capture of snoop", hintEditcap},
		{magic("GMBU", "RTSS"), "a capture of Microsoft Network Monitor", hintEditcap},
		{magic("XCP\x00"), "a capture of NetXRay", hintEditcap},
		{magic("TRSNIFF"), "a capture of Sniffer", hintEditcap},
		{magic("iptrace"), "a capture of iptrace", hintEditcap},
		{magic("HTTP/", "GET ", "POST ", "PUT ", "HEAD "), "an HTTP message as text", ""},
		{magic("CLIENT_RANDOM ", "# SSL/TLS secrets", "CLIENT_HANDSHAKE_TRAFFIC"), "a key log of TLS",
			"editcap --inject-secrets tls,FILE CAPTURE OUT puts it into a capture, which Wireshark then decrypts"},
		{magic("<!DOCTYPE", "<!doctype", "<html", "<HTML"), "an HTML page", ""},
		{magic("<?xml"), "XML", ""},
		{magic("\x7fELF", "MZ"), "a program", ""},
		{magic("["), "a JSON array, where a HAR is an object", ""},
		{magic("event:", "data:"), "an event stream", ""},
	}
}

func zeros(start []byte) bool { return len(start) > 0 && len(bytes.Trim(start, "\x00")) == 0 }

// flows tells mitmproxy's files: a length, a colon, and fields of that kind.
func flows(start []byte) bool {
	i := bytes.IndexByte(start, ':')
	return i > 0 && i < 12 && len(bytes.Trim(start[:i], "0123456789")) == 0 && bytes.ContainsAny(start[i+1:min(len(start), i+4)], "0123456789")
}

// notCapture says what start looks like, which is no recording.
func notCapture(start []byte) error {
	for _, o := range others() {
		if o.is(start) && (o.name != "empty" || len(start) == 0) {
			hint := o.hint
			if hint == "" {
				hint = hintFormats
			}
			return &Error{ExitTarget, fmt.Errorf("not a capture: %s", o.name), hint}
		}
	}
	return &Error{ExitTarget, fmt.Errorf("not a capture: starts with %.20q", start[:min(20, len(start))]), hintFormats}
}

// decode returns r without what its first bytes say that it is coded in, and
// those that come next. It reads no further than it must.
func decode(r io.Reader) (b *bufio.Reader, start []byte, err error) {
	const maxCodings = 3 // a HAR in UTF-16, compressed
	for range maxCodings {
		b = bufio.NewReaderSize(r, 1<<16)
		start, err = b.Peek(sniffSize)
		switch cut := errors.Is(err, io.ErrUnexpectedEOF); {
		case cut && len(start) == 0:
			return nil, nil, &Error{ExitTarget, errors.New("cut off before there is anything in it"), ""}
		case err != nil && !cut && !errors.Is(err, io.EOF):
			return nil, nil, &Error{ExitTarget, fmt.Errorf("read: %w", err), ""}
		}
		found := false
		for _, c := range codings() {
			if !found && c.is(start) {
				found = true
				if r, err = c.open(b); err != nil {
					return nil, nil, &Error{ExitTarget, fmt.Errorf("%s: %w", c.name, err), ""}
				}
			}
		}
		if !found {
			break
		}
	}
	return b, start, nil
}
