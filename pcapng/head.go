package pcapng

import (
	"bytes"

	"ssltape/record/frame"
)

// maxHead is how much of a direction's first line is held back at most.
const maxHead = 8 << 10

// wholeLine reports whether b, the first bytes of a direction, need not be
// held back any longer: they hold a first line or cannot be the start of one.
// Wireshark tells HTTP on an unusual port by a first line within one packet.
func wholeLine(b []byte) bool {
	if len(b) >= maxHead {
		return true
	}
	if startsPreface(b) {
		return len(b) >= len(frame.Preface)
	}
	line := bytes.TrimLeft(b, "\r\n")
	for i, ch := range line {
		switch {
		case ch == '\n':
			return true
		case ch < ' ' && ch != '\t' && ch != '\r', i == 0 && ch >= 0x7f:
			return true
		}
	}
	return false
}

// isResponse reports whether b starts like a status line.
func isResponse(b []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(b, "\r\n"), []byte("HTTP/"))
}

// startsPreface reports whether b starts with as much of the preface of HTTP/2 as
// nothing else does.
func startsPreface(b []byte) bool { return bytes.HasPrefix(b, []byte(frame.Preface[:16])) }

// isHTTP2 reports whether b starts a connection of HTTP/2: with the client's
// preface or with a SETTINGS frame (RFC 9113, section 6.5), the server's.
func isHTTP2(b []byte) bool {
	if startsPreface(b) {
		return true
	}
	if len(b) < frame.HTTP2Size {
		return false
	}
	f := frame.ParseHTTP2(b)
	return f.Type == frame.Settings && f.Length < 1<<16 && f.Flags <= frame.FlagAck && f.Stream == 0
}

// isRequest reports whether b starts like a request of HTTP/1 or HTTP/2.
func isRequest(b []byte) bool {
	_, _, ok := requestHead(b)
	return ok || startsPreface(b)
}

// requestHead returns the target and the Host field of the request that b
// starts with. What b does not hold is nil; ok is false where b does not start
// with the start line of a request.
func requestHead(b []byte) (target, host []byte, ok bool) {
	b = bytes.TrimLeft(b, "\r\n")
	if i := bytes.IndexByte(b[:min(len(b), 32)], ' '); i <= 0 || !isToken(b[:i]) {
		return nil, nil, false
	}
	b = b[:min(len(b), maxHead)]
	line, rest, _ := bytes.Cut(b, []byte("\n"))
	line = bytes.TrimRight(line, "\r ")
	_, line, _ = bytes.Cut(line, []byte(" "))
	i := bytes.LastIndex(line, []byte(" HTTP/1."))
	if i < 0 || i != len(line)-len(" HTTP/1.1") {
		return nil, nil, false
	}
	return bytes.TrimSpace(line[:i]), hostField(rest), true
}

// hostField returns the value of the Host field in the fields that b starts
// with, or nil.
func hostField(b []byte) []byte {
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte("\n"))
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return nil
		}
		if len(name) == len("Host") && bytes.EqualFold(name, []byte("Host")) {
			return bytes.TrimSpace(value)
		}
	}
	return nil
}

// isToken reports whether b is a method (RFC 9110, section 5.6.2).
func isToken(b []byte) bool {
	for _, ch := range b {
		if ch <= ' ' || ch >= 0x7f || bytes.IndexByte([]byte(`"(),/:;<=>?@[\]{}`), ch) >= 0 {
			return false
		}
	}
	return true
}

// hostName returns the name in host, which may have a port, or "" where it is
// an address or no name.
func hostName(host string) string {
	for i := range len(host) {
		ch := host[i]
		switch {
		case ch == ':':
			host = host[:i]
		case ch >= 'a' && ch <= 'z', ch >= 'A' && ch <= 'Z', ch >= '0' && ch <= '9', ch == '-', ch == '.', ch == '_':
			continue
		default:
			return ""
		}
		break
	}
	if len(host) > 255 || host == "" || host[len(host)-1] >= '0' && host[len(host)-1] <= '9' {
		return ""
	}
	return host
}
