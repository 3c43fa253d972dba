package json

import (
	"ssltape/record/scan"
	"ssltape/record/scan/text"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// A graphql is the sink for a document of GraphQL: a string that is the value of
// an argument or field with the name of a secret goes. The rest is scanned as
// text.
type graphql struct {
	s      *scan.Finder
	txt    text.Text
	name   []byte // the last word
	gap    bool   // a space came after it
	after  bool   // a colon did
	string bool
	escape bool // a backslash was before, in a string
	taking bool // the string under way goes to col
	col    Collector
}

// NewGraphQL returns the sink for a document of GraphQL.
func NewGraphQL(s *scan.Finder) scan.Sink { return newGraphQL(s) }

func newGraphQL(s *scan.Finder) *graphql {
	return &graphql{s: s, txt: NewText(s), col: NewCollector(s)}
}

// Write implements [scan.Sink].
func (g *graphql) Write(p []byte, at int64, n int) {
	if len(p) != n {
		was := g.taking
		if len(p) > 0 {
			g.step(p[0])
		}
		g.give(p, at, n, was)
		return
	}
	from, was := 0, g.taking
	for i, c := range p {
		if g.step(c); g.taking == was {
			continue
		}
		to := i // a quote that ends a value
		if g.taking {
			to = i + 1 // one that begins it
		}
		g.give(p[from:to], at+int64(from), to-from, was)
		if was {
			g.col.End()
		}
		from, was = to, g.taking
	}
	g.give(p[from:], at+int64(from), len(p)-from, g.taking)
}

// give hands on p, of a value that goes or not.
func (g *graphql) give(p []byte, at int64, n int, taken bool) {
	switch {
	case n == 0:
	case taken && g.taking:
		g.col.Write(p, at, n)
	case taken && len(p) != n: // an escaped quote ends the value
		g.col.End()
		g.txt.Write(p, at, n)
	case taken:
		g.col.Write(p, at, n)
	default:
		g.txt.Write(p, at, n)
	}
}

// step takes one byte.
func (g *graphql) step(c byte) {
	switch {
	case g.string && g.escape:
		g.escape = false
	case g.string && c == '\\':
		g.escape = true
	case c == '"' && g.string:
		g.string, g.taking = false, false
	case g.string:
	case c == '"':
		g.string = true
		v := g.s.Profile.Key(g.name)
		if g.taking = g.after && v.IsName(); g.taking {
			g.col.Begin(v, scan.InText)
		}
	case c == ':':
		g.after = true
	case char.IsWord(c):
		if g.after || g.gap {
			g.name, g.after, g.gap = g.name[:0], false, false
		}
		g.name = append(g.name, c)
		g.name = g.name[:min(len(g.name), secret.MaxName+1)]
	case char.IsSpace(c):
		g.gap = true
	default:
		g.name, g.after = g.name[:0], false
	}
}

// End implements [scan.Sink].
func (g *graphql) End() {
	if g.taking {
		g.col.End()
	}
	g.txt.End()
	*g = graphql{s: g.s, txt: g.txt, name: g.name[:0], col: g.col}
}

// Pending implements [scan.Sink].
func (g *graphql) Pending() int64 { return min(g.txt.Pending(), g.col.Pending()) }
