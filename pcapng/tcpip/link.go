package tcpip

import "encoding/binary"

// A LinkType says how packets start (draft-ietf-opsawg-pcaplinktype).
type LinkType uint16

// Link types that carry IP.
const (
	linkNull      LinkType = 0
	linkEthernet  LinkType = 1
	linkPPP       LinkType = 9
	linkRaw12     LinkType = 12 // what some systems call linkRaw
	linkRaw14     LinkType = 14 // what OpenBSD does
	linkPPPHDLC   LinkType = 50
	linkPPPoE     LinkType = 51
	linkATM       LinkType = 100 // RFC 2684
	linkRaw       LinkType = 101
	linkCHDLC     LinkType = 104
	linkWiFi      LinkType = 105
	linkLoop      LinkType = 108
	linkEnc       LinkType = 109 // OpenBSD's IPsec
	linkSLL       LinkType = 113
	linkPFLog     LinkType = 117
	linkPrism     LinkType = 119
	linkRadiotap  LinkType = 127
	linkPPI       LinkType = 192
	linkIPv4      LinkType = 228
	linkIPv6      LinkType = 229
	linkNFLog     LinkType = 239
	linkPKTAP     LinkType = 258
	linkPKTAPUser LinkType = 149 // what macOS writes for linkPKTAP
	linkSLL2      LinkType = 276 // what tcpdump -i any writes since libpcap 1.10
)

// ipPacket returns the IP packet in a packet, nil where there is none.
func (d *Decoder) ipPacket(link LinkType, b []byte) []byte {
	for range maxTunnels {
		switch link {
		case linkEthernet:
			return etherFrame(b)
		case linkNull, linkLoop:
			return skip(b, 4) // the address family, which differs by system
		case linkRaw, linkRaw12, linkRaw14, linkIPv4, linkIPv6:
			return b
		case linkSLL:
			return etherAt(b, 14)
		case linkSLL2:
			return etherAt2(b)
		case linkPPP, linkPPPHDLC:
			return ppp(b)
		case linkPPPoE:
			return skip(b, 8)
		case linkCHDLC:
			return etherAt(b, 2)
		case linkATM:
			return llc(b)
		case linkEnc:
			return skip(b, 12)
		case linkPFLog:
			if len(b) == 0 {
				return nil
			}
			return skip(b, (int(b[0])+3)&^3)
		case linkNFLog:
			return nflogPayload(b)
		case linkWiFi:
			return d.wifi(b)
		case linkPKTAP, linkPKTAPUser, linkRadiotap, linkPrism, linkPPI:
			link, b = preceded(link, b)
		default:
			if d.Links == nil {
				d.Links = map[LinkType]int{}
			}
			d.Links[link]++
			return nil
		}
	}
	return nil
}

// preceded returns what comes after a header that tells how a packet was
// captured, and its link type.
func preceded(link LinkType, b []byte) (LinkType, []byte) {
	if len(b) < 12 {
		return linkRaw, nil
	}
	le := binary.LittleEndian
	switch link {
	case linkRadiotap:
		return linkWiFi, skip(b, int(le.Uint16(b[2:])))
	case linkPrism:
		return linkWiFi, skip(b, int(min(le.Uint32(b[4:]), 1024)))
	case linkPPI:
		return LinkType(le.Uint32(b[4:])), skip(b, int(le.Uint16(b[2:])))
	}
	return LinkType(le.Uint32(b[8:])), skip(b, int(min(le.Uint32(b), 1024))) // PKTAP
}

// wifi returns the IP packet in a data frame of IEEE 802.11 that is not
// encrypted.
func (d *Decoder) wifi(b []byte) []byte {
	const typeData, qos, toDS, fromDS, protected, order = 2, 0x80, 1, 2, 0x40, 0x80
	if len(b) < 24 || b[0]>>2&3 != typeData {
		return nil
	}
	if b[1]&protected != 0 {
		d.WiFi++
		return nil
	}
	n := 24
	if b[1]&(toDS|fromDS) == toDS|fromDS {
		n += 6 // a fourth address
	}
	if b[0]&qos != 0 {
		if n += 2; b[1]&order != 0 {
			n += 4
		}
	}
	return llc(skip(b, n))
}

// llc returns the IP packet after a header of IEEE 802.2 with SNAP.
func llc(b []byte) []byte {
	if len(b) < 8 || b[0] != 0xaa || b[1] != 0xaa {
		return nil
	}
	return etherAt(b, 6)
}

// ppp returns the IP packet after a PPP header (RFC 1662, section 3.1).
func ppp(b []byte) []byte {
	if len(b) >= 2 && (b[0] == 0xff || b[0] == 0x0f) {
		b = b[2:]
	}
	if len(b) > 0 && b[0]&1 != 0 { // a protocol field of one byte
		return b[1:]
	}
	return skip(b, 2)
}

// nflogPayload returns the payload among the attributes of NFLOG.
func nflogPayload(b []byte) []byte {
	const payload = 9
	for b = skip(b, 4); len(b) >= 4; {
		size, typ := int(binary.LittleEndian.Uint16(b)), binary.LittleEndian.Uint16(b[2:])
		if size < 4 || size > len(b) {
			return nil
		}
		if typ == payload {
			return b[4:size]
		}
		b = skip(b, (size+3)&^3)
	}
	return nil
}

func skip(b []byte, n int) []byte { return b[min(n, len(b)):] }

func etherFrame(b []byte) []byte { return etherAt(b, ethSize-2) }

// etherAt returns the IP packet in b, which has an EtherType at off.
func etherAt(b []byte, off int) []byte {
	if len(b) < off+2 {
		return nil
	}
	return etherPayload(binary.BigEndian.Uint16(b[off:]), b[off+2:])
}

// etherAt2 returns the IP packet after the second version of Linux's header,
// which starts with an EtherType.
func etherAt2(b []byte) []byte {
	if len(b) < 20 {
		return nil
	}
	return etherPayload(binary.BigEndian.Uint16(b), b[20:])
}

// EtherTypes.
const (
	etherIPv4    = 0x0800
	etherIPv6    = 0x86dd
	etherVLAN    = 0x8100
	etherQinQ    = 0x88a8
	etherQinQ1   = 0x9100 // before it was standardised
	etherPPPoE   = 0x8864
	etherMPLS    = 0x8847
	etherBridged = 0x6558
)

// etherPayload returns the IP packet in b, which has the EtherType typ, below
// VLAN tags (IEEE 802.1Q), PPPoE (RFC 2516), MPLS (RFC 3032), Ethernet or SNAP.
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
		case typ == etherBridged && len(b) >= ethSize:
			typ, b = binary.BigEndian.Uint16(b[12:]), b[14:]
		case typ == etherPPPoE:
			return skip(b, 8)
		case typ == etherMPLS, typ == etherMPLS+1:
			typ, b = mpls(b)
		case typ < 1536 && len(b) >= 8 && b[0] == 0xaa && b[1] == 0xaa: // a length, then SNAP
			typ, b = binary.BigEndian.Uint16(b[6:]), b[8:]
		default:
			return nil
		}
	}
}

// mpls returns what comes after MPLS labels, and its EtherType. Only IP starts
// with a 4 or a 6; Ethernet may come after a control word (RFC 4385).
func mpls(b []byte) (uint16, []byte) {
	for last := false; !last; {
		if len(b) < 4 {
			return 0, nil
		}
		last, b = b[2]&1 != 0, b[4:]
	}
	switch {
	case len(b) < 4, b[0]>>4 == 4:
		return etherIPv4, b
	case b[0]>>4 == 6:
		return etherIPv6, b
	case b[0]>>4 == 0:
		b = b[4:]
	}
	return etherBridged, b
}
