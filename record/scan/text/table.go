package text

import (
	"bytes"

	"ssltape/record/scan"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// A table is the rows below a line of names: values that commas, tabs or bars
// separate (RFC 4180). Those below the name of a secret go.
type table struct {
	s        *scan.Finder
	head     []byte // the line of names, as far as it came
	sep      byte
	columns  []secret.Verdict // on their values; nil as long as the names come
	column   int
	inside   bool // quotes
	gone     bool // what stands for a secret is under way
	over     bool
	none     scan.Held
	numbered bool // each row has its number before the first column
}

// maxHead is the length of the longest line of names.
const maxHead = 1 << 10

// beginTable returns a table if the token h may be in the line of names of one, else
// nil.
func (t *Text) beginTable(h *scan.Held, before []byte, raw bool) stretch {
	sep := t.namesColumn(h.Text, before, raw)
	if sep == 0 {
		return nil
	}
	line := t.last(before, raw)
	line = line[bytes.LastIndexByte(line, '\n')+1:]
	number := bytes.TrimLeft(line, " ")
	number = number[:char.Run(number, char.IsDigit)]
	numbered := false
	if rest := line[bytes.Index(line, number)+len(number):]; len(number) > 0 && len(rest) > 0 && (rest[0] == '\t' || bytes.HasPrefix(rest, []byte("→"))) {
		line, numbered = bytes.TrimLeft(rest, "\t→"), rest[0] == '\t' && sep == '\t'
	}
	if !isHead(line) {
		return nil
	}
	w := &table{s: t.s, sep: sep, numbered: numbered}
	w.head = append(append(w.head, line...), h.Text...)
	return w
}

// namesColumn returns what separates the columns of a table if a token has the name
// of one in it that holds secrets, else 0.
func (t *Text) namesColumn(tok, before []byte, raw bool) byte {
	k := -1
	if len(tok) > 0 && (tok[0] == ',' || char.IsDotted(tok[0])) {
		k = bytes.IndexByte(tok, ',')
	}
	if k >= 0 && k < len(tok)-1 && (k == 0 || char.IsDotted(tok[k-1])) && char.Run(tok[:k], char.IsDotted) == k {
		for from := 0; k < len(tok); k++ {
			if tok[k] == ',' && isColumn(t.s.Profile.Key(tok[from:k])) {
				return ','
			} else if tok[k] == ',' {
				from = k + 1
			} else if !char.IsDotted(tok[k]) {
				return 0
			} else if k == len(tok)-1 && isColumn(t.s.Profile.Key(tok[from:])) {
				return ','
			}
		}
		return 0
	}
	before = t.preceding(before)
	n := len(before)
	if n < 2 {
		return 0
	}
	c := before[n-1]
	switch {
	case c == ' ':
		c = before[n-2]
	case raw && c == 't' && before[n-2] == '\\':
		c = '\t'
	}
	if c != '\t' && c != '|' || !isColumn(t.s.Profile.Key(tok)) {
		return 0
	}
	return c
}

// pairOfColumns returns the place of the value in tok that is a name and a value,
// in a table of these, if from < to.
func (t *Text) pairOfColumns(tok, before []byte, raw bool) (from, to int) {
	k := bytes.IndexByte(tok, ',')
	if k < 1 || char.Run(tok[:k], char.IsDotted) < k || !isColumn(t.s.Profile.Key(tok[:k])) || !beginsLine(t.last(before, raw)) {
		return 0, 0
	}
	from, to = k+1, len(tok)
	if k = bytes.IndexByte(tok[from:], ','); k >= 0 {
		to = from + k
	}
	if value := tok[from:to]; !secret.IsShuffled(value) && !secret.LooksChosen(value) {
		return 0, 0
	}
	return from, to
}

// isColumn reports whether v is a verdict on the values of a column.
func isColumn(v secret.Verdict) bool {
	return v.IsName()
}

// isHead reports whether line may be a part of a line of names.
func isHead(line []byte) bool {
	return char.Run(line, func(c byte) bool {
		return char.IsDotted(c) && !char.IsDigit(c) || bytes.IndexByte([]byte(" \t\r,;|\"#():/"), c) >= 0 || c >= 0x7f
	}) == len(line)
}

func (w *table) token(h *scan.Held) bool {
	if w.columns == nil {
		if w.head = append(w.head, h.Text...); len(w.head) > maxHead || !isHead(h.Text) {
			w.over = true
		}
		return false
	}
	from := 0
	for i := 0; i <= len(h.Text); i++ {
		if i == len(h.Text) || h.Text[i] == w.sep && !w.inside {
			w.cell(h, from, i)
			if from = i + 1; i < len(h.Text) {
				w.column++
			}
		}
	}
	return false
}

// cell takes h.Text[from:to] out if the column that is under way goes.
func (w *table) cell(h *scan.Held, from, to int) {
	value := h.Text[from:to]
	if w.gone || w.column < 0 || w.column >= len(w.columns) || len(value) < 4 || placeholders[string(value)] {
		return
	}
	switch v := w.columns[w.column]; {
	case v == secret.Stays, v != secret.Goes && !v.Confirms(value),
		char.Run(value, func(c byte) bool { return !char.IsDigit(c) }) == len(value) && !secret.IsShuffled(value):
		return
	}
	w.s.Redact(h.Places(from, to), value, scan.InText)
}

func (w *table) space(b []byte, _ int64, _ int) {
	for _, c := range b {
		if w.columns == nil && c != '\n' {
			w.head = append(w.head, c)
			continue
		}
		switch {
		case w.columns == nil:
			w.begin()
		case c == '<' || c == '>':
			w.gone = c == '<'
		case c == '"' && w.sep == ',':
			w.inside = !w.inside
		case c == w.sep && !w.inside:
			w.column++
		case c == '\n' && !w.inside:
			w.over = w.over || w.column+1 != len(w.columns)
			w.column = w.first()
		}
	}
}

// begin begins the rows, if there was a line of names.
func (w *table) begin() {
	if bytes.HasPrefix(w.head, []byte("||")) { // of Jira
		w.head = bytes.ReplaceAll(w.head, []byte("||"), []byte("|"))
	}
	w.column = w.first()
	names := bytes.Split(bytes.TrimRight(w.head, "\r"), []byte{w.sep})
	w.columns = make([]secret.Verdict, len(names))
	named := 0
	for i, name := range names {
		if name = bytes.TrimSpace(name); len(name) > 0 {
			named++
		}
		if v := w.s.Profile.Key(bytes.Trim(name, " \"*`")); isColumn(v) {
			w.columns[i] = v
		}
	}
	w.over = w.over || named < 2 || !isHead(w.head)
}

// first returns the column that a row begins with.
func (w *table) first() int {
	if w.numbered {
		return -1
	}
	return 0
}

func (w *table) end()             {}
func (w *table) held() *scan.Held { return &w.none }
func (w *table) watching() bool   { return !w.over }
