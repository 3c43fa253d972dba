package view

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"ssltape/record"
	"ssltape/record/llm"
)

// stats shows, at the end, counts and times of all exchanges: by host, and by
// model where a language model answered.
type stats struct {
	*printer
	hosts  map[string]*hostStats
	models map[string]*modelStats
}

type hostStats struct {
	n, errors, incomplete int
	sent, received, lost  int64
	wait, total           sample
}

type modelStats struct {
	n, broken    int
	first, gap   sample    // time to the first event, and between events
	rates        []float64 // tokens per second of each answer
	in, out      int64
	cached, made int64 // tokens read from and written to the cache
}

// A sample is a set of times.
type sample []time.Duration

// at returns the time in s, sorted, that the part q of s does not exceed: 0.5
// for the median, 1 for the greatest.
func (s sample) at(q float64) string {
	if len(s) == 0 {
		return "-"
	}
	return span(s[max(0, int(math.Ceil(q*float64(len(s))))-1)])
}

// String returns median, 95th percentile and maximum. It sorts s.
func (s sample) String() string {
	slices.Sort(s)
	return fmt.Sprintf("%6s %6s %6s", s.at(0.5), s.at(0.95), s.at(1))
}

func newStats(p *printer) View {
	return &stats{p, map[string]*hostStats{}, map[string]*modelStats{}}
}

// WriteExchange implements [record.ExchangeWriter].
func (v *stats) WriteExchange(x *record.Exchange) error {
	if !x.Done() {
		return nil
	}
	at(v.hosts, x.Host()).add(x)
	if c, ok := llm.Read(x); ok {
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

func (s *modelStats) add(x *record.Exchange, c *llm.Chat) {
	s.n++
	if c.Broken != "" || c.Error != "" {
		s.broken++
	}
	if t, ok := firstEvent(x); ok {
		s.first = append(s.first, t)
	}
	for i := 1; i < len(x.Response.Events); i++ {
		s.gap = append(s.gap, max(0, x.Response.Events[i].Time.Sub(x.Response.Events[i-1].Time)))
	}
	if r, ok := rate(x, c); ok {
		s.rates = append(s.rates, r)
	}
	s.in += max(0, c.Usage.Input)
	s.out += max(0, c.Usage.Output)
	s.cached += max(0, c.Usage.CacheRead)
	s.made += max(0, c.Usage.CacheWrite)
}

// firstEvent returns the time from the end of the request to the first event.
func firstEvent(x *record.Exchange) (time.Duration, bool) {
	es := x.Response.Events
	if len(es) == 0 || x.Request.End.IsZero() {
		return 0, false
	}
	return max(0, es[0].Time.Sub(x.Request.End)), true
}

// rate returns the tokens of a whole answer per second of its stream.
func rate(x *record.Exchange, c *llm.Chat) (float64, bool) {
	es := x.Response.Events
	if len(es) < 2 || c.Usage.Output <= 0 || c.Broken != "" {
		return 0, false
	}
	d := es[len(es)-1].Time.Sub(es[0].Time)
	return float64(c.Usage.Output) / d.Seconds(), d > 0
}

// Close shows the tables.
func (v *stats) Close() error {
	if len(v.hosts) == 0 {
		v.WriteString("no exchanges\n")
		return v.Flush()
	}
	v.WriteString(v.paint(dim, fmt.Sprintf("%-32s %6s %5s %5s  %-20s  %-20s  %5s %5s %5s",
		"HOST", "COUNT", "4/5xx", "INCOM", "WAIT p50/p95/max", "TOTAL p50/p95/max", "SENT", "RECV", "LOST")) + "\n")
	for _, name := range sortedByCount(v.hosts, func(s *hostStats) int { return s.n }) {
		s := v.hosts[name]
		v.printf("%s %6d %5d %5d  %s  %s  %5s %5s %5s\n", fit(Escape(name), 32, false), s.n, s.errors, s.incomplete,
			s.wait, s.total, size(s.sent), size(s.received), size(s.lost))
	}
	if len(v.models) == 0 {
		return v.Flush()
	}
	v.WriteString("\n" + v.paint(dim, fmt.Sprintf("%-32s %6s %6s  %-20s  %-20s  %5s  %s",
		"MODEL", "COUNT", "BROKEN", "FIRST p50/p95/max", "GAP p50/p95/max", "TOK/S", "TOKENS in/out/cache read/written")) + "\n")
	for _, name := range sortedByCount(v.models, func(s *modelStats) int { return s.n }) {
		s := v.models[name]
		speed := "-"
		if n := len(s.rates); n > 0 {
			slices.Sort(s.rates)
			speed = fmt.Sprintf("%.0f", s.rates[n/2])
		}
		v.printf("%s %6d %6d  %s  %s  %5s  %d/%d/%d/%d\n", fit(Escape(orDash(name)), 32, false), s.n, s.broken,
			s.first, s.gap, speed, s.in, s.out, s.cached, s.made)
	}
	return v.Flush()
}

// sortedByCount returns the keys of m, the most frequent first.
func sortedByCount[T any](m map[string]T, count func(T) int) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		return cmp.Or(cmp.Compare(count(m[b]), count(m[a])), strings.Compare(a, b))
	})
}
