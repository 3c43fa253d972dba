package llm

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/url"

	"ssltape/record"
)

// awsEvents returns the events in frames of application/vnd.amazon.eventstream
// (https://smithy.io/2.0/aws/amazon-eventstream.html): total length, length of
// the headers, checksum, headers, payload, checksum. The payload of Bedrock is
// JSON with the event of the model's own API in base64; that of an exception
// is a message. Frames that are not whole are left out.
func awsEvents(b []byte) []record.Event {
	const prelude, overhead = 12, 16
	var events []record.Event
	for len(b) >= overhead {
		total, headers := uint64(binary.BigEndian.Uint32(b)), uint64(binary.BigEndian.Uint32(b[4:]))
		if total < overhead || headers > total-overhead || total > uint64(len(b)) {
			break
		}
		var payload struct{ Bytes, Message string }
		if read(b[prelude+headers:total-4], &payload) {
			data, err := base64.StdEncoding.DecodeString(payload.Bytes)
			if err == nil && len(data) > 0 {
				events = append(events, record.Event{Data: string(data)})
			} else if payload.Message != "" {
				events = append(events, awsException(payload.Message))
			}
		}
		b = b[total:]
	}
	return events
}

// awsException returns an exception as the event of an error.
func awsException(message string) record.Event {
	text, _ := json.Marshal(message) // a string is JSON
	return record.Event{Type: "error", Data: `{"type":"error","error":{"type":"exception","message":` + string(text) + `}}`}
}

// unescape returns a part of a path without its percent-encoding.
func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}
