package view

import (
	"fmt"
	"strings"
	"time"

	"ssltape/record"
)

// summary shows, at the end, what a recording is about: when, who, with whom,
// how much, and what is missing.
type summary struct {
	*printer
	n, incomplete, streams, events int
	first, last                    time.Time
	sent, received, lost, cut      int64
	conns                          map[*record.Conn]struct{}
	processes, hosts               map[string]int
	statuses, types                map[string]int
}

func newSummary(p *printer) View {
	return &summary{printer: p, conns: map[*record.Conn]struct{}{}, processes: map[string]int{},
		hosts: map[string]int{}, statuses: map[string]int{}, types: map[string]int{}}
}

// WriteExchange implements [record.ExchangeWriter].
func (v *summary) WriteExchange(x *record.Exchange) error {
	if !x.Done() {
		return nil
	}
	v.n++
	if x.Err != nil {
		v.incomplete++
	}
	if x.Response.IsEventStream() {
		v.streams++
		v.events += len(x.Response.Events)
	}
	start := x.Start()
	if end := start.Add(x.Duration()); end.After(v.last) {
		v.last = end
	}
	if v.first.IsZero() || start.Before(v.first) {
		v.first = start
	}
	for _, m := range []*record.Message{&x.Request.Message, &x.Response.Message} {
		v.lost += m.LostBytes()
		v.cut += m.Cut
	}
	v.sent += x.Request.HeadSize + x.Request.BodySize
	v.received += x.Response.HeadSize + x.Response.BodySize
	if x.Conn != nil {
		v.conns[x.Conn] = struct{}{}
	}
	v.processes[process(x)]++
	v.hosts[Escape(x.Host())]++
	v.statuses[status(x)]++
	v.types[shortType(x)]++
	return nil
}

// most is how many hosts and so on are named.
const most = 8

// Close shows the summary.
func (v *summary) Close() error {
	if v.n == 0 {
		v.WriteString("no exchanges\n")
		return v.Flush()
	}
	v.line("recorded", fmt.Sprintf("%s to %s (%s)", v.first.In(v.Zone).Format(time.DateTime), v.clock(v.last), span(v.last.Sub(v.first))))
	v.line("exchanges", fmt.Sprintf("%d on %s", v.n, Plural(len(v.conns), "connection")))
	v.line("bytes", fmt.Sprintf("%s sent, %s received", size(v.sent), size(v.received)))
	if v.streams > 0 {
		v.line("streams", fmt.Sprintf("%d with %s", v.streams, Plural(v.events, "event")))
	}
	v.line("processes", top(v.processes))
	v.line("hosts", top(v.hosts))
	v.line("statuses", top(v.statuses))
	v.line("types", top(v.types))
	missing := fmt.Sprintf("%s incomplete, %d bytes lost, %d bytes of bodies not kept", Plural(v.incomplete, "exchange"), v.lost, v.cut)
	if v.incomplete == 0 && v.lost == 0 && v.cut == 0 {
		missing = "nothing"
	}
	v.line("missing", missing)
	return v.Flush()
}

func (v *summary) line(title, text string) {
	const indent = 11
	rows := v.wrap(text, indent)
	v.WriteString(v.paint(dim, fmt.Sprintf("%-*s", indent, title)) + rows[0] + "\n")
	for _, row := range rows[1:] {
		v.WriteString(strings.Repeat(" ", indent) + row + "\n")
	}
}

// top returns the most frequent keys with their counts.
func top(m map[string]int) string {
	var parts []string
	keys := sortedByCount(m, func(n int) int { return n })
	for i, k := range keys {
		if i == most {
			parts = append(parts, fmt.Sprintf("%d others", len(keys)-most))
			break
		}
		parts = append(parts, fmt.Sprintf("%s (%d)", k, m[k]))
	}
	return strings.Join(parts, ", ")
}
