package view

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ssltape/record"
	"ssltape/record/llm"
)

// stats shows, at the end, counts and times: by host, of streams by host, and by
// model where a language model answered. Of times it shows the median, the 95th
// percentile and the maximum, by nearest rank: times that there were.
type stats struct {
	*printer
	hosts   map[string]*hostStats
	streams map[string]*streamStats
	models  map[string]*modelStats
}

type hostStats struct {
	n, errors, incomplete int
	sent, received, lost  int64
	wait, total           sample
}

type streamStats struct {
	n, events  int
	first, gap sample // time to the first event, or token of a model, and between events
}

type modelStats struct {
	streamStats
	broken       int
	rates        []float64 // tokens per second of each answer
	in, out      int64
	cached, made int64 // tokens read from and written to the cache
}

// A sample is a set of times.
type sample []time.Duration

// rank returns the index, among n values in order, of the one that percent of
// them do not exceed (nearest rank).
func rank(n, percent int) int { return max(1, (n*percent+99)/100) - 1 }

// String returns median, 95th percentile and maximum. It sorts s.
func (s sample) String() string {
	if len(s) == 0 {
		return fmt.Sprintf("%6s %6s %6s", "-", "-", "-")
	}
	slices.Sort(s)
	at := func(percent int) string { return span(s[rank(len(s), percent)]) }
	return fmt.Sprintf("%6s %6s %6s", at(50), at(95), at(100))
}

func newStats(p *printer) View {
	return &stats{p, map[string]*hostStats{}, map[string]*streamStats{}, map[string]*modelStats{}}
}

// WriteExchange implements [record.ExchangeWriter].
func (v *stats) WriteExchange(x *record.Exchange) error {
	if !x.Done() {
		return nil
	}
	at(v.hosts, x.Host()).add(x)
	if x.Response.IsEventStream() {
		at(v.streams, x.Host()).add(x, firstEvent)
	}
	if c, ok := llm.Read(x); ok && !c.Counts {
		at(v.models, c.Model).add(x, c)
	}
	return nil
}

// at returns what m has for key, new if there is none.
func at[T any](m map[string]*T, key string) *T {
	v := m[key]
	if v == nil {
		v = new(T)
		m[key] = v
	}
	return v
}

func (s *hostStats) add(x *record.Exchange) {
	s.n++
	if x.Response.Status >= 400 {
		s.errors++
	}
	if x.Err != nil {
		s.incomplete++
	}
	s.sent += x.Request.HeadSize + x.Request.BodySize
	s.received += x.Response.HeadSize + x.Response.BodySize
	s.lost += x.Request.LostBytes() + x.Response.LostBytes()
	if x.Response.Seen() {
		s.wait = append(s.wait, wait(x))
	}
	s.total = append(s.total, x.Duration())
}

func (s *streamStats) add(x *record.Exchange, first func(*record.Exchange) (time.Duration, bool)) {
	s.n++
	s.events += len(x.Response.Events)
	if t, ok := first(x); ok {
		s.first = append(s.first, t)
	}
	for i := 1; i < len(x.Response.Events); i++ {
		s.gap = append(s.gap, max(0, x.Response.Events[i].Time.Sub(x.Response.Events[i-1].Time)))
	}
}

func (s *modelStats) add(x *record.Exchange, c *llm.Chat) {
	s.streamStats.add(x, llm.FirstToken)
	if c.Broken != "" || c.Error != "" {
		s.broken++
	}
	if r, ok := c.Rate(x); ok {
		s.rates = append(s.rates, r)
	}
	s.in += max(0, c.Usage.In())
	s.out += max(0, c.Usage.Output)
	s.cached += max(0, c.Usage.CacheRead)
	s.made += max(0, c.Usage.CacheWrite)
}

// speed returns the median of the rates.
func (s *modelStats) speed() string {
	if len(s.rates) == 0 {
		return "-"
	}
	slices.Sort(s.rates)
	return fmt.Sprintf("%.0f", s.rates[rank(len(s.rates), 50)])
}

// firstEvent returns the time from the end of the request to the first event.
func firstEvent(x *record.Exchange) (time.Duration, bool) {
	es := x.Response.Events
	if len(es) == 0 || x.Request.End.IsZero() {
		return 0, false
	}
	return max(0, es[0].Time.Sub(x.Request.End)), true
}

// A cell is a column of a table of T.
type cell[T any] struct {
	title string
	width int
	text  func(*T) string
}

func number[T any, N int | int64](get func(*T) N) func(*T) string {
	return func(s *T) string { return fmt.Sprint(get(s)) }
}

// Close shows the tables.
func (v *stats) Close() error {
	if len(v.hosts) == 0 {
		v.WriteString("no exchanges\n")
		return v.Flush()
	}
	const times = 20
	table[hostStats]{"HOST", v.hosts, func(s *hostStats) int { return s.n }, []cell[hostStats]{
		{"COUNT", 6, number(func(s *hostStats) int { return s.n })},
		{"4/5xx", 5, number(func(s *hostStats) int { return s.errors })},
		{"INCOM", 5, number(func(s *hostStats) int { return s.incomplete })},
		{"WAIT p50/p95/max", times, func(s *hostStats) string { return s.wait.String() }},
		{"TOTAL p50/p95/max", times, func(s *hostStats) string { return s.total.String() }},
		{"SENT", 5, func(s *hostStats) string { return size(s.sent) }},
		{"RECV", 5, func(s *hostStats) string { return size(s.received) }},
		{"LOST", 5, func(s *hostStats) string { return size(s.lost) }},
	}}.show(v.printer)
	table[streamStats]{"STREAMS OF", v.streams, func(s *streamStats) int { return s.n }, []cell[streamStats]{
		{"COUNT", 6, number(func(s *streamStats) int { return s.n })},
		{"EVENTS", 6, number(func(s *streamStats) int { return s.events })},
		{"FIRST p50/p95/max", times, func(s *streamStats) string { return s.first.String() }},
		{"GAP p50/p95/max", times, func(s *streamStats) string { return s.gap.String() }},
	}}.show(v.printer)
	table[modelStats]{"MODEL", v.models, func(s *modelStats) int { return s.n }, []cell[modelStats]{
		{"COUNT", 6, number(func(s *modelStats) int { return s.n })},
		{"BROKEN", 6, number(func(s *modelStats) int { return s.broken })},
		{"1ST TOKEN p50/95/max", times, func(s *modelStats) string { return s.first.String() }},
		{"GAP p50/p95/max", times, func(s *modelStats) string { return s.gap.String() }},
		{"TOK/S", 5, (*modelStats).speed},
		{"IN", 6, func(s *modelStats) string { return size(s.in) }},
		{"OUT", 6, func(s *modelStats) string { return size(s.out) }},
		{"C-READ", 7, func(s *modelStats) string { return size(s.cached) }},
		{"C-WRITE", 7, func(s *modelStats) string { return size(s.made) }},
	}}.show(v.printer)
	return v.Flush()
}

// A table has a row for each of rows, which count says how often they were.
type table[T any] struct {
	title string // of what the rows are named by
	rows  map[string]*T
	count func(*T) int
	cells []cell[T]
}

// show shows t, the most frequent row first. On a terminal that is too narrow
// the name has a line of its own, and the last columns go.
func (t table[T]) show(p *printer) {
	if len(t.rows) == 0 {
		return
	}
	cells := t.cells
	const nameWidth, minName = 32, 16
	width := func() (n int) {
		for _, c := range cells {
			n += 1 + c.width
		}
		return n
	}
	name, own := nameWidth, false
	if p.width() > 0 {
		name = min(nameWidth, p.width()-width())
		if own = name < minName; own {
			name = 1
		}
		for len(cells) > 1 && name+width() > p.width() {
			cells = cells[:len(cells)-1]
		}
	}
	if p.tables++; p.tables > 1 {
		p.WriteByte('\n')
	}
	row := func(st style, first string, text func(cell[T]) string) {
		s := fit(first, name, false)
		if own {
			p.WriteString(p.paint(st, fit(first, min(p.width(), textWidth(first)), false)) + "\n")
			s = " "
		}
		for _, c := range cells {
			s += " " + fit(text(c), c.width, true)
		}
		p.WriteString(p.paint(st, s) + "\n")
	}
	row(dim, t.title, func(c cell[T]) string { return c.title })
	for _, key := range sortedByCount(t.rows, t.count) {
		row("", Escape(orDash(key)), func(c cell[T]) string { return c.text(t.rows[key]) })
	}
}

// sortedByCount returns the keys of m, the most frequent first.
func sortedByCount[T any](m map[string]T, count func(T) int) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		return cmp.Or(cmp.Compare(count(m[b]), count(m[a])), strings.Compare(a, b))
	})
}
