package pcapng_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
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

// Every kind of frame that carries IP is understood.
func TestLinkTypes(t *testing.T) {
	before := func(prefix string) func([]byte) []byte {
		return func(ip []byte) []byte { return append([]byte(prefix), ip...) }
	}
	const macs = "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02"
	for name, k := range map[string]struct {
		link           uint32
		wrap           func([]byte) []byte
		client, server string
	}{
		"ethernet":      {uint32(layers.LinkTypeEthernet), before(macs + "\x08\x00"), client4, server4},
		"ethernet, v6":  {uint32(layers.LinkTypeEthernet), before(macs + "\x86\xdd"), client6, server6},
		"VLAN":          {uint32(layers.LinkTypeEthernet), before(macs + "\x81\x00\x00\x07\x08\x00"), client4, server4},
		"QinQ":          {uint32(layers.LinkTypeEthernet), before(macs + "\x88\xa8\x00\x07\x81\x00\x00\x08\x86\xdd"), client6, server6},
		"PPPoE":         {uint32(layers.LinkTypeEthernet), before(macs + "\x88\x64\x11\x00\x00\x01\x00\x64\x00\x21"), client4, server4},
		"MPLS":          {uint32(layers.LinkTypeEthernet), before(macs + "\x88\x47\x00\x01\x00\x40\x00\x02\x01\x40"), client4, server4},
		"loopback, BSD": {uint32(layers.LinkTypeNull), before("\x02\x00\x00\x00"), client4, server4},
		"loopback, v6":  {uint32(layers.LinkTypeLoop), before("\x00\x00\x00\x1e"), client6, server6},
		"cooked":        {uint32(layers.LinkTypeLinuxSLL), before("\x00\x00\x00\x01\x00\x06\x02\x00\x00\x00\x00\x01\x00\x00\x08\x00"), client4, server4},
		"raw":           {uint32(layers.LinkTypeRaw), raw, client4, server4},
		"raw, v6":       {uint32(layers.LinkTypeRaw), raw, client6, server6},
		"IPv4":          {uint32(layers.LinkTypeIPv4), raw, client4, server4},
		"IPv6":          {uint32(layers.LinkTypeIPv6), raw, client6, server6},
		"PPP":           {uint32(layers.LinkTypePPP), before("\xff\x03\x00\x21"), client4, server4},
		"padded": {uint32(layers.LinkTypeEthernet), func(ip []byte) []byte {
			return append(append([]byte(macs+"\x08\x00"), ip...), make([]byte, max(0, 46-len(ip)))...)
		}, client4, server4},
		"cooked, v2":     {276, before("\x08\x00\x00\x00\x00\x00\x00\x02\x00\x01\x00\x06\x02\x00\x00\x00\x00\x01\x00\x00"), client4, server4},
		"PPP, short":     {uint32(layers.LinkTypePPP), before("\x21"), client4, server4},
		"HDLC":           {104, before("\x0f\x00\x08\x00"), client4, server4},
		"ATM":            {100, before("\xaa\xaa\x03\x00\x00\x00\x08\x00"), client4, server4},
		"PF log":         {117, before("\x05\x02\x00\x00" + "em0\x00"), client4, server4},
		"netfilter log":  {239, netfilterLog, client4, server4},
		"PKTAP":          {258, before("\x0c\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00" + macs + "\x08\x00"), client4, server4},
		"WiFi":           {105, before(wifi), client4, server4},
		"WiFi, QoS":      {105, before("\x88\x02" + wifi[2:24] + "\x00\x00" + wifi[24:]), client4, server4},
		"radiotap":       {127, before("\x00\x00\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x00" + wifi), client4, server4},
		"PPI":            {192, before("\x00\x00\x0c\x00\x69\x00\x00\x00\x00\x00\x00\x00" + wifi), client4, server4},
		"MPLS, Ethernet": {uint32(layers.LinkTypeEthernet), before(macs + "\x88\x47\x00\x01\x01\x40\x00\x00\x00\x00" + macs + "\x08\x00"), client4, server4},
		"6in4":           {uint32(layers.LinkTypeRaw), before4in(41, ""), client6, server6},
		"GRE":            {uint32(layers.LinkTypeRaw), before4in(47, "\x00\x00\x08\x00"), client4, server4},
		"GRE, key":       {uint32(layers.LinkTypeRaw), before4in(47, "\x30\x00\x08\x00\x00\x00\x00\x01\x00\x00\x00\x01"), client4, server4},
		"PPTP":           {uint32(layers.LinkTypeRaw), before4in(47, "\x30\x81\x88\x0b\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\xff\x03\x00\x21"), client4, server4},
		"ERSPAN":         {uint32(layers.LinkTypeRaw), before4in(47, "\x10\x00\x88\xbe\x00\x00\x00\x01\x10\x00\x00\x00\x00\x00\x00\x00"+macs+"\x08\x00"), client4, server4},
		"VXLAN":          {uint32(layers.LinkTypeRaw), before4in(17, udp(4789)+"\x08\x00\x00\x00\x00\x00\x01\x00"+macs+"\x08\x00"), client4, server4},
		"Geneve":         {uint32(layers.LinkTypeRaw), before4in(17, udp(6081)+"\x01\x00\x65\x58\x00\x00\x01\x00\x00\x00\x00\x00"+macs+"\x08\x00"), client4, server4},
		"GTP":            {uint32(layers.LinkTypeRaw), before4in(17, udp(2152)+"\x30\xff\x00\x00\x00\x00\x00\x01"), client4, server4},
		"GTP, extended":  {uint32(layers.LinkTypeRaw), before4in(17, udp(2152)+"\x34\xff\x00\x00\x00\x00\x00\x01\x00\x00\x00\x85\x01\x10\x01\x00"), client4, server4},
		"L2TP":           {uint32(layers.LinkTypeRaw), before4in(17, udp(1701)+"\x00\x02\x00\x01\x00\x02\xff\x03\x00\x21"), client4, server4},
		"L2TP, all":      {uint32(layers.LinkTypeRaw), before4in(17, udp(1701)+"\x4a\x02\x00\x00\x00\x01\x00\x02\x00\x05\x00\x06\x00\x03abc\x21"), client4, server4},
		"Teredo":         {uint32(layers.LinkTypeRaw), before4in(17, udp(3544)+"\x00\x00\x00\x01\x00\x02\x00\x03"), client6, server6},
	} {
		t.Run(name, func(t *testing.T) {
			file := newTalk(k.client, k.server).get(100).file(layers.LinkTypeRaw, k.wrap)
			binary.LittleEndian.PutUint32(file[20:], k.link) // gopacket's has 8 bits
			checkGet(t, file)
		})
	}
}

// wifi is the head of a frame of IEEE 802.11, with SNAP.
const wifi = "\x08\x02\x00\x00\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x03\x00\x00" +
	"\xaa\xaa\x03\x00\x00\x00\x08\x00"

// udp is a header to a port. Its length is not looked at.
func udp(port uint16) string { return string([]byte{0xc0, 0, byte(port >> 8), byte(port), 0, 0, 0, 0}) }

// netfilterLog puts a packet among the attributes of Linux' NFLOG.
func netfilterLog(ip []byte) []byte {
	b := append([]byte("\x02\x00\x00\x00"+"\x08\x00\x01\x00\x08\x00\x01\x00"), byte(len(ip)+4), byte((len(ip)+4)>>8), 9, 0)
	return append(b, ip...)
}

// before4in puts a packet, after what stands before it, into an IPv4 packet of
// a protocol.
func before4in(proto layers.IPProtocol, prefix string) func([]byte) []byte {
	return func(ip []byte) []byte {
		ip = append([]byte(prefix), ip...)
		b := gopacket.NewSerializeBuffer()
		outer := &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: []byte{192, 0, 2, 8}, DstIP: []byte{192, 0, 2, 9}}
		err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, outer, gopacket.Payload(ip))
		if err != nil {
			panic(err)
		}
		return b.Bytes()
	}
}

// A big-endian file in nanoseconds and a pcapng file are read as well.
func TestFileTypes(t *testing.T) {
	k := newTalk(client4, server4).get(100)
	nanos := bytes.Replace(k.raw(), []byte("\xd4\xc3\xb2\xa1"), []byte("\x4d\x3c\xb2\xa1"), 1)
	checkGet(t, nanos)

	// The format of patched systems of around 2000 has 8 bytes more a packet.
	modified := []byte("\x34\xcd\xb2\xa1")
	modified = append(modified, k.raw()[4:24]...)
	for rest := k.raw()[24:]; len(rest) > 0; {
		n := 16 + int(binary.LittleEndian.Uint32(rest[8:]))
		modified = append(append(modified, rest[:16]...), make([]byte, 8)...)
		modified, rest = append(modified, rest[16:n]...), rest[n:]
	}
	checkGet(t, modified)

	var ng bytes.Buffer
	w, err := pcapgo.NewNgWriter(&ng, layers.LinkTypeRaw)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range k.frames {
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: f.time, CaptureLength: len(f.ip), Length: f.size}, f.ip); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	checkGet(t, ng.Bytes())
	for c, err := range pcapng.Read(bytes.NewReader(ng.Bytes())) {
		if want := recordtest.Start.Add(3 * time.Millisecond); err != nil || !c.Time.Equal(want) {
			t.Errorf("first chunk at %v, want %v (%v)", c.Time, want, err)
		}
		break
	}
}

// Whatever the order, and whatever comes twice, the streams are the same.
func TestDisorder(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		k := newTalk(client4, server4).get(50 + r.IntN(200))
		packets := len(k.frames)
		for _, f := range slices.Clone(k.frames) {
			if r.IntN(4) == 0 {
				k.frames = append(k.frames, f)
			}
		}
		type placed struct {
			simFrame
			at float64
		}
		var all []placed
		for i, f := range k.frames {
			at := float64(f.time.Sub(recordtest.Start) / time.Millisecond)
			if at > 1 { // the handshake comes first, and may come again
				at = max(2, at+r.Float64()*20)
			} else if i >= packets {
				at += r.Float64() * 20
			}
			all = append(all, placed{f, at})
		}
		slices.SortStableFunc(all, func(a, b placed) int { return int(1000*a.at) - int(1000*b.at) })
		for i := range all {
			k.frames[i] = all[i].simFrame
		}
		checkGet(t, k.raw())
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// Segments that overlap, with other boundaries than before, add nothing.
func TestOverlap(t *testing.T) {
	k := newTalk(client4, server4).get(100)
	var again []simFrame
	for start := 0; start < len(request); start += 33 {
		resent := newTalk(client4, server4)
		resent.add(0, &layers.TCP{Seq: 1001 + uint32(start), ACK: true, Ack: 0xfffffe01}, request[start:min(len(request), start+70)])
		again = append(again, resent.frames...)
	}
	k.frames = slices.Insert(k.frames, 4, again...)
	checkGet(t, k.raw())
}

// What the capture missed is a hole of known length, and the peer's answer to
// it still comes after it.
func TestHoles(t *testing.T) {
	full := newTalk(client4, server4).get(40)
	for i := range full.frames {
		if len(full.frames[i].ip) <= 40 {
			continue // no data
		}
		k := *full
		k.frames = slices.Delete(slices.Clone(full.frames), i, i+1)
		s := reassemble(t, k.raw())
		c := s.order[0]
		lost := len(full.frames[i].ip) - 40
		want := len(request) + len(response) + len(page) - lost
		if got := s.data[c][0].Len() + s.data[c][1].Len(); got != want {
			t.Errorf("without packet %d: %d bytes, want %d", i, got, want)
		}
		if len(s.holes) != 1 || !strings.HasSuffix(s.holes[0], fmt.Sprintf("+%d", lost)) {
			t.Errorf("without packet %d: holes %v, want one of %d", i, s.holes, lost)
		}
		if *s.ends[c] != [2]record.End{record.EndClean, record.EndClean} {
			t.Errorf("without packet %d: ends %v", i, *s.ends[c])
		}
	}
}

// A response is not passed on before the request, even if it was captured
// first.
func TestRequestComesFirst(t *testing.T) {
	k := newTalk(client4, server4).get(5000)
	// SYN, SYN, ACK, request, its ACK, response
	k.frames[3], k.frames[5] = k.frames[5], k.frames[3]
	var dirs []record.Dir
	for c, err := range pcapng.Read(bytes.NewReader(k.raw())) {
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Data) > 0 {
			dirs = append(dirs, c.Dir)
		}
	}
	if !slices.Equal(dirs, []record.Dir{record.Out, record.In}) {
		t.Errorf("directions: %v", dirs)
	}
}

// Packets that were cut when captured have holes.
func TestSnapLength(t *testing.T) {
	k := newTalk(client4, server4).get(400)
	for i, f := range k.frames {
		k.frames[i].ip = f.ip[:min(len(f.ip), 40+96)]
	}
	s := reassemble(t, k.raw())
	c := s.order[0]
	if got := s.next[c]; *got != [2]int64{int64(len(request)), int64(len(response + page))} {
		t.Errorf("lengths: %v", *got)
	}
	if got := s.data[c][record.In].Len(); got != 96*10+0+len(response+page)-10*400 {
		t.Errorf("%d bytes of response", got)
	}
}

// Without the handshake, the client is known by what it says, else by ports.
func TestLateCapture(t *testing.T) {
	for _, first := range []int{3, 5} {
		k := newTalk(client4, server4).get(5000)
		k.frames = k.frames[first:]
		got := reassemble(t, k.raw())
		if len(got.order) != 1 {
			t.Fatalf("from packet %d on: %d connections", first, len(got.order))
		}
		c := got.order[0]
		if c.Remote != netip.MustParseAddrPort(server4) {
			t.Errorf("from packet %d on: server %v", first, c.Remote)
		}
		if in := got.data[c][record.In].String(); in != response+page {
			t.Errorf("from packet %d on: response of %d bytes", first, len(in))
		}
	}
}

// A capture of one direction only has all of it.
func TestOneDirection(t *testing.T) {
	k := newTalk(client4, server4).get(100)
	var frames []simFrame
	for _, f := range k.frames {
		if f.ip[12] == 198 {
			frames = append(frames, f)
		}
	}
	k.frames = frames
	s := reassemble(t, k.raw())
	if got := s.data[s.order[0]][record.In].String(); got != response+page {
		t.Errorf("%d bytes", len(got))
	}
}

// Addresses that are used again are another connection.
func TestAddressesReused(t *testing.T) {
	k := newTalk(client4, server4).get(100)
	again := newTalk(client4, server4)
	again.isn = [2]uint32{777, 888}
	again.get(200)
	k.frames = append(k.frames, again.frames...)
	s := reassemble(t, k.raw())
	if len(s.order) != 2 {
		t.Fatalf("%d connections, want 2", len(s.order))
	}
	for _, c := range s.order {
		if s.data[c][0].String() != request || s.data[c][1].String() != response+page {
			t.Errorf("connection %d: %q", c.ID, s.data[c][0].String())
		}
	}
}

// A reset cuts both directions off.
func TestReset(t *testing.T) {
	k := newTalk(client4, server4)
	k.send(0, "S", "")
	k.send(1, "S", "")
	k.send(0, "", request)
	k.send(1, "R", "")
	s := reassemble(t, k.raw())
	c := s.order[0]
	if s.data[c][0].String() != request || *s.ends[c] != [2]record.End{record.EndCut, record.EndCut} {
		t.Errorf("%q, ends %v", s.data[c][0].String(), *s.ends[c])
	}
}

// IP fragments are put together, in any order.
func TestFragments(t *testing.T) {
	for _, ends := range [][2]string{{client4, server4}, {client6, server6}} {
		for seed := range uint64(20) {
			r := rand.New(rand.NewPCG(seed, 2))
			k := newTalk(ends[0], ends[1]).get(1000)
			var frames []simFrame
			for i, f := range k.frames {
				parts := fragments(f.ip, uint16(i), 8*(1+r.IntN(30)))
				r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
				for _, p := range parts {
					frames = append(frames, simFrame{p, len(p), f.time})
				}
			}
			k.frames = frames
			checkGet(t, k.raw())
		}
	}
}

// fragments cuts an IP packet up, n bytes each.
func fragments(ip []byte, id uint16, n int) [][]byte {
	var out [][]byte
	p := gopacket.NewPacket(ip, layers.LayerTypeIPv4, gopacket.Default)
	head, proto := 20, byte(0)
	if ip[0]>>4 == 6 {
		p = gopacket.NewPacket(ip, layers.LayerTypeIPv6, gopacket.Default)
		head, proto = 40, ip[6]
	}
	payload := p.NetworkLayer().LayerPayload()
	for off := 0; off < len(payload); off += n {
		piece := payload[off:min(len(payload), off+n)]
		more := uint16(0)
		if off+n < len(payload) {
			more = 1
		}
		h := slices.Clone(ip[:head])
		if head == 20 {
			h[4], h[5] = byte(id>>8), byte(id)
			h[6], h[7] = byte(more<<5)|byte(off/8>>8), byte(off/8)
			h[2], h[3] = byte((20+len(piece))>>8), byte(20+len(piece))
		} else {
			h[4], h[5], h[6] = byte((8+len(piece))>>8), byte(8+len(piece)), 44
			h = append(h, proto, 0, byte(off>>8), byte(off)|byte(more), 0, 0, byte(id>>8), byte(id))
		}
		out = append(out, append(h, piece...))
	}
	return out
}

// What is not a capture, or ends too early, is said so, after what was whole.
func TestBadFiles(t *testing.T) {
	good := newTalk(client4, server4).get(100).raw()
	ours := write(t, recordtest.Open(t, "../testdata/sse.rec"), pcapng.Options{})
	for _, file := range [][]byte{good, ours} {
		all := 0
		for range pcapng.Read(bytes.NewReader(file)) {
			all++
		}
		last := 0
		for n := range len(file) {
			chunks := 0
			var err error
			for _, e := range pcapng.Read(bytes.NewReader(file[:n])) {
				if e != nil {
					err = e
				} else {
					chunks++
				}
			}
			if n < 4 && !isErr(err, pcapng.ErrFormat) || err != nil && n >= 4 && !isErr(err, pcapng.ErrTruncated) {
				t.Fatalf("first %d bytes: %v", n, err)
			}
			if chunks < last || chunks > all {
				t.Fatalf("first %d bytes: %d chunks, with one less there were %d", n, chunks, last)
			}
			last = chunks
		}
	}
	for _, text := range []string{"", "{\"log\":{}}", "GET / HTTP/1.1\r\n\r\n"} {
		for _, err := range pcapng.Read(strings.NewReader(text)) {
			if !isErr(err, pcapng.ErrFormat) {
				t.Errorf("%q: %v", text, err)
			}
		}
	}
	broken := io.MultiReader(bytes.NewReader(ours[:len(ours)/2]), errReader{})
	var err error
	for _, e := range pcapng.Read(broken) {
		err = e
	}
	if !isErr(err, io.ErrClosedPipe) {
		t.Errorf("reader's error: %v", err)
	}
}
