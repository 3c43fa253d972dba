package pcapng

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"net/netip"

	"ssltape/pcapng/tcpip"
)

// Sizes of the headers of a packet.
const (
	ethSize  = 14
	ip4Size  = 20
	ip6Size  = 40
	tcpSize  = 20
	protoTCP = 6
)

const (
	window     = 65535 // constant, so that no analysis speaks of full or zero windows
	maxSegment = 65000 // bytes of data in a packet: with its headers under the 65535 of IPv4
)

// synOptions are MSS 65495 and a window scale of 7 (RFC 9293, section 3.2;
// RFC 7323, section 2.2): what Linux uses on loopback.
const synOptions = "\x02\x04\xff\xd7\x01\x03\x03\x07"

// A segment is a TCP segment to be framed.
type segment struct {
	src, dst netip.AddrPort // of the same family
	fromSYN  bool           // src opened the connection
	seq, ack uint32
	flags    uint8
	data     []byte
	missing  int // bytes after data that were on the wire and are not here
}

// appendFrame appends s as an Ethernet frame to dst, checksums included. The
// headers say that the missing bytes are there; they count as zeros in the
// checksum, which nobody can check.
func appendFrame(dst []byte, s *segment) []byte {
	from, to := byte(2), byte(1)
	if s.fromSYN {
		from, to = 1, 2
	}
	dst = append(dst, 2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from)
	options := ""
	if s.flags&tcpip.SYN != 0 {
		options = synOptions
	}
	tcpLen := tcpSize + len(options) + len(s.data) + s.missing
	var pseudo uint64 // sum of the pseudo header (RFC 9293, section 3.1)
	if s.src.Addr().Is4() {
		dst, pseudo = appendIPv4(dst, s, tcpLen)
	} else {
		dst, pseudo = appendIPv6(dst, s, tcpLen)
	}
	start := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, s.src.Port())
	dst = binary.BigEndian.AppendUint16(dst, s.dst.Port())
	dst = binary.BigEndian.AppendUint32(dst, s.seq)
	dst = binary.BigEndian.AppendUint32(dst, s.ack)
	dst = append(dst, byte(tcpSize+len(options))/4<<4, s.flags, window>>8, window&0xff, 0, 0, 0, 0)
	dst = append(dst, options...)
	dst = append(dst, s.data...)
	binary.BigEndian.PutUint16(dst[start+16:], checksum(dst[start:], pseudo))
	return dst
}

func appendIPv4(dst []byte, s *segment, tcpLen int) ([]byte, uint64) {
	dst = append(dst, 0x08, 0x00)
	start := len(dst)
	src, to := s.src.Addr().As4(), s.dst.Addr().As4()
	n := ip4Size + tcpLen
	// Don't Fragment, so that an identification of 0 is right (RFC 6864).
	dst = append(dst, 0x45, 0, byte(n>>8), byte(n), 0, 0, 0x40, 0, 64, protoTCP, 0, 0)
	dst = append(dst, src[:]...)
	dst = append(dst, to[:]...)
	binary.BigEndian.PutUint16(dst[start+10:], checksum(dst[start:], 0))
	return dst, sum(dst[start+12:], uint64(swap(protoTCP))+uint64(swap(uint16(tcpLen))))
}

func appendIPv6(dst []byte, s *segment, tcpLen int) ([]byte, uint64) {
	dst = append(dst, 0x86, 0xdd)
	start := len(dst)
	src, to := s.src.Addr().As16(), s.dst.Addr().As16()
	dst = append(dst, 0x60, 0, 0, 0, byte(tcpLen>>8), byte(tcpLen), protoTCP, 64)
	dst = append(dst, src[:]...)
	dst = append(dst, to[:]...)
	return dst, sum(dst[start+8:], uint64(swap(protoTCP))+uint64(swap(uint16(tcpLen))))
}

// headerSize returns the size of s's headers, and so of a frame without data.
func (s *segment) headerSize() int {
	n := ethSize + ip4Size + tcpSize
	if !s.src.Addr().Is4() {
		n += ip6Size - ip4Size
	}
	if s.flags&tcpip.SYN != 0 {
		n += len(synOptions)
	}
	return n
}

// packetSize is the length of the block of a packet without comments and drop
// count, of which the frame is empty.
const packetSize = minBlock + 20 + 8 + 12 + 8 + 4

// minPiece is how many bytes of data a page must have room for that the beginning
// of data goes there which the page has no room for.
const minPiece = 1024

// fit returns for how many bytes of data the next packet of f has room, with the
// comments that were noted for it: those for which the page has, or the next one
// where the rest of this one is not worth while. line bytes have to be in it.
func (w *Writer) fit(f *flow, data []byte, line int) int {
	s := segment{src: f.ends[0]}
	fixed := packetSize + s.headerSize() + len(w.notes)
	if f.tls != nil {
		fixed += recordHead + macSize
	}
	least, room := max(minPiece, line), w.out.room()
	if room-fixed < min(least, len(data)) {
		w.out.fill(len(w.out.buf), room)
		room = page
	}
	return max(room-fixed, least)
}

// firstLine returns the length of the first line of data where that has to be
// within a packet of f, else 0.
func (f *flow) firstLine(data []byte) int {
	if f.tls != nil || !isRequest(data) && !isResponse(data) {
		return 0
	}
	return 1 + bytes.IndexByte(data[:min(len(data), maxHead)], '\n')
}

// swap turns a number into what sum, which reads little endian, makes of its
// bytes on the wire.
func swap(n uint16) uint16 { return bits.ReverseBytes16(n) }

// checksum returns the Internet checksum of b (RFC 1071) with start added.
func checksum(b []byte, start uint64) uint16 {
	s := sum(b, start)
	s = s>>32 + s&0xffffffff
	s = s>>32 + s&0xffffffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	return swap(^uint16(s))
}

// sum adds the bytes of b to s in one's complement, 64 bits at a time: the
// width and the byte order of the words do not matter until the sum is folded
// (RFC 1071, section 2).
func sum(b []byte, s uint64) uint64 {
	var carry uint64
	for ; len(b) >= 32; b = b[32:] {
		s, carry = bits.Add64(s, binary.LittleEndian.Uint64(b), carry)
		s, carry = bits.Add64(s, binary.LittleEndian.Uint64(b[8:]), carry)
		s, carry = bits.Add64(s, binary.LittleEndian.Uint64(b[16:]), carry)
		s, carry = bits.Add64(s, binary.LittleEndian.Uint64(b[24:]), carry)
	}
	for ; len(b) >= 8; b = b[8:] {
		s, carry = bits.Add64(s, binary.LittleEndian.Uint64(b), carry)
	}
	var tail [8]byte
	copy(tail[:], b)
	s, carry = bits.Add64(s, binary.LittleEndian.Uint64(tail[:]), carry)
	s, carry = bits.Add64(s, 0, carry)
	return s + carry
}
