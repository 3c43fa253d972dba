package har

import (
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"ssltape/record"
)

// newEntry returns the entry of x but for its events and WebSocket messages, with
// placeholders for the text of the bodies, which req and res describe.
func newEntry(x *record.Exchange, req, res *payload) *entry {
	e := &entry{
		Started:      word(formatTime(started(x))),
		ID:           integer(x.ID),
		ResourceType: "fetch",
		Server:       x.Server,
		Lost:         allLosses(x),
		Request:      newRequest(x, req),
		Response:     newResponse(x, res),
	}
	for _, a := range x.Anomalies {
		e.Anomalies = append(e.Anomalies, asUTF8(a))
	}
	if x.IsWebSocket() || strings.HasPrefix(e.Request.URL, "ws") {
		e.ResourceType = "websocket"
	}
	if x.Err != nil {
		e.Response.Error = asUTF8(x.Err.Error())
		e.Comment = "incomplete: " + e.Response.Error
	}
	e.setTimes(x)
	e.setConn(x)
	return e
}

// started returns when the exchange begins in a file: with the handshake, where
// that is part of it.
func started(x *record.Exchange) time.Time {
	if x.Request.Start.IsZero() || x.Handshake <= 0 {
		return x.Start()
	}
	return x.Request.Start.Add(-x.Handshake.Round(time.Microsecond))
}

// setTimes sets the timings. All are differences of times in whole
// microseconds, so that they add up and the times can be had back.
func (e *entry) setTimes(x *record.Exchange) {
	t := &e.Timings
	*t = timings{Blocked: notApplicable, DNS: notApplicable, Connect: notApplicable, SSL: notApplicable}
	req, res := &x.Request, &x.Response
	if !req.Start.IsZero() && x.Handshake > 0 {
		// How long TCP took to connect, of which ssl is a part, is not known.
		t.SSL = millis(x.Handshake.Round(time.Microsecond) / time.Microsecond)
		t.Connect = t.SSL
	}
	if !req.Start.IsZero() {
		t.setSetup(x.Setup)
		t.Send = max(0, between(req.Start, req.End)-millis(x.Setup.Total().Microseconds()))
	}
	if !res.Start.IsZero() {
		if !req.Start.IsZero() {
			t.Wait = between(req.End, res.Start)
		}
		if t.Wait < 0 {
			t.Overlap, t.Wait = -t.Wait, 0
			t.Send = max(0, t.Send-t.Overlap)
		}
		t.Receive = max(0, between(res.Start, res.End))
	}
	e.Time = t.setup() + t.Send + t.Wait + t.Receive
}

// setSetup sets what came before the request was sent. What took no time did
// not apply.
func (t *timings) setSetup(s record.Setup) {
	for _, v := range [...]struct {
		to *millis
		d  time.Duration
	}{{&t.Blocked, s.Blocked}, {&t.DNS, s.DNS}, {&t.Connect, s.Connect}, {&t.SSL, s.TLS}} {
		if v.d > 0 {
			*v.to = millis(v.d.Microseconds())
		}
	}
}

// setup returns how long it took until the request was sent. TLS is part of
// Connect.
func (t *timings) setup() millis { return max(0, t.Blocked) + max(0, t.DNS) + max(0, t.Connect) }

func between(from, to time.Time) millis {
	if to.IsZero() {
		return 0
	}
	return millis(to.UnixMicro() - from.UnixMicro())
}

// setConn sets what is known of x's connection.
func (e *entry) setConn(x *record.Exchange) {
	c := x.Conn
	if c == nil {
		e.Connection = portOf(e.Request.URL)
		return
	}
	if plain := strings.HasPrefix(e.Request.URL, "http://"); plain != c.Plain {
		e.Plain = &c.Plain
	}
	server, client := c.Remote, c.Local
	if x.Server {
		server, client = client, server
	}
	if server.IsValid() {
		e.ServerIP = word(bareAddr(server.Addr()).String())
		e.Connection = word(strconv.Itoa(int(server.Port())))
	} else {
		e.Connection = portOf(e.Request.URL)
	}
	if client.IsValid() {
		e.ClientAddress = netip.AddrPortFrom(bareAddr(client.Addr()), client.Port()).String()
	}
	if c.ID != 0 {
		e.ConnectionID = word(strconv.FormatUint(c.ID, 10))
	}
	e.ServerName = asUTF8(c.ServerName)
	if c.PID != 0 || c.Comm != "" || c.Exe != "" || c.Library != "" {
		e.Process = &process{integer(c.PID), asUTF8(c.Comm), asUTF8(c.Exe), asUTF8(c.Library)}
	}
}

// bareAddr returns a without zone and not as an IPv4 address in IPv6, which
// har-schema refuses.
func bareAddr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func newRequest(x *record.Exchange, p *payload) request {
	m := &x.Request
	r := request{
		Method:       asUTF8(m.Method),
		URL:          urlOf(x),
		HTTPVersion:  versionOf(m.Proto),
		Cookies:      requestCookies(m.Header),
		Headers:      newFields(m.Pseudo, m.Header),
		HeadersSize:  integer(m.HeadSize),
		BodySize:     integer(m.BodySize),
		TransferSize: integer(m.WireSize),
		Trailers:     newFields(m.Trailer),
		Incomplete:   !m.Done,
	}
	if m.HeadSize == 0 {
		r.HeadersSize = -1
	}
	r.QueryString = parseQuery(queryOf(r.URL))
	if target := escapeBytes(m.Target); target != targetOf(r.URL) {
		r.Target = &target
	}
	if hasBody(&m.Message) {
		r.PostData = &postData{MimeType: asUTF8(m.Header.Get("Content-Type")), bodyText: p.text()}
		if r.PostData.MimeType == "" {
			r.PostData.MimeType = "application/octet-stream" // RFC 9110, section 8.3
		}
		if m.MediaType() == "application/x-www-form-urlencoded" && p.whole != nil && len(p.whole) <= chunkSize && !p.base64 {
			r.PostData.Params = parseQuery(string(p.whole))
		}
	}
	return r
}

func newResponse(x *record.Exchange, p *payload) response {
	m := &x.Response
	r := response{
		Status:       integer(m.Status),
		StatusText:   word(asUTF8(m.Reason)),
		HTTPVersion:  versionOf(m.Proto),
		Cookies:      responseCookies(m.Header),
		Headers:      newFields(m.Header),
		Content:      content{MimeType: "x-unknown"},
		RedirectURL:  asUTF8(m.Header.Get("Location")),
		HeadersSize:  integer(m.HeadSize),
		BodySize:     integer(m.BodySize),
		TransferSize: integer(m.WireSize),
		Trailers:     newFields(m.Trailer),
		Incomplete:   !m.Done,
	}
	if m.HeadSize == 0 {
		r.HeadersSize = -1
	}
	for _, i := range m.Interim {
		r.Interim = append(r.Interim, interim{integer(i.Status), asUTF8(i.Reason), newFields(i.Header), formatTime(i.Time)})
	}
	if !m.Seen() {
		return r
	}
	if r.Content.MimeType = asUTF8(m.Header.Get("Content-Type")); r.Content.MimeType == "" {
		r.Content.MimeType = "x-unknown"
	} else if m.IsEventStream() {
		r.Content.MimeType = "text/event-stream" // with a parameter Chrome shows no events
	}
	r.Content.Size = integer(p.size)
	switch {
	case p.size == 0 && m.Cut > 0: // all of it was left out
		r.Content.Size = integer(m.Cut)
	case !m.Header.Has("Content-Encoding"): // as sent: what is not there counts
		r.Content.Size = max(r.Content.Size+integer(m.Cut), r.BodySize)
	}
	r.Content.Compression = r.Content.Size - r.BodySize
	if hasBody(&m.Message) {
		r.Content.bodyText = p.text()
	}
	return r
}

// hasBody reports whether m had a body, which need not have been kept.
func hasBody(m *record.Message) bool { return m.Body.Len() > 0 || m.BodySize > 0 || m.Cut > 0 }

func newFields(sections ...record.Fields) fields {
	n := 0
	for _, fs := range sections {
		n += len(fs)
	}
	out := make(fields, 0, n)
	for _, fs := range sections {
		for _, f := range fs {
			out = append(out, nameValue{word(asUTF8(f.Name)), word(asUTF8(f.Value))})
		}
	}
	return out
}

func newEvent(ev *record.Event) event {
	e := event{seconds(ev.Time.UnixMicro()), asUTF8(ev.Type), asUTF8(ev.ID), asUTF8(ev.Data)}
	if e.Name == "" {
		e.Name = "message"
	}
	return e
}

func newWebSocketMessage(m *record.WebSocketMessage) webSocketMessage {
	w := webSocketMessage{Type: "receive", Time: seconds(m.Time.UnixMicro()), Opcode: integer(m.Opcode), Data: m.Data,
		Deflated: m.Deflated, Lost: integer(m.Lost), Cut: integer(m.Cut)}
	if m.FromClient {
		w.Type = "send"
	}
	isText := m.Opcode == 1 && !m.Deflated
	if w.Base64 = isText && !utf8.ValidString(m.Data); w.Base64 || !isText {
		w.Data = base64.StdEncoding.EncodeToString([]byte(m.Data))
	}
	return w
}

// versionOf returns proto as HAR files have it.
func versionOf(proto string) string {
	if proto == "HTTP/2" {
		return "HTTP/2.0"
	}
	return asUTF8(proto)
}

// allLosses returns what was not seen of x.
func allLosses(x *record.Exchange) []lost {
	return append(losses("request", x.Request.Lost), losses("response", x.Response.Lost)...)
}

func losses(side string, holes []record.Hole) []lost {
	var out []lost
	for _, h := range holes {
		l := lost{Side: side, Length: integer(h.Len)}
		if off := integer(h.Off); off >= 0 {
			l.Offset = &off
		}
		out = append(out, l)
	}
	return out
}
