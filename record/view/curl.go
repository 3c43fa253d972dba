package view

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"ssltape/record"
)

// curl shows a command of a POSIX shell for each request that sends the same
// bytes again: the same method, target, fields in the same order (curl puts
// Host first) and body. What curl would add by itself is turned off. Bytes
// that do not suit a terminal are written as escapes of printf.
type curl struct{ *printer }

func newCurl(p *printer) View { return &curl{p} }

// maxArgument is the length of a body up to which it is an argument; the
// kernel takes no more than 128 KiB in one.
const maxArgument = 100 << 10

// maxCurl is the length of a body up to which it is shown.
const maxCurl = 16 << 20

// WriteExchange implements [record.ExchangeWriter].
func (v *curl) WriteExchange(x *record.Exchange) error {
	if !x.Done() {
		return nil
	}
	r := &x.Request
	switch {
	case !r.Seen():
		v.printf("# %d: the request was not seen\n", x.ID)
		return v.Flush()
	case r.Body.Len() > maxCurl:
		v.printf("# %d: the body of %d bytes is too long for a command; -V body --side request writes it\n", x.ID, r.Body.Len())
		return v.Flush()
	}
	for _, h := range r.Lost {
		v.printf("# %d: %d bytes of the request were lost\n", x.ID, h.Len)
	}
	if r.Cut > 0 {
		v.printf("# %d: the last %d bytes of the body were not kept\n", x.ID, r.Cut)
	}
	b, err := r.Body.Bytes()
	if err != nil {
		return fmt.Errorf("exchange %d: %w", x.ID, err)
	}
	pipe, arg := curlBody(string(b), r)
	v.WriteString(pipe + strings.Join(append(curlCommand(x, arg != nil), arg...), " \\\n  ") + "\n")
	return v.Flush()
}

// curlCommand returns the words of the command, but for the body, if it has
// one.
func curlCommand(x *record.Exchange, body bool) []string {
	r := &x.Request
	words := []string{"curl " + curlVersion(r.Proto)}
	if r.Method == "HEAD" { // -X HEAD would wait for a body
		words[0] += " --head"
	} else {
		words[0] += " -X " + shellQuote(r.Method)
	}
	url := x.URL()
	// The URL is what names the server; the target is sent as it was.
	if i := strings.Index(url, "://"); i > 0 {
		rest := url[i+3:]
		if j := strings.IndexAny(rest, "/?#"); j >= 0 {
			rest = rest[:j]
		}
		url = url[:i+3] + rest + "/"
	}
	words[0] += " --globoff " + shellQuote(url)
	words = append(words, "--request-target "+shellQuote(r.Target))
	for _, f := range r.Header {
		switch {
		case strings.HasPrefix(f.Name, ":"): // of HTTP/2, made anew
		case f.Value == "":
			words = append(words, "-H "+shellQuote(f.Name+";")) // an empty field
		default:
			words = append(words, "-H "+shellQuote(f.Name+": "+f.Value))
		}
	}
	added := []string{"User-Agent", "Accept"}
	if body {
		added = append(added, "Content-Type", "Expect")
	}
	for _, name := range added {
		if !r.Header.Has(name) {
			words = append(words, "-H '"+name+":'")
		}
	}
	return words
}

// curlVersion returns the flag that makes curl speak proto.
func curlVersion(proto string) string {
	switch proto = strings.ToLower(proto); {
	case proto == "http/1.0":
		return "--http1.0"
	case strings.HasPrefix(proto, "http/2") || strings.HasPrefix(proto, "h2"):
		return "--http2"
	case strings.HasPrefix(proto, "http/3") || strings.HasPrefix(proto, "h3"):
		return "--http3"
	}
	return "--http1.1"
}

// curlBody returns how the body gets into the command: by an argument, or by
// a pipe where it is too long for one or cannot be in one.
func curlBody(body string, r *record.Request) (pipe string, arg []string) {
	switch {
	case body == "" && !r.Header.Has("Content-Length") && !r.Header.Has("Transfer-Encoding"):
		return "", nil
	case len(body) <= maxArgument && isPlain(body):
		return "", []string{"--data-raw " + shellQuote(body)}
	}
	return "printf '%b' '" + octal(body) + "' |\n", []string{"--data-binary @-"}
}

// isPlain reports whether s can stand in single quotes on a terminal.
func isPlain(s string) bool { return utf8.ValidString(s) && escape(s, "\n\t") == s }

// shellQuote returns s as one word of a shell. The command substitution that
// stands for what is not plain drops line feeds at the end, which no part of a
// request but its body can have.
func shellQuote(s string) string {
	if isPlain(s) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return `"$(printf '%b' '` + octal(s) + `')"`
}

// octal returns s as an argument of printf '%b', in single quotes.
func octal(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\\' || r == '\'' || !printable(r, n, ""):
			for _, c := range []byte(s[i : i+n]) {
				o := strconv.FormatInt(int64(c), 8)
				b.WriteString(`\0` + strings.Repeat("0", 3-len(o)) + o)
			}
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}
