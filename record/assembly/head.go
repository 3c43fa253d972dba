package assembly

import (
	"bytes"
	"slices"
	"strings"

	"ssltape/record"
)

// Limits of what is held of a head.
const (
	maxHead   = 1 << 20 // bytes of start line and fields; none in RFC 9112
	maxMethod = 64      // bytes of a method, where nothing else tells that it is one
	maxBlank  = 256     // bytes of an empty line that is not quite empty
)

// tokenBytes are the bytes of a token (RFC 9110, section 5.6.2).
const tokenBytes = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

var tokenTable = func() (t [256]bool) {
	for _, c := range []byte(tokenBytes) {
		t[c] = true
	}
	return t
}()

func isTokenByte(c byte) bool { return tokenTable[c] }

func isToken(s string) bool {
	for i := range len(s) {
		if !tokenTable[s[i]] {
			return false
		}
	}
	return s != ""
}

// trimSpace returns s without white space and line ends around it.
func trimSpace(s string) string {
	for len(s) > 0 && isSpace(s[0]) {
		s = s[1:]
	}
	for len(s) > 0 && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// A requestLine is the first line of a request (RFC 9112, section 3).
type requestLine struct{ method, target, proto string }

// parseRequestLine splits a request line into its first word, its last word
// if that is a version, and what is between, so that targets with spaces
// survive (RFC 9112, section 3, allows to be so lenient). Without a version it
// has to be a GET of HTTP/0.9; of other lines nothing tells that they are HTTP.
func parseRequestLine[T string | []byte](b T) (l requestLine, ok bool) {
	line := trimSpace(string(b))
	i := strings.IndexAny(line, " \t")
	if i < 0 || i > maxMethod || !isToken(line[:i]) {
		return l, false
	}
	l.method = line[:i]
	rest := strings.TrimLeft(line[i:], " \t")
	j := strings.LastIndexAny(rest, " \t") + 1
	if isRequestVersion(rest[j:]) {
		l.target, l.proto = strings.TrimRight(rest[:j], " \t"), rest[j:]
		return l, true
	}
	l.target, l.proto = rest, "HTTP/0.9"
	return l, l.method == "GET" && j == 0 && (rest[0] == '/' || strings.HasPrefix(rest, "http://"))
}

// isRequestVersion reports whether s is a version of HTTP with this syntax,
// which that of HTTP/2 has not, or of the protocols that borrow it (RTSP, RFC
// 2326; ICE, of Icecast).
func isRequestVersion(s string) bool {
	name, v, ok := strings.Cut(s, "/")
	if !ok || len(v) < 3 || v[1] != '.' || v[2] < '0' || v[2] > '9' || v[0] < '0' || v[0] > '9' || v[0] == '2' {
		return false
	}
	return isProtocol(name) && strings.Trim(v[3:], "0123456789.") == "" // some say HTTP/1.0.8
}

// isProtocol reports whether name is HTTP or a protocol that borrows its syntax.
func isProtocol(name string) bool { return name == "HTTP" || name == "RTSP" || name == "ICE" }

// A statusLine is the first line of a response (RFC 9112, section 4).
type statusLine struct {
	proto  string
	status int
	reason string
}

// parseStatusLine reads a status line; the reason may be missing, also with
// the space before it. It is not ok where the version or the status, which
// has three digits, is not there.
func parseStatusLine[T string | []byte](b T) (l statusLine, ok bool) {
	line := trimSpace(string(b))
	i := strings.IndexAny(line, " \t")
	if i < 0 || !isResponseVersion(line[:i]) {
		return l, false
	}
	l.proto = line[:i]
	rest := strings.TrimLeft(line[i:], " \t")
	if len(rest) < 3 || len(rest) > 3 && rest[3] != ' ' && rest[3] != '\t' {
		return l, false
	}
	for _, c := range []byte(rest[:3]) {
		if c < '0' || c > '9' {
			return l, false
		}
		l.status = l.status*10 + int(c-'0')
	}
	if len(rest) > 3 {
		l.reason = rest[4:]
	}
	return l, true
}

// isResponseVersion reports whether s is a version; which one does not matter
// to whoever waits for a response.
func isResponseVersion(s string) bool {
	if s == "ICY" { // SHOUTcast's answer to a request of HTTP/1.0
		return true
	}
	name, v, ok := strings.Cut(s, "/")
	return ok && len(v) >= 3 && v[1] == '.' && v[0] >= '0' && v[0] <= '9' && v[2] >= '0' && v[2] <= '9' && isProtocol(name)
}

// looseStatusLine reads the first line of what is known to be a response, the
// way browsers do: any case, any version, any number. Status is 0 where there
// is no number.
func looseStatusLine(line string) (l statusLine) {
	line = strings.Trim(line, " \t\r\n\x00")
	proto, rest, _ := strings.Cut(line, " ")
	if i := strings.IndexByte(proto, '\t'); i >= 0 {
		proto, rest = line[:i], line[i+1:]
	}
	l.proto, l.reason = proto, strings.TrimLeft(rest, " \t")
	n := 0
	for n < len(l.reason) && n < 3 && l.reason[n] >= '0' && l.reason[n] <= '9' {
		l.status = l.status*10 + int(l.reason[n]-'0')
		n++
	}
	if n == 3 && len(l.reason) > 3 && l.reason[3] >= '0' && l.reason[3] <= '9' {
		l.status = 0
	}
	l.reason = strings.TrimLeft(l.reason[n:], " \t")
	return l
}

// wholeLines returns head without an unfinished line at its end, other than
// the first.
func wholeLines(head string) string {
	if i := strings.LastIndexByte(head, '\n'); i >= 0 {
		return head[:i+1]
	}
	return head
}

// headEnd returns the length of the head that p starts with, or -1 where it
// does not end in p. Lines end in LF, also without CR before it (RFC 9112,
// section 2.2). No line ends before from; next is the from of a later call
// with more bytes. What a loose reader takes for the empty line depends on
// its neighbours, as recipients of responses have it.
func headEnd(p []byte, from int, loose bool) (n, next int) {
	for {
		i := bytes.IndexByte(p[from:], '\n')
		if i < 0 {
			return -1, len(p)
		}
		i += from + 1
		n, more := emptyLine(p[i:])
		if n == 0 && !more && loose {
			n, more = oddEmptyLine(p[i:])
		}
		if more {
			return -1, i - 1
		}
		if n > 0 {
			return i + n, 0
		}
		from = i
	}
}

// emptyLine returns the length of the empty line that p starts with, or 0.
// more says that p is too short to tell.
func emptyLine(p []byte) (n int, more bool) {
	switch {
	case len(p) == 0 || len(p) == 1 && p[0] == '\r':
		return 0, true
	case p[0] == '\n':
		return 1, false
	case p[0] == '\r' && p[1] == '\n':
		return 2, false
	}
	return 0, false
}

// oddEmptyLine is emptyLine for a line of other white space, or of a CR alone,
// as recipients of responses have it: such a line ends the head if what comes
// after it cannot be a part of one.
func oddEmptyLine(p []byte) (n int, more bool) {
	for n < min(len(p), maxBlank) && p[n] != '\n' && (p[n] == 0 || isChunkSpace(p[n])) {
		n++
	}
	switch {
	case n == maxBlank:
		return 0, false
	case n == len(p):
		return 0, true
	case p[n] == '\n':
		n++
	case bytes.IndexByte(p[:n], '\r') < 0:
		return 0, false
	}
	if rest := p[n:]; len(rest) > 0 && !isSpace(rest[0]) {
		i := 0
		for i < len(rest) && i < maxMethod && isTokenByte(rest[i]) {
			i++
		}
		if i < len(rest) && rest[i] != ':' && rest[i] != ' ' && rest[i] != '\t' {
			return n, false
		}
		return 0, i == len(rest)
	}
	return 0, n == len(p)
}

// headLines iterates over the lines of a head after its first one, folded
// lines joined (RFC 9112, section 5.2: each fold becomes a space).
type headLines struct {
	text  string
	loose bool      // a CR alone ends a line too
	marks anomalies // what was odd about them
}

// cut returns the next line without its end, as it stands.
func (h *headLines) cut() (line string, ok bool) {
	if h.text == "" {
		return "", false
	}
	i := strings.IndexByte(h.text, '\n')
	if i < 0 {
		i = len(h.text)
	}
	line = h.text[:i]
	if j := strings.IndexByte(line, '\r'); j >= 0 && j != i-1 {
		h.marks |= bareCR
		if k := loneCR(line); h.loose && k >= 0 {
			line, h.text = strings.TrimRight(line[:k], "\r"), h.text[k+1:]
			return line, true
		}
	} else if j < 0 {
		h.marks |= bareLF
	}
	h.text = h.text[min(i+1, len(h.text)):]
	return strings.TrimRight(line, "\r"), true
}

// loneCR returns the position of the first CR in line that is followed by
// another byte than CR, or -1.
func loneCR(line string) int {
	for i := 0; i < len(line)-1; i++ {
		if line[i] == '\r' && line[i+1] != '\r' {
			return i
		}
	}
	return -1
}

// folds reports whether the next line continues the one before.
func (h *headLines) folds() bool {
	if h.text == "" {
		return false
	}
	c := h.text[0]
	return c == ' ' || c == '\t' || c == 0 && h.loose
}

// next returns the next line with its continuations.
func (h *headLines) next() (line string, ok bool) {
	line, ok = h.cut()
	for ok && h.folds() {
		more, _ := h.cut()
		trimmed := strings.Trim(more, " \t\r\x00")
		h.marks |= obsFold
		if trimmed != "" {
			line = strings.TrimRight(line, " \t") + " " + trimmed
		}
	}
	return line, ok
}

// fields reads the lines that are left as the fields of a header or trailer
// section. Lines that are no fields are kept as values without a name.
func (h *headLines) fields() record.Fields {
	fs := make(record.Fields, 0, strings.Count(h.text, "\n"))
	for {
		line, ok := h.next()
		if !ok {
			return fs
		}
		if line == "" {
			continue
		}
		name, value, found := strings.Cut(line, ":")
		if !found {
			h.marks |= badField
			fs = append(fs, record.Field{Value: trimSpace(line)})
			continue
		}
		if !isToken(name) {
			if t := strings.Trim(name, " \t\v\f\r\x00"); t != name {
				// A proxy must not pass on the space (RFC 9112, section 5.1), and
				// what looks for the field would not find it with the space.
				h.marks |= spaceBeforeColon
				name = t
			}
			if !isToken(name) {
				h.marks |= badField
			}
		}
		fs = append(fs, record.Field{Name: name, Value: trimSpace(value)})
	}
}

// anomalies is a set of oddities of the traffic. None of them is an error:
// they tell how a message was read where the standard leaves it open, or says
// that it must be refused.
type anomalies uint64

// The oddities, with the section of RFC 9112 (where not said otherwise) that
// they offend against.
const (
	bareLF            anomalies = 1 << iota // 2.2
	bareCR                                  // 2.2
	junkBefore                              // 2.2: bytes before the start line
	badStatusLine                           // 4
	badField                                // 5: no colon, or no token before it
	spaceBeforeColon                        // 5.1
	obsFold                                 // 5.2
	badTransferCoding                       // 6.1: chunked is there, but not alone or not last
	chunkedOldVersion                       // 6.1: in a message of HTTP/1.0
	lengthAndCoding                         // 6.1: both Content-Length and Transfer-Encoding
	badLength                               // 6.3: Content-Length is not a number
	manyLengths                             // 6.3: different ones
	badChunk                                // 7.1: the size of a chunk, or what follows its data
	bodyNotAllowed                          // 6.3: a body after 1xx, 204 or 304
	bodyNotSent                             // RFC 9110, 10.1.1: Expect, answered before the body
	oldAnswer                               // RFC 1945, 3.1: a response without head (HTTP/0.9)
	noRequest                               // 9.2: the request was not seen
	noHost                                  // 3.2: HTTP/1.1 without Host, or several
	manyOpen                                // more requests without a response than are kept
	bodyNotKept                             // ours: the body could not be written to its file
	eventsCut                               // ours: more events than are kept
	unknownField                            // RFC 7541, 2.3.3: a field refers to one that was not seen
	fieldsCut                               // ours: more fields in a header block than are kept
	serverPush                              // RFC 9113, 8.4: the server made up the request
	messagesCut                             // ours: more WebSocket messages than are kept
)

// anomalyNames are the names in the order above.
var anomalyNames = [...]string{"bare-lf", "bare-cr", "junk-before-message", "bad-status-line", "bad-field", "space-before-colon",
	"obs-fold", "bad-transfer-coding", "chunked-in-1.0", "length-and-transfer-coding", "bad-content-length",
	"several-content-lengths", "bad-chunk", "body-not-allowed", "expected-body-not-sent", "http-0.9-response", "request-not-seen",
	"bad-host", "too-many-open-requests", "body-not-kept", "events-cut", "unknown-field", "fields-cut", "server-push", "messages-cut"}

// note adds the names of set to x.
func note(x *record.Exchange, set anomalies) {
	for i := 0; set != 0; i, set = i+1, set>>1 {
		if set&1 != 0 && !slices.Contains(x.Anomalies, anomalyNames[i]) {
			x.Anomalies = append(x.Anomalies, anomalyNames[i])
		}
	}
}
