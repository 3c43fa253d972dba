package pcapng

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
)

// A Framing is how packets carry what was recorded.
type Framing int

const (
	// FramingPlain puts it into TCP as it is. Every tool reads that.
	FramingPlain Framing = iota
	// FramingTLS puts it into a TLS session without encryption (cipher suite
	// TLS_RSA_WITH_NULL_SHA256 of RFC 5246), made up like the TCP around it,
	// whose secrets are in the file. Wireshark shows HTTP/1 and HTTP/2 at their
	// real port with https URLs; other tools see TLS. Where bytes were lost, the
	// connection starts anew, since a TLS session cannot have a hole.
	FramingTLS
)

// Set makes f the framing called s: "plain" or "tls". With it, and Type, a
// Framing is the value of a flag.
func (f *Framing) Set(s string) error {
	for _, known := range []Framing{FramingPlain, FramingTLS} {
		if s == known.String() {
			*f = known
			return nil
		}
	}
	return fmt.Errorf("framing %q: choose plain or tls", s)
}

// Type says what the flag takes.
func (f *Framing) Type() string { return "framing" }

// String returns the name that Set takes.
func (f Framing) String() string {
	if f == FramingTLS {
		return "tls"
	}
	return "plain"
}

// Content types and versions of TLS records (RFC 5246, section 6.2.1).
const (
	recordCipherSpec = 20
	recordHandshake  = 22
	recordData       = 23
	recordHead       = 5
	macSize          = sha256.Size
	maxRecord        = 16384 // bytes of data in a record
)

const tls12 = "\x03\x03"

// A session is a made-up TLS session. Sides are 0 for the client and 1 for the
// server.
type session struct {
	random [2][32]byte
	master [48]byte
	mac    [2]hash.Hash
	seq    [2]uint64 // of the next record
	sum    []byte
}

// newSession returns the session with number id: its secrets are not secret,
// but those of merged files must not contradict one another.
func newSession(id uint64) *session {
	s := &session{}
	name := binary.BigEndian.AppendUint64([]byte(tag), id)
	s.random[0] = sha256.Sum256(append(name, 'c'))
	s.random[1] = sha256.Sum256(append(name, 's'))
	secret := sha512.Sum512(append(name, 'm'))
	copy(s.master[:], secret[:])
	// The key block begins with the MAC keys (RFC 5246, section 6.3).
	seed := append(append([]byte("key expansion"), s.random[1][:]...), s.random[0][:]...)
	a := hmacSum(s.master[:], seed)
	for side := range s.mac {
		s.mac[side] = hmac.New(sha256.New, hmacSum(s.master[:], append(a, seed...)))
		a = hmacSum(s.master[:], a)
	}
	return s
}

func hmacSum(key, data []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(data)
	return m.Sum(nil)
}

// keyLog returns the secrets in the form that Wireshark reads.
func (s *session) keyLog() []byte {
	line := append([]byte("CLIENT_RANDOM "), hex.AppendEncode(nil, s.random[0][:])...)
	line = append(line, ' ')
	return append(hex.AppendEncode(line, s.master[:]), '\n')
}

// appendPlain appends a record that is sent before keys are in use.
func appendPlain(dst []byte, typ byte, data []byte) []byte {
	dst = append(dst, typ)
	dst = append(dst, tls12...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(data)))
	return append(dst, data...)
}

// append appends a record with its MAC (RFC 5246, section 6.2.3.1).
func (s *session) append(dst []byte, side int, typ byte, data []byte) []byte {
	var head [13]byte
	binary.BigEndian.PutUint64(head[:], s.seq[side])
	s.seq[side]++
	head[8], head[9], head[10] = typ, tls12[0], tls12[1]
	binary.BigEndian.PutUint16(head[11:], uint16(len(data)))
	s.sum = append(s.sum[:0], head[:]...)
	m := s.mac[side]
	m.Reset()
	m.Write(s.sum)
	m.Write(data)
	s.sum = m.Sum(s.sum[:0])

	dst = append(dst, typ)
	dst = append(dst, tls12...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(data)+macSize))
	dst = append(dst, data...)
	return append(dst, s.sum...)
}

// appendData appends data as records.
func (s *session) appendData(dst []byte, side int, data []byte) []byte {
	for len(data) > 0 {
		n := min(len(data), maxRecord)
		dst = s.append(dst, side, recordData, data[:n])
		data = data[n:]
	}
	return dst
}

// handshake returns the flights of the handshake, the client's first (RFC
// 5246, section 7.3). There is no certificate. name is for the SNI, alpn the
// protocol; either may be empty.
func (s *session) handshake(name, alpn string) [4][]byte {
	const (
		clientHello     = 1
		serverHello     = 2
		serverHelloDone = 14
		keyExchange     = 16
		finished        = 20
		nullSHA256      = "\x00\x3b"
		extServerName   = 0
		extALPN         = 16
	)
	message := func(typ byte, body []byte) []byte {
		return append([]byte{typ, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	}
	var alpnList, extensions []byte
	if name != "" {
		list := withLength16(append([]byte{0}, withLength16([]byte(name))...))
		extensions = append(extensions, 0, extServerName)
		extensions = append(extensions, withLength16(list)...)
	}
	if alpn != "" {
		list := withLength16(append([]byte{byte(len(alpn))}, alpn...))
		alpnList = append([]byte{0, extALPN}, withLength16(list)...)
	}
	client := append([]byte(tls12), s.random[0][:]...)
	client = append(client, "\x00"+"\x00\x02"+nullSHA256+"\x01\x00"...)
	client = append(client, withLength16(append(extensions, alpnList...))...)
	server := append([]byte(tls12), s.random[1][:]...)
	server = append(server, "\x00"+nullSHA256+"\x00"...)
	server = append(server, withLength16(alpnList)...)

	var flights [4][]byte
	flights[0] = appendPlain(nil, recordHandshake, message(clientHello, client))
	flights[1] = appendPlain(nil, recordHandshake, message(serverHello, server))
	flights[1] = appendPlain(flights[1], recordHandshake, message(serverHelloDone, nil))
	flights[2] = appendPlain(nil, recordHandshake, message(keyExchange, withLength16(make([]byte, 4))))
	for side := range 2 {
		f := appendPlain(flights[2+side], recordCipherSpec, []byte{1})
		flights[2+side] = s.append(f, side, recordHandshake, message(finished, make([]byte, 12)))
	}
	return flights
}

// withLength16 returns b after its length.
func withLength16(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

// appendRecords appends to dst what the records in b carry, as far as they are
// there.
func appendRecords(dst, b []byte) []byte {
	for len(b) > recordHead {
		typ, n := b[0], int(binary.BigEndian.Uint16(b[3:]))
		b = b[recordHead:]
		if typ == recordData && n >= macSize {
			dst = append(dst, b[:min(n-macSize, len(b))]...)
		}
		b = b[min(n, len(b)):]
	}
	return dst
}
