// Package wire makes the bytes of exchanges again, as HTTP/1.1 (RFC 9112): it
// is what package assembly does, the other way round.
//
// Heads are rebuilt as they were sent, to the byte where the message had no
// oddities. The cutting of a chunked body into chunks is lost when a message
// is recorded; each piece of a rebuilt one has the time at which it arrived.
package wire

import (
	"strconv"
	"strings"

	"ssltape/record"
)

// RequestHead returns the start line and the fields of r as sent, with the
// empty line that ends them; nothing where r was not seen.
func RequestHead(r *record.Request) []byte {
	if !r.Seen() {
		return nil
	}
	return head(r.Method+" "+r.Target+" "+r.Proto, r.Header)
}

// ResponseHead returns the start line and the fields of r as sent, with the
// empty line that ends them; nothing where r was not seen.
func ResponseHead(r *record.Response) []byte {
	if !r.Seen() {
		return nil
	}
	return head(statusLine(r.Proto, r.Status, r.Reason), r.Header)
}

// statusLine keeps the space before an empty reason (RFC 9112, section 4).
func statusLine(proto string, status int, reason string) string {
	return proto + " " + strconv.Itoa(status) + " " + reason
}

func head(start string, fields record.Fields) []byte {
	b := append([]byte(start), "\r\n"...)
	for _, f := range fields {
		b = append(b, f.Name...)
		b = append(b, ": "...)
		b = append(b, f.Value...)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// A framing says how a body shows where it ends (RFC 9112, section 6.3).
type framing uint8

const (
	none       framing = iota // there is no body
	length                    // Content-Length
	chunked                   // Transfer-Encoding: chunked
	untilClose                // the connection ends with the body
)

// A plan is how a message is sent again.
type plan struct {
	fields  record.Fields
	framing framing
	missing int64 // bytes that its framing promises after those that are stored
}

// newPlan returns how to send m. bodiless is set for a response that has no
// body whatever its fields say: to HEAD, 1xx, 204, 304; request for a request.
//
// A body that is stored without its content coding (Message.Decoded) is sent
// so: Content-Encoding goes, and Content-Length becomes the length of what is
// sent. Fields of HTTP/2 that HTTP/1.1 does not know go too.
func newPlan(m *record.Message, request, bodiless bool) plan {
	p := plan{fields: http1(m.Header)}
	if bodiless {
		return p
	}
	stored := m.Body.Len() + m.Cut
	for _, h := range m.Lost {
		if h.Off >= 0 {
			stored += h.Len
		}
	}
	if m.Decoded {
		p.fields = without(p.fields, "Content-Encoding")
	}
	declared, hasLength := contentLength(p.fields)
	switch {
	case isChunked(p.fields):
		p.framing = chunked
	case hasLength && (m.Decoded && stored > 0 || declared < stored):
		p.framing, p.fields = length, setLength(p.fields, stored)
	case hasLength:
		p.framing, p.missing = length, declared-stored
	case request && stored == 0:
		p.framing = none
	case request || !strings.HasPrefix(m.Proto, "HTTP/1."):
		p.framing = length
		p.fields = append(p.fields[:len(p.fields):len(p.fields)], record.Field{Name: "Content-Length", Value: strconv.FormatInt(stored, 10)})
	default:
		p.framing = untilClose
	}
	if !m.Done {
		p.missing = 0 // what did not come in time never was on the wire
	}
	return p
}

// http1 returns fields without the pseudo-header fields of HTTP/2, of which
// :authority becomes Host (RFC 9113, section 8.3).
func http1(fields record.Fields) record.Fields {
	out := make(record.Fields, 0, len(fields)+1)
	for _, f := range fields {
		if f.Name == ":authority" && !fields.Has("Host") {
			f.Name = "Host"
		}
		if !strings.HasPrefix(f.Name, ":") {
			out = append(out, f)
		}
	}
	return out
}

func without(fields record.Fields, name string) record.Fields {
	var out record.Fields
	for _, f := range fields {
		if !strings.EqualFold(f.Name, name) {
			out = append(out, f)
		}
	}
	return out
}

func setLength(fields record.Fields, n int64) record.Fields {
	out := append(record.Fields(nil), fields...)
	for i := range out {
		if strings.EqualFold(out[i].Name, "Content-Length") {
			out[i].Value = strconv.FormatInt(n, 10)
		}
	}
	return out
}

func contentLength(fields record.Fields) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(fields.Get("Content-Length")), 10, 64)
	return n, err == nil && n >= 0
}

func isChunked(fields record.Fields) bool {
	for _, f := range fields {
		if strings.EqualFold(f.Name, "Transfer-Encoding") && strings.Contains(strings.ToLower(f.Value), "chunked") {
			return true
		}
	}
	return false
}
