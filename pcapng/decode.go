package pcapng

import (
	"encoding/binary"
	"net/netip"
)

// A datagram is what the IP layer carries.
type datagram struct {
	src, dst netip.Addr
	proto    byte
	data     []byte
	missing  int // bytes after data that were not captured
}

// A tcpPacket is a TCP segment that was captured.
type tcpPacket struct {
	tuple
	seq, ack uint32
	flags    uint8
	data     []byte
	missing  int // bytes after data that were not captured
}

// A tuple is the ends of a connection, as one direction has them.
type tuple struct{ src, dst netip.AddrPort }

func (t tuple) reverse() tuple { return tuple{t.dst, t.src} }

// EtherTypes.
const (
	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
	etherVLAN  = 0x8100
	etherQinQ  = 0x88a8
	etherQinQ1 = 0x9100 // before it was standardised
	etherPPPoE = 0x8864
	etherMPLS  = 0x8847
)

// A linkType says how frames start (draft-ietf-opsawg-pcaplinktype).
type linkType uint16

const (
	linkNull     linkType = 0
	linkEthernet linkType = 1
	linkPPP      linkType = 9
	linkRaw12    linkType = 12 // what some systems call linkRaw
	linkRaw14    linkType = 14 // what OpenBSD does
	linkRaw      linkType = 101
	linkLoop     linkType = 108
	linkSLL      linkType = 113
	linkIPv4     linkType = 228
	linkIPv6     linkType = 229
	linkSLL2     linkType = 276 // what tcpdump -i any writes since libpcap 1.10
)

// ipPacket returns the IP packet in a frame, nil where there is none.
func ipPacket(link linkType, b []byte) []byte {
	switch link {
	case linkEthernet:
		if len(b) < ethSize {
			return nil
		}
		return etherPayload(binary.BigEndian.Uint16(b[12:]), b[14:])
	case linkNull, linkLoop:
		return skip(b, 4) // the address family, which differs by system
	case linkRaw, linkRaw12, linkRaw14, linkIPv4, linkIPv6:
		return b
	case linkSLL:
		if len(b) < 16 {
			return nil
		}
		return etherPayload(binary.BigEndian.Uint16(b[14:]), b[16:])
	case linkSLL2:
		if len(b) < 20 {
			return nil
		}
		return etherPayload(binary.BigEndian.Uint16(b), b[20:])
	case linkPPP:
		if len(b) >= 2 && b[0] == 0xff && b[1] == 3 { // RFC 1662, section 3.1
			b = b[2:]
		}
		return skip(b, 2)
	}
	return nil
}

func skip(b []byte, n int) []byte { return b[min(n, len(b)):] }

// etherPayload returns the IP packet in b, which has the EtherType typ, below
// VLAN tags (IEEE 802.1Q), PPPoE (RFC 2516), MPLS (RFC 3032) or SNAP.
func etherPayload(typ uint16, b []byte) []byte {
	for {
		switch {
		case typ == etherIPv4, typ == etherIPv6:
			return b
		case typ == etherVLAN, typ == etherQinQ, typ == etherQinQ1:
			if len(b) < 4 {
				return nil
			}
			typ, b = binary.BigEndian.Uint16(b[2:]), b[4:]
		case typ == etherPPPoE:
			return skip(b, 8)
		case typ == etherMPLS:
			for len(b) >= 4 {
				last := b[2]&1 != 0
				if b = b[4:]; last {
					return b
				}
			}
			return nil
		case typ < 1536 && len(b) >= 8 && b[0] == 0xaa && b[1] == 0xaa: // a length, then SNAP
			typ, b = binary.BigEndian.Uint16(b[6:]), b[8:]
		default:
			return nil
		}
	}
}

// maxTunnels limits IP in IP.
const maxTunnels = 4

// decode returns the TCP segment in f. ok is false where there is none, or
// where it is not whole yet because IP fragments are missing.
func (d *defragmenter) decode(f *frame) (p tcpPacket, ok bool) {
	b := ipPacket(f.link, f.data)
	cut := max(0, f.size-len(f.data))
	for range maxTunnels {
		var g datagram
		if g, ok = d.ip(b, cut); !ok {
			return p, false
		}
		const ipInIP, ip6InIP = 4, 41
		switch g.proto {
		case protoTCP:
			return tcp(g)
		case ipInIP, ip6InIP:
			b, cut = g.data, g.missing
		default:
			return p, false
		}
	}
	return p, false
}

// ip decodes an IP packet of which the capture left out at most cut bytes.
func (d *defragmenter) ip(b []byte, cut int) (datagram, bool) {
	if len(b) >= ip4Size && b[0]>>4 == 4 {
		return d.ip4(b, cut)
	}
	if len(b) >= ip6Size && b[0]>>4 == 6 {
		return d.ip6(b, cut)
	}
	return datagram{}, false
}

func (d *defragmenter) ip4(b []byte, cut int) (datagram, bool) {
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

func (d *defragmenter) ip6(b []byte, cut int) (datagram, bool) {
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

func tcp(g datagram) (tcpPacket, bool) {
	b := g.data
	if len(b) < tcpSize {
		return tcpPacket{}, false
	}
	head := int(b[12]>>4) * 4
	if head < tcpSize || head > len(b) {
		return tcpPacket{}, false
	}
	return tcpPacket{
		tuple: tuple{
			netip.AddrPortFrom(g.src, binary.BigEndian.Uint16(b)),
			netip.AddrPortFrom(g.dst, binary.BigEndian.Uint16(b[2:])),
		},
		seq:     binary.BigEndian.Uint32(b[4:]),
		ack:     binary.BigEndian.Uint32(b[8:]),
		flags:   b[13],
		data:    b[head:],
		missing: g.missing,
	}, true
}

// A fragment says which part of a datagram a packet has.
type fragment struct {
	id   uint32
	off  int
	more bool // it is not the last
}

type fragmentKey struct {
	src, dst netip.Addr
	proto    byte
	id       uint32
}

// A partial is a datagram of which fragments are missing.
type partial struct {
	data []byte
	have []span // in order, not touching
	size int    // of the whole, -1 while the last fragment is missing
}

type span struct{ from, to int }

// A defragmenter puts IP fragments together (RFC 791, section 3.2; RFC 8200,
// section 4.5). gopacket's does not do IPv6, keeps what it is given, and
// panics on fragments that were cut when captured.
type defragmenter struct {
	partial map[fragmentKey]*partial
	order   []fragmentKey // oldest first
}

// maxPartials limits the datagrams that wait for fragments: 16 MiB at most.
const maxPartials = 256

// add adds a fragment and returns the datagram if it is whole.
func (d *defragmenter) add(g datagram, f fragment) (datagram, bool) {
	end := f.off + len(g.data)
	if g.missing > 0 || end > 65535 || len(g.data) == 0 {
		return g, false
	}
	key := fragmentKey{g.src, g.dst, g.proto, f.id}
	p := d.partial[key]
	if p == nil {
		if d.partial == nil {
			d.partial = map[fragmentKey]*partial{}
		}
		if len(d.order) == maxPartials {
			delete(d.partial, d.order[0])
			d.order = append(d.order[:0], d.order[1:]...)
		}
		p = &partial{size: -1}
		d.partial[key], d.order = p, append(d.order, key)
	}
	if len(p.data) < end {
		p.data = append(p.data, make([]byte, end-len(p.data))...)
	}
	copy(p.data[f.off:], g.data)
	p.have = addSpan(p.have, span{f.off, end})
	if !f.more {
		p.size = end
	}
	if len(p.have) != 1 || p.have[0] != (span{0, p.size}) {
		return g, false
	}
	delete(d.partial, key)
	for i, k := range d.order {
		if k == key {
			d.order = append(d.order[:i], d.order[i+1:]...)
			break
		}
	}
	g.data = p.data
	return g, true
}

// addSpan adds s to spans, which stay in order and apart.
func addSpan(spans []span, s span) []span {
	out := spans[:0:0]
	for _, x := range spans {
		switch {
		case x.to < s.from:
			out = append(out, x)
		case s.to < x.from:
			out = append(out, s)
			s = x
		default:
			s = span{min(s.from, x.from), max(s.to, x.to)}
		}
	}
	return append(out, s)
}
