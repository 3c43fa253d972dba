package har

import (
	"bytes"
	"io"
	"strconv"

	"ssltape/record"
)

// spillSize is the length from which on a part of an entry is written before
// the rest of it is known.
const spillSize = 256 << 10

// A coder encodes entries, with memory that does not depend on the size of
// their bodies.
type coder struct {
	req, res []byte // a chunk of each body
	meta     []byte // the entry without the bodies
	buf      []byte // for who has no buffer of its own
}

// A spill takes what a buffer holds and returns the buffer to go on with. Where it
// ends within a string, at least more bytes of that are to come.
type spill func(b []byte, more int64) ([]byte, error)

// encode appends the JSON of x's entry to b. A long one goes to spill, with
// what b held before, but for its end.
func (c *coder) encode(b []byte, x *record.Exchange, pageRef string, spill spill) ([]byte, error) {
	if c.req == nil {
		c.req, c.res = make([]byte, chunkSize), make([]byte, chunkSize)
	}
	req, err := survey(&x.Request.Message, c.req)
	if err != nil {
		return nil, err
	}
	res, err := survey(&x.Response.Message, c.res)
	if err != nil {
		return nil, err
	}
	e := newEntry(x, &req, &res)
	e.PageRef = pageRef
	c.meta = e.append(c.meta[:0])
	meta := c.meta
	if e.Request.PostData != nil && e.Request.PostData.Text != nil {
		if b, meta, err = req.put(b, meta, c.req, spill); err != nil {
			return b, err
		}
	}
	if e.Response.Content.Text != nil {
		if b, meta, err = res.put(b, meta, c.res, spill); err != nil {
			return b, err
		}
	}
	events := longList[record.Event]{`,"_eventSourceMessages":`, x.Response.Events, appendEvent}
	if b, err = events.put(append(b, meta...), spill); err != nil {
		return b, err
	}
	messages := longList[record.WebSocketMessage]{`,"_webSocketMessages":`, x.WebSocket, appendMessage}
	b, err = messages.put(b, spill)
	return append(b, '}'), err
}

// A longList is a list with its key, of which parts may go to a spill.
type longList[T any] struct {
	key     string
	items   []T
	element func(*T, []byte) []byte // appends one
}

// put is appendList for l.
func (l longList[T]) put(b []byte, spill spill) ([]byte, error) {
	if len(l.items) == 0 {
		return b, nil
	}
	b = append(append(b, l.key...), '[')
	for i := range l.items {
		if i > 0 {
			b = append(b, ',')
		}
		b = l.element(&l.items[i], b)
		if len(b) >= spillSize {
			var err error
			if b, err = spill(b, 0); err != nil {
				return b, err
			}
		}
	}
	return append(b, ']'), nil
}

func appendEvent(ev *record.Event, b []byte) []byte {
	e := newEvent(ev)
	return e.append(b)
}

func appendMessage(m *record.WebSocketMessage, b []byte) []byte {
	w := newWebSocketMessage(m)
	return w.append(b)
}

// put appends what comes in meta before the next placeholder, and p in place of
// it. It returns the rest of meta, too.
func (p *payload) put(b, meta, chunk []byte, spill spill) (whole, rest []byte, err error) {
	before, rest, _ := bytes.Cut(meta, []byte(placeholder))
	b, err = p.appendTo(append(append(b, before...), `"text":"`...), chunk, spill)
	return append(b, '"'), rest, err
}

// WriteEntry writes the entry of x to w, as one line of JSON without an end of
// line. A large one is written in parts.
func WriteEntry(w io.Writer, x *record.Exchange) error {
	var c coder
	return c.writeTo(w, x)
}

func (c *coder) writeTo(w io.Writer, x *record.Exchange) error {
	var err error
	c.buf, err = c.encode(c.buf[:0], x, "", writeTo(w))
	if err == nil {
		_, err = w.Write(c.buf)
	}
	return err
}

// writeTo returns a spill that writes to w.
func writeTo(w io.Writer) spill {
	return func(b []byte, _ int64) ([]byte, error) {
		_, err := w.Write(b)
		return b[:0], err
	}
}

// The methods below append the JSON of an entry, byte for byte as
// package encoding/json writes it without escaping for HTML. That takes several
// times as long, and a recorder shares the processors with what it records.

// append appends the JSON of e to b, but for what its connection carried in
// messages and the end.
func (e *entry) append(b []byte) []byte {
	b = append(b, '{')
	if e.PageRef != "" {
		b = append(appendString(append(b, `"pageref":`...), e.PageRef), ',')
	}
	b = appendString(append(b, `"startedDateTime":`...), string(e.Started))
	b = e.Time.append(append(b, `,"time":`...))
	b = e.Request.append(append(b, `,"request":`...))
	b = e.Response.append(append(b, `,"response":`...))
	b = e.Timings.append(append(b, `,"cache":{},"timings":`...))
	b = appendText(b, `,"serverIPAddress":`, string(e.ServerIP))
	b = appendText(b, `,"connection":`, string(e.Connection))
	b = appendText(b, `,"comment":`, e.Comment)
	b = appendText(b, `,"_connectionId":`, string(e.ConnectionID))
	b = appendText(b, `,"_resourceType":`, e.ResourceType)
	b = appendNumber(b, `,"_id":`, e.ID)
	if e.Process != nil {
		b = e.Process.append(append(b, `,"_process":`...))
	}
	b = appendFlag(b, `,"_server":`, e.Server)
	b = appendText(b, `,"_serverName":`, e.ServerName)
	b = appendText(b, `,"_clientAddress":`, e.ClientAddress)
	if e.Plain != nil {
		b = strconv.AppendBool(append(b, `,"_plain":`...), *e.Plain)
	}
	b = appendList(b, `,"_lost":`, e.Lost, (*lost).append)
	return appendList(b, `,"_anomalies":`, e.Anomalies, func(s *string, b []byte) []byte { return appendString(b, *s) })
}

func (p *process) append(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"pid":`...), int64(p.PID), 10)
	b = appendString(append(b, `,"comm":`...), p.Comm)
	b = appendString(append(b, `,"exe":`...), p.Exe)
	return append(appendText(b, `,"library":`, p.Library), '}')
}

func (r *request) append(b []byte) []byte {
	b = appendString(append(b, `{"method":`...), r.Method)
	b = appendString(append(b, `,"url":`...), r.URL)
	b = appendString(append(b, `,"httpVersion":`...), r.HTTPVersion)
	b = appendAll(append(b, `,"cookies":`...), r.Cookies, (*cookie).append)
	b = appendAll(append(b, `,"headers":`...), r.Headers, (*nameValue).append)
	b = appendAll(append(b, `,"queryString":`...), r.QueryString, (*nameValue).append)
	if r.PostData != nil {
		b = r.PostData.append(append(b, `,"postData":`...))
	}
	b = strconv.AppendInt(append(b, `,"headersSize":`...), int64(r.HeadersSize), 10)
	b = strconv.AppendInt(append(b, `,"bodySize":`...), int64(r.BodySize), 10)
	b = appendNumber(b, `,"_transferSize":`, r.TransferSize)
	if r.Target != nil {
		b = appendString(append(b, `,"_target":`...), *r.Target)
	}
	b = appendList(b, `,"_trailers":`, r.Trailers, (*nameValue).append)
	return append(appendFlag(b, `,"_incomplete":`, r.Incomplete), '}')
}

func (r *response) append(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"status":`...), int64(r.Status), 10)
	b = appendString(append(b, `,"statusText":`...), string(r.StatusText))
	b = appendString(append(b, `,"httpVersion":`...), r.HTTPVersion)
	b = appendAll(append(b, `,"cookies":`...), r.Cookies, (*cookie).append)
	b = appendAll(append(b, `,"headers":`...), r.Headers, (*nameValue).append)
	b = r.Content.append(append(b, `,"content":`...))
	b = appendString(append(b, `,"redirectURL":`...), r.RedirectURL)
	b = strconv.AppendInt(append(b, `,"headersSize":`...), int64(r.HeadersSize), 10)
	b = strconv.AppendInt(append(b, `,"bodySize":`...), int64(r.BodySize), 10)
	b = appendNumber(b, `,"_transferSize":`, r.TransferSize)
	b = appendText(b, `,"_error":`, r.Error)
	b = appendText(b, `,"_failureText":`, r.FailureText)
	b = appendList(b, `,"_interim":`, r.Interim, (*interim).append)
	b = appendList(b, `,"_trailers":`, r.Trailers, (*nameValue).append)
	return append(appendFlag(b, `,"_incomplete":`, r.Incomplete), '}')
}

func (p *postData) append(b []byte) []byte {
	b = appendString(append(b, `{"mimeType":`...), p.MimeType)
	b = appendList(b, `,"params":`, p.Params, (*nameValue).append)
	return append(p.bodyText.append(b), '}')
}

func (c *content) append(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"size":`...), int64(c.Size), 10)
	b = appendNumber(b, `,"compression":`, c.Compression)
	b = appendString(append(b, `,"mimeType":`...), c.MimeType)
	return append(c.bodyText.append(b), '}')
}

// append appends the fields of t, of which there are some before.
func (t *bodyText) append(b []byte) []byte {
	if t.Text != nil {
		b = append(append(b, ','), placeholder...)
	}
	b = appendText(b, `,"_file":`, t.File)
	b = appendText(b, `,"encoding":`, t.Encoding)
	b = appendText(b, `,"comment":`, t.Comment)
	b = appendFlag(b, `,"_encoded":`, t.Encoded)
	return appendNumber(b, `,"_cut":`, t.Cut)
}

func (n *nameValue) append(b []byte) []byte {
	b = appendString(append(b, `{"name":`...), string(n.Name))
	return append(appendString(append(b, `,"value":`...), string(n.Value)), '}')
}

func (c *cookie) append(b []byte) []byte {
	b = appendString(append(b, `{"name":`...), c.Name)
	b = appendString(append(b, `,"value":`...), c.Value)
	b = appendText(b, `,"path":`, c.Path)
	b = appendText(b, `,"domain":`, c.Domain)
	b = appendText(b, `,"expires":`, c.Expires)
	b = appendFlag(b, `,"httpOnly":`, c.HTTPOnly)
	b = appendFlag(b, `,"secure":`, c.Secure)
	return append(appendText(b, `,"sameSite":`, c.SameSite), '}')
}

func (t *timings) append(b []byte) []byte {
	b = t.Blocked.append(append(b, `{"blocked":`...))
	b = t.DNS.append(append(b, `,"dns":`...))
	b = t.Connect.append(append(b, `,"connect":`...))
	b = t.SSL.append(append(b, `,"ssl":`...))
	b = t.Send.append(append(b, `,"send":`...))
	b = t.Wait.append(append(b, `,"wait":`...))
	b = t.Receive.append(append(b, `,"receive":`...))
	if t.Overlap != 0 {
		b = t.Overlap.append(append(b, `,"_overlap":`...))
	}
	return append(b, '}')
}

func (l *lost) append(b []byte) []byte {
	b = append(appendString(append(b, `{"side":`...), l.Side), `,"offset":`...)
	if l.Offset == nil {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendInt(b, int64(*l.Offset), 10)
	}
	return append(strconv.AppendInt(append(b, `,"length":`...), int64(l.Length), 10), '}')
}

func (i *interim) append(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"status":`...), int64(i.Status), 10)
	b = appendString(append(b, `,"statusText":`...), i.StatusText)
	b = appendAll(append(b, `,"headers":`...), i.Headers, (*nameValue).append)
	return append(appendString(append(b, `,"startedDateTime":`...), i.Started), '}')
}

func (e *event) append(b []byte) []byte {
	b = e.Time.append(append(b, `{"time":`...))
	b = appendString(append(b, `,"eventName":`...), e.Name)
	b = appendString(append(b, `,"eventId":`...), e.ID)
	return append(appendString(append(b, `,"data":`...), e.Data), '}')
}

func (m *webSocketMessage) append(b []byte) []byte {
	b = appendString(append(b, `{"type":`...), m.Type)
	b = m.Time.append(append(b, `,"time":`...))
	b = strconv.AppendInt(append(b, `,"opcode":`...), int64(m.Opcode), 10)
	b = appendString(append(b, `,"data":`...), m.Data)
	b = appendFlag(b, `,"_base64":`, m.Base64)
	b = appendFlag(b, `,"_deflated":`, m.Deflated)
	b = appendNumber(b, `,"_lost":`, m.Lost)
	return append(appendNumber(b, `,"_cut":`, m.Cut), '}')
}

// appendAll appends a list, which is null where there is none.
func appendAll[T any](b []byte, list []T, element func(*T, []byte) []byte) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = element(&list[i], b)
	}
	return append(b, ']')
}

// appendList appends a list with the key before it, unless it is empty.
func appendList[T any](b []byte, key string, list []T, element func(*T, []byte) []byte) []byte {
	if len(list) == 0 {
		return b
	}
	return appendAll(append(b, key...), list, element)
}

// appendText, appendNumber and appendFlag are the same for other values.
func appendText(b []byte, key, s string) []byte {
	if s == "" {
		return b
	}
	return appendString(append(b, key...), s)
}

func appendNumber(b []byte, key string, n integer) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(append(b, key...), int64(n), 10)
}

func appendFlag(b []byte, key string, v bool) []byte {
	if !v {
		return b
	}
	return append(append(b, key...), "true"...)
}
