package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"ssltape/record"
)

// events shows a block for each server-sent event and WebSocket message as it
// arrives, and one for each HTTP message: time, the call that carried it,
// process, bytes. The bytes of an event are those of its data.
type events struct {
	*printer
	shown map[*record.Exchange]*progress
}

// progress is how much of an exchange was shown.
type progress struct {
	request, response bool
	events, frames    int
}

func newEvents(p *printer) View {
	return &events{p, map[*record.Exchange]*progress{}}
}

// WriteExchange implements [record.ExchangeWriter].
func (v *events) WriteExchange(x *record.Exchange) error {
	s := v.shown[x]
	if s == nil {
		s = new(progress)
		v.shown[x] = s
	}
	// The request's block waits for all of it, but not beyond the response.
	if r := &x.Request; !s.request && r.Seen() && (r.Done || x.Response.Seen() || x.Done()) && v.Side != Response {
		s.request = true
		v.block(x, record.Out, r.Start, r.HeadSize+r.BodySize)
		v.printf("  [HTTP] %s\n\n", Escape(r.Method+" "+r.Target+" "+r.Proto))
	}
	if v.Side != Request {
		v.response(x, s)
	}
	if x.Done() {
		delete(v.shown, x)
	}
	return v.Flush()
}

func (v *events) response(x *record.Exchange, s *progress) {
	r, stream := &x.Response, x.Response.IsEventStream() || x.IsWebSocket()
	if !s.response && r.Seen() && (stream || x.Done()) {
		s.response = true
		n := r.HeadSize // the body of a stream comes in blocks of its own
		if !stream {
			n += r.BodySize
		}
		v.block(x, record.In, r.Start, n)
		v.printf("  [HTTP] %s\n\n", Escape(strings.TrimSpace(r.Proto+" "+itoa(r.Status)+" "+r.Reason)))
	}
	for _, e := range r.Events[s.events:] {
		v.block(x, record.In, e.Time, int64(len(e.Data)))
		v.event(e)
	}
	s.events = len(r.Events)
	for i := range x.WebSocket[s.frames:] {
		v.frame(x, &x.WebSocket[s.frames+i])
	}
	s.frames = len(x.WebSocket)
	if x.Done() && x.Err != nil {
		v.printf("  [!] exchange %d incomplete: %s\n\n", x.ID, Escape(x.Err.Error()))
	}
}

// block writes the first line of a block about n bytes that a client would
// send in direction dir.
func (v *events) block(x *record.Exchange, dir record.Dir, t time.Time, n int64) {
	if x.Server {
		dir = dir.Peer()
	}
	call, pid := "SSL_write", 0
	if dir == record.In {
		call = "SSL_read"
	}
	if x.Conn != nil {
		pid = x.Conn.PID
	}
	v.WriteString(v.paint(bold, fmt.Sprintf("[%s] %-9s | PID:%d | data_length:%d", t.In(v.Zone).Format(time.TimeOnly), call, pid, n)) + "\n")
}

// event writes the lines of a block that are about e.
func (v *events) event(e record.Event) {
	name := e.Type
	if name == "" {
		name = "message"
	}
	v.printf("  [SSE] event: %s\n", v.paint(cyan, Escape(name)))
	if e.ID != "" {
		v.printf("         id: %s\n", Escape(e.ID))
	}
	v.data(e.Data)
}

// frame writes the block of a WebSocket message.
func (v *events) frame(x *record.Exchange, m *record.WebSocketMessage) {
	dir := record.In
	if m.FromClient {
		dir = record.Out
	}
	v.block(x, dir, m.Time, int64(len(m.Data)))
	v.printf("  [WS] %s\n", v.paint(cyan, opcode(m)))
	if text := frameText(m); text != "" {
		v.data(text)
	} else {
		v.WriteByte('\n')
	}
}

// frameText returns what m says in text, or "". A close frame says a code, and
// maybe why (RFC 6455, section 5.5.1).
func frameText(m *record.WebSocketMessage) string {
	switch {
	case m.Opcode == 8 && len(m.Data) >= 2:
		code := itoa(int(m.Data[0])<<8 | int(m.Data[1]))
		return strings.TrimSpace(code + " " + m.Data[2:])
	case m.Opcode == 2 || m.Deflated || !isText([]byte(m.Data)):
		return ""
	}
	return m.Data
}

// opcode returns the name of what m is (RFC 6455, section 11.8), and what is
// missing in it.
func opcode(m *record.WebSocketMessage) string {
	s, ok := map[byte]string{0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}[m.Opcode]
	if !ok {
		s = "opcode " + itoa(int(m.Opcode))
	}
	if m.Lost > 0 {
		s += ", " + count(m.Lost) + " bytes lost"
	}
	if m.Cut > 0 {
		s += ", " + count(m.Cut) + " bytes cut"
	}
	return s
}

// data writes the last lines of a block: text, flattened if it is JSON.
func (v *events) data(text string) {
	lines, ok := flatten(text)
	if !ok {
		for line := range strings.SplitSeq(text, "\n") {
			lines = append(lines, "data: "+line)
		}
	}
	for _, line := range lines {
		v.printf("         %s\n", Escape(line))
	}
	v.WriteByte('\n')
}

// maxDepth is how deep JSON is flattened; what lies deeper is shown as JSON.
const maxDepth = 16

// flatten returns a line "path: value" for each scalar in a JSON object, in
// order of appearance. Strings are quoted, but for those called "type", whose
// values are names. ok is false where text is not a JSON object or array.
func flatten(text string) (lines []string, ok bool) {
	if t := strings.TrimLeft(text, " \t\r\n"); t == "" || t[0] != '{' && t[0] != '[' || !json.Valid([]byte(t)) {
		return nil, false
	}
	f := flattener{json.NewDecoder(strings.NewReader(text)), nil}
	f.UseNumber()
	f.value("", 0)
	return f.lines, true
}

// A flattener walks JSON that is known to be valid.
type flattener struct {
	*json.Decoder
	lines []string
}

func (f *flattener) add(path, value string) { f.lines = append(f.lines, path+": "+value) }

func (f *flattener) value(path string, depth int) {
	if depth == maxDepth {
		var v json.RawMessage
		if f.Decode(&v) == nil {
			f.add(path, string(v))
		}
		return
	}
	t, _ := f.Token()
	switch t := t.(type) {
	case json.Delim:
		f.members(path, t == '{', depth)
	case string:
		if path == "type" || strings.HasSuffix(path, ".type") {
			f.add(path, t)
		} else {
			f.add(path, quote(t))
		}
	case nil:
		f.add(path, "null")
	default:
		f.add(path, fmt.Sprint(t))
	}
}

// members walks what an object or array holds, up to its end.
func (f *flattener) members(path string, object bool, depth int) {
	n := 0
	for ; f.More(); n++ {
		key := fmt.Sprintf("%s[%d]", path, n)
		if object {
			t, _ := f.Token()
			key, _ = t.(string)
			if path != "" {
				key = path + "." + key
			}
		}
		f.value(key, depth+1)
	}
	f.Token()
	if n == 0 && path != "" {
		empty := "[]"
		if object {
			empty = "{}"
		}
		f.add(path, empty)
	}
}

// quote returns s as JSON, without the escapes that JSON has no need of.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}
