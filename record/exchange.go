package record

import (
	"errors"
	"strings"
	"time"
)

// A Field is a header or trailer field, spelled as it was on the wire
// (RFC 9110, section 5). The bytes of Value are kept as they came, which need
// not be UTF-8.
type Field struct{ Name, Value string }

// A Fields is a header or trailer section in order of appearance, duplicates
// included.
type Fields []Field

// Get returns the value of the first field called name, whatever the case of
// its letters, or "".
func (fs Fields) Get(name string) string {
	for _, f := range fs {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Has reports whether there is a field called name.
func (fs Fields) Has(name string) bool {
	for _, f := range fs {
		if strings.EqualFold(f.Name, name) {
			return true
		}
	}
	return false
}

// A Hole says that bytes of a message were lost. Off is the position in Body
// at which they are missing (Body does not hold anything in their place), or
// -1 where they were part of a head or of framing.
type Hole struct{ Off, Len int64 }

// A Mark says that the bytes of a body from Off on, up to the next mark, had
// arrived at Time.
type Mark struct {
	Off  int64
	Time time.Time
}

// A Message is what requests and responses have in common. A message of which
// nothing was seen has an empty Proto.
type Message struct {
	Proto    string // version as sent, such as "HTTP/1.1"
	Header   Fields
	HeadSize int64  // bytes of start line and header section with the empty line after it
	Body     Body   // transfer coding removed; content coding kept unless Decoded
	Decoded  bool   // Body is without its content coding, since the source keeps it so (HAR)
	BodySize int64  // bytes of the body with its content coding; lost and cut ones count
	Cut      int64  // bytes at the end of the body that a limit kept out of Body
	Comment  string // what a file that it was read from says of Body, such as why it ends early
	WireSize int64  // bytes of the whole message in the stream, framing and lost bytes included
	Trailer  Fields
	Lost     []Hole
	Marks    []Mark // when the parts of Body arrived, in order of Off
	Start    time.Time
	End      time.Time // of the last byte seen so far
	Done     bool      // all of the message was there
}

// Seen reports whether any of the message was seen.
func (m *Message) Seen() bool { return m.Proto != "" }

// MediaType returns the type and subtype of the Content-Type field in lower
// case without parameters, or "" where there is none.
func (m *Message) MediaType() string {
	t, _, _ := strings.Cut(m.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// LostBytes returns how many bytes of the message were lost.
func (m *Message) LostBytes() int64 {
	var n int64
	for _, h := range m.Lost {
		n += h.Len
	}
	return n
}

// A Request is the first half of an [Exchange].
type Request struct {
	Message
	Method, Target string // as sent; Method is "" where the request was not seen
	Pseudo         Fields // of HTTP/2: :scheme, :authority, :protocol (RFC 9113, section 8.3.1); not in Header
}

// A Response is the second half of an [Exchange].
type Response struct {
	Message
	Status  int
	Reason  string
	Interim []Interim // 1xx responses that came before it (RFC 9110, section 15.2)
	Events  []Event   // of an event stream, as far as it has come
}

// IsEventStream reports whether r's media type is that of server-sent events.
func (r *Response) IsEventStream() bool { return r.MediaType() == "text/event-stream" }

// An Interim is a 1xx response.
type Interim struct {
	Status int
	Reason string
	Header Fields
	Time   time.Time
}

// An Event is a server-sent event (WHATWG HTML, section 9.2).
type Event struct {
	Time time.Time // when the bytes that completed it arrived
	Type string    // the event field as sent; "" where there was none, which means "message"
	ID   string    // the last event ID at that point
	Data string
}

// An Exchange is a request and the response to it.
type Exchange struct {
	ID        uint64 // number in the recording, from 1, in order of appearance
	Conn      *Conn
	Server    bool          // the recorded process answered the request
	Handshake time.Duration // of Conn, before the first exchange on it; else 0, as where it is unknown
	Setup     Setup         // of what other programs recorded
	Request   Request
	Response  Response
	Err       error              // why the exchange is incomplete, or nil
	Failed    bool               // the answer says that it failed: told of it before its body was left out
	Anomalies []string           // oddities of the traffic, such as "bare-lf"
	WebSocket []WebSocketMessage // as far as they have come, where the response began a WebSocket
	keep      bool
}

// A WebSocketMessage is a message or a control frame of a WebSocket (RFC 6455,
// section 5).
type WebSocketMessage struct {
	Time       time.Time // when the bytes that completed it arrived
	FromClient bool      // sent by who made the request
	Opcode     byte      // 1 text, 2 binary, 8 close, 9 ping, 10 pong; 0 where that was lost
	Data       string    // payload of all its frames, unmasked and inflated
	Deflated   bool      // Data is not inflated, since something was lost that this takes
	Lost       int64     // bytes of payload that are missing in Data since they were lost
	Cut        int64     // bytes of payload at its end that a limit kept out of Data, or that did not come
}

// A Setup says what the time before a request went by with, where a file of
// another program tells. That counts it as the request's: it is part of the
// time between Request.Start and Request.End. A zero is what did not take place
// or is not known.
type Setup struct {
	Blocked time.Duration // waiting for a connection
	DNS     time.Duration
	Connect time.Duration // TLS included
	TLS     time.Duration
}

// Total returns how long it took until the request could be sent.
func (s Setup) Total() time.Duration { return s.Blocked + s.DNS + s.Connect }

// IsWebSocket reports whether x began a WebSocket, by its messages or by what the
// server answered to who asked for one (RFC 6455, section 4.2.2; RFC 8441, section
// 5).
func (x *Exchange) IsWebSocket() bool {
	const name = "websocket"
	r := &x.Response
	return len(x.WebSocket) > 0 || r.Status == 101 && strings.EqualFold(r.Header.Get("Upgrade"), name) ||
		r.Status/100 == 2 && strings.EqualFold(x.Request.Pseudo.Get(":protocol"), name)
}

// Done reports whether x will not change any more.
func (x *Exchange) Done() bool { return x.Err != nil || x.Request.Done && x.Response.Done }

// Duration returns the time from the first byte of x to the last one seen.
func (x *Exchange) Duration() time.Duration {
	first, last := x.Start(), x.Request.End
	if x.Response.End.After(last) {
		last = x.Response.End
	}
	return max(0, last.Sub(first))
}

// Start returns the time of the first byte of x.
func (x *Exchange) Start() time.Time {
	if x.Request.Start.IsZero() {
		return x.Response.Start
	}
	return x.Request.Start
}

// Keep stops the source of x from releasing its bodies after the last call of
// WriteExchange. Who calls it calls [Exchange.Release] in the end.
func (x *Exchange) Keep() { x.keep = true }

// Kept reports whether Keep was called; sources ask it before they release x.
func (x *Exchange) Kept() bool { return x.keep }

// Release frees the temporary files of x's bodies, which are empty from then on.
func (x *Exchange) Release() error {
	return errors.Join(x.Request.Body.Close(), x.Response.Body.Close())
}

// URL returns the absolute URL of x's request (RFC 9112, section 3.3): its
// target where that is in absolute form, else made of the :authority of HTTP/2
// or the Host field, the server name or the server's address, in this order.
func (x *Exchange) URL() string {
	t := x.Request.Target
	if i := strings.Index(t, "://"); i > 0 && !strings.ContainsAny(t[:i], "/?#") || IsOpaque(t) {
		return t
	}
	if x.Request.Method == "CONNECT" && !x.Request.Pseudo.Has(":protocol") {
		return x.scheme() + "://" + t
	}
	if t == "" || t[0] != '/' {
		t = "/" + t
	}
	return x.scheme() + "://" + x.Host() + t
}

// IsOpaque reports whether u is a URL without a host, of which files of
// browsers tell beside those of HTTP: data, blob and about.
func IsOpaque(u string) bool {
	scheme, _, ok := strings.Cut(u[:min(len(u), len("about:"))], ":")
	return ok && (scheme == "data" || scheme == "blob" || scheme == "about")
}

// Host returns the host and, where it was given, the port that x's request
// went to. It is "unknown" where nothing told.
func (x *Exchange) Host() string {
	if h := x.Request.Pseudo.Get(":authority"); h != "" {
		return h
	}
	if h := x.Request.Header.Get("Host"); h != "" {
		return h
	}
	if x.Conn == nil {
		return "unknown"
	}
	if x.Conn.ServerName != "" {
		return x.Conn.ServerName
	}
	server := x.Conn.Remote
	if x.Server {
		server = x.Conn.Local
	}
	if server.IsValid() {
		return server.String()
	}
	return "unknown"
}

func (x *Exchange) scheme() string {
	if x.Conn != nil && x.Conn.Plain {
		return "http"
	}
	return "https"
}

// Reasons for which an exchange is incomplete; [Exchange.Err] wraps one of them.
var (
	ErrCut     = errors.New("connection ended before the exchange did")
	ErrStopped = errors.New("recording stopped before the exchange ended")
	ErrLost    = errors.New("bytes were lost where the message was framed")
	ErrSyntax  = errors.New("not understood as HTTP")
	ErrReset   = errors.New("stream was reset before the exchange ended")
)
