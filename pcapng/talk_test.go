package pcapng_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"ssltape/pcapng"
	"ssltape/record"
	"ssltape/record/recordtest"
)

const (
	request  = "GET /index.html HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: a capture that nobody of ours made\r\n\r\n"
	response = "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n"
)

var page = strings.Repeat("0123456789abcdef", 250)

// A talk makes the packets of a TCP connection, as another tool captures them.
type talk struct {
	client, server netip.AddrPort
	isn            [2]uint32 // by whether the server sends
	sent           [2]uint32
	frames         []simFrame
}

// A simFrame is an IP packet.
type simFrame struct {
	ip   []byte
	size int // on the wire, where it was cut
	time time.Time
}

func newTalk(client, server string) *talk {
	return &talk{client: netip.MustParseAddrPort(client), server: netip.MustParseAddrPort(server), isn: [2]uint32{1000, 0xfffffe00}}
}

// send adds a packet that carries data; side is 1 for the server.
func (k *talk) send(side int, flags string, data string) {
	tcp := &layers.TCP{Seq: k.isn[side] + k.sent[side], Window: 1000,
		SYN: strings.Contains(flags, "S"), FIN: strings.Contains(flags, "F"), RST: strings.Contains(flags, "R")}
	if tcp.ACK = k.sent[1-side] > 0; tcp.ACK {
		tcp.Ack = k.isn[1-side] + k.sent[1-side]
	}
	k.sent[side] += uint32(len(data))
	if tcp.SYN || tcp.FIN {
		k.sent[side]++
	}
	k.add(side, tcp, data)
}

func (k *talk) add(side int, tcp *layers.TCP, data string) {
	src, dst := k.client, k.server
	if side == 1 {
		src, dst = dst, src
	}
	tcp.SrcPort, tcp.DstPort = layers.TCPPort(src.Port()), layers.TCPPort(dst.Port())
	var ip gopacket.SerializableLayer
	var network gopacket.NetworkLayer
	if src.Addr().Is4() {
		v4 := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice()}
		ip, network = v4, v4
	} else {
		v6 := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice()}
		ip, network = v6, v6
	}
	if err := tcp.SetNetworkLayerForChecksum(network); err != nil {
		panic(err)
	}
	b := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(b, opts, ip, tcp, gopacket.Payload(data)); err != nil {
		panic(err)
	}
	t := recordtest.Start.Add(time.Duration(len(k.frames)) * time.Millisecond)
	k.frames = append(k.frames, simFrame{b.Bytes(), len(b.Bytes()), t})
}

// get adds a whole connection with one exchange, a segment every n bytes.
func (k *talk) get(n int) *talk {
	k.send(0, "S", "")
	k.send(1, "S", "")
	k.send(0, "", "")
	k.body(n)
	k.send(1, "F", "")
	k.send(0, "F", "")
	k.send(1, "", "")
	return k
}

// body adds the data of get.
func (k *talk) body(n int) {
	for piece := range slices.Chunk([]byte(request), n) {
		k.send(0, "", string(piece))
		k.send(1, "", "")
	}
	for piece := range slices.Chunk([]byte(response+page), n) {
		k.send(1, "", string(piece))
		k.send(0, "", "")
	}
}

// file returns the packets as a pcap file of a link type.
func (k *talk) file(link layers.LinkType, wrap func([]byte) []byte) []byte {
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if err := w.WriteFileHeader(1<<18, link); err != nil {
		panic(err)
	}
	for _, f := range k.frames {
		data := wrap(f.ip)
		ci := gopacket.CaptureInfo{Timestamp: f.time, CaptureLength: len(data), Length: len(data) + f.size - len(f.ip)}
		if err := w.WritePacket(ci, data); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

func raw(ip []byte) []byte { return ip }

func (k *talk) raw() []byte { return k.file(layers.LinkTypeRaw, raw) }

// streams is a ChunkWriter that puts the directions of connections together.
type streams struct {
	t     *testing.T
	order []*record.Conn
	data  map[*record.Conn]*[2]strings.Builder
	next  map[*record.Conn]*[2]int64
	ends  map[*record.Conn]*[2]record.End
	holes []string
}

func (s *streams) WriteChunk(c record.Chunk) error {
	if s.data[c.Conn] == nil {
		s.order = append(s.order, c.Conn)
		s.data[c.Conn], s.next[c.Conn], s.ends[c.Conn] = new([2]strings.Builder), new([2]int64), new([2]record.End)
	}
	next := &s.next[c.Conn][c.Dir]
	if c.Off < *next {
		s.t.Errorf("chunk at %d, which is before %d", c.Off, *next)
	}
	if c.Off > *next {
		s.holes = append(s.holes, fmt.Sprintf("%v %d+%d", c.Dir, *next, c.Off-*next))
	}
	if s.ends[c.Conn][c.Dir] != record.EndNone {
		s.t.Errorf("chunk after the end: %v", c)
	}
	*next = c.Off + int64(len(c.Data))
	s.data[c.Conn][c.Dir].Write(c.Data)
	s.ends[c.Conn][c.Dir] = c.End
	return nil
}

func reassemble(t *testing.T, file []byte) *streams {
	t.Helper()
	s := &streams{t, nil, map[*record.Conn]*[2]strings.Builder{}, map[*record.Conn]*[2]int64{}, map[*record.Conn]*[2]record.End{}, nil}
	if err := record.Copy(pcapng.Read(bytes.NewReader(file)), s); err != nil {
		t.Fatal(err)
	}
	return s
}

// checkGet checks that file holds what get makes, all of it.
func checkGet(t *testing.T, file []byte) {
	t.Helper()
	s := reassemble(t, file)
	if len(s.order) != 1 {
		t.Fatalf("%d connections, want 1", len(s.order))
	}
	c := s.order[0]
	if got := s.data[c][record.Out].String(); got != request {
		t.Errorf("request: %q", got)
	}
	if got := s.data[c][record.In].String(); got != response+page {
		t.Errorf("response: %d bytes: %q", len(got), got)
	}
	if *s.ends[c] != [2]record.End{record.EndClean, record.EndClean} {
		t.Errorf("ends: %v", *s.ends[c])
	}
	if len(s.holes) > 0 {
		t.Errorf("holes: %v", s.holes)
	}
	if !c.Plain || c.Remote.Port() != 8080 || c.Local.Port() != 50000 {
		t.Errorf("connection: %+v", *c)
	}
}

const (
	client4, server4 = "192.0.2.1:50000", "198.51.100.1:8080"
	client6, server6 = "[2001:db8::1]:50000", "[2001:db8::2]:8080"
)
