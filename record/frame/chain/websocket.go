package chain

import (
	"bytes"
	"unicode/utf8"

	"ssltape/record/frame"
)

// Evidence that is needed of a WebSocket, since headers of its frames are
// short: where frames are known to be, at the start of a direction, and where
// the protocol is not known.
const (
	webSocketResync = 5
	webSocketEarly  = 2
	webSocketNeed   = 6
)

// ResyncWebSocket returns a finder of frames in a WebSocket, of the client if
// they are masked; deflates says whether messages may be compressed.
func ResyncWebSocket(masked, deflates bool) Finder {
	read := func(p []byte) evidence { return readWebSocket(p, masked, deflates) }
	return Finder{read: read, starts: &webSocketStarts, need: webSocketResync}
}

// WebSocket returns a finder of frames, of the client if they are masked, in a
// direction of which the protocol is not known. Frames that most WebSockets do
// not have are not believed.
func WebSocket(masked bool) Finder {
	read := func(p []byte) evidence {
		if !webSocketFullStarts[p[0]] { // also where one would have to follow
			return evidence{seen: 1, score: notFrame}
		}
		return readWebSocket(p, masked, true)
	}
	return Finder{read: read, starts: &webSocketFullStarts, need: webSocketNeed, early: webSocketEarly}
}

// maxWebSocket is how long a frame is believed to be.
const maxWebSocket = 256 << 10

// webSocketStarts are the first bytes of frames, and webSocketFullStarts those
// of frames that are a whole message (RFC 6455, section 5.2; RFC 7692, section 6).
var webSocketStarts, webSocketFullStarts = func() (all, full [256]bool) {
	for i := range all {
		_, ok, more := frame.ReadWebSocket([]byte{byte(i), 0})
		all[i] = ok || more
		full[i] = all[i] && i&0x80 != 0 && i&0xf != frame.OpContinuation
	}
	return all, full
}()

// readWebSocket tells whether p starts with a frame, by the masking that the
// sender has to use. Text that is UTF-8 tells most.
func readWebSocket(p []byte, masked, deflates bool) evidence {
	f, ok, more := frame.ReadWebSocket(p)
	switch {
	case more:
		return evidence{score: needMore}
	case !ok, f.Masked != masked, f.Compressed && (!deflates || f.Opcode == frame.OpContinuation), f.Length > maxWebSocket:
		return evidence{seen: f.Size, score: notFrame}
	}
	size := f.Size + int(f.Length)
	if f.Opcode != frame.OpText || f.Compressed || !f.Final || f.Length == 0 || f.Length > 4<<10 {
		return evidence{size: size, seen: f.Size, score: 1}
	}
	if len(p) < size {
		return evidence{score: needMore}
	}
	text := bytes.Clone(p[f.Size:size])
	f.XOR(text, 0)
	if !utf8.Valid(text) {
		return evidence{seen: size, score: notFrame}
	}
	if f.Length < 8 {
		return evidence{size: size, seen: size, score: 2}
	}
	return evidence{size: size, seen: size, score: 3}
}
