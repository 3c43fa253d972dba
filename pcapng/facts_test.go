package pcapng

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ssltape/record"
	"ssltape/record/recordtest"
)

// facts lists, for people, what the options of a file's packets and the statistics
// of its interfaces say.
func facts(t *testing.T, file []byte) string {
	t.Helper()
	var out strings.Builder
	le := binary.LittleEndian
	s := blockSource{order: le}
	for b := file; len(b) > 0; b = b[le.Uint32(b[4:]):] {
		typ, body := le.Uint32(b), b[8:le.Uint32(b[4:])-4]
		const blockStatistics = 5
		fixed := map[uint32]int{blockEnhanced: 20, blockStatistics: 12}[typ]
		if fixed == 0 {
			continue
		}
		if typ == blockEnhanced {
			fixed += int(le.Uint32(body[12:])+3) &^ 3
			fmt.Fprintf(&out, "packet of %d:", le.Uint32(body))
		} else {
			fmt.Fprintf(&out, "statistics of %d:", le.Uint32(body))
		}
		s.options(body[fixed:], func(code uint16, v []byte) {
			switch len(v) {
			case 4:
				fmt.Fprintf(&out, " %d=%d", code, le.Uint32(v))
			case 8:
				n := le.Uint64(v)
				if typ == blockStatistics && (code == 2 || code == 3) { // a time, in two halves
					n = n<<32 | n>>32
					n -= uint64(recordtest.Start.UnixNano())
				}
				fmt.Fprintf(&out, " %d=%d", code, n)
			default:
				fmt.Fprintf(&out, " %q", v)
			}
		})
		out.WriteByte('\n')
	}
	return out.String()
}

// The options of a packet say who sent it (2=1 inbound, 2=2 outbound), what was
// lost before it (4), its process (8) and the block of that (32769); statistics,
// when the first (2) and the last packet (3) came, how many did (4), and how many
// were not seen (5).
func TestFacts(t *testing.T) {
	const rec = `conn 1 pid=7 comm=nginx exe=/usr/sbin/nginx lib=x plain=true local=[::ffff:192.0.2.1]:8080 remote=[::ffff:192.0.2.9]:50123
		conn 2 pid=42 comm=curl exe=/usr/bin/curl lib=x local=10.0.0.5:40001 remote=192.0.2.7:443
		< c=1 "GET /a HTTP/1.1\r\n\r\n"
		> c=1 +=1ms lost=10 "ok"
		> c=2 +=1ms "GET http://x/` + "%s" + ` HTTP/1.1\r\n\r\n"
		< c=2 +=1ms cut
		> c=2 "nobody acknowledges it"
		> c=2 cut`
	var file bytes.Buffer
	w, err := NewWriter(&file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := record.Copy(recordtest.Read(strings.NewReader(fmt.Sprintf(rec, strings.Repeat("long", 300)))), w); err != nil {
		t.Fatal(err)
	}
	if n := len(w.flows); n != 1 {
		t.Errorf("%d connections are open, want 1", n)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	const server, client = "8=7 32769=1", "8=42 32769=2"
	want := `packet of 1: "ssltape conn=1 pid=7 comm=nginx exe=/usr/sbin/nginx lib=x local=[::ffff:192.0.2.1]:8080 remote=[::ffff:192.0.2.9]:50123 plain=true role=server" 2=1 ` + server + `
packet of 1: 2=2 ` + server + `
packet of 1: 2=1 ` + server + `
packet of 1: "ssltape pid=7 url=http://[::ffff:192.0.2.1]:8080/a" 2=1 ` + server + `
packet of 1: 2=2 ` + server + `
packet of 1: "ssltape lost=10" 2=2 4=1 ` + server + `
packet of 1: 2=1 ` + server + `
packet of 1: 2=2 ` + server + `
packet of 1: 2=1 ` + server + `
packet of 2: "ssltape conn=2 pid=42 comm=curl exe=/usr/bin/curl lib=x local=10.0.0.5:40001 remote=192.0.2.7:443 role=client" 2=2 ` + client + `
packet of 2: 2=1 ` + client + `
packet of 2: 2=2 ` + client + `
packet of 2: "ssltape pid=42 url=http://x/` + strings.Repeat("long", 300)[:maxURL-len("http://x/")] + `" 2=2 ` + client + `
packet of 2: 2=1 ` + client + `
packet of 2: 2=1 ` + client + `
packet of 2: 2=2 ` + client + `
packet of 2: 2=2 ` + client + `
statistics of 0: 5=0 4=0
statistics of 1: 2=0 3=1000000 5=1 4=10
statistics of 2: 2=2000000 3=3000000 5=0 4=8
`
	if got := facts(t, file.Bytes()); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// A packet has addresses of one kind, without what belongs to this machine. Those
// that are not known are made up, of the kind of the other end.
func TestAddresses(t *testing.T) {
	for addrs, want := range map[string]string{
		"local=[::ffff:192.0.2.1]:40001 remote=[::ffff:192.0.2.9]:443": "192.0.2.1:40001 192.0.2.9:443",
		"local=[fe80::1%eth0]:40001 remote=[fe80::2%eth0]:443":         "[fe80::1]:40001 [fe80::2]:443",
		"local=[2001:db8:1::1]:40001":                                  "[2001:db8:1::1]:40001 [2001:db8:0:1::1]:80",
		"remote=[2001:db8:1::1]:443":                                   "[2001:db8::1]:49153 [2001:db8:1::1]:443",
		"local=192.0.2.1:443 remote=192.0.2.9:40001":                   "192.0.2.9:40001 192.0.2.1:443", // a server, by its ports
		"": "198.18.0.1:49153 198.19.0.1:80",
	} {
		w, err := NewWriter(io.Discard, Options{})
		if err != nil {
			t.Fatal(err)
		}
		rec := "conn 1 " + addrs + "\n> \"\\x01\\x02 no HTTP\"\n"
		if err := errors.Join(record.Copy(recordtest.Read(strings.NewReader(rec)), w), w.Close()); err != nil {
			t.Fatal(err)
		}
		for _, f := range w.flows {
			if got := fmt.Sprint(f.ends[f.client], f.ends[f.client.Peer()]); got != want {
				t.Errorf("%s: %s, want %s", addrs, got, want)
			}
		}
	}
}

// A first line that comes byte by byte is told in as many comments as it needs.
func TestDrip(t *testing.T) {
	line := "GET /" + strings.Repeat("x", maxHead-30) + " HTTP/1.1\r\n"
	var file bytes.Buffer
	w, err := NewWriter(&file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := record.Chunk{Conn: &record.Conn{ID: 1}, Time: recordtest.Start}
	for i := range len(line) {
		c.Off, c.Data = int64(i), []byte{line[i]}
		c.Time = c.Time.Add(time.Second)
		if err := w.WriteChunk(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for c, err := range Read(&file) {
		if want := recordtest.Start.Add(time.Duration(n+1) * time.Second); err != nil || c.Off != int64(n) || string(c.Data) != line[n:n+1] || !c.Time.Equal(want) {
			t.Fatalf("byte %d: %.10q at %d, %v, want %v (%v)", n, c.Data, c.Off, c.Time, want, err)
		}
		n++
	}
	if n != len(line) {
		t.Errorf("%d bytes, want %d", n, len(line))
	}
}

// What a file says of itself and of processes is text that fits an option, and is no
// terminal's command.
func TestText(t *testing.T) {
	if got, want := text("a\x1b[2J\x7f\xff\nb"), "a\uFFFD[2J\uFFFD\uFFFD\nb"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := text(strings.Repeat("é", maxOption)); len(got) > maxOption-3 || len(got) < maxOption-6 || strings.Trim(got, "é") != "" {
		t.Errorf("%d bytes, which end in %q", len(got), got[len(got)-3:])
	}
	var file bytes.Buffer
	w, err := NewWriter(&file, Options{Comment: strings.Repeat("x", 1<<20)})
	if err != nil {
		t.Fatal(err)
	}
	const args = 40
	e := &record.ProcessEvent{Kind: record.Exec, Time: recordtest.Start, PID: 1, Comm: strings.Repeat("y", 1<<20)}
	for range args {
		e.Args = append(e.Args, strings.Repeat("z", 1<<16))
	}
	if err := errors.Join(w.WriteProcess(e), w.Close()); err != nil {
		t.Fatal(err)
	}
	events := 0
	for _, err := range ReadWith(&file, ReadOptions{Processes: eventFunc(func(got *record.ProcessEvent) {
		if events++; got.Comm != e.Comm[:maxMeta] || len(got.Args) < 10 || got.Args[0] != e.Args[0][:maxMeta] {
			t.Errorf("the process is called %.20q, of %d bytes, with %d arguments", got.Comm, len(got.Comm), len(got.Args))
		}
	})}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if events != 1 {
		t.Errorf("%d processes, want 1", events)
	}
}

type eventFunc func(*record.ProcessEvent)

func (f eventFunc) WriteProcess(p *record.ProcessEvent) error {
	f(p)
	return nil
}

// On a disk that is full the file ends with the last block that was whole.
func TestFullDisk(t *testing.T) {
	save := func(f io.Writer) (*Writer, error) {
		w, err := NewWriter(f, Options{})
		if err == nil {
			c := record.Chunk{Conn: &record.Conn{ID: 1}, Time: recordtest.Start, Data: []byte("\x01 no HTTP")}
			err = errors.Join(w.WriteChunk(c), w.Flush())
		}
		return w, err
	}
	var all bytes.Buffer
	if _, err := save(&all); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "x.pcapng"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	whole, next := 0, 0
	for room := range all.Len() {
		if room == next {
			whole, next = next, next+int(binary.LittleEndian.Uint32(all.Bytes()[room+4:]))
		}
		_, seek := f.Seek(0, io.SeekStart)
		if err := errors.Join(f.Truncate(0), seek); err != nil {
			t.Fatal(err)
		}
		if _, err := save(&disk{f, room}); !errors.Is(err, io.ErrShortWrite) {
			t.Fatalf("room for %d bytes: %v", room, err)
		}
		if got, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(got, all.Bytes()[:whole]) {
			t.Fatalf("room for %d bytes: the file has %d, want %d (%v)", room, len(got), whole, err)
		}
	}
}

// A disk is a file on a disk that is full after so many bytes.
type disk struct {
	*os.File
	room int
}

func (d *disk) Write(p []byte) (int, error) {
	n, err := d.File.Write(p[:min(len(p), d.room)])
	if d.room -= n; n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}
