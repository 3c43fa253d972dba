package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"ssltape/record"
	"ssltape/record/llm"
)

// Of long parts that are not what was said, only the start is shown.
const (
	maxSystem = 1  // lines of a system prompt
	maxResult = 10 // lines of what a tool returned
)

// chat shows exchanges with language models as people read them, once they are
// done: what was asked, and the answer put together. Other exchanges are shown
// as full does.
type chat struct{ full }

func newChat(p *printer) View { return &chat{full{p, true}} }

// WriteExchange implements [record.ExchangeWriter].
func (v *chat) WriteExchange(x *record.Exchange) error {
	if !x.Done() {
		return nil
	}
	c, ok := llm.Read(x)
	if !ok {
		return v.full.WriteExchange(x)
	}
	v.WriteString(v.start(x) + "\n")
	v.about(c)
	if v.Side != Response {
		v.question(c)
	}
	if v.Side != Request {
		v.answer(x, c)
	}
	v.WriteByte('\n')
	return v.Flush()
}

func (v *chat) about(c *llm.Chat) {
	s := c.API
	if c.Model != "" {
		s += ", " + c.Model
	}
	if n := len(c.Tools); n > 0 {
		s += fmt.Sprintf(", %d tools: %s", n, strings.Join(c.Tools, ", "))
	}
	v.WriteString(v.paint(dim, "* "+Escape(s)) + "\n")
}

func (v *chat) question(c *llm.Chat) {
	if len(c.System) > 0 {
		v.title("system")
		for _, p := range c.System {
			v.part(p, maxSystem)
		}
	}
	for _, m := range c.Messages {
		v.title(m.Role)
		for _, p := range m.Parts {
			v.part(p, 0)
		}
	}
}

func (v *chat) answer(x *record.Exchange, c *llm.Chat) {
	v.title("answer")
	for _, p := range c.Answer.Parts {
		v.part(p, 0)
	}
	var facts []string
	if c.Stop != "" {
		facts = append(facts, "stopped: "+Escape(c.Stop))
	}
	if s := tokens(c.Usage); s != "" {
		facts = append(facts, s)
	}
	if t, ok := firstEvent(x); ok {
		facts = append(facts, "first event after "+span(t))
	}
	if r, ok := rate(x, c); ok {
		facts = append(facts, fmt.Sprintf("%.0f tokens/s", r))
	}
	if len(facts) > 0 {
		v.WriteString(v.paint(dim, "* "+strings.Join(facts, "; ")) + "\n")
	}
	if c.Error != "" {
		v.note("error", Escape(c.Error))
	}
	if c.Broken != "" {
		v.note("broken", Escape(c.Broken))
	}
}

func (v *chat) title(role string) {
	v.WriteString(v.paint(bold, "-- "+Escape(orDash(role))) + "\n")
}

// part shows p, of its text no more than limit lines, or all for 0.
func (v *chat) part(p llm.Part, limit int) {
	label := string(p.Kind)
	for _, s := range []string{p.Name, p.ID} {
		if s != "" {
			label += " " + Escape(s)
		}
	}
	text := p.Text
	switch p.Kind {
	case llm.Text:
		label = ""
	case llm.Result:
		limit = maxResult
		if p.Failed {
			label += ", failed"
		}
	case llm.ToolUse:
		text = indented(text)
	}
	if label != "" {
		v.WriteString("  " + v.paint(cyan, "["+label+"]") + "\n")
	}
	n := 0
	for line := range strings.Lines(text) {
		if n++; limit > 0 && n > limit {
			continue
		}
		line = EscapeText(strings.TrimRight(line, "\n"))
		if limit == maxSystem {
			line = v.shorten(line, len(text))
		}
		v.WriteString("  " + line + "\n")
	}
	if limit > 1 && n > limit {
		v.WriteString(v.paint(dim, fmt.Sprintf("  … %d more lines", n-limit)) + "\n")
	}
}

// shorten cuts a line that stands for a text of size bytes.
func (v *chat) shorten(line string, size int) string {
	const most = 72
	if utf8.RuneCountInString(line) > most {
		line = cut(line, most)
	}
	if len(line) < size {
		line += " " + v.paint(dim, fmt.Sprintf("… (%d bytes)", size))
	}
	return line
}

// indented returns JSON on several lines; what is none, as it is.
func indented(text string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(text), "", "  ") != nil {
		return text
	}
	return b.String()
}

// tokens returns what is known of u, or "".
func tokens(u llm.Usage) string {
	var parts []string
	for _, f := range []struct {
		n    int64
		name string
	}{{u.Input, "in"}, {u.Output, "out"}, {u.Thinking, "of it thinking"}, {u.CacheRead, "read from cache"}, {u.CacheWrite, "written to cache"}} {
		if f.n > 0 || f.n == 0 && (f.name == "in" || f.name == "out") {
			parts = append(parts, fmt.Sprintf("%d %s", f.n, f.name))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "tokens: " + strings.Join(parts, ", ")
}
