package view

import (
	"fmt"
	"strconv"
	"strings"

	"ssltape/record"
)

// live shows a line for each exchange when it is done. For an event stream
// the line comes as soon as there is a response, the text of the events below
// it as they arrive, and a line when it ends.
//
// Text is indented, so that no traffic can pass itself off as a line of ours.
type live struct {
	*printer
	shown  map[*record.Exchange]int // events shown of the streams that are open
	cursor *record.Exchange         // the stream whose text ends where the next byte goes, or nil
	inLine bool                     // that text did not end its line
}

func newLive(p *printer) View {
	return &live{printer: p, shown: map[*record.Exchange]int{}}
}

// WriteExchange implements [record.ExchangeWriter].
func (v *live) WriteExchange(x *record.Exchange) error {
	if !isEventStream(x) || x.Response.Status == 0 {
		if x.Done() {
			v.interrupt()
			v.WriteString(v.start(x) + " " + v.end(x) + "\n")
		}
		return v.Flush()
	}
	n, open := v.shown[x]
	if !open {
		v.interrupt()
		v.printf("%s %s %s %s\n", v.start(x), v.paint(statusStyle(x), status(x)), shortType(x), span(wait(x)))
		v.cursor = x
	}
	for _, e := range x.Response.Events[n:] {
		v.event(x, e)
	}
	v.shown[x] = len(x.Response.Events)
	if x.Done() {
		delete(v.shown, x)
		v.interrupt()
		v.printf("#%d %s %d events %s\n", x.ID, v.paint(dim, "ended after"), len(x.Response.Events), v.end(x))
	}
	return v.Flush()
}

// interrupt ends the line of text that is open, if there is one.
func (v *live) interrupt() {
	if v.inLine {
		v.WriteByte('\n')
	}
	v.cursor, v.inLine = nil, false
}

// event shows an event of x's stream.
func (v *live) event(x *record.Exchange, e record.Event) {
	if v.cursor != x {
		v.interrupt()
		v.printf("#%d %s\n", x.ID, v.paint(dim, "goes on"))
		v.cursor = x
	}
	name := e.Type
	if name == "" {
		name = "message"
	}
	v.text(Escape(name) + ": " + Escape(e.Data) + "\n")
}

// text shows text that was escaped, indented.
func (v *live) text(s string) {
	for line := range strings.Lines(s) {
		if !v.inLine {
			v.WriteString("  ")
		}
		v.WriteString(line)
		v.inLine = !strings.HasSuffix(line, "\n")
	}
}

// start returns what is known of x once it has begun.
func (p *printer) start(x *record.Exchange) string {
	return "#" + strconv.FormatUint(x.ID, 10) + " " + p.clock(x.Start()) + " " + process(x) + " " +
		p.paint(bold, Escape(orDash(x.Request.Method))+" "+hostPath(x))
}

// end returns what is known of x once it is done.
func (p *printer) end(x *record.Exchange) string {
	s := fmt.Sprintf("%s %s %s %s/%s", p.paint(statusStyle(x), status(x)), shortType(x), bytesOf(x), span(wait(x)), span(x.Duration()))
	if f := flags(x); f != "" {
		s += " " + f
	}
	if x.Err != nil {
		s += " (" + p.paint(red, Escape(x.Err.Error())) + ")"
	}
	return s
}
