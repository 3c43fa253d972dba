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
	column int              // of that line, in columns
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
	if !x.Response.IsEventStream() && !x.IsWebSocket() || x.Response.Status == 0 {
		if x.Done() {
			v.whole(x)
		}
		return v.Flush()
	}
	s := v.open[x]
	if s == nil {
		s = &openStream{llm: llm.Is(x) && x.Response.IsEventStream()}
		v.open[x] = s
		v.interrupt()
		v.printf("%s %s %s %s\n", v.start(x), v.paint(statusStyle(x), status(x)), shortType(x), span(wait(x)))
		v.cursor = x
		if s.llm && x.Request.Done && !x.Request.End.After(x.Response.Start) {
			c, _ := llm.Read(x)
			v.asked(c)
		}
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
		n := Plural(len(x.Response.Events), "event")
		if x.IsWebSocket() {
			n = Plural(len(x.WebSocket), "message")
		}
		v.printf("#%d %s %s %s\n", x.ID, v.paint(dim, "ended after"), n, v.end(x))
		if s.llm {
			c, _ := llm.Read(x)
			v.ended(x, c)
		}
	}
	return v.Flush()
}

// whole shows an exchange that is done and was not shown before: a line, and
// what was said where that was with a language model.
func (v *live) whole(x *record.Exchange) {
	v.interrupt()
	v.WriteString(v.start(x) + " " + v.end(x) + "\n")
	c, ok := llm.Read(x)
	if !ok {
		return
	}
	v.asked(c)
	for _, p := range c.Answer.Parts {
		text := EscapeText(strings.TrimRight(p.Text, "\n"))
		if l := label(p); l != "" {
			v.text(cyan, Escape(l))
			text = " " + text
		}
		v.text("", text+"\n")
	}
	v.ended(x, c)
	v.cursor = nil
}

// asked shows the last message of a question on a line.
func (v *live) asked(c *llm.Chat) {
	if n := len(c.Messages); n > 0 {
		width := usualWidth
		if v.width() > 0 {
			width = v.width()
		}
		v.text(dim, strings.TrimRight(fit("> "+oneLine(c.Messages[n-1]), max(minWrap, width-2), false), " ")+"\n")
	}
}

// ended shows how an answer ended.
func (v *live) ended(x *record.Exchange, c *llm.Chat) {
	if s := facts(x, c); s != "" {
		v.text(dim, "* "+s+"\n")
	}
	for _, problem := range []string{c.Error, c.Broken} {
		if problem != "" && (x.Err == nil || problem != x.Err.Error()) {
			v.text(red, "! "+Escape(problem)+"\n")
		}
	}
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
	v.text(dim, Escape(name)+":")
	v.text("", " "+Escape(e.Data)+"\n")
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
		text = Plural(len(m.Data), "byte")
	}
	v.text(dim, mark+" "+opcode(m)+":")
	v.text("", " "+text+"\n")
}

// deltas shows what an event adds to the answer of a language model.
func (v *live) deltas(x *record.Exchange, s *openStream, deltas []llm.Delta) {
	for _, d := range deltas {
		label, part := "", d.Part
		if part == llm.NextPart {
			part += string(d.Kind)
			if d.Kind != llm.Text && d.Kind != llm.Thinking { // one by itself
				s.part = ""
			}
		}
		if part != "" && part != s.part {
			if d.Kind != llm.Text {
				label = string(d.Kind)
			}
			s.part = part
			if v.cursor == x && v.inLine {
				v.text("", "\n")
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
			v.text(cyan, "["+Escape(label)+"]")
			v.text("", " ")
		}
		st := style("")
		if d.Kind == llm.Thinking {
			st = dim
		}
		v.text(st, EscapeText(d.Text))
	}
}

// resume says so where x's stream goes on after another exchange.
func (v *live) resume(x *record.Exchange) {
	if v.cursor != x {
		v.interrupt()
		v.printf("#%d %s\n", x.ID, v.paint(dim, "goes on"))
		v.cursor = x
	}
}

// text shows text that was escaped, indented. On a terminal lines are broken
// between words, as far as those have come.
func (v *live) text(st style, s string) {
	for line := range strings.Lines(s) {
		if !v.inLine {
			v.newLine()
		}
		line, ended := strings.CutSuffix(line, "\n")
		for _, word := range v.words(line) {
			if n := textWidth(word); v.width() > 0 && v.column+n > v.width() && v.column > len(indent) {
				v.WriteByte('\n')
				v.newLine()
				word = strings.TrimLeft(word, " ")
			}
			v.WriteString(v.paint(st, word))
			v.column += textWidth(word)
		}
		if ended {
			v.WriteByte('\n')
		}
		v.inLine = !ended
	}
}

const indent = "  "

func (v *live) newLine() {
	v.WriteString(indent)
	v.column = len(indent)
}

// words returns the words of a line, each with the spaces before it, or all of
// it at once where there is no terminal to fit.
func (v *live) words(line string) []string {
	if v.width() == 0 {
		return []string{line}
	}
	line = strings.ReplaceAll(line, "\t", "    ")
	var words []string
	for line != "" {
		spaces := len(line) - len(strings.TrimLeft(line, " "))
		n := strings.IndexByte(line[spaces:], ' ')
		if n < 0 {
			n = len(line) - spaces
		}
		words, line = append(words, line[:spaces+n]), line[spaces+n:]
	}
	return words
}

// start returns what is known of x once it has begun.
func (p *printer) start(x *record.Exchange) string {
	return "#" + strconv.FormatUint(x.ID, 10) + " " + p.clock(x.Start()) + " " + process(x) + " " +
		p.paint(bold, Escape(orDash(x.Request.Method))+" "+hostPath(x))
}

// end returns what is known of x once it is done.
func (p *printer) end(x *record.Exchange) string {
	s := fmt.Sprintf("%s %s %s %s/%s", p.paint(statusStyle(x), status(x)), shortType(x), bytesOf(x), span(wait(x)), span(x.Duration()))
	if f := flags(x, failed(x)); f != "" {
		s += " " + f
	}
	if x.Err != nil {
		s += " (" + p.paint(red, Escape(x.Err.Error())) + ")"
	}
	return s
}
