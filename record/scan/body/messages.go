package body

import (
	"ssltape/record/scan"
	"ssltape/record/scan/json"
)

// Messages is the sink for one message after the other, as on a WebSocket. In
// those that are JSON the strings of deltas go on from message to message.
type Messages struct {
	s    *scan.Finder
	json *json.EventData
	is   scan.Sink // what the message under way is, or nil
}

// NewMessages returns a Messages that reports to s.
func NewMessages(s *scan.Finder) *Messages { return &Messages{s: s, json: json.NewEventData(s)} }

// Write implements [scan.Sink].
func (m *Messages) Write(p []byte, at int64, n int) {
	if m.is == nil && len(p) > 0 {
		if m.is = m.json; p[0] != '{' {
			m.is = newBody(m.s, "", 0)
		}
	}
	if m.is != nil {
		m.is.Write(p, at, n)
	}
}

// Next ends a message.
func (m *Messages) Next() {
	switch m.is {
	case nil:
	case scan.Sink(m.json):
		m.json.Next()
	default:
		m.is.End()
	}
	m.is = nil
}

// End ends the last message, and with it all strings.
func (m *Messages) End() {
	m.Next()
	m.json.End()
}

// Pending implements [scan.Sink].
func (m *Messages) Pending() int64 {
	if m.is == nil || m.is == scan.Sink(m.json) {
		return m.json.Pending()
	}
	return min(m.is.Pending(), m.json.Pending())
}
