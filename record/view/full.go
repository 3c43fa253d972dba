package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"ssltape/record"
)

// maxIndent is the size of a JSON body beyond which it is shown as it came:
// to indent it, it has to be held in memory.
const maxIndent = 1 << 20

// full shows exchanges that are done: heads marked as curl does, > sent and <
// received, and bodies indented, so that no body can pass itself off as a head.
type full struct {
	*printer
	bodies bool
	remark string // what there is to say of each exchange
}

func newFull(p *printer) View    { return &full{printer: p, bodies: true} }
func newHeaders(p *printer) View { return &full{printer: p} }

// WriteExchange implements [record.ExchangeWriter].
func (v *full) WriteExchange(x *record.Exchange) error {
	if x.Done() {
		v.exchange(x)
	}
	return v.Flush()
}

func (v *full) exchange(x *record.Exchange) {
	v.WriteString(v.start(x) + "\n")
	if v.remark != "" {
		v.WriteString(v.paint(dim, "* "+v.remark) + "\n")
	}
	v.connection(x)
	if v.Side != Response {
		v.request(x)
	}
	if v.Side != Request {
		v.response(x)
	}
	for _, a := range x.Anomalies {
		v.note("odd", Escape(a))
	}
	if x.Err != nil {
		v.note("incomplete", Escape(x.Err.Error()))
	}
	v.WriteByte('\n')
}

// connection says what carried x, as far as it is known.
func (v *full) connection(x *record.Exchange) {
	c := x.Conn
	if c == nil {
		return
	}
	s := "connection"
	if c.Local.IsValid() || c.Remote.IsValid() {
		s += " " + address(c.Local.IsValid(), c.Local) + " → " + address(c.Remote.IsValid(), c.Remote)
	}
	if c.ServerName != "" {
		s += ", server name " + Escape(c.ServerName)
	}
	if c.Library != "" {
		s += ", " + Escape(c.Library)
	}
	if x.Server {
		s += ", the process is the server"
	}
	if s != "connection" {
		v.WriteString(v.paint(dim, "* "+s) + "\n")
	}
}

func address(known bool, a interface{ String() string }) string {
	if !known {
		return "?"
	}
	return a.String()
}

func (v *full) request(x *record.Exchange) {
	r := &x.Request
	if !r.Seen() {
		v.note("request", "not seen")
		return
	}
	v.head("> ", r.Method+" "+r.Target+" "+r.Proto, append(r.Pseudo[:len(r.Pseudo):len(r.Pseudo)], r.Header...))
	v.body("request", &r.Message)
}

func (v *full) response(x *record.Exchange) {
	r := &x.Response
	for _, i := range r.Interim {
		v.head("< ", strings.TrimSpace("HTTP/1.1 "+itoa(i.Status)+" "+i.Reason), i.Header)
	}
	if !r.Seen() {
		v.note("response", "not seen")
		return
	}
	v.head("< ", strings.TrimSpace(r.Proto+" "+itoa(r.Status)+" "+r.Reason), r.Header)
	v.body("response", &r.Message)
	for i := range x.WebSocket {
		v.frame(&x.WebSocket[i])
	}
}

// frame shows a message of a WebSocket, indented as bodies are.
func (v *full) frame(m *record.WebSocketMessage) {
	mark := "< "
	if m.FromClient {
		mark = "> "
	}
	v.WriteString(v.paint(dim, mark+v.clock(m.Time)+" "+opcode(m)+", "+Plural(len(m.Data), "byte")) + "\n")
	if !v.bodies {
		return
	}
	for line := range strings.Lines(frameText(m)) {
		v.WriteString("  " + EscapeText(strings.TrimRight(line, "\n")) + "\n")
	}
}

func (v *full) head(mark, start string, fields record.Fields) {
	mark = v.paint(dim, mark)
	v.WriteString(mark + v.paint(bold, Escape(start)) + "\n")
	v.fields(mark, fields)
	v.WriteString(strings.TrimRight(mark, " ") + "\n")
}

func (v *full) fields(mark string, fields record.Fields) {
	for _, f := range fields {
		v.WriteString(mark + v.paint(cyan, Escape(f.Name)) + ": " + Escape(f.Value) + "\n")
	}
}

// body shows the body of m, its trailer and what is missing of it.
func (v *full) body(side string, m *record.Message) {
	if v.bodies && m.Body.Len() > 0 {
		if err := v.content(m); err != nil {
			v.note(side+" body", Escape(err.Error()))
		}
	}
	if len(m.Trailer) > 0 {
		v.fields(v.paint(dim, "trailer "), m.Trailer)
	}
	for _, h := range m.Lost {
		where := " in the head"
		if h.Off >= 0 {
			where = " at " + count(h.Off) + " of the body"
		}
		v.note(side, count(h.Len)+" bytes lost"+where)
	}
	if m.Cut > 0 {
		v.note(side, "the last "+count(m.Cut)+" bytes of the body were not kept")
	}
}

// note shows a remark of ours.
func (v *full) note(about, text string) {
	v.WriteString(v.paint(yellow, "! "+about+": "+text) + "\n")
}

// content shows the body of m, indented: as text if it is, else its size.
func (v *full) content(m *record.Message) error {
	r, err := open(m, v.Encoded)
	if err != nil {
		return err
	}
	defer r.Close()
	start := make([]byte, 512)
	n, err := io.ReadFull(r, start)
	start = start[:n]
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if !isText(start) {
		v.printf("  %s\n\n", v.paint(dim, "["+count(m.Body.Len())+" bytes of "+Escape(orDash(m.MediaType()))+"; --view body writes them, hex dumps them]"))
		return nil
	}
	out := &indenter{w: v.printer, indent: "  "}
	defer func() { v.WriteString(out.end() + "\n") }()
	text := &escaper{w: out}
	defer text.Close()
	rest := io.MultiReader(bytes.NewReader(start), r)
	if isJSON(m) && !v.Encoded && m.Body.Len() <= maxIndent {
		return indentJSON(text, rest)
	}
	_, err = io.Copy(text, rest)
	return err
}

// indentJSON copies JSON indented, or as it is where it is none or too long.
func indentJSON(w io.Writer, r io.Reader) error {
	b, err := io.ReadAll(io.LimitReader(r, 4*maxIndent))
	var out bytes.Buffer
	if len(b) < 4*maxIndent && json.Indent(&out, b, "", "  ") == nil {
		_, werr := w.Write(fillNumbers(out.Bytes()))
		return errors.Join(err, werr)
	}
	if _, werr := w.Write(b); werr != nil || err != nil {
		return errors.Join(err, werr)
	}
	_, err = io.Copy(w, r)
	return err
}

// maxFilled is how wide a line of several numbers may be.
const maxFilled = 100

// fillNumbers puts the numbers of an array, such as an embedding, into as few lines
// as there is room for. b is JSON in which each stands in one of its own; it is
// changed.
func fillNumbers(b []byte) []byte {
	out, width, after := b[:0], 0, false // of the last line; it ends with a number, and another one follows
	for line := range bytes.Lines(b) {
		text := bytes.TrimSpace(line)
		number := len(text) > 0 && (text[0] == '-' || '0' <= text[0] && text[0] <= '9')
		if number && after && width+1+len(text) <= maxFilled {
			out[len(out)-1] = ' '
			out, width = append(append(out, text...), '\n'), width+1+len(text)
		} else {
			out, width = append(out, line...), len(line)-1
		}
		after = number && text[len(text)-1] == ','
	}
	return out
}

func isJSON(m *record.Message) bool {
	t := m.MediaType()
	return t == "application/json" || strings.HasSuffix(t, "+json")
}

// isText reports whether what starts with b is text in UTF-8; the last rune
// may be cut off.
func isText(b []byte) bool {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 && utf8.FullRune(b[i:]) || r == 0 {
			return false
		}
		i += n
	}
	return true
}

// An indenter writes lines with an indent before each.
type indenter struct {
	w      io.Writer
	indent string
	inLine bool
}

func (i *indenter) Write(b []byte) (int, error) {
	for line := range bytes.Lines(b) {
		if !i.inLine && line[0] != '\n' {
			io.WriteString(i.w, i.indent)
		}
		if _, err := i.w.Write(line); err != nil {
			return 0, err
		}
		i.inLine = line[len(line)-1] != '\n'
	}
	return len(b), nil
}

// end returns what ends the line that is open.
func (i *indenter) end() string {
	if i.inLine {
		return "\n"
	}
	return ""
}
