// Package socks tells the handshake of a SOCKS proxy from what comes after it.
package socks

// A side is the bytes that one side of a connection sends, as they are read.
type side struct {
	p    []byte
	more bool // p is too short
	bad  bool // and something else
}

func (s *side) byte() byte {
	b := s.bytes(1)
	if b == nil {
		return 0
	}
	return b[0]
}

func (s *side) bytes(n int) []byte {
	if s.bad || s.more || n > len(s.p) {
		s.more = !s.bad
		return nil
	}
	b := s.p[:n]
	s.p = s.p[n:]
	return b
}

// one reads a byte, which has to be from low to high.
func (s *side) one(low, high byte) byte {
	b := s.byte()
	if !s.more && (b < low || b > high) {
		s.bad = true
	}
	return b
}

// text reads up to a zero.
func (s *side) text() {
	const longest = 255
	for range longest + 1 {
		if s.byte() == 0 {
			return
		}
	}
	s.bad = true
}

// address reads an address of version 5, and a port.
func (s *side) address() {
	switch s.byte() {
	case 1:
		s.bytes(4 + 2)
	case 3:
		s.bytes(int(s.byte()) + 2)
	case 4:
		s.bytes(16 + 2)
	default:
		s.bad = s.bad || !s.more
	}
}

// client5 reads the greeting, the name and password where they were asked for
// (RFC 1929), and the request of a client of version 5 (RFC 1928).
func (s *side) client5() {
	s.one(5, 5)
	for range int(s.one(1, 16)) {
		s.one(0, 0x7f)
	}
	if version := s.byte(); version == 1 && !s.more {
		s.bytes(int(s.byte()))
		s.bytes(int(s.byte()))
		s.one(5, 5)
	} else if version != 5 && !s.more {
		s.bad = true
	}
	s.one(1, 3)
	s.one(0, 0)
	s.address()
}

// server5 reads the answers to that.
func (s *side) server5() {
	s.one(5, 5)
	method := s.one(0, 2)
	if method == 2 {
		s.one(1, 1)
		s.one(0, 0)
	}
	s.one(5, 5)
	s.one(0, 8)
	s.one(0, 0)
	s.address()
}

// client4 reads a request of version 4, or of 4A with the name of the host.
func (s *side) client4() {
	s.one(4, 4)
	s.one(1, 2)
	s.bytes(2)
	ip := s.bytes(4)
	s.text()
	if ip != nil && ip[0]|ip[1]|ip[2] == 0 && ip[3] != 0 {
		s.text()
	}
}

// server4 reads the answer to that, if it is good.
func (s *side) server4() {
	s.one(0, 0)
	s.one(0x5a, 0x5a)
	s.bytes(6)
}

// Handshake returns the length of the handshake that p, the first bytes of a
// direction, begins with, and 0 where there is none. more says that this can
// only be told of a longer p.
func Handshake(p []byte) (n int, more bool) {
	for _, read := range []func(*side){(*side).client5, (*side).server5, (*side).client4, (*side).server4} {
		s := side{p: p}
		read(&s)
		if !s.bad && !s.more {
			return len(p) - len(s.p), false
		}
		more = more || s.more
	}
	return 0, more
}
