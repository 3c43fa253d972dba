// Package tcpip finds TCP in captured packets: below the link layers that
// captures of IP have, tunnels, and IP fragments.
package tcpip

import (
	"encoding/binary"
	"net/netip"
)

// A Segment is a TCP segment that was captured (RFC 9293, section 3.1).
type Segment struct {
	Tuple
	Seq, Ack uint32
	Flags    uint8  // FIN and so on
	Data     []byte // shares the memory of the packet
	Missing  int    // bytes after Data that were not captured
}

// Flags of a segment.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// A Tuple is the ends of a connection, as one direction has them.
type Tuple struct{ Src, Dst netip.AddrPort }

// Reverse returns the tuple of the other direction.
func (t Tuple) Reverse() Tuple { return Tuple{t.Dst, t.Src} }

// Sizes of headers without options, and numbers of protocols (IANA).
const (
	ethSize = 14
	ip4Size = 20
	ip6Size = 40
	tcpSize = 20
	udpSize = 8

	protoIP4 = 4
	protoTCP = 6
	protoUDP = 17
	protoIP6 = 41
	protoGRE = 47
)

// Counts say what a [Decoder] was given.
type Counts struct {
	Packets int
	TCP     int // segments
	UDP     int
	QUIC    int              // of UDP: packets to or from port 443
	Other   int              // other IP, broken IP, and what is not IP
	Links   map[LinkType]int // packets of link types that are not known
	WiFi    int              // encrypted frames of 802.11
}

// A Decoder finds the TCP segments in packets.
//
// IP fragments are put together (RFC 791, section 3.2; RFC 8200, section 4.5).
// gopacket's defragmentation does not do IPv6, keeps what it is given, and
// panics on fragments that were cut when captured. The zero Decoder is ready.
type Decoder struct {
	Counts
	partial map[fragmentKey]*partial
	order   []fragmentKey // oldest first
}

// A datagram is what the IP layer carries.
type datagram struct {
	src, dst netip.Addr
	proto    byte
	data     []byte
	missing  int // bytes after data that were not captured
}

// maxTunnels limits packets in packets.
const maxTunnels = 8

// Decode returns the TCP segment in b, the captured part of a packet of size
// bytes. ok is false where there is none, or where it is not whole yet because
// IP fragments are missing.
func (d *Decoder) Decode(link LinkType, b []byte, size int) (s Segment, ok bool) {
	d.Packets++
	cut := max(0, size-len(b))
	b = d.ipPacket(link, b)
	for range maxTunnels {
		g, ok := d.ip(b, cut)
		if !ok {
			break
		}
		if g.proto == protoTCP {
			d.TCP++
			return tcp(g)
		}
		inner, isTunnel := tunnelled(&g)
		if !isTunnel {
			d.countIP(&g)
			return s, false
		}
		b, cut = inner, g.missing
	}
	d.Other++
	return s, false
}

func (d *Decoder) countIP(g *datagram) {
	switch {
	case g.proto != protoUDP:
		d.Other++
		return
	case len(g.data) >= udpSize && (binary.BigEndian.Uint16(g.data) == 443 || binary.BigEndian.Uint16(g.data[2:]) == 443):
		d.QUIC++
	}
	d.UDP++
}

// ip decodes an IP packet of which the capture left out at most cut bytes.
func (d *Decoder) ip(b []byte, cut int) (datagram, bool) {
	if len(b) >= ip4Size && b[0]>>4 == 4 {
		return d.ip4(b, cut)
	}
	if len(b) >= ip6Size && b[0]>>4 == 6 {
		return d.ip6(b, cut)
	}
	return datagram{}, false
}

func (d *Decoder) ip4(b []byte, cut int) (datagram, bool) {
	head := int(b[0]&15) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if head < ip4Size || head > len(b) {
		return datagram{}, false
	}
	if total < head { // 0 where the network card was to cut the packet up
		total = len(b) + cut
	}
	g := datagram{src: netip.AddrFrom4([4]byte(b[12:])), dst: netip.AddrFrom4([4]byte(b[16:])), proto: b[9]}
	g.data = b[head:min(total, len(b))]
	g.missing = min(max(0, total-len(b)), cut)
	const moreFragments = 0x2000
	if field := binary.BigEndian.Uint16(b[6:]); field&0x3fff != 0 {
		return d.add(g, fragment{id: uint32(binary.BigEndian.Uint16(b[4:])),
			off: int(field&0x1fff) * 8, more: field&moreFragments != 0})
	}
	return g, true
}

func (d *Decoder) ip6(b []byte, cut int) (datagram, bool) {
	total := int(binary.BigEndian.Uint16(b[4:])) + ip6Size
	if total == ip6Size {
		total = len(b) + cut
	}
	g := datagram{src: netip.AddrFrom16([16]byte(b[8:])), dst: netip.AddrFrom16([16]byte(b[24:])), proto: b[6]}
	g.data = b[ip6Size:min(total, len(b))]
	g.missing = min(max(0, total-len(b)), cut)
	const hopByHop, routing, fragmentHeader, authentication, options = 0, 43, 44, 51, 60
	for len(g.data) >= 8 { // RFC 8200, section 4
		size := int(g.data[1])*8 + 8
		switch g.proto {
		case hopByHop, routing, options:
		case authentication:
			size = int(g.data[1])*4 + 8
		case fragmentHeader:
			field := binary.BigEndian.Uint16(g.data[2:])
			f := fragment{id: binary.BigEndian.Uint32(g.data[4:]), off: int(field &^ 7), more: field&1 != 0}
			g.proto, g.data = g.data[0], g.data[8:]
			if f.off == 0 && !f.more {
				continue
			}
			whole, ok := d.add(g, f)
			if !ok {
				return whole, false
			}
			g = whole
			continue
		default:
			return g, true
		}
		if size > len(g.data) {
			return datagram{}, false
		}
		g.proto, g.data = g.data[0], g.data[size:]
	}
	return g, g.proto == protoTCP
}

func tcp(g datagram) (Segment, bool) {
	b := g.data
	if len(b) < tcpSize {
		return Segment{}, false
	}
	head := int(b[12]>>4) * 4
	if head < tcpSize || head > len(b) {
		return Segment{}, false
	}
	return Segment{
		Tuple: Tuple{
			netip.AddrPortFrom(g.src, binary.BigEndian.Uint16(b)),
			netip.AddrPortFrom(g.dst, binary.BigEndian.Uint16(b[2:])),
		},
		Seq:     binary.BigEndian.Uint32(b[4:]),
		Ack:     binary.BigEndian.Uint32(b[8:]),
		Flags:   b[13],
		Data:    b[head:],
		Missing: g.missing,
	}, true
}
