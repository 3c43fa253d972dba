package redact

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"ssltape/record"
	"ssltape/record/scan"
	"ssltape/record/scan/body"
	"ssltape/record/scan/json"
	"ssltape/record/secret/char"
)

// bodySink returns the sink for a body with these fields.
func bodySink(s *scan.Finder, contentType, coding string) scan.Sink {
	coding = withoutIdentity(coding)
	if coding == "" {
		return newGuess(s, contentType, 0)
	}
	return body.NewPacked(s, unpackBody(s, coding, contentType, 1), begins(coding), body.New(s, contentType))
}

// A lastBody is the sink of a body and the fields that it was made for. As each sink
// begins anew after its end the next body with these fields goes to the same one.
type lastBody struct {
	contentType, coding string
	is                  scan.Sink
}

// codingOf returns what p is coded in, by its label if it has one.
func codingOf(label string, p []byte) string {
	for _, m := range magic {
		if label == "" && bytes.HasPrefix(p, []byte(m.begin)) {
			return m.coding
		}
	}
	return label
}

// buffers are those of decode, whose memory is used again.
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

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
	buf := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buf)
	for {
		n, err := r.Read(buf[:])
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
// so. That of zlib (RFC 1950) is short, and its kinds the usual ones.
var magic = [...]struct{ begin, coding string }{{"\x1f\x8b", "gzip"}, {"\x28\xb5\x2f\xfd", "zstd"},
	{"\x78\x01", "deflate"}, {"\x78\x5e", "deflate"}, {"\x78\x9c", "deflate"}, {"\x78\xda", "deflate"}}

// hasMagic reports whether p begins as encoded bodies do, and whether it may
// when more has come.
func hasMagic(p []byte) (yes, maybe bool) {
	for _, m := range magic {
		yes = yes || bytes.HasPrefix(p, []byte(m.begin))
		maybe = maybe || len(p) < len(m.begin) && strings.HasPrefix(m.begin, string(p))
	}
	return yes, maybe
}

// guessSize is the number of bytes by which a body shows what it is by its label
// or its beginning.
const guessSize = 4

// maxGuess is the number of bytes by which a body that should be text shows whether
// it is, if no line of it ends before that.
const maxGuess = 64

// guessLen returns how much of p, of which more may come, tells what a body of this
// type is, or 0. It is the same however the body is cut.
func guessLen(p []byte, contentType string) int {
	switch {
	case len(p) < guessSize:
		return 0
	case !isText(contentType):
		return guessSize
	}
	n := min(len(p), maxGuess)
	if k := bytes.IndexByte(p[guessSize-1:n], '\n'); k >= 0 {
		return guessSize + k
	}
	return n / maxGuess * maxGuess
}

// A guess is the sink for a body that may be encoded though no field says so:
// it begins as such bodies do, or it is said to be text and is not.
type guess struct {
	s           *scan.Finder
	contentType string
	depth       int
	begin       scan.Held
	is          scan.Sink // what it is, once that is known
	plain       scan.Sink // what it is if it is not encoded; made when it is first needed
	coded       scan.Sink // what it is if it is; likewise
}

// newGuess returns a guess for a body within depth others.
func newGuess(s *scan.Finder, contentType string, depth int) scan.Sink {
	return &guess{s: s, contentType: contentType, depth: depth}
}

func (g *guess) Write(p []byte, at int64, n int) {
	if g.is != nil {
		g.is.Write(p, at, n)
		return
	}
	if len(g.begin.Text) == 0 && len(p) == n {
		if k := guessLen(p, g.contentType); k > 0 {
			g.choose(p[:k])
			g.is.Write(p, at, n)
			return
		}
	}
	if g.begin.Add(p, at, n); guessLen(g.begin.Text, g.contentType) > 0 {
		g.decide()
	}
}

// decide tells what the body is by its beginning.
func (g *guess) decide() {
	k := guessLen(g.begin.Text, g.contentType)
	if k == 0 {
		k = len(g.begin.Text)
	}
	g.choose(g.begin.Text[:k])
	g.begin.Feed(g.is.Write, 0, len(g.begin.Text))
	g.begin.Reset()
}

// choose takes for the body what begins with p.
func (g *guess) choose(p []byte) {
	if big, is := isWide(p, g.contentType); is {
		g.is = body.NewWide(g.s, g.contentType, big)
		return
	}
	if g.plain == nil {
		g.plain = body.New(g.s, g.contentType)
	}
	g.is = g.plain
	if g.depth < maxPacking && isCoded(p, g.contentType) {
		if g.coded == nil {
			g.coded = body.NewPacked(g.s, unpackUnlabelled(g.s, g.contentType, g.depth+1), beginsUnlabelled, g.plain)
		}
		g.is = g.coded
	}
}

func (g *guess) End() {
	if g.is == nil {
		if len(g.begin.Text) == 0 {
			return
		}
		g.decide()
	}
	g.is.End()
	g.is = nil
}

func (g *guess) Pending() int64 {
	if g.is == nil {
		return g.begin.Start(0)
	}
	return g.is.Pending()
}

// GiveUp takes out what is held back rather than wait for the end of it.
func (g *guess) GiveUp() {
	if g.is == nil {
		g.decide()
	}
	if p, ok := g.is.(*body.Packed); ok {
		p.GiveUp()
		return
	}
	g.is.End()
	g.is = json.New(g.s)
}

// isWide reports whether a body that begins with p is in UTF-16, and whether
// that is big-endian (RFC 2781, section 3.2).
func isWide(p []byte, contentType string) (big, is bool) {
	big = bytes.HasPrefix(p, []byte("\xfe\xff"))
	if big || bytes.HasPrefix(p, []byte("\xff\xfe")) {
		return big, true
	}
	contentType = strings.ToLower(contentType)
	return !strings.Contains(contentType, "utf-16le"), strings.Contains(contentType, "utf-16")
}

// isCoded reports whether a body that begins with p may be encoded. If p is all of
// it and short, it says yes to what could be.
func isCoded(p []byte, contentType string) bool {
	yes, maybe := hasMagic(p)
	return yes || maybe || isText(contentType) && isBinary(p)
}

// isText reports whether a body of this type should be text.
func isText(contentType string) bool {
	media, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	for _, part := range []string{"text/", "json", "xml", "javascript", "x-www-form-urlencoded"} {
		if strings.Contains(media, part) {
			return true
		}
	}
	return false
}

// isBinary reports whether p has bytes that no text has, in UTF-8 or UTF-16.
func isBinary(p []byte) bool {
	if bytes.HasPrefix(p, []byte("\xff\xfe")) || bytes.HasPrefix(p, []byte("\xfe\xff")) {
		return false
	}
	for _, c := range p {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0 {
			return true
		}
	}
	return len(p) >= guessSize && !utf8.Valid(p[:utf8Len(p)])
}

// utf8Len returns the length of p without a character that is cut off.
func utf8Len(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if c := p[len(p)-n]; utf8.RuneStart(c) {
			if !utf8.FullRune(p[len(p)-n:]) {
				return len(p) - n
			}
			break
		}
	}
	return len(p)
}

// isStartLine reports whether line, with the line feed at its end, is a request line
// or a status line (RFC 9112, sections 3 and 4).
func isStartLine(line []byte) bool {
	const version = "HTTP/1."
	line, ok := bytes.CutSuffix(line, []byte("\n"))
	if !ok {
		return false
	}
	if rest, ok := bytes.CutPrefix(line, []byte(version)); ok && len(rest) > 0 && char.IsDigit(rest[0]) {
		code := bytes.TrimLeft(rest[1:], " ")
		if len(code) < len(rest)-1 && len(code) >= 3 && char.Run(code[:3], char.IsDigit) == 3 {
			if code = code[3:]; len(code) == 0 || isWhite(code[0]) && bytes.IndexByte(code[1:], '\n') < 0 {
				return true
			}
		}
	}
	line = bytes.TrimRight(line, "\t\n\f\r ")
	n := len(line) - len(version) - 2 // a space is before it, a digit after it
	if n < 0 || line[n] != ' ' || string(line[n+1:len(line)-1]) != version || !char.IsDigit(line[len(line)-1]) {
		return false
	}
	line = line[:n]
	method := char.Run(line, func(c byte) bool { return c != ':' && !isWhite(c) })
	target := bytes.TrimLeft(line[method:], " ")
	return method > 0 && len(target) > 0 && len(target) < len(line)-method && !isWhite(target[0]) && bytes.IndexByte(target, '\n') < 0
}

// isWhite reports whether c is white space.
func isWhite(c byte) bool { return char.IsSpace(c) || c == '\f' }

// What a line may be.
const (
	nothing = iota
	aStart
	aField
)

// likely tells what a line may be that begins with p: a start line, or a field
// whose value goes.
func likely(profile Profile, p []byte) int {
	n := char.TokenLen(p)
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
	if len(o.line.Text) == 0 && len(p) == n && n > 0 && likely(o.s.Profile, p) != aStart {
		o.is = o.body
		o.is.Write(p, at, n)
		return
	}
	o.line.Add(p, at, n)
	first, _, whole := bytes.Cut(o.line.Text, []byte("\n"))
	switch {
	case likely(o.s.Profile, first) != aStart || !whole && len(first) >= maxStartLine:
		o.become(o.body)
	case whole && isStartLine(o.line.Text[:len(first)+1]):
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
	o.is = nil
}

func (o *opening) Pending() int64 {
	if o.is == nil {
		return o.line.Start(0)
	}
	return o.is.Pending()
}
