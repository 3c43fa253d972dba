// Package har reads and writes HTTP Archive (HAR) 1.2 files and JSON Lines of
// their entries.
//
// The format is http://www.softwareishard.com/blog/har-12-spec/. What is
// written also holds to what the importers of Chrome, Firefox and har-schema
// ask for beyond it: every list is an array and every number a number, nothing
// is null, URLs are absolute. Fields that are not of the specification start
// with an underscore; those that Chrome knows have Chrome's names and shapes.
//
// What is read may come from any producer. Fields that are missing, null or of
// another type than expected count as not there.
package har

// An entry is an exchange. The tags of its fields are what is read, and what
// encoding/json would write; the methods called append, which write the same
// several times as fast, follow them: a test compares the two.
type entry struct {
	PageRef       string   `json:"pageref,omitempty"`
	Started       word     `json:"startedDateTime"` // RFC 3339
	Time          millis   `json:"time"`            // sum of the timings that are not -1
	Request       request  `json:"request"`
	Response      response `json:"response"`
	Cache         struct{} `json:"cache"` // Firefox does not open a file without it
	Timings       timings  `json:"timings"`
	ServerIP      word     `json:"serverIPAddress,omitempty"` // har-schema refuses "" and brackets
	Connection    word     `json:"connection,omitempty"`      // port of the server
	Comment       string   `json:"comment,omitempty"`
	ConnectionID  word     `json:"_connectionId,omitempty"`
	ResourceType  string   `json:"_resourceType,omitempty"`
	ID            integer  `json:"_id,omitempty"` // number in the recording
	Process       *process `json:"_process,omitempty"`
	Server        bool     `json:"_server,omitempty"` // the recorded process answered the request
	ServerName    string   `json:"_serverName,omitempty"`
	ClientAddress string   `json:"_clientAddress,omitempty"` // IP:port
	Plain         *bool    `json:"_plain,omitempty"`         // no TLS, where the URL does not tell
	Lost          []lost   `json:"_lost,omitempty"`
	Anomalies     []string `json:"_anomalies,omitempty"`
	Events        []event  `json:"_eventSourceMessages,omitempty"`

	WebSocket []webSocketMessage `json:"_webSocketMessages,omitempty"`
}

type process struct {
	PID     integer `json:"pid"`
	Comm    string  `json:"comm"`
	Exe     string  `json:"exe"`
	Library string  `json:"library,omitempty"`
}

type request struct {
	Method       string    `json:"method"`
	URL          string    `json:"url"` // absolute, without fragment
	HTTPVersion  string    `json:"httpVersion"`
	Cookies      []cookie  `json:"cookies"`
	Headers      fields    `json:"headers"`
	QueryString  fields    `json:"queryString"`
	PostData     *postData `json:"postData,omitempty"`
	HeadersSize  integer   `json:"headersSize"` // bytes, -1 unknown
	BodySize     integer   `json:"bodySize"`    // bytes with content coding, -1 unknown
	TransferSize integer   `json:"_transferSize,omitempty"`
	Target       *string   `json:"_target,omitempty"` // as sent, where the URL does not tell
	Trailers     fields    `json:"_trailers,omitempty"`
	Incomplete   bool      `json:"_incomplete,omitempty"`
}

type response struct {
	Status       integer   `json:"status"` // 0: none was seen
	StatusText   word      `json:"statusText"`
	HTTPVersion  string    `json:"httpVersion"`
	Cookies      []cookie  `json:"cookies"`
	Headers      fields    `json:"headers"`
	Content      content   `json:"content"`
	RedirectURL  string    `json:"redirectURL"`
	HeadersSize  integer   `json:"headersSize"`
	BodySize     integer   `json:"bodySize"`
	TransferSize integer   `json:"_transferSize,omitempty"`
	Error        string    `json:"_error,omitempty"`
	FailureText  string    `json:"_failureText,omitempty"` // Playwright's name for _error
	Interim      []interim `json:"_interim,omitempty"`
	Trailers     fields    `json:"_trailers,omitempty"`
	Incomplete   bool      `json:"_incomplete,omitempty"`
}

// A bodyText is what the body of a request and that of a response have in
// common.
type bodyText struct {
	Text     *text   `json:"text,omitempty"`
	File     string  `json:"_file,omitempty"`    // where Playwright put the text; read only
	Encoding string  `json:"encoding,omitempty"` // "base64" or none; of HAR 1.3 in requests
	Comment  string  `json:"comment,omitempty"`
	Encoded  bool    `json:"_encoded,omitempty"` // the content coding is still there
	Cut      integer `json:"_cut,omitempty"`     // bytes at the end that were not kept
}

type postData struct {
	MimeType string `json:"mimeType"`
	Params   fields `json:"params,omitempty"` // of urlencoded text, which is there too
	bodyText
}

type content struct {
	Size        integer `json:"size"` // bytes without content coding
	Compression integer `json:"compression,omitempty"`
	MimeType    string  `json:"mimeType"`
	bodyText
}

type cookie struct {
	Name     string `json:"name"`
	Value    string `json:"value"`
	Path     string `json:"path,omitempty"`
	Domain   string `json:"domain,omitempty"`
	Expires  string `json:"expires,omitempty"` // RFC 3339
	HTTPOnly bool   `json:"httpOnly,omitempty"`
	Secure   bool   `json:"secure,omitempty"`
	SameSite string `json:"sameSite,omitempty"`
}

// timings has -1 where a time does not apply; send, wait and receive always do.
type timings struct {
	Blocked millis `json:"blocked"`
	DNS     millis `json:"dns"`
	Connect millis `json:"connect"`
	SSL     millis `json:"ssl"`
	Send    millis `json:"send"`
	Wait    millis `json:"wait"`
	Receive millis `json:"receive"`
	Overlap millis `json:"_overlap,omitempty"` // the request went on for so long after the response began
}

// A lost is a run of bytes that was not seen. Offset is the position in the
// body as it was sent, null where the bytes were part of a head or of framing.
type lost struct {
	Side   string   `json:"side"` // "request" or "response"
	Offset *integer `json:"offset"`
	Length integer  `json:"length"`
}

type interim struct {
	Status     integer `json:"status"`
	StatusText string  `json:"statusText"`
	Headers    fields  `json:"headers"`
	Started    string  `json:"startedDateTime"`
}

// An event is a server-sent event in the shape of Chrome, which leaves out
// events without a name or an id.
type event struct {
	Time seconds `json:"time"`
	Name string  `json:"eventName"`
	ID   string  `json:"eventId"`
	Data string  `json:"data"`
}

// A webSocketMessage is in the shape of Chrome, which has data of other opcodes
// than 1 in base64.
type webSocketMessage struct {
	Type     string  `json:"type"` // "send" or "receive", by the client
	Time     seconds `json:"time"`
	Opcode   integer `json:"opcode"`
	Data     string  `json:"data"`
	Base64   bool    `json:"_base64,omitempty"`   // of text that is not UTF-8 too
	Deflated bool    `json:"_deflated,omitempty"` // compressed still, since something was lost
	Lost     integer `json:"_lost,omitempty"`     // bytes that are missing in data
	Cut      integer `json:"_cut,omitempty"`      // bytes that are missing at its end
}

type page struct {
	Started string      `json:"startedDateTime"`
	ID      string      `json:"id"`
	Title   string      `json:"title"`
	Timings pageTimings `json:"pageTimings"`
}

type pageTimings struct {
	OnContentLoad int `json:"onContentLoad"`
	OnLoad        int `json:"onLoad"`
}

type creator struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}
