package pcapng

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"ssltape/record"
	"ssltape/record/recordtest"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// The packets that each recording makes are those in testdata. They are
// decoded by gopacket, so that no fault is in writer and reader alike.
func TestPackets(t *testing.T) {
	recs, err := filepath.Glob("testdata/*.rec")
	if err != nil || len(recs) == 0 {
		t.Fatal("no recordings", err)
	}
	for _, rec := range recs {
		t.Run(filepath.Base(rec), func(t *testing.T) {
			var file bytes.Buffer
			w, err := NewWriter(&file, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := record.Copy(recordtest.Open(t, rec), w); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			got := packets(t, file.Bytes())
			golden := strings.TrimSuffix(rec, ".rec") + ".packets"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// packets lists the packets of a file, a line each, with sequence numbers
// counted from the first.
func packets(t *testing.T, file []byte) string {
	t.Helper()
	src, err := newSource(bytes.NewReader(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	first := map[string]uint32{}
	for f := (captured{}); ; {
		err := src.next(&f)
		if err == io.EOF {
			return out.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		p := gopacket.NewPacket(f.data, layers.LayerTypeEthernet, gopacket.Default)
		tcp, ok := p.TransportLayer().(*layers.TCP)
		if !ok {
			t.Fatalf("not TCP: %v", p)
		}
		src, dst := p.NetworkLayer().NetworkFlow().Endpoints()
		from, to := fmt.Sprintf("%v.%d", src, tcp.SrcPort), fmt.Sprintf("%v.%d", dst, tcp.DstPort)
		if tcp.SYN {
			first[from+to] = tcp.Seq
		}
		fmt.Fprintf(&out, "%s if%d %s > %s %s seq %d", f.time.Format("05.000000"), f.iface, from, to, flagNames(tcp), tcp.Seq-first[from+to])
		if tcp.ACK {
			fmt.Fprintf(&out, " ack %d", tcp.Ack-first[to+from])
		}
		if len(tcp.Payload) > 0 {
			fmt.Fprintf(&out, " %d %.40q", len(tcp.Payload), tcp.Payload)
		}
		if lost := f.size - len(f.data); lost > 0 {
			fmt.Fprintf(&out, " missing %d", lost)
		}
		out.WriteByte('\n')
		for _, c := range f.comments {
			fmt.Fprintf(&out, "\t%s\n", c)
		}
	}
}

func flagNames(tcp *layers.TCP) string {
	var names string
	for _, f := range []struct {
		set  bool
		name string
	}{{tcp.SYN, "S"}, {tcp.FIN, "F"}, {tcp.RST, "R"}, {tcp.PSH, "P"}, {tcp.ACK, "."}} {
		if f.set {
			names += f.name
		}
	}
	return names
}

// The checksum is that of a sum of 16-bit words, one by one.
func TestChecksum(t *testing.T) {
	for n := range 200 {
		for _, fill := range []byte{0, 0xff, 0x5a} {
			b := bytes.Repeat([]byte{fill}, n)
			for i := 0; i < n; i += 7 {
				b[i] ^= byte(n)
			}
			var want uint32
			for i := 0; i < n; i += 2 {
				want += uint32(b[i]) << 8
				if i+1 < n {
					want += uint32(b[i+1])
				}
			}
			for want>>16 > 0 {
				want = want>>16 + want&0xffff
			}
			if got := checksum(b, 0); got != ^uint16(want) {
				t.Fatalf("%d bytes %#x: %#x, want %#x", n, fill, got, ^uint16(want))
			}
		}
	}
}
