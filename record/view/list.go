package view

import (
	"strconv"
	"strings"

	"ssltape/record"
	"ssltape/record/llm"
)

// A column of the list.
type column struct {
	title string
	width int
	right bool // aligned to the right
	value func(row) string
}

// A row is an exchange in the list.
type row struct {
	*printer
	*record.Exchange
	failed bool // see failed
}

// urlColumn is the column that takes the room that others leave, numberColumn
// the one that is never cut.
const (
	urlColumn    = "URL"
	numberColumn = "#"
)

const processWidth = 14

// minURL is how narrow the URL may become before other columns give way.
const minURL = 24

// listColumns returns the columns of the list, fitted to the width of p.
func listColumns(p *printer) []column {
	all := []column{
		{numberColumn, 4, true, func(r row) string { return strconv.FormatUint(r.ID, 10) }},
		{"TIME", 12, false, func(r row) string { return r.clock(r.Start()) }},
		{"PROCESS", processWidth, false, func(r row) string {
			if r.width() == 0 {
				return process(r.Exchange)
			}
			return shortProcess(r.Exchange)
		}},
		{"METHOD", 7, false, func(r row) string { return Escape(orDash(r.Request.Method)) }},
		{urlColumn, 0, false, func(r row) string { return hostPath(r.Exchange) }},
		{"STAT", 4, false, func(r row) string { return status(r.Exchange) }},
		{"TYPE", 12, false, func(r row) string { return shortType(r.Exchange) }},
		{"BYTES", 11, true, func(r row) string { return bytesOf(r.Exchange) }},
		{"WAIT/TOTAL", 11, true, func(r row) string { return span(wait(r.Exchange)) + "/" + span(r.Duration()) }},
		{"FLAGS", 5, false, func(r row) string { return flags(r.Exchange, r.failed) }},
	}
	if p.width() == 0 {
		return withURL(all, 40)
	}
	// What can be told from other columns, or be looked up, goes first.
	for _, title := range []string{"", "TYPE", "TIME", "PROCESS", "WAIT/TOTAL", "BYTES"} {
		all = without(all, title)
		if room := p.width() - taken(all); room >= minURL {
			return withURL(all, room)
		}
	}
	return withURL(all, max(minURL/3, p.width()-taken(all)))
}

// taken returns the width of all columns but the URL, with the spaces between.
func taken(cs []column) int {
	n := len(cs) - 1
	for _, c := range cs {
		n += c.width
	}
	return n
}

func without(cs []column, title string) []column {
	kept := cs[:0]
	for _, c := range cs {
		if c.title != title {
			kept = append(kept, c)
		}
	}
	return kept
}

func withURL(cs []column, width int) []column {
	for i := range cs {
		if cs[i].title == urlColumn {
			cs[i].width = width
		}
	}
	return cs
}

// list shows a line for each exchange that is done.
type list struct {
	*printer
	columns []column
	fitted  int // the width that the columns are for
	headed  bool
}

func newList(p *printer) View { return &list{printer: p, columns: listColumns(p), fitted: p.width()} }

// WriteExchange implements [record.ExchangeWriter].
func (v *list) WriteExchange(x *record.Exchange) error {
	if !x.Done() {
		return nil
	}
	v.row(x)
	return v.Flush()
}

func (v *list) row(x *record.Exchange) {
	if w := v.width(); w != v.fitted {
		v.columns, v.fitted, v.headed = listColumns(v.printer), w, false
	}
	if !v.headed {
		v.headed = true
		v.line(func(c column) string { return c.title }, dim)
	}
	r := row{v.printer, x, failed(x)}
	st := statusStyle(x)
	if r.failed {
		st = red
	}
	v.line(func(c column) string { return c.value(r) }, st)
}

// line writes a line of cells; those of the status, or all where it is the
// line of titles, are in style st.
func (v *list) line(cell func(column) string, st style) {
	var b strings.Builder
	over := 0 // columns that the number took of the URL
	for i, c := range v.columns {
		text, width := cell(c), c.width
		switch {
		case c.title == numberColumn:
			over = max(0, textWidth(text)-width)
			width += over
		case v.width() == 0: // a file has room for all of it
			width = max(width, textWidth(text))
		case c.title == urlColumn:
			width = max(1, width-over)
		}
		text = fit(text, width, c.right)
		if i > 0 {
			b.WriteByte(' ')
		}
		if c.title == "STAT" || st == dim {
			text = v.paint(st, text)
		}
		b.WriteString(text)
	}
	v.WriteString(strings.TrimRight(b.String(), " "))
	v.WriteByte('\n')
}

// statusStyle returns the style of x's status.
func statusStyle(x *record.Exchange) style {
	switch {
	case x.Err != nil || x.Response.Status >= 500:
		return red
	case x.Response.Status >= 400:
		return yellow
	case x.Response.Status >= 300:
		return cyan
	}
	return green
}

// shortProcess is process with the name cut, rather than the number, where both
// do not fit their column.
func shortProcess(x *record.Exchange) string {
	s := process(x)
	i := strings.LastIndexByte(s, '[')
	if i < 0 || textWidth(s) <= processWidth {
		return s
	}
	return cut(s[:i], processWidth-1-(len(s)-i)) + "…" + s[i:]
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// hostPath returns x's URL without its scheme, on one line.
func hostPath(x *record.Exchange) string {
	url := x.URL()
	if _, rest, ok := strings.Cut(url, "://"); ok {
		url = rest
	}
	return Escape(url)
}

func status(x *record.Exchange) string {
	if x.Response.Status == 0 {
		return "-"
	}
	return strconv.Itoa(x.Response.Status)
}

// shortType returns the part of the response's media type that tells it from
// others: the subtype, or the suffix that says what it is a form of.
func shortType(x *record.Exchange) string {
	t := x.Response.MediaType()
	if _, sub, ok := strings.Cut(t, "/"); ok {
		t = sub
	}
	if i := strings.LastIndexByte(t, '+'); i >= 0 {
		t = t[i+1:]
	}
	if t == "event-stream" {
		t = "sse"
	}
	return Escape(orDash(strings.TrimPrefix(t, "x-")))
}

func bytesOf(x *record.Exchange) string {
	return size(x.Request.BodySize) + "→" + size(x.Response.BodySize)
}

// flags returns a letter for each thing that is special about x: S an event
// stream, W a WebSocket, E it failed and its status does not say so, which is
// what failed says, T cut by a limit, L bytes were lost, I incomplete.
func flags(x *record.Exchange, failed bool) string {
	s := ""
	if x.Response.IsEventStream() {
		s += "S"
	}
	if x.IsWebSocket() {
		s += "W"
	}
	if failed {
		s += "E"
	}
	if x.Request.Cut > 0 || x.Response.Cut > 0 {
		s += "T"
	}
	if len(x.Request.Lost) > 0 || len(x.Response.Lost) > 0 {
		s += "L"
	}
	if x.Err != nil {
		s += "I"
	}
	return s
}

// failed reports whether the answer of x says that something went wrong, after
// a status that says that all is well.
func failed(x *record.Exchange) bool {
	return x.Failed || x.Response.Status < 400 && llm.Failure(x) != ""
}
