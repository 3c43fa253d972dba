package view

import (
	"encoding/json"
	"fmt"
	"strings"

	"ssltape/record"
	"ssltape/record/llm"
)

// Of long parts that are not what was said, only the start is shown.
const (
	maxResult   = 10 // lines of what a tool returned
	maxInput    = 40 // lines of what a tool was asked
	maxQuestion = 60 // lines of a part of a message; an answer is shown whole
)

// Of a conversation of which nothing was shown before, the last messages are
// shown whole, and those before them on a line each.
const (
	wholeMessages = 6
	firstLines    = 2
	lastLines     = 10
)

// chat shows exchanges with language models as people read them, once they are
// done: what was asked, and the answer put together. Clients send the whole
// conversation with every request; of that, what an exchange before has shown
// is left out. Other exchanges are shown as full does.
type chat struct {
	full
	history llm.History
}

func newChat(p *printer) View {
	return &chat{full: full{p, true, "not of a chat API that is known: shown in full"}}
}

// WriteExchange implements [record.ExchangeWriter].
func (v *chat) WriteExchange(x *record.Exchange) error {
	if !x.Done() {
		return nil
	}
	c, ok := llm.Read(x)
	if !ok {
		return v.full.WriteExchange(x)
	}
	known := v.history.Add(x.ID, c)
	v.WriteString(v.start(x) + "\n")
	v.about(c, known)
	if v.Side != Response {
		v.question(x, c, known)
	}
	if v.Side != Request {
		v.answer(x, c)
	}
	v.WriteByte('\n')
	return v.Flush()
}

// about says who is asked, with which tools.
func (v *chat) about(c *llm.Chat, known llm.Known) {
	s := c.API
	if c.Model != "" {
		s += ", " + c.Model
	}
	if n := len(c.Tools); n > 0 {
		s += ", " + Plural(n, "tool")
		if known.Tools == 0 {
			s += ": " + strings.Join(c.Tools, ", ")
		} else {
			s += fmt.Sprintf(" as in #%d", known.Tools)
		}
	}
	v.lines("* ", Escape(s), dim, 0)
}

func (v *chat) question(x *record.Exchange, c *llm.Chat, known llm.Known) {
	if c.Unread != "" {
		v.note("request", Escape(c.Unread))
	}
	switch {
	case len(c.System) == 0:
	case known.System != 0:
		v.title("system", fmt.Sprintf("as in #%d", known.System))
	default:
		v.title("system", "")
		for _, p := range c.System {
			v.lines("  ", v.shorten(p.Text), "", 0)
		}
	}
	news := c.Messages[known.Messages:]
	switch n := len(news) - wholeMessages; {
	case known.Messages > 0 && len(news) == 0:
		v.WriteString(v.paint(dim, fmt.Sprintf("… the question of #%d again", known.In)) + "\n")
	case known.Messages > 0:
		v.WriteString(v.paint(dim, fmt.Sprintf("… %s before, see #%d", Plural(known.Messages, "message"), known.In)) + "\n")
	case n > 1:
		v.earlier(news[:n])
		news = news[n:]
	}
	for _, m := range news {
		v.title(m.Role, "")
		for _, p := range m.Parts {
			if p.Kind == llm.Text && (m.Role == "system" || m.Role == "developer") {
				v.lines("  ", v.shorten(p.Text), "", 0)
				continue
			}
			v.part(p, maxQuestion)
		}
	}
}

// earlier shows messages on a line each, and of very many those at both ends.
func (v *chat) earlier(ms []llm.Message) {
	for i, m := range ms {
		if hidden := len(ms) - firstLines - lastLines; hidden > 1 && i >= firstLines && i < firstLines+hidden {
			if i == firstLines {
				v.WriteString(v.paint(dim, fmt.Sprintf("… %s, see the view full", Plural(hidden, "message"))) + "\n")
			}
			continue
		}
		width := usualWidth
		if v.width() > 0 {
			width = v.width()
		}
		v.WriteString(v.paint(dim, "- "+strings.TrimRight(fit(oneLine(m), max(minWrap, width-2), false), " ")) + "\n")
	}
}

// oneLine returns who said what, as far as that is of use on a line.
func oneLine(m llm.Message) string {
	const most = 400
	s := orDash(m.Role) + ":"
	for _, p := range m.Parts {
		if text := strings.TrimSpace(label(p) + " " + p.Text); p.Kind != llm.Thinking && !isReminder(p) {
			s += " " + strings.Join(strings.Fields(strings.ToValidUTF8(text[:min(len(text), most)], "")), " ")
		}
	}
	return Escape(s)
}

// isReminder reports whether p is what a client put between the words of
// people.
func isReminder(p llm.Part) bool {
	return p.Kind == llm.Text && strings.HasPrefix(p.Text, "<system-reminder>")
}

func (v *chat) answer(x *record.Exchange, c *llm.Chat) {
	v.title("answer", "")
	choice := 0
	for _, p := range c.Answer.Parts {
		if p.Choice != choice {
			choice = p.Choice
			v.title(fmt.Sprintf("answer %d", choice+1), "")
		}
		v.part(p, 0)
	}
	if s := facts(x, c); s != "" {
		v.lines("* ", s, dim, 0)
	}
	if r := &x.Response; r.Status >= 300 {
		s := itoa(r.Status) + " " + r.Reason
		if after := r.Header.Get("Retry-After"); after != "" {
			s += ", retry after " + after + " s"
		}
		v.note("status", Escape(strings.TrimSpace(s)))
	}
	if c.Error != "" {
		v.note("error", Escape(c.Error))
	}
	if c.Broken != "" {
		v.note("broken", Escape(c.Broken))
	}
}

// facts returns what there is to say of an answer but its content.
func facts(x *record.Exchange, c *llm.Chat) string {
	var facts []string
	if c.Stop != "" {
		facts = append(facts, "stopped: "+Escape(c.Stop))
	}
	if s := c.Usage.String(); s != "" {
		facts = append(facts, "tokens: "+s)
	}
	if t, ok := llm.FirstToken(x); ok {
		facts = append(facts, "first token after "+span(t))
	} else if t, ok := firstEvent(x); ok {
		facts = append(facts, "first event after "+span(t))
	}
	if r, ok := c.Rate(x); ok {
		facts = append(facts, fmt.Sprintf("%.0f tokens/s", r))
	}
	return strings.Join(facts, "; ")
}

func (v *chat) title(role, remark string) {
	s := v.paint(bold, "-- "+Escape(orDash(role)))
	if remark != "" {
		s += " " + v.paint(dim, remark)
	}
	v.WriteString(s + "\n")
}

// label returns what a part is, in brackets; text needs none.
func label(p llm.Part) string {
	if p.Kind == llm.Text {
		return ""
	}
	s := string(p.Kind)
	switch {
	case p.Kind == llm.Media || p.Kind == llm.Other && p.Name != "":
		s = p.Name
	case p.Kind == llm.Result && p.Name != "":
		s += " of " + p.Name
	case p.Name != "":
		s += " " + p.Name
	}
	if p.ID != "" {
		s += " " + p.ID
	}
	if p.Failed {
		s += ", failed"
	}
	return "[" + s + "]"
}

// part shows p, of its text no more than limit lines, or all for 0. What has a
// label is further in, so that the text after it is not taken for it.
func (v *chat) part(p llm.Part, limit int) {
	st, label, text := style(""), Escape(label(p)), p.Text
	switch p.Kind {
	case llm.Thinking:
		st = dim
	case llm.Result:
		limit = maxResult
	case llm.ToolUse:
		text, limit = fieldsOf(text), maxInput
	case llm.Media, llm.Other:
		v.lines("  ", v.paint(cyan, label)+" "+v.shorten(text), "", 0)
		return
	case llm.Text:
		if limit > 0 && isReminder(p) {
			v.lines("  ", v.shorten(text), dim, 0)
			return
		}
	}
	indent := "  "
	if label != "" {
		v.WriteString(indent + v.paint(cyan, label) + "\n")
		indent += "  "
	}
	v.lines(indent, EscapeText(text), st, limit)
	for i, c := range p.Cites {
		v.lines("  ", fmt.Sprintf("[%d] %s", i+1, Escape(c)), dim, 0)
	}
}

// shorten returns the first line of a text, escaped, and how long the text is.
func (v *chat) shorten(text string) string {
	const most = 72
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	line = strings.TrimRight(cut(EscapeText(line), most), " \r")
	if len(line) < len(strings.TrimSpace(text)) {
		line += " " + v.paint(dim, fmt.Sprintf("… (%s bytes)", size(int64(len(text)))))
	}
	return line
}

// fieldsOf returns a JSON object as a line or more for each of its members,
// with the line feeds that strings have; what is none, as it is.
func fieldsOf(text string) string {
	d := json.NewDecoder(strings.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') || !json.Valid([]byte(text)) {
		return text
	}
	var b strings.Builder
	for d.More() {
		key, _ := d.Token()
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return text
		}
		var s string
		switch {
		case json.Unmarshal(raw, &s) != nil:
			s = string(raw)
		case strings.Contains(s, "\n"):
			s = "\n  " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n  ")
		}
		fmt.Fprintf(&b, "%v: %s\n", key, s)
	}
	return b.String()
}
