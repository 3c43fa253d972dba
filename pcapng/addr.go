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

// Where every program expects plaintext HTTP, 1 and 2, and HTTP in TLS.
const (
	httpPort  = 80
	httpsPort = 443
)

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
	if f.restarts > 0 {
		server = f.ends[s].Addr()
		is4 = server.Is4()
	}
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
	case w.opts.Framing == FramingTLS:
		if port == 0 || hijacked(port) {
			return httpsPort
		}
		return port
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

// hijacked reports whether Wireshark takes what is on a TCP port, the server's
// or the client's, for another protocol than HTTP. These are all 65535 ports
// tried with Wireshark 4.0.17, and what 4.6 has besides. At port 80 it looks no
// further, whatever the other port is.
func hijacked(port uint16) bool {
	switch port {
	case 7, 13, 19, 20, 21, 22, 23, 25, 37, 42, 43, 49, 53, 70, 79, 88, 102, 110, 111, 119, 123, 139, 143, 161,
		162, 179, 210, 323, 389, 427, 445, 464, 500, 512, 513, 514, 515, 524, 547, 548, 554, 564, 587, 639, 647,
		674, 705, 854, 862, 873, 925, 988, 1080, 1090, 1099, 1102, 1153, 1194, 1213, 1433, 1533, 1547, 1723, 1755,
		1861, 1863, 1883, 1935, 2099, 2123, 2126, 2152, 2234, 2240, 2269, 2321, 2322, 2345, 2401, 2404, 2433,
		2501, 2502, 2571, 2575, 2600, 2812, 2944, 2945, 3014, 3016, 3017, 3018, 3019, 3245, 3246, 3247, 3248,
		3268, 3288, 3306, 3357, 3369, 3452, 3478, 3632, 3671, 3724, 3804, 3860, 3863, 3868, 3918, 4002, 4155,
		4189, 4223, 4342, 4420, 4551, 4555, 4556, 4712, 4730, 4739, 4788, 4840, 4880, 5010, 5060, 5084, 5222,
		5253, 5353, 5432, 5445, 5500, 5501, 5534, 5672, 5683, 5701, 5900, 5901, 5997, 6000, 6001, 6002, 6003,
		6004, 6005, 6006, 6007, 6008, 6009, 6010, 6011, 6012, 6013, 6014, 6015, 6016, 6017, 6018, 6019, 6020,
		6021, 6022, 6023, 6024, 6025, 6026, 6027, 6028, 6029, 6030, 6031, 6032, 6033, 6034, 6035, 6036, 6037,
		6038, 6039, 6040, 6041, 6042, 6043, 6044, 6045, 6046, 6047, 6048, 6049, 6050, 6051, 6052, 6053, 6054,
		6055, 6056, 6057, 6058, 6059, 6060, 6061, 6062, 6063, 6068, 6084, 6121, 6160, 6346, 6379, 6417, 6653,
		6667, 6668, 6881, 6882, 6883, 6884, 6885, 6886, 6887, 6888, 6889, 7000, 7075, 7171, 7172, 7236, 7275,
		7276, 7871, 7911, 8009, 8023, 8074, 8085, 8554, 8567, 8600, 9009, 9042, 9092, 9300, 9418, 9955, 9956,
		10288, 10809, 11211, 13400, 14001, 15740, 17500, 17755, 17756, 19006, 19042, 19043, 19506, 19543, 21064,
		22222, 24800, 29418, 34980, 40000, 44321, 44322, 44818, 48049, 48898, 57000:
		return true
	}
	return false
}
