package view

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"ssltape/record"
)

// A printer is what views write with. Its bufio.Writer remembers the first
// error and returns it from Flush, so that no other call need be checked.
type printer struct {
	*bufio.Writer
	Options
	tables int // that were shown
}

// A style is the parameter of an SGR escape sequence (ECMA-48, 8.3.117).
type style string

const (
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
)

// paint returns s, which is safe to show, in a style where colour is wanted.
func (p *printer) paint(st style, s string) string {
	if !p.Color || s == "" || st == "" {
		return s
	}
	return "\x1b[" + string(st) + "m" + s + "\x1b[0m"
}

// printf writes formatted text; what was captured must have been escaped.
func (p *printer) printf(format string, args ...any) {
	fmt.Fprintf(p.Writer, format, args...)
}

// Close is that of views that have nothing to say at the end.
func (p *printer) Close() error { return p.Flush() }

// clock returns the time of day of t, to the millisecond.
func (p *printer) clock(t time.Time) string {
	if t.IsZero() {
		return "--:--:--.---"
	}
	return t.In(p.Zone).Format("15:04:05.000")
}

// Escape returns s as a single line that cannot harm a terminal: what is not
// printable, reorders text or takes no room becomes an escape as in Go.
// Backslashes stay as they are, so that JSON and paths can be read.
func Escape(s string) string { return escape(s, "") }

// EscapeText is Escape for text of several lines: it keeps line feeds and tabs.
// A carriage return before a line feed is left out.
func EscapeText(s string) string {
	if strings.Contains(s, "\r\n") {
		s = strings.ReplaceAll(s, "\r\n", "\n")
	}
	return escape(s, "\n\t")
}

func escape(s, keep string) string {
	i := 0
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		if !printable(r, n, keep) {
			break
		}
		i += n
	}
	if i == len(s) {
		return s
	}
	var b strings.Builder
	for b.WriteString(s[:i]); i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case printable(r, n, keep):
			b.WriteString(s[i : i+n])
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
		i += n
	}
	return b.String()
}

// JSON returns a writer to w, a terminal, of JSON in pieces of any size. What cannot
// be shown as it is becomes an escape of JSON (RFC 8259, section 7): all that is
// not printable stands in strings, but for line feeds and tabs.
func JSON(w io.Writer) io.Writer {
	ascii := !showsUTF8()
	return &runeWriter{w: w, put: func(b, char []byte, r rune) []byte {
		if printable(r, len(char), "\n\t") && (r < utf8.RuneSelf || !ascii) {
			return append(b, char...)
		}
		return jsonEscape(b, r)
	}}
}

// asASCII returns a writer to w of text in pieces of any size, with escape for what is
// not ASCII.
func asASCII(w io.Writer, escape func(b []byte, r rune) []byte) io.Writer {
	return &runeWriter{w: w, put: func(b, char []byte, r rune) []byte {
		if r < utf8.RuneSelf {
			return append(b, char...)
		}
		return escape(b, r)
	}}
}

// A runeWriter writes each character as put appends it: char, which is r in UTF-8, or a
// byte that is none. It gets UTF-8 in pieces of any size.
type runeWriter struct {
	w         io.Writer
	put       func(b, char []byte, r rune) []byte
	held, out []byte // held: the beginning of a character
}

func (u *runeWriter) Write(p []byte) (int, error) {
	u.held, u.out = append(u.held, p...), u.out[:0]
	rest := u.held
	for utf8.FullRune(rest) {
		r, n := utf8.DecodeRune(rest)
		u.out = u.put(u.out, rest[:n], r)
		rest = rest[n:]
	}
	u.held = append(u.held[:0], rest...)
	if _, err := u.w.Write(u.out); err != nil {
		return 0, err
	}
	return len(p), nil
}

func jsonEscape(b []byte, r rune) []byte {
	for _, unit := range utf16.AppendRune(nil, r) {
		b = fmt.Appendf(b, `\u%04x`, unit)
	}
	return b
}

// goEscape is the escape of Go's, but for the signs of the views, for which
// there are such of ASCII that are as wide.
func goEscape(b []byte, r rune) []byte {
	const signs, ascii = "→█▒░…", ">#=-~"
	if i := slices.Index([]rune(signs), r); i >= 0 {
		return append(b, ascii[i])
	}
	q := strconv.AppendQuoteRuneToASCII(nil, r)
	return append(b, q[1:len(q)-1]...)
}

// showsUTF8 reports whether a terminal shows UTF-8, by the locale (POSIX, XBD
// 8.2). Where the environment names none, as in a container or under sudo, it is taken
// to. To one that does not, bytes of UTF-8 from 0x80 to 0x9f are controls.
func showsUTF8() bool {
	locale := strings.ToLower(cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG")))
	return locale == "" || strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
}

// printable reports whether a rune of n bytes may be shown as it is.
func printable(r rune, n int, keep string) bool {
	if r == utf8.RuneError && n == 1 {
		return false
	}
	if r < utf8.RuneSelf {
		return r >= ' ' && r != 0x7f || strings.ContainsRune(keep, r)
	}
	// Format characters (Cf) hold all that is bidirectional or of no width;
	// the separators of lines and paragraphs break lines.
	return !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp)
}

// wide holds the characters that take two columns, roughly: East Asian wide
// and fullwidth (UAX #11), and emoji.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115f, Stride: 1}, {Lo: 0x2e80, Hi: 0x303e, Stride: 1},
		{Lo: 0x3041, Hi: 0xa4cf, Stride: 1}, {Lo: 0xac00, Hi: 0xd7a3, Stride: 1},
		{Lo: 0xf900, Hi: 0xfaff, Stride: 1}, {Lo: 0xfe30, Hi: 0xfe6f, Stride: 1},
		{Lo: 0xff00, Hi: 0xff60, Stride: 1}, {Lo: 0xffe0, Hi: 0xffe6, Stride: 1},
	},
	R32: []unicode.Range32{{Lo: 0x1f300, Hi: 0x1faff, Stride: 1}, {Lo: 0x20000, Hi: 0x3fffd, Stride: 1}},
}

// columns returns how many columns a rune takes.
func columns(r rune) int {
	switch {
	case r < utf8.RuneSelf:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}

// textWidth returns how many columns s takes.
func textWidth(s string) int {
	n := 0
	for _, r := range s {
		n += columns(r)
	}
	return n
}

// Fit returns one line of text cut, with an ellipsis, to the n columns of a
// terminal, or filled to them.
func Fit(s string, n int) string { return fit(s, n, false) }

// fit returns s cut, with an ellipsis, or filled to n columns; to the right
// of the filling where right is set.
func fit(s string, n int, right bool) string {
	w := textWidth(s)
	if w > n {
		s, w = cut(s, n-1)+"…", n
		w = textWidth(s)
	}
	if fill := strings.Repeat(" ", max(0, n-w)); right {
		return fill + s
	} else {
		return s + fill
	}
}

// cut returns the start of s that takes at most n columns.
func cut(s string, n int) string {
	for i, r := range s {
		if n -= columns(r); n < 0 {
			return s[:i]
		}
	}
	return s
}

// size returns n bytes in at most five characters, by powers of a thousand.
func size(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10)
	}
	f, unit := float64(n)/1000, 0
	for f >= 999.5 && unit < 4 {
		f, unit = f/1000, unit+1
	}
	if f < 9.95 {
		return strconv.FormatFloat(f, 'f', 1, 64) + string("kMGTP"[unit])
	}
	return strconv.FormatFloat(f, 'f', 0, 64) + string("kMGTP"[unit])
}

// span returns d in at most six characters.
func span(d time.Duration) string {
	switch ms := float64(d) / float64(time.Millisecond); {
	case ms < 0.0005:
		return "0ms"
	case ms < 9.95:
		return strconv.FormatFloat(ms, 'f', 1, 64) + "ms"
	case ms < 999.5:
		return strconv.FormatFloat(ms, 'f', 0, 64) + "ms"
	case d < 99950*time.Millisecond:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	case d < 100*time.Minute:
		return strconv.FormatFloat(d.Minutes(), 'f', 0, 64) + "min"
	}
	return strconv.FormatFloat(d.Hours(), 'f', 0, 64) + "h"
}

// lines shows text that was escaped, each line after an indent and in style
// st, and no more than limit of them, or all for 0. On a terminal lines are
// broken between words to fit it.
func (p *printer) lines(indent, text string, st style, limit int) {
	if text == "" {
		return
	}
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	hidden := 0
	if limit > 0 && len(all) > limit+1 { // a line that says that there is one more is no gain
		hidden = len(all) - limit
		all = all[:limit]
	}
	for _, line := range all {
		for _, row := range p.wrap(line, len(indent)) {
			p.WriteString(strings.TrimRight(indent+p.paint(st, row), " ") + "\n")
		}
	}
	if hidden > 0 {
		p.WriteString(indent + p.paint(dim, fmt.Sprintf("… %d more lines", hidden)) + "\n")
	}
}

// minWrap is how narrow text is made at most.
const minWrap = 20

// wrap returns the rows that a line takes after an indent: one, where there is
// no terminal. Further rows begin where the text of the line begins.
func (p *printer) wrap(line string, indent int) []string {
	room := max(minWrap, p.width()-indent)
	if p.width() > 0 {
		line = strings.ReplaceAll(line, "\t", "    ")
	}
	if p.width() == 0 || strings.ContainsRune(line, '\x1b') || textWidth(line) <= room {
		return []string{line}
	}
	lead := len(line) - len(strings.TrimLeft(line, " -*"))
	if lead > room/2 {
		lead = 0
	}
	var rows []string
	rest, pad := line, ""
	for textWidth(pad+rest) > room {
		head := cut(rest, room-len(pad))
		if i := strings.LastIndexByte(head, ' '); i > max(lead-len(pad), 0) && !strings.HasPrefix(rest[len(head):], " ") {
			head = head[:i]
		}
		rows = append(rows, pad+head)
		rest, pad = strings.TrimLeft(rest[len(head):], " "), strings.Repeat(" ", lead)
	}
	return append(rows, pad+rest)
}

// Plural returns n things: "1 process", "2 processes".
func Plural(n int, thing string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(thing, "s"):
		thing += "es"
	default:
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}

// process returns the name and number of the process of x.
func process(x *record.Exchange) string {
	if x.Conn == nil || x.Conn.PID == 0 && x.Conn.Comm == "" {
		return "-"
	}
	if x.Conn.PID == 0 {
		return Escape(x.Conn.Comm)
	}
	return fmt.Sprintf("%s[%d]", Escape(x.Conn.Comm), x.Conn.PID)
}

// wait returns the time from the end of the request to the first byte of the
// response.
func wait(x *record.Exchange) time.Duration {
	if x.Response.Start.IsZero() || x.Request.End.IsZero() {
		return 0
	}
	return max(0, x.Response.Start.Sub(x.Request.End))
}

// escaper is a writer that escapes text on its way to w. Text that is cut
// within a rune between two calls is put together again.
type escaper struct {
	w    io.Writer
	rest []byte
}

func (e *escaper) Write(b []byte) (int, error) {
	text := append(e.rest, b...)
	n := len(text)
	for i := 1; i < utf8.UTFMax && i <= n; i++ {
		if utf8.RuneStart(text[n-i]) {
			if !utf8.FullRune(text[n-i:]) {
				n -= i
			}
			break
		}
	}
	// A carriage return waits for what follows it.
	if n == len(text) && n > 0 && text[n-1] == '\r' {
		n--
	}
	_, err := io.WriteString(e.w, EscapeText(string(text[:n])))
	e.rest = append(e.rest[:0], text[n:]...)
	return len(b), err
}

// Close writes what was held back.
func (e *escaper) Close() error {
	_, err := io.WriteString(e.w, EscapeText(string(e.rest)))
	e.rest = nil
	return err
}
