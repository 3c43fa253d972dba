package filter

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Parse returns the filter that all of exprs must match. Its errors are
// [*SyntaxError]s.
func Parse(exprs ...string) (Filter, error) {
	fs := []Filter{All}
	for _, e := range exprs {
		p := &parser{expr: e}
		f, err := p.all()
		if err != nil {
			return nil, err
		}
		fs = append(fs, f)
	}
	return and(fs), nil
}

// maxNesting bounds the parentheses and negations inside one another.
const maxNesting = 100

// A parser reads one expression, from left to right.
type parser struct {
	expr  string
	pos   int // in bytes
	depth int
}

func (p *parser) errorf(pos int, format string, args ...any) error {
	return &SyntaxError{p.expr, utf8.RuneCountInString(p.expr[:pos]) + 1, fmt.Sprintf(format, args...)}
}

func (p *parser) all() (Filter, error) {
	f, err := p.or()
	if err == nil && p.peek() == ")" {
		err = p.errorf(p.pos, "nothing to close here")
	}
	return f, err
}

// or reads what "or" joins.
func (p *parser) or() (Filter, error) {
	var fs []Filter
	for {
		f, err := p.and()
		if err != nil {
			return nil, err
		}
		fs = append(fs, f)
		if !strings.EqualFold(p.peek(), "or") {
			return or(fs), nil
		}
		p.pos += len("or")
	}
}

// and reads what stands side by side.
func (p *parser) and() (Filter, error) {
	var fs []Filter
	for {
		switch w := p.peek(); {
		case strings.EqualFold(w, "and") && len(fs) > 0:
			p.pos += len("and")
		case w == "" || w == ")" || strings.EqualFold(w, "or"):
			if len(fs) == 0 {
				if strings.TrimSpace(p.expr) == "" {
					return All, nil
				}
				return nil, p.errorf(p.pos, "a term is missing")
			}
			return and(fs), nil
		}
		f, err := p.not()
		if err != nil {
			return nil, err
		}
		fs = append(fs, f)
	}
}

// not reads a term, what is in parentheses, or the negation of either.
func (p *parser) not() (Filter, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.errorf(p.pos, "too deep")
	}
	defer func() { p.depth-- }()
	w := p.peek()
	switch {
	case strings.EqualFold(w, "not"):
		p.pos += len("not")
	case strings.HasPrefix(w, "-") || strings.HasPrefix(w, "!"):
		p.pos++
	case w == "(":
		start := p.pos
		p.pos++
		f, err := p.or()
		if err == nil && p.peek() != ")" {
			err = p.errorf(start, "not closed")
		}
		p.pos++
		return f, err
	case w == "" || w == ")":
		return nil, p.errorf(p.pos, "a term is missing")
	default:
		return p.term()
	}
	f, err := p.not()
	if err != nil {
		return nil, err
	}
	return not(f), nil
}

// peek returns the parenthesis or the word up to the next space or parenthesis.
func (p *parser) peek() string {
	rest := strings.TrimLeft(p.expr[p.pos:], " \t\n")
	p.pos = len(p.expr) - len(rest)
	if rest != "" && (rest[0] == '(' || rest[0] == ')') {
		return rest[:1]
	}
	if i := strings.IndexAny(rest, " \t\n()"); i >= 0 {
		return rest[:i]
	}
	return rest
}

// term reads key:value,value or a word.
func (p *parser) term() (Filter, error) {
	start := p.pos
	name, _, ok := strings.Cut(p.peek(), ":")
	k, known := find(strings.ToLower(name))
	stop := valueEnd
	switch {
	case !ok || !isKey(name) || strings.HasPrefix(p.expr[p.pos+len(name):], "://"):
		k, stop = bare, wordEnd
	case !known:
		return nil, p.errorf(start, "%q is no key; there are %s. Quote the word to look for it in URLs", name, strings.Join(Keys(), ", "))
	default:
		p.pos += len(name) + 1
	}
	var fs []Filter
	for {
		at := p.pos
		v, err := p.value(stop)
		if err != nil {
			return nil, err
		}
		f, err := k.filter(v)
		if err != nil {
			return nil, p.errorf(at, "%v", err)
		}
		fs = append(fs, f)
		if p.pos == len(p.expr) || p.expr[p.pos] != ',' {
			return or(fs), nil
		}
		p.pos++
	}
}

// isKey reports whether s looks like a key.
func isKey(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r != '.' && r != '-' && (r|0x20 < 'a' || r|0x20 > 'z') }) < 0
}

// A value is one of the alternatives of a term.
type value struct {
	text          string
	quoted, regex bool
	fold          bool // of a regular expression: ignore case
}

// What ends a value, and a term without a key, if it is not quoted.
const (
	valueEnd = " \t\n(),"
	wordEnd  = " \t\n()"
)

// value reads up to one of the characters of stop.
func (p *parser) value(stop string) (value, error) {
	start, rest := p.pos, p.expr[p.pos:]
	switch {
	case strings.HasPrefix(rest, `"`) || strings.HasPrefix(rest, "'"):
		text, n := unquote(rest)
		if n == 0 {
			return value{}, p.errorf(start, "the quote is not closed")
		}
		p.pos += n
		if p.pos < len(p.expr) && strings.IndexByte(stop, p.expr[p.pos]) < 0 {
			return value{}, p.errorf(p.pos, "a space is missing after the quote")
		}
		return value{text: text, quoted: true}, nil
	case strings.HasPrefix(rest, "/"):
		if text, fold, n := regex(rest); n > 0 {
			p.pos += n
			return value{text: text, regex: true, fold: fold}, nil
		}
	}
	n := strings.IndexAny(rest, stop)
	if n < 0 {
		n = len(rest)
	}
	if n == 0 {
		return value{}, p.errorf(start, "a value is missing")
	}
	p.pos += n
	return value{text: rest[:n]}, nil
}

// unquote returns what is in the quotes that s starts with, and how many bytes
// that took, 0 if they are not closed. A backslash quotes quotes and itself.
func unquote(s string) (text string, n int) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == s[0]:
			return b.String(), i + 1
		case c == '\\' && i+1 < len(s) && (s[i+1] == s[0] || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", 0
}

// regex returns the regular expression that s starts with, if it does: slashes
// around it, nothing but an i after it, and no space in it. n is its length.
func regex(s string) (text string, fold bool, n int) {
	for i := 1; i < len(s) && !slices.Contains([]byte(" \t\n"), s[i]); i++ {
		if s[i] == '\\' {
			i++
			continue
		}
		if s[i] != '/' || i == 1 {
			continue
		}
		n, text = i+1, s[1:i]
		if fold = n < len(s) && s[n] == 'i'; fold {
			n++
		}
		if n == len(s) || strings.IndexByte(" \t\n,)", s[n]) >= 0 {
			return text, fold, n
		}
	}
	return "", false, 0
}
