package pcapng_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ssltape/pcapng"
	"ssltape/record"
	"ssltape/record/recordtest"
)

// run returns what a command prints. The test is skipped where there is no
// such command, except in CI.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, &stderr)
	}
	return string(out)
}

// save writes a file to a temporary folder.
func save(t testing.TB, file []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.pcapng")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A body is what one exchange of bodies transfers.
type body struct {
	up, down []byte
}

// bodies are recorded by exchanges. They do not repeat, so that a piece in the
// wrong place shows.
func bodies() []body {
	random := rand.NewChaCha8([32]byte{})
	bytes := func(n int) []byte {
		p := make([]byte, n)
		random.Read(p)
		return p
	}
	return []body{{nil, nil}, {nil, bytes(1)}, {nil, bytes(16384)}, {bytes(1), bytes(100000)},
		{bytes(100000), nil}, {nil, bytes(10 << 20)}, {bytes(10 << 20), bytes(3)}}
}

// exchanges is a recording of bodies, each on a connection of its own, all at
// once, in calls of 16 KiB at most.
func exchanges(all []body) iter.Seq2[record.Chunk, error] {
	return func(yield func(record.Chunk, error) bool) {
		now := recordtest.Start
		type state struct {
			conn *record.Conn
			data [2][]byte
			off  [2]int64
		}
		var conns []*state
		for i, b := range all {
			s := &state{conn: &record.Conn{ID: uint64(i + 1), PID: 40 + i/2, Comm: "curl", Exe: "/usr/bin/curl", ServerName: "example.com",
				Local: netip.MustParseAddrPort(fmt.Sprintf("10.0.0.5:%d", 40001+i)), Remote: netip.MustParseAddrPort("192.0.2.7:443")}}
			s.data[record.Out] = append(fmt.Appendf(nil, "POST /%d HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", i, len(b.up)), b.up...)
			s.data[record.In] = append(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", len(b.down)), b.down...)
			conns = append(conns, s)
		}
		for _, d := range []record.Dir{record.Out, record.In} {
			for left := len(conns); left > 0; {
				left = 0
				for _, s := range conns {
					if len(s.data[d]) == 0 {
						continue
					}
					n := min(len(s.data[d]), 16384)
					now = now.Add(10 * time.Microsecond)
					if !yield(record.Chunk{Conn: s.conn, Dir: d, Off: s.off[d], Time: now, Data: s.data[d][:n]}, nil) {
						return
					}
					s.off[d] += int64(n)
					s.data[d] = s.data[d][n:]
					left++
				}
			}
		}
		for _, s := range conns {
			for _, d := range []record.Dir{record.Out, record.In} {
				if !yield(record.Chunk{Conn: s.conn, Dir: d, Off: s.off[d], Time: now, End: record.EndClean}, nil) {
					return
				}
			}
		}
	}
}

// checkWireshark has Wireshark look for faults in a file.
func checkWireshark(t *testing.T, path string) {
	t.Helper()
	for what, args := range map[string][]string{
		"file format": {"-X", "read_format:MIME Files Format", "-Y", "_ws.expert || _ws.malformed"},
		"packets": {"-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
			"-Y", "tcp.analysis.flags || tcp.checksum.status==0 || ip.checksum.status==0 || _ws.malformed"},
	} {
		if out := run(t, "tshark", append([]string{"-r", path}, args...)...); out != "" {
			t.Errorf("%s:\n%s", what, out)
		}
	}
	if out := run(t, "capinfos", path); !regexp.MustCompile(`Strict time order: +True`).MatchString(out) {
		t.Errorf("capinfos:\n%s", out)
	}
	run(t, "tcpdump", "-nr", path)
}

func TestWiresharkFindsNoFault(t *testing.T) {
	t.Parallel()
	for _, rec := range recordings(t) {
		for framing, name := range []string{"plain", "tls"} {
			t.Run(filepath.Base(rec)+"/"+name, func(t *testing.T) {
				o := pcapng.Options{Comment: "x", Framing: pcapng.Framing(framing)}
				checkWireshark(t, save(t, write(t, recordtest.Open(t, rec), o)))
			})
		}
	}
	t.Run("nothing recorded", func(t *testing.T) {
		path := save(t, write(t, func(func(record.Chunk, error) bool) {}, pcapng.Options{}))
		if out := run(t, "tshark", "-r", path); out != "" {
			t.Error(out)
		}
		run(t, "tcpdump", "-nr", path)
	})
}

// Bodies come out of Wireshark and of tcpflow as they went in.
func TestBodies(t *testing.T) {
	t.Parallel()
	all := bodies()
	path := save(t, write(t, exchanges(all), pcapng.Options{}))
	checkWireshark(t, path)
	if out := run(t, "tshark", "-r", path, "-o", "tcp.check_checksum:TRUE", "-Y", "tcp.checksum.status != 1"); out != "" {
		t.Errorf("checksums that were not found good:\n%s", out)
	}

	dir := t.TempDir()
	run(t, "tshark", "-r", path, "-q", "--export-objects", "http,"+dir)
	exported := map[string]int{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		p, err := os.ReadFile(path)
		exported[string(p)]++
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range all {
		for _, p := range [][]byte{b.up, b.down} {
			if len(p) > 0 && exported[string(p)] != 1 {
				t.Errorf("body %d of %d bytes was exported %d times", i, len(p), exported[string(p)])
			}
		}
	}

	flows := t.TempDir()
	run(t, "tcpflow", "-q", "-o", flows, "-r", path)
	for i, b := range all {
		name := fmt.Sprintf("192.000.002.007.00443-010.000.000.005.%05d", 40001+i)
		got, err := os.ReadFile(filepath.Join(flows, name))
		if err != nil {
			t.Error(err)
		}
		if _, got, _ := bytes.Cut(got, []byte("\r\n\r\n")); !bytes.Equal(got, b.down) {
			t.Errorf("tcpflow has %d bytes of body %d, want %d", len(got), i, len(b.down))
		}
	}

	out := run(t, "tcptrace", "-n", "-l", path)
	if n := strings.Count(out, "complete conn: yes"); n != len(all) {
		t.Errorf("tcptrace: %d complete connections, want %d", n, len(all))
	}
	for _, field := range []string{"rexmt data pkts", "outoforder pkts", "missed data"} {
		for _, m := range regexp.MustCompile(field+`: +(\d+)`).FindAllStringSubmatch(out, -1) {
			if m[1] != "0" {
				t.Errorf("tcptrace: %s", m[0])
			}
		}
	}
}

// What editcap and mergecap make of a file is read back without loss.
func TestEditedFiles(t *testing.T) {
	t.Parallel()
	for _, rec := range recordings(t) {
		t.Run(filepath.Base(rec), func(t *testing.T) {
			path := save(t, write(t, recordtest.Open(t, rec), pcapng.Options{}))
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, tool := range []string{"editcap", "mergecap"} {
				edited := filepath.Join(t.TempDir(), "y.pcapng")
				args := []string{path, edited}
				if tool == "mergecap" {
					args = []string{"-w", edited, path}
				}
				run(t, tool, args...)
				got, err := os.ReadFile(edited)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := read(t, got, nil), read(t, want, nil); got != want {
					t.Errorf("%s made:\n%s\nwant:\n%s", tool, got, want)
				}
			}
		})
	}
}

// Wireshark shows what the comments, names and options of a file say.
func TestWiresharkShows(t *testing.T) {
	t.Parallel()
	path := save(t, write(t, recordtest.Open(t, "testdata/ports.rec"), pcapng.Options{}))
	got := run(t, "tshark", "-r", path, "-Y", "http.request || http2.headers.method", "-T", "fields",
		"-e", "frame.interface_name", "-e", "tcp.dstport", "-e", "frame.packet_flags_direction", "-e", "http.request.uri", "-e", "http2.headers.path")
	want := "node[42]\t80\t0x00000002\t/1\t\nnode[42]\t443\t0x00000002\t/2\t\nnode[42]\t80\t0x00000002\t\t/\n"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	hosts := run(t, "tshark", "-r", path, "-q", "-z", "hosts")
	if !strings.Contains(hosts, "192.0.2.7\th2.example.com") {
		t.Errorf("names:\n%s", hosts)
	}
}

// A file can be read while it is written: tshark, from a pipe, shows what was
// flushed.
func TestLivePipe(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("tshark"); err != nil {
		run(t, "tshark")
	}
	cmd := exec.Command("tshark", "-l", "-i", "-", "-Y", "http.request", "-T", "fields", "-e", "http.request.uri")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w, err := pcapng.NewWriter(stdin, pcapng.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := record.Copy(recordtest.Open(t, "../testdata/sse.rec"), w); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len("/v1/messages"))
	if _, err := io.ReadFull(stdout, got); err != nil { // before the file ends
		cmd.Wait()
		t.Fatalf("%v: %s", err, &stderr)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	stdin.Close()
	if string(got) != "/v1/messages" {
		t.Errorf("first request: %q", got)
	}
	var rest bytes.Buffer
	rest.ReadFrom(stdout)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, &stderr)
	}
}
