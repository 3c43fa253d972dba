package body

import (
	"bytes"
	"strings"

	"ssltape/record/scan"
	"ssltape/record/scan/json"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// A settings is the sink for files of settings, YAML, TOML, INI and the like: in
// a line with the name of a secret all of the value goes, of how many words it
// may be. The rest is scanned as text.
type settings struct {
	s     *scan.Finder
	txt   scan.Sink
	line  scan.Held
	long  bool // the line is too long to be looked at as one
	block int  // columns before the name of a value that goes and is on the lines that follow, or -1
}

// maxSetting is the length of the longest line that is looked at.
const maxSetting = 16 << 10

func newSettings(s *scan.Finder) *settings {
	return &settings{s: s, txt: json.NewLoose(s), block: -1}
}

// Write implements [scan.Sink].
func (t *settings) Write(p []byte, at int64, n int) {
	if len(p) != n {
		t.txt.Write(p, at, n)
		return
	}
	for len(p) > 0 {
		k := bytes.IndexByte(p, '\n') + 1
		whole := k > 0
		if !whole {
			k = len(p)
		}
		if t.long {
			t.txt.Write(p[:k], at, k)
			t.long = !whole
		} else if t.line.Add(p[:k], at, k); whole || len(t.line.Text) > maxSetting {
			t.long = !whole
			t.endLine()
		}
		p, at = p[k:], at+int64(k)
	}
}

// endLine takes the value out of the line under way, if it goes, and gives on
// the rest.
func (t *settings) endLine() {
	line := bytes.TrimRight(t.line.Text, " \t\r\n")
	indent := char.Run(line, func(c byte) bool { return c == ' ' || c == '\t' || c == '-' })
	from, to := 0, 0
	if t.block >= 0 && (len(line) == 0 || indent > t.block) {
		from, to = indent, len(line)
	} else {
		t.block = -1
		if t.flow(line, indent) {
			return
		}
		from, to = t.setting(line, indent)
	}
	if from < to {
		t.s.Redact(t.line.Places(from, to), line[from:to], scan.InText)
	} else {
		from, to = len(t.line.Text), len(t.line.Text)
	}
	t.line.Feed(t.txt.Write, 0, from)
	t.line.Feed(t.txt.Write, to, len(t.line.Text))
	t.line.Reset()
}

// flow takes the values out of a line that has a mapping in flow style (YAML,
// section 7.4), and gives on the rest; false where it has none.
func (t *settings) flow(line []byte, indent int) bool {
	start := bytes.IndexByte(line, '{')
	if start < 0 || indent < len(line) && line[indent] == '#' || start > 0 && bytes.IndexByte([]byte("${%"), line[start-1]) >= 0 {
		return false
	}
	found, given := false, 0
	for from := start + 1; from < len(line); {
		to := from
		for quote := byte(0); to < len(line) && (quote != 0 || bytes.IndexByte([]byte(",{}"), line[to]) < 0); to++ {
			switch c := line[to]; {
			case quote == 0 && (c == '"' || c == '\''):
				quote = c
			case c == quote:
				quote = 0
			}
		}
		part := line[from:to]
		if a, b := t.setting(part, char.Run(part, char.IsSpace)); a < b {
			found = true
			t.line.Feed(t.txt.Write, given, from+a)
			t.s.Redact(t.line.Places(from+a, from+b), line[from+a:from+b], scan.InText)
			given = from + b
		}
		from = to + 1
	}
	if found {
		t.line.Feed(t.txt.Write, given, len(t.line.Text))
		t.line.Reset()
	}
	return found
}

// setting returns the place of the value in line that goes, if from < to.
func (t *settings) setting(line []byte, indent int) (from, to int) {
	i := bytes.IndexAny(line, "=:")
	for i >= 0 && line[i] == ':' && i+1 < len(line) && !char.IsSpace(line[i+1]) && bytes.IndexByte([]byte("_\"'"), line[i+1]) < 0 && bytes.IndexByte(line[i:], '=') > 0 {
		k := bytes.IndexAny(line[i+1:], "=:") // of a name with colons
		i += k + 1
	}
	if i < 0 || indent < len(line) && bytes.IndexByte([]byte("#;!"), line[indent]) >= 0 {
		return 0, 0
	}
	name := secret.LastWord(bytes.Trim(line[:i], " \t\"'"))
	v := t.s.Profile.Key(name)
	from, to = char.Trim(line, i+1, len(line))
	if !v.IsName() || from == to {
		return 0, 0
	}
	switch c := line[from]; {
	case c == '|' || c == '>':
		t.block = indent
		return 0, 0
	case c == '"' || c == '\'':
		from++
		if k := bytes.LastIndexByte(line[from:], c); k >= 0 {
			to = from + k
		}
	case bytes.IndexByte([]byte("{[&*!"), c) >= 0, isTemplate(line[from:to]), char.IsAny(line[from:to], "null", "~", "true", "false"):
		return 0, 0
	default:
		if k := bytes.Index(line[from:to], []byte(" #")); k > 0 {
			_, to = char.Trim(line, from, from+k)
		}
	}
	if from >= to || !v.Confirms(line[from:to]) {
		return 0, 0
	}
	return from, to
}

// isTemplate reports whether a value is made when it is used.
func isTemplate(p []byte) bool {
	for _, begin := range []string{"${", "$(", "{{", "<%", "%("} {
		if bytes.HasPrefix(p, []byte(begin)) {
			return true
		}
	}
	return false
}

// End implements [scan.Sink].
func (t *settings) End() {
	t.endLine()
	t.txt.End()
	t.long, t.block = false, -1
}

// Pending implements [scan.Sink].
func (t *settings) Pending() int64 { return min(t.line.Start(0), t.txt.Pending()) }

// isSettings reports whether a media type is that of files of settings.
func isSettings(media string) bool {
	for _, part := range []string{"yaml", "toml", "/ini", "x-ini", "properties", "dotenv", "x-env"} {
		if strings.Contains(media, part) {
			return true
		}
	}
	return false
}
