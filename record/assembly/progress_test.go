package assembly

import (
	"strings"
	"testing"

	"ssltape/record"
	"ssltape/record/frame/chain"
)

// What a finder believes in and a parser does not is not found for ever, whatever the
// reason. None is known: here each of two protocols has the finder of the other.
func TestFoundForNothing(t *testing.T) {
	messages := strings.Repeat("\x82\x0a"+strings.Repeat("\x00", 10), 9)                            // DATA of no stream
	frames := strings.Repeat("\x00\x7f\x00\x00\x00\x00\x00\x00\x05"+strings.Repeat("x", 0x7f00), 3) // a long length that is short
	none := [2]bool{true, true}                                                                     // neither direction begins with a frame

	h := &newHTTP2(&connection{Conn: new(record.Conn), a: New(nil, Options{})}, none).halves[record.In]
	p, more, found := []byte(messages), true, 0
	for more && len(p) > 0 {
		if h.state == resyncState {
			h.finder = chain.ResyncWebSocket(false, false)
		}
		if p, more = h.step(p); h.found {
			found++
		}
		if found > len(messages) {
			t.Fatalf("HTTP/2: %d bytes are left, and found again", len(p))
		}
	}
	if found == 0 {
		t.Error("HTTP/2: nothing was found")
	}

	w := &joinWebSocket(&connection{Conn: new(record.Conn), a: New(nil, Options{})}, record.Out, none).halves[record.In]
	p, more, found = []byte(frames), true, 0
	for more && len(p) > 0 {
		if w.state == wsResyncState {
			w.finder = chain.ResyncHTTP2()
		}
		if p, more = w.step(p); w.found {
			found++
		}
		if found > len(messages) {
			t.Fatalf("WebSocket: %d bytes are left, and found again", len(p))
		}
	}
	if found == 0 {
		t.Error("WebSocket: nothing was found")
	}
}
