package view

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssltape/record"
)

// timeline shows, at the end, when each exchange was: a bar of what was sent
// (▒), waited for (░) and received (█), on a scale common to all.
type timeline struct {
	*printer
	rows []bar
}

// A bar is the times of an exchange.
type bar struct {
	id                       uint64
	label                    string
	sent, asked, began, done time.Time
	status                   style
}

func newTimeline(p *printer) View { return &timeline{printer: p} }

// WriteExchange implements [record.ExchangeWriter].
func (v *timeline) WriteExchange(x *record.Exchange) error {
	if !x.Done() {
		return nil
	}
	b := bar{id: x.ID, label: Escape(orDash(x.Request.Method)) + " " + hostPath(x), status: statusStyle(x)}
	b.sent, b.done = x.Start(), x.Start().Add(x.Duration())
	b.asked, b.began = x.Request.End, x.Response.Start
	if b.asked.IsZero() {
		b.asked = b.sent
	}
	if b.began.IsZero() {
		b.began = b.done
	}
	v.rows = append(v.rows, b)
	return nil
}

// Widths of a line: without a terminal, and of what is left of the bar.
const (
	usualWidth = 100
	labelWidth = 36
)

// Close shows the bars, in the order in which the exchanges began.
func (v *timeline) Close() error {
	if len(v.rows) == 0 {
		v.WriteString("no exchanges\n")
		return v.Flush()
	}
	slices.SortStableFunc(v.rows, func(a, b bar) int { return a.sent.Compare(b.sent) })
	first, last := v.rows[0].sent, v.rows[0].done
	for _, b := range v.rows {
		if b.done.After(last) {
			last = b.done
		}
	}
	width := v.width()
	if width == 0 {
		width = usualWidth
	}
	number := 4
	for _, b := range v.rows {
		number = max(number, len(strconv.FormatUint(b.id, 10)))
	}
	label := min(labelWidth, max(8, width/3))
	room := max(10, width-label-number-len("#  | 100ms"))
	scale := fmt.Sprintf("%s + %s", v.clock(first), span(last.Sub(first)))
	v.WriteString(v.paint(dim, strings.Repeat(" ", min(label+number+3, max(0, width-len(scale))))+scale) + "\n")
	for _, b := range v.rows {
		v.printf("#%-*d %s |%s %s\n", number, b.id, fit(b.label, label, false),
			v.paint(b.status, b.draw(first, last, room)), span(b.done.Sub(b.sent)))
	}
	return v.Flush()
}

// draw returns the bar of b in room columns that stand for first to last.
func (b bar) draw(first, last time.Time, room int) string {
	total := max(1, last.Sub(first))
	column := func(t time.Time) int {
		return min(room, max(0, int(int64(room)*int64(t.Sub(first)/time.Microsecond)/max(1, int64(total/time.Microsecond)))))
	}
	var s strings.Builder
	end := column(b.sent)
	s.WriteString(strings.Repeat(" ", end))
	for _, part := range []struct {
		mark  string
		until time.Time
	}{{"▒", b.asked}, {"░", b.began}, {"█", b.done}} {
		if n := column(part.until) - end; n > 0 {
			s.WriteString(strings.Repeat(part.mark, n))
			end += n
		}
	}
	if end == column(b.sent) { // too short for the scale
		if end == room {
			return strings.Repeat(" ", room-1) + "█"
		}
		s.WriteString("█")
		end++
	}
	return s.String() + strings.Repeat(" ", max(0, room-end))
}
