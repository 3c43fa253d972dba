package tcpip

import "encoding/binary"

// tunnelled returns the IP packet that g carries, if it is a tunnel: IP in IP
// (RFC 2003, RFC 4213), GRE, or one of those over UDP.
func tunnelled(g *datagram) (b []byte, ok bool) {
	switch g.proto {
	case protoIP4, protoIP6:
		return g.data, true
	case protoGRE:
		return gre(g.data)
	case protoUDP:
		if len(g.data) >= udpSize+8 {
			return inUDP(binary.BigEndian.Uint16(g.data[2:]), binary.BigEndian.Uint16(g.data), g.data[udpSize:])
		}
	}
	return nil, false
}

// gre returns the IP packet in b (RFC 2784, RFC 2890, and RFC 2637 for PPTP),
// also one in Ethernet or in ERSPAN, which mirrors the ports of a switch.
func gre(b []byte) ([]byte, bool) {
	const checksum, routing, key, sequence, version1, ack = 0x80, 0x40, 0x20, 0x10, 1, 0x80
	const etherPPP, etherERSPAN2, etherERSPAN3 = 0x880b, 0x88be, 0x22eb
	if len(b) < 4 || b[0]&routing != 0 {
		return nil, false
	}
	n, flags := 4, b[0]
	for _, f := range []byte{checksum, key, sequence} {
		if flags&f != 0 {
			n += 4
		}
	}
	if b[1]&7 == version1 && b[1]&ack != 0 {
		n += 4
	}
	inner := skip(b, n)
	switch typ := binary.BigEndian.Uint16(b[2:]); typ {
	case etherPPP:
		return ppp(inner), true
	case etherERSPAN2:
		if flags&sequence != 0 {
			inner = skip(inner, 8)
		}
		return etherFrame(inner), true
	case etherERSPAN3:
		return etherFrame(skip(inner, 12)), true
	default:
		return etherPayload(typ, inner), true
	}
}

// Ports of tunnels over UDP.
const (
	portL2TP   = 1701 // RFC 2661
	portGTP    = 2152 // GTP-U (3GPP TS 29.281)
	portTeredo = 3544 // RFC 4380
	portVXLAN  = 4789 // RFC 7348
	portVXLAN1 = 8472 // before it was standardised; Linux' default
	portGeneve = 6081 // RFC 8926
)

func inUDP(dst, src uint16, b []byte) ([]byte, bool) {
	switch {
	case dst == portVXLAN || dst == portVXLAN1:
		return etherFrame(b[8:]), b[0]&0x08 != 0
	case dst == portGeneve:
		return etherPayload(binary.BigEndian.Uint16(b[2:]), skip(b, 8+int(b[0]&63)*4)), b[0]>>6 == 0
	case dst == portGTP:
		return gtp(b)
	case dst == portL2TP || src == portL2TP:
		return l2tp(b)
	case dst == portTeredo || src == portTeredo:
		return teredo(b)
	}
	return nil, false
}

// l2tp returns the IP packet in PPP in b, a data message of version 2 (RFC
// 2661, section 3.1).
func l2tp(b []byte) ([]byte, bool) {
	const control, length, sequence, offset, version = 0x80, 0x40, 0x08, 0x02, 2
	if b[0]&control != 0 || b[1]&15 != version {
		return nil, false
	}
	n := 6 // the flags, tunnel and session
	if b[0]&length != 0 {
		n += 2
	}
	if b[0]&sequence != 0 {
		n += 4
	}
	if b[0]&offset != 0 && len(b) >= n+2 {
		n += 2 + int(binary.BigEndian.Uint16(b[n:]))
	}
	return ppp(skip(b, n)), true
}

// gtp returns the IP packet that GTP-U carries (3GPP TS 29.281, section 5.1).
func gtp(b []byte) ([]byte, bool) {
	const data, optional = 255, 7
	if b[0]>>5 != 1 || b[1] != data {
		return nil, false
	}
	flags := b[0]
	if b = b[8:]; flags&optional == 0 {
		return b, true
	}
	for next := byte(1); next != 0; { // the optional fields, then extension headers
		n := 4
		if len(b) > 4 && next != 1 {
			n = int(b[0]) * 4
		}
		if n == 0 || n > len(b) {
			return nil, false
		}
		next, b = b[n-1], b[n:]
	}
	return b, true
}

// teredo returns the IPv6 packet in b, after what says where it comes from.
func teredo(b []byte) ([]byte, bool) {
	if b[0] == 0 && b[1] == 1 && len(b) > 4 { // authentication
		b = skip(b, 13+int(b[2])+int(b[3]))
	}
	if len(b) > 2 && b[0] == 0 && b[1] == 0 { // the origin
		b = skip(b, 8)
	}
	return b, len(b) >= ip6Size && b[0]>>4 == 6
}
