package har

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"ssltape/record"
)

// A decoder makes exchanges of entries.
type decoder struct {
	conns  map[record.Conn]*record.Conn
	beside fs.FS // see [ReadOptions]
}

// maxConns bounds the connections that a decoder remembers, to know one again.
const maxConns = 1 << 14

// exchange returns the exchange of e. Everything of it that the file does not
// tell is made of what it does: a HAR of a browser has no process, often no
// connection, and may have no Host field. ID is 0 where there was none.
func (d *decoder) exchange(e *entry) (*record.Exchange, error) {
	d.attach(e)
	x := &record.Exchange{ID: uint64(max(0, e.ID)), Server: e.Server, Anomalies: e.Anomalies}
	if err := e.Request.restore(x); err != nil {
		return nil, err
	}
	if e.ID != 0 {
		restorePseudo(&x.Request)
	}
	if err := e.Response.restore(x); err != nil {
		return nil, err
	}
	for _, l := range e.Lost {
		l.restore(x)
	}
	e.restoreTimes(x)
	e.restoreEvents(&x.Response)
	for i := range e.WebSocket {
		if m := &e.WebSocket[i]; *m != (webSocketMessage{}) {
			x.WebSocket = append(x.WebSocket, m.restore())
		}
	}
	x.Err = e.err(x.Response.Seen())
	x.Request.Done = !e.Request.Incomplete
	x.Response.Done = !e.Response.Incomplete && (x.Response.Seen() || x.Err == nil)
	d.restoreConn(e, x)
	if x.Handshake > 0 {
		x.Conn.Handshake = x.Handshake
	}
	return x, nil
}

func (r *request) restore(x *record.Exchange) error {
	m := &x.Request
	m.Method, m.Proto, m.Target = r.Method, protoOf(r.HTTPVersion), targetOf(withoutFragment(r.URL))
	if r.Target != nil {
		m.Target = *r.Target
	}
	if m.Proto == "" && m.Method != "" {
		m.Proto = "HTTP/1.1" // a seen message has one
	}
	m.Header, m.Trailer = r.Headers.restore(), r.Trailers.restore()
	m.HeadSize, m.WireSize = max(0, int64(r.HeadersSize)), int64(r.TransferSize)
	if p := r.PostData; p != nil {
		if p.Text == nil && len(p.Params) > 0 {
			p.Text = &text{p.Params.form(), true}
		}
		if err := p.restore(&m.Message); err != nil {
			return fmt.Errorf("postData: %w", err)
		}
	}
	restoreSizes(&m.Message, r.BodySize)
	if r.PostData != nil && r.PostData.File != "" && m.Body.Len() == 0 && m.Cut == 0 {
		m.Cut = max(0, m.BodySize)
	}
	return nil
}

// restorePseudo takes the pseudo-header fields out of Header again. Other
// producers list all of HTTP/2 there, in orders of their own; those stay.
func restorePseudo(r *record.Request) {
	n := 0
	for n < len(r.Header) && strings.HasPrefix(r.Header[n].Name, ":") {
		n++
	}
	if n > 0 {
		r.Pseudo, r.Header = r.Header[:n:n], r.Header[n:]
	}
}

func (m *webSocketMessage) restore() record.WebSocketMessage {
	w := record.WebSocketMessage{Time: m.Time.time(), FromClient: m.Type == "send", Opcode: byte(m.Opcode),
		Data: m.Data, Deflated: m.Deflated, Lost: max(0, int64(m.Lost)), Cut: max(0, int64(m.Cut))}
	if m.Opcode == 1 && !m.Base64 && !m.Deflated {
		return w
	}
	if data, err := base64.StdEncoding.DecodeString(m.Data); err == nil {
		w.Data = string(data)
	}
	return w
}

// protoOf returns the version that HAR files call v, in many ways: h2, http/2.0,
// HTTP/2, HTTP/2.0, h3, http/2+quic/46, unknown.
func protoOf(v string) string {
	name := strings.ToUpper(v)
	switch {
	case name == "H2", name == "H2C", strings.HasPrefix(name, "HTTP/2"):
		return "HTTP/2"
	case name == "H3", strings.HasPrefix(name, "H3-"), strings.HasPrefix(name, "HTTP/3"), strings.Contains(name, "QUIC"):
		return "HTTP/3"
	case strings.HasPrefix(name, "HTTP/"):
		return name
	case name == "UNKNOWN", name == "NULL", name == "UNDEFINED":
		return ""
	}
	return v
}

func (r *response) restore(x *record.Exchange) error {
	m := &x.Response
	m.Status, m.Reason, m.Proto = max(0, int(r.Status)), string(r.StatusText), protoOf(r.HTTPVersion)
	hasText := r.Content.Text != nil && len(r.Content.Text.json) > 0
	switch {
	case m.Status == 0 && len(r.Headers) == 0 && !hasText && r.HeadersSize <= 0:
		m.Proto = "" // what was asked for was in a cache, or there was no answer
	case m.Proto == "" && (m.Status > 0 || len(r.Headers) > 0 || hasText):
		m.Proto = cmp.Or(x.Request.Proto, "HTTP/1.1")
	}
	m.Header, m.Trailer = r.Headers.restore(), r.Trailers.restore()
	m.HeadSize, m.WireSize = max(0, int64(r.HeadersSize)), int64(r.TransferSize)
	if err := r.Content.restore(&m.Message); err != nil {
		return fmt.Errorf("content: %w", err)
	}
	if r.Content.Text == nil && r.Content.Size > 0 && m.Cut == 0 {
		m.Cut = int64(r.Content.Size) // the producer left the body out
	}
	restoreSizes(&m.Message, r.BodySize)
	for _, i := range r.Interim {
		m.Interim = append(m.Interim, record.Interim{
			Status: int(i.Status), Reason: i.StatusText, Header: i.Headers.restore(), Time: parseTime(i.Started)})
	}
	return nil
}

func (l *lost) restore(x *record.Exchange) {
	m := &x.Response.Message
	if l.Side == "request" {
		m = &x.Request.Message
	}
	h := record.Hole{Off: -1, Len: int64(l.Length)}
	if l.Offset != nil {
		h.Off = max(-1, int64(*l.Offset))
	}
	if h.Len > 0 {
		m.Lost = append(m.Lost, h)
	}
}

// restoreSizes sets the sizes that a producer may leave out.
func restoreSizes(m *record.Message, bodySize integer) {
	if m.BodySize = int64(bodySize); m.BodySize <= 0 { // some have 0 for what came from a cache
		m.BodySize = m.Body.Len() + m.Cut
	}
	if m.WireSize <= 0 {
		m.WireSize = m.HeadSize + m.BodySize
	}
}

func (b *bodyText) restore(m *record.Message) error {
	m.Comment, m.Cut = b.Comment, max(0, int64(b.Cut))
	if m.Comment == "" && b.File != "" && (b.Text == nil || len(b.Text.json) == 0) {
		m.Comment = "in the file " + b.File + " beside the HAR"
	}
	m.Decoded = !b.Encoded && m.Header.Has("Content-Encoding")
	if b.Text == nil {
		return nil
	}
	if !strings.EqualFold(b.Encoding, "base64") {
		return b.Text.restore(m)
	}
	_, err := io.Copy(&m.Body, fromBase64(b.Text.bytes()))
	if bad := base64.CorruptInputError(0); errors.As(err, &bad) || errors.Is(err, io.ErrUnexpectedEOF) {
		m.Comment = "not base64 as said"
		m.Body.Close()
		return b.Text.restore(m)
	}
	return err
}

// restore makes t the body of m.
func (t *text) restore(m *record.Message) error {
	if len(t.json) < large {
		m.Body = record.NewBody(t.bytes())
		return nil
	}
	_, err := m.Body.Write(t.bytes())
	return err
}

// fromBase64 returns what s holds in one of the alphabets of RFC 4648, sections
// 4 and 5, with padding and ends of line or without.
func fromBase64(s []byte) io.Reader {
	coding := base64.RawStdEncoding
	if bytes.ContainsAny(s, "-_") {
		coding = base64.RawURLEncoding
		if bytes.ContainsAny(s, "+/") {
			s = []byte(strings.NewReplacer("+", "-", "/", "_").Replace(string(s)))
		}
	}
	s = bytes.TrimRight(s, "=\r\n")
	return base64.NewDecoder(coding, struct{ io.Reader }{bytes.NewReader(s)}) // hides WriteTo, which wants all at once
}

func (fs fields) restore() record.Fields {
	var out record.Fields
	for _, f := range fs {
		out = append(out, record.Field{Name: string(f.Name), Value: string(f.Value)})
	}
	return out
}

// form returns the urlencoded form of fs.
func (fs fields) form() []byte {
	var b bytes.Buffer
	for i, f := range fs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(string(f.Name)) + "=" + url.QueryEscape(string(f.Value)))
	}
	return b.Bytes()
}

// restoreEvents sets the events of r, from the body where another producer
// left them there. These have the time at which the response began, as Chrome
// shows them.
func (e *entry) restoreEvents(r *record.Response) {
	for _, ev := range e.Events {
		if ev != (event{}) {
			r.Events = append(r.Events, ev.restore())
		}
	}
	if e.ID != 0 || len(e.Events) > 0 || r.Body.Len() == 0 || !r.IsEventStream() {
		return
	}
	body, err := r.Decode()
	if err != nil {
		return // still encoded: there is nothing to parse
	}
	defer body.Close()
	r.Events, _ = record.ParseEvents(body) // those before an error are good
	for i := range r.Events {
		r.Events[i].Time = r.Start
	}
}

func (ev *event) restore() record.Event {
	e := record.Event{Time: ev.Time.time(), Type: ev.Name, ID: ev.ID, Data: ev.Data}
	if e.Type == "message" {
		e.Type = "" // what most servers mean by it
	}
	return e
}

// restoreTimes sets the times of both messages.
func (e *entry) restoreTimes(x *record.Exchange) {
	start, t := parseTime(string(e.Started)), &e.Timings
	if start.IsZero() {
		return
	}
	after := func(from time.Time, d millis) time.Time { return from.Add(time.Duration(d) * time.Microsecond) }
	if e.ID != 0 && t.SSL > 0 && t.Connect == t.SSL && t.Blocked < 0 && t.DNS < 0 { // ours begin with the handshake, which is not of the request
		x.Handshake = time.Duration(t.SSL) * time.Microsecond
		start = after(start, t.SSL)
		e.Time, t.SSL, t.Connect = e.Time-t.SSL, notApplicable, notApplicable
	}
	t.normalize(e.Time)
	sent := after(start, t.setup()+t.Send)
	got := after(sent, t.Wait)
	if x.Request.Seen() {
		x.Request.Start, x.Request.End = start, after(sent, t.Overlap)
		x.Setup = t.restore()
	}
	if x.Response.Seen() {
		x.Response.Start, x.Response.End = got, after(got, t.Receive)
	} else if end := after(got, t.Receive); x.Request.Seen() && end.After(x.Request.End) {
		x.Request.End = end // when it failed
	}
}

// normalize makes t such that it adds up to sum, the time of the entry, where
// producers disagree: some count TLS beside connecting and not in it, or name
// resolution that took place long before, or tell no more than the sum.
// Negative timings are those that do not apply.
func (t *timings) normalize(sum millis) {
	for _, d := range []*millis{&t.Blocked, &t.DNS, &t.Connect, &t.SSL, &t.Send, &t.Wait, &t.Receive} {
		*d = max(0, *d)
	}
	const rounding = 2000
	total := func() millis { return t.setup() + t.Send + t.Wait + t.Receive }
	if gap := sum - total(); t.Connect < t.SSL || t.SSL < 2*gap && gap < 2*t.SSL {
		t.Connect += t.SSL
	}
	rest := sum - total()
	if sum <= 0 || rest > -rounding && rest < rounding || total() > 0 && sum/total() > 1e5 { // the sum of nanoseconds
		return
	}
	if rest > 0 && t.Receive == 0 && t.Wait == 0 {
		t.Receive = rest
		return
	}
	t.Blocked += max(0, rest)
	for _, d := range []*millis{&t.DNS, &t.Blocked, &t.Connect, &t.Send} {
		less := min(*d, max(0, -rest))
		*d, rest = *d-less, rest+less
	}
	t.SSL = min(t.SSL, t.Connect)
}

func (t *timings) restore() record.Setup {
	d := func(n millis) time.Duration { return time.Duration(n) * time.Microsecond }
	return record.Setup{Blocked: d(t.Blocked), DNS: d(t.DNS), Connect: d(t.Connect), TLS: d(t.SSL)}
}

// err returns why the exchange is incomplete, such that [errors.Is] works with
// the reasons of package record.
func (e *entry) err(answered bool) error {
	s := e.Response.Error
	if s == "" {
		s = e.Response.FailureText
	}
	if s == "" && !answered {
		return errNoResponse
	}
	if s == "" {
		return nil
	}
	for _, known := range []error{record.ErrCut, record.ErrStopped, record.ErrLost, record.ErrSyntax, record.ErrReset} {
		if before, ok := strings.CutSuffix(s, known.Error()); ok {
			return fmt.Errorf("%s%w", before, known)
		}
	}
	return errors.New(s)
}

var errNoResponse = errors.New("no response was recorded")

// restoreConn gives x its connection, the same one as other exchanges where
// all that is known of both is equal.
func (d *decoder) restoreConn(e *entry, x *record.Exchange) {
	c := record.Conn{ServerName: e.ServerName, ID: connID(string(e.ConnectionID))}
	if p := e.Process; p != nil {
		c.PID, c.Comm, c.Exe, c.Library = int(p.PID), p.Comm, p.Exe, p.Library
	}
	server, client := e.serverAddr(), netip.AddrPort{}
	if a, err := netip.ParseAddrPort(e.ClientAddress); err == nil {
		client = a
	}
	c.Local, c.Remote = client, server
	if e.Server {
		c.Local, c.Remote = server, client
	}
	x.Conn = &c
	restoreURL(e, x)
	if known := d.conns[c]; known != nil {
		x.Conn = known
		return
	}
	if d.conns == nil || len(d.conns) >= maxConns {
		d.conns = map[record.Conn]*record.Conn{}
	}
	d.conns[c] = x.Conn
}

// serverAddr returns the address of the server. Its port is that of the URL
// where another producer may have put something else into "connection".
func (e *entry) serverAddr() netip.AddrPort {
	a, err := netip.ParseAddr(strings.Trim(string(e.ServerIP), "[]"))
	if err != nil {
		return netip.AddrPort{}
	}
	port := string(e.Connection)
	if e.ID == 0 {
		port = string(portOf(e.Request.URL))
	}
	n, _ := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(a, uint16(n))
}

// restoreURL sets what of x its URL is made of, where the fields do not tell
// and e is not ours.
func restoreURL(e *entry, x *record.Exchange) {
	u, err := url.Parse(e.Request.URL)
	if err != nil {
		u = &url.URL{}
	}
	if x.Conn.Plain = strings.HasPrefix(e.Request.URL, "http://"); e.Plain != nil {
		x.Conn.Plain = *e.Plain
	}
	want := withoutFragment(e.Request.URL)
	same := func() bool { return e.Request.Target != nil || urlOf(x) == safeURL(want) }
	if !same() && x.Conn.ServerName == "" && !x.Request.Header.Has("Host") && u.Port() == "" {
		x.Conn.ServerName = u.Hostname()
	}
	if !same() {
		x.Request.Target = want
	}
}

func withoutFragment(u string) string {
	u, _, _ = strings.Cut(u, "#")
	return u
}

// connID returns the number in s. Other producers use any string there, of
// which it makes a number.
func connID(s string) uint64 {
	if n, err := strconv.ParseUint(s, 10, 64); err == nil || s == "" {
		return n
	}
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}
