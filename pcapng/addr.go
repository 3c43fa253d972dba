package pcapng

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"

	"ssltape/record"
)

// Where addresses are made up: RFC 2544 (198.18.0.0/15) and RFC 3849
// (2001:db8::/32) reserve them for tests and for documentation.
const (
	clients4 = 198<<24 | 18<<16
	servers4 = 198<<24 | 19<<16
	clients6 = 0x20010db8_00000000
	servers6 = 0x20010db8_00000001
)

// ephemeral is the first of the ports from which client ports are made up
// (RFC 6335, section 6); there are 16384.
const ephemeral = 49152

// httpPort is where every program expects plaintext HTTP, 1 and 2.
const httpPort = 80

// endpoints are the ends of a connection as packets show them, by the Dir that
// they send.
type endpoints [2]netip.AddrPort

// clientSide returns the direction in which c's client sends. head, in
// direction d, is the first that is known of the connection.
func clientSide(c *record.Conn, d record.Dir, head []byte) record.Dir {
	const firstClientPort = 32768 // of Linux
	switch {
	case isResponse(head):
		return d.Peer()
	case isRequest(head):
		return d
	case c.Local.Port() > 0 && c.Local.Port() < firstClientPort && c.Remote.Port() >= firstClientPort:
		return record.In
	}
	return record.Out
}

// endpoints returns the addresses of f's packets: the real ones, except where
// they are not known, where Wireshark would take the port for another protocol,
// and where another connection has the same (which is so when both ends of a
// connection were recorded).
func (w *Writer) endpoints(f *flow, head []byte) endpoints {
	real := endpoints{record.Out: plainAddr(f.conn.Local), record.In: plainAddr(f.conn.Remote)}
	c, s := f.client, f.client.Peer()
	is4 := !real[s].IsValid() || real[s].Addr().Is4()
	if real[c].IsValid() && !real[s].IsValid() {
		is4 = real[c].Addr().Is4()
	}
	client, server := real[c].Addr(), real[s].Addr()
	if !server.IsValid() {
		server = madeUp(is4, servers4, servers6, w.serverNumber(f, head))
	}
	if !client.IsValid() || client.Is4() != is4 {
		client = madeUp(is4, clients4, clients6, uint32(f.conn.ID>>14))
	}
	serverPort := w.serverPort(real[s].Port(), head)
	clientPort := real[c].Port()
	if clientPort == 0 {
		clientPort = ephemeral + uint16(f.conn.ID%(1<<16-ephemeral))
	}
	var e endpoints
	e[s] = netip.AddrPortFrom(server, serverPort)
	for tries := 0; ; tries++ {
		e[c] = netip.AddrPortFrom(client, clientPort)
		if w.opts.ServerPort == PortReal || serverPort == httpPort || !hijacked(clientPort) {
			if tries > 1<<16 || w.unused(e[c], e[s]) {
				return e
			}
		}
		clientPort = max(clientPort+1, ephemeral)
		if tries&0x3fff == 0x3fff { // the ports of this address are used up
			client = madeUp(is4, clients4, clients6, uint32(f.conn.ID>>14)+uint32(tries>>14))
		}
	}
}

// serverPort returns the port to show for the real port of a server, 0 where
// that is not known.
func (w *Writer) serverPort(port uint16, head []byte) uint16 {
	switch {
	case w.opts.ServerPort > 0:
		return uint16(w.opts.ServerPort)
	case port == 0:
		return httpPort
	case w.opts.ServerPort == PortReal:
		return port
	case isHTTP2(head), hijacked(port):
		return httpPort
	}
	return port
}

// serverNumber returns the number of the made-up address of f's server: one
// for each name, 0 for those without.
func (w *Writer) serverNumber(f *flow, head []byte) uint32 {
	name := f.conn.ServerName
	if name == "" {
		_, host, _ := requestHead(head)
		name = hostName(string(host))
	}
	if name == "" {
		return 0
	}
	n, ok := w.servers[name]
	if !ok && len(w.servers) < maxNames-2 {
		n = uint32(len(w.servers)) + 1
		w.servers[name] = n
	}
	return n
}

// unused reports whether no connection in the file has these ends, and takes
// them. It works on hashes: two that are equal cost a port, nothing else.
func (w *Writer) unused(a, b netip.AddrPort) bool {
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	h := maphash.Comparable(w.seed, [2]netip.AddrPort{a, b})
	if _, used := w.tuples[h]; used {
		return false
	}
	w.tuples[h] = struct{}{}
	return true
}

// madeUp returns the n-th address of a range, not its first.
func madeUp(is4 bool, base4 uint32, base6 uint64, n uint32) netip.Addr {
	if is4 {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], base4|(n+1)&0xffff)
		return netip.AddrFrom4(a)
	}
	var a [16]byte
	binary.BigEndian.PutUint64(a[:], base6)
	binary.BigEndian.PutUint32(a[12:], n+1)
	return netip.AddrFrom16(a)
}

// plainAddr returns a as packets can have it: without a zone, and as IPv4
// where it is one.
func plainAddr(a netip.AddrPort) netip.AddrPort {
	if !a.Addr().IsValid() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
