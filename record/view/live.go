package view

import (
	"fmt"
	"strconv"
	"strings"

	"ssltape/record"
	"ssltape/record/llm"
)

// live shows a line for each exchange when it is done. For an event stream or
// a WebSocket the line comes as soon as there is a response, the text of the
// events or messages below it as they arrive, and a line when it ends.
//
// Text is indented, so that no traffic can pass itself off as a line of ours.
type live struct {
	*printer
	open   map[*record.Exchange]*openStream
	cursor *record.Exchange // the stream whose text ends where the next byte goes, or nil
	inLine bool             // that text did not end its line
}

// An openStream is an event stream that was begun to be shown.
type openStream struct {
	events int    // shown
	frames int    // shown
	llm    bool   // the answer of a language model: its text is shown, not its events
	part   string // key of the part that was shown last
}

func newLive(p *printer) View {
	return &live{printer: p, open: map[*record.Exchange]*openStream{}}
}

// WriteExchange implements [record.ExchangeWriter].
func (v *live) WriteExchange(x *record.Exchange) error {
	if !isEventStream(x) && !isWebSocket(x) || x.Response.Status == 0 {
		if x.Done() {
			v.interrupt()
			v.WriteString(v.start(x) + " " + v.end(x) + "\n")
		}
		return v.Flush()
	}
	s := v.open[x]
	if s == nil {
		s = &openStream{llm: llm.Is(x)}
		v.open[x] = s
		v.interrupt()
		v.printf("%s %s %s %s\n", v.start(x), v.paint(statusStyle(x), status(x)), shortType(x), span(wait(x)))
		v.cursor = x
	}
	for _, e := range x.Response.Events[s.events:] {
		if s.llm {
			v.deltas(x, s, llm.Deltas(x, e))
		} else {
			v.event(x, e)
		}
	}
	s.events = len(x.Response.Events)
	for i := range x.WebSocket[s.frames:] {
		v.frame(x, &x.WebSocket[s.frames+i])
	}
	s.frames = len(x.WebSocket)
	if x.Done() {
		delete(v.open, x)
		v.interrupt()
		n := plural(len(x.Response.Events), "event")
		if isWebSocket(x) {
			n = plural(len(x.WebSocket), "message")
		}
		v.printf("#%d %s %s %s\n", x.ID, v.paint(dim, "ended after"), n, v.end(x))
	}
	return v.Flush()
}

// WriteProcess implements [record.ProcessWriter]: a line for each event.
func (v *live) WriteProcess(p *record.ProcessEvent) error {
	v.interrupt()
	what := p.Exe
	switch p.Kind {
	case record.Exec:
		if len(p.Args) > 0 {
			what = strings.Join(p.Args, " ")
		}
	case record.Exit:
		what = "status " + strconv.Itoa(p.Status)
	case record.Line:
		what = p.Line
	}
	v.printf("* %s %s[%d] %s %s\n", v.clock(p.Time), Escape(p.Comm), p.PID, v.paint(dim, string(p.Kind)), Escape(what))
	return v.Flush()
}

// interrupt ends the line of text that is open, if there is one.
func (v *live) interrupt() {
	if v.inLine {
		v.WriteByte('\n')
	}
	v.cursor, v.inLine = nil, false
}

// event shows an event of x's stream on a line.
func (v *live) event(x *record.Exchange, e record.Event) {
	v.resume(x)
	name := e.Type
	if name == "" {
		name = "message"
	}
	v.text(v.paint(dim, Escape(name)+":") + " " + Escape(e.Data) + "\n")
}

// frame shows a message of a WebSocket on a line, > for what the client sent.
func (v *live) frame(x *record.Exchange, m *record.WebSocketMessage) {
	v.resume(x)
	mark := "<"
	if m.FromClient {
		mark = ">"
	}
	text := Escape(frameText(m))
	if text == "" {
		text = plural(len(m.Data), "byte")
	}
	v.text(v.paint(dim, mark+" "+opcode(m)+":") + " " + text + "\n")
}

// deltas shows what an event adds to the answer of a language model.
func (v *live) deltas(x *record.Exchange, s *openStream, deltas []llm.Delta) {
	for _, d := range deltas {
		label := ""
		if d.Part != "" && d.Part != llm.NextPart && d.Part != s.part {
			if d.Kind != llm.Text {
				label = string(d.Kind)
			}
			s.part = d.Part
			if v.cursor == x && v.inLine {
				v.text("\n")
			}
		}
		if d.Error != "" {
			label = "error: " + d.Error
		}
		if label == "" && d.Text == "" {
			continue
		}
		v.resume(x)
		if label != "" {
			if d.Name != "" {
				label += " " + d.Name
			}
			v.text(v.paint(cyan, "["+Escape(label)+"]") + " ")
		}
		if d.Kind == llm.Thinking {
			v.text(v.paintLines(dim, EscapeText(d.Text)))
		} else {
			v.text(EscapeText(d.Text))
		}
	}
}

// paintLines paints each line of s by itself.
func (v *live) paintLines(st style, s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = v.paint(st, lines[i])
	}
	return strings.Join(lines, "\n")
}

// resume says so where x's stream goes on after another exchange.
func (v *live) resume(x *record.Exchange) {
	if v.cursor != x {
		v.interrupt()
		v.printf("#%d %s\n", x.ID, v.paint(dim, "goes on"))
		v.cursor = x
	}
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
