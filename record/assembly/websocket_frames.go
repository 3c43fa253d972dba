package assembly

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"strings"
	"unicode/utf8"

	"ssltape/record"
)

// A webSocketFrame is the header of a frame (RFC 6455, section 5.2).
type webSocketFrame struct {
	final      bool
	compressed bool // RSV1, RFC 7692, section 6
	opcode     byte
	masked     bool
	key        [4]byte
	length     int64
	size       int // of the header
}

func (f *webSocketFrame) isControl() bool { return f.opcode&0x8 != 0 }

// parseWebSocketFrame reads the header of a frame. more says that p is too
// short; ok that there may be such a header.
func parseWebSocketFrame(p []byte) (f webSocketFrame, ok, more bool) {
	if len(p) < 2 {
		return f, false, true
	}
	f.final, f.compressed, f.opcode = p[0]&0x80 != 0, p[0]&0x40 != 0, p[0]&0xf
	f.masked, f.length, f.size = p[1]&0x80 != 0, int64(p[1]&0x7f), 2
	switch {
	case p[0]&0x30 != 0, f.opcode > opBinary && f.opcode < opClose, f.opcode > opPong:
		return f, false, false
	case f.isControl() && (!f.final || f.compressed || f.length > maxControl):
		return f, false, false
	case f.length == 126:
		f.size = 4
	case f.length == 127:
		f.size = 10
	}
	if f.masked {
		f.size += 4
	}
	if len(p) < f.size {
		return f, false, true
	}
	switch f.length { // the shortest form has to be used
	case 126:
		f.length = int64(binary.BigEndian.Uint16(p[2:]))
		ok = f.length > maxControl
	case 127:
		f.length = int64(binary.BigEndian.Uint64(p[2:]))
		ok = f.length > 0xffff
	default:
		ok = true
	}
	if f.masked {
		copy(f.key[:], p[f.size-4:f.size])
	}
	return f, ok, false
}

// Evidence that a frameFinder needs, since headers of WebSocket frames are
// short: in a WebSocket, at the start of a direction, and where the protocol is
// not known.
const (
	wsResync = 5
	wsEarly  = 2
	wsNeed   = 6
)

// evidence is the read of a frameFinder in a WebSocket.
func (s *webSocketHalf) evidence(p []byte) frameEvidence {
	return readWebSocket(p, s.dir == s.w.client, s.inflate != nil)
}

// newWebSocketFinder returns a finder of frames, of the client if they are
// masked, in a direction of which the protocol is not known. Frames that most
// WebSockets do not have are not believed.
func newWebSocketFinder(masked bool) frameFinder {
	read := func(p []byte) frameEvidence {
		if !webSocketFullStarts[p[0]] { // also where one would have to follow
			return frameEvidence{seen: 1, score: notFrame}
		}
		return readWebSocket(p, masked, true)
	}
	return frameFinder{read: read, starts: &webSocketFullStarts, need: wsNeed, early: wsEarly}
}

// webSocketStarts are the first bytes of frames, and webSocketFullStarts those
// of frames that are a whole message (RFC 6455, section 5.2; RFC 7692, section 6).
var webSocketStarts, webSocketFullStarts = func() (all, full [256]bool) {
	for i := range all {
		_, ok, more := parseWebSocketFrame([]byte{byte(i), 0})
		all[i] = ok || more
		full[i] = all[i] && i&0x80 != 0 && i&0xf != opContinuation
	}
	return all, full
}()

// readWebSocket tells whether p starts with a frame, by the masking that the
// sender has to use. Text that is UTF-8 tells most.
func readWebSocket(p []byte, masked, deflates bool) frameEvidence {
	f, ok, more := parseWebSocketFrame(p)
	switch {
	case more:
		return frameEvidence{score: needMore}
	case !ok, f.masked != masked, f.compressed && (!deflates || f.opcode == opContinuation), f.length > maxHead/4:
		return frameEvidence{seen: f.size, score: notFrame}
	}
	size := f.size + int(f.length)
	if f.opcode != opText || f.compressed || !f.final || f.length == 0 || f.length > 4<<10 {
		return frameEvidence{size: size, seen: f.size, score: 1}
	}
	if len(p) < size {
		return frameEvidence{score: needMore}
	}
	text := bytes.Clone(p[f.size:size])
	for i := range text {
		text[i] ^= f.key[i&3]
	}
	if !utf8.Valid(text) {
		return frameEvidence{seen: size, score: notFrame}
	}
	if f.length < 8 {
		return frameEvidence{size: size, seen: size, score: 2}
	}
	return frameEvidence{size: size, seen: size, score: 3}
}

// deflateExtension reports whether the server agreed to permessage-deflate,
// and whether the messages of the client (0) and of the server (1) are
// compressed with what came before them (RFC 7692, section 7.1.1).
func deflateExtension(fs record.Fields) (on bool, keeps [2]bool) {
	for _, f := range fs {
		if !strings.EqualFold(f.Name, "Sec-WebSocket-Extensions") {
			continue
		}
		for extension := range strings.SplitSeq(strings.ToLower(f.Value), ",") {
			params := strings.Split(strings.ReplaceAll(extension, " ", ""), ";")
			if params[0] != "permessage-deflate" {
				continue
			}
			on, keeps = true, [2]bool{true, true}
			for _, param := range params[1:] {
				switch param {
				case "client_no_context_takeover":
					keeps[0] = false
				case "server_no_context_takeover":
					keeps[1] = false
				}
			}
		}
	}
	return on, keeps
}

// An inflater reads compressed messages (RFC 7692, section 7.2.2). Where the
// messages before one are not known, it can be read all the same if it does not
// refer to them: what refers to too much is not well-formed.
type inflater struct {
	keeps  bool   // messages refer to the ones before them
	window []byte // the end of those that are known
	r      io.ReadCloser
}

// lose says that a message is missing.
func (f *inflater) lose() { f.window = nil }

// inflateTail ends the last block of a message, and the stream after it.
const inflateTail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

const windowSize = 32 << 10

// message returns the data of p without compression, and how much of it at its
// end is left out. Where ok is false it returns what came.
func (f *inflater) message(p *partialMessage) (data []byte, cut int64, ok bool) {
	if p.lost > 0 || p.cut > 0 {
		f.lose()
		return p.data, p.cut, false
	}
	src := io.MultiReader(bytes.NewReader(p.data), strings.NewReader(inflateTail))
	if f.r == nil {
		f.r = flate.NewReaderDict(src, f.window)
	} else if err := f.r.(flate.Resetter).Reset(src, f.window); err != nil {
		f.lose()
		return p.data, 0, false
	}
	var out bytes.Buffer
	if _, err := io.Copy(&out, io.LimitReader(f.r, maxMessage+1)); err != nil || out.Len() > maxMessage {
		f.lose()
		return p.data, 0, false
	}
	data = out.Bytes()
	if f.keeps {
		f.window = append(f.window, data[max(0, len(data)-windowSize):]...)
		f.window = append(f.window[:0], f.window[max(0, len(f.window)-windowSize):]...)
	}
	return data, 0, true
}
