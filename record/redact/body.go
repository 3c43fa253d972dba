package redact

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"

	"ssltape/record"
	"ssltape/record/scan"
)

// maxRecoded is the length of the longest decoded body that is written anew.
const maxRecoded = 32 << 20

// unpackBody looks into a body with a content coding (RFC 9110, section 8.4).
// If it holds a secret it is encoded again without, or else goes.
func unpackBody(profile Profile, coding, contentType string) scan.Unpack {
	return func(p []byte) (instead []byte, ok bool) {
		m := record.Message{Proto: "HTTP/1.1", Body: record.NewBody(p), BodySize: int64(len(p)), Done: true}
		m.Header = record.Fields{{Name: "Content-Encoding", Value: coding}}
		f := scan.Finder{Profile: profile}
		k := scan.NewBody(&f, contentType)
		var body []byte
		at := int64(0)
		err, _ := decode(&m, func(p []byte) error {
			k.Write(p, at, len(p))
			if at += int64(len(p)); at <= maxRecoded {
				body = append(body, p...)
			} else {
				body = nil
				f.Take(scan.Settled)
			}
			return nil
		})
		k.End()
		switch {
		case isBomb(err) || f.Found > 0 && at > maxRecoded:
			return []byte{}, true
		case f.Found == 0:
			return nil, err == nil || errors.Is(err, io.ErrUnexpectedEOF)
		case bytes.Equal(body, p): // the label is wrong
			return nil, false
		}
		body = scan.Replace(nil, body, 0, f.Take(scan.Settled))
		if instead = recode(codingOf(coding, p), body, len(p)); instead == nil {
			instead = []byte{}
		}
		return instead, true
	}
}

// codingOf returns what p is coded in, by its label if it has one.
func codingOf(label string, p []byte) string {
	for coding, m := range magic {
		if label == "" && strings.HasPrefix(string(p), m) {
			return coding
		}
	}
	return label
}

// decode gives write the body of m without its content coding, in pieces. It
// returns why the decoding ended early and, apart from that, what write
// returned.
func decode(m *record.Message, write func(p []byte) error) (derr, werr error) {
	untyped := *m // also files that are compressed by themselves are looked into
	untyped.Header = nil
	for _, f := range m.Header {
		if !strings.EqualFold(f.Name, "Content-Type") {
			untyped.Header = append(untyped.Header, f)
		}
	}
	r, err := untyped.Decode()
	if err != nil {
		return err, nil
	}
	defer r.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if werr := write(buf[:n]); werr != nil {
			return nil, werr
		}
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return err, nil
		}
	}
}

// isBomb reports whether decoding was given up since there was no end to it.
func isBomb(err error) bool {
	return errors.Is(err, record.ErrDecodedSize) || errors.Is(err, record.ErrDecodedRatio)
}

// withoutIdentity returns the content codings that are listed, but for the one
// that is none.
func withoutIdentity(coding string) string {
	return strings.Trim(strings.ReplaceAll(strings.ToLower(coding), "identity", ""), ", \t")
}

// magic is what the encodings begin with that bodies have though no field says
// so.
var magic = map[string]string{"gzip": "\x1f\x8b", "zstd": "\x28\xb5\x2f\xfd"}

// hasMagic reports whether p begins as encoded bodies do, and whether it may
// when more has come.
func hasMagic(p []byte) (yes, maybe bool) {
	for _, m := range magic {
		yes = yes || strings.HasPrefix(string(p), m)
		maybe = maybe || len(p) < len(m) && strings.HasPrefix(m, string(p))
	}
	return yes, maybe
}

// startLine matches request lines and status lines (RFC 9112, sections 3 and 4).
var startLine = regexp.MustCompile(`^([^\s:]+ +\S.* HTTP/1\.\d\s*|HTTP/1\.\d +\d{3}(\s.*)?)\n$`)

// What a line may be.
const (
	nothing = iota
	aStart
	aField
)

// likely tells what a line may be that begins with p: a start line, or a field
// whose value goes.
func likely(profile Profile, p []byte) int {
	n := scan.TokenLen(p)
	switch {
	case n > 40 || n == 0:
		return nothing
	case n == len(p), p[n] == ' ', p[n] == '/' && bytes.HasPrefix(p, []byte("HTTP")):
		return aStart
	case p[n] == ':' && profile.IsSecretField(string(p[:n])):
		return aField
	}
	return nothing
}

// An opening is the sink for a body that may turn out to be the messages of a
// connection: a dump of them, or those that came instead of a body that was
// announced.
type opening struct {
	s    *scan.Finder
	body scan.Sink // what it is if it is a body
	line scan.Held
	is   scan.Sink // what it is, once that is known
}

func (o *opening) Write(p []byte, at int64, n int) {
	if o.is != nil {
		o.is.Write(p, at, n)
		return
	}
	o.line.Add(p, at, n)
	first, _, whole := bytes.Cut(o.line.Text, []byte("\n"))
	switch {
	case likely(o.s.Profile, first) != aStart || !whole && len(first) >= maxStartLine:
		o.become(o.body)
	case whole && startLine.Match(o.line.Text[:len(first)+1]):
		o.become(newStream(o.s, new(order)))
	case whole:
		o.become(o.body)
	}
}

func (o *opening) become(is scan.Sink) {
	o.is = is
	o.line.Feed(is.Write, 0, len(o.line.Text))
	o.line.Reset()
}

func (o *opening) End() {
	if o.is == nil {
		o.become(o.body)
	}
	o.is.End()
}

func (o *opening) Pending() int64 {
	if o.is == nil {
		return o.line.Start(0)
	}
	return o.is.Pending()
}
