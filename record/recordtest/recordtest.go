// Package recordtest reads recordings written by hand, for tests, and cuts
// them into pieces.
//
// Each line of such a recording is a chunk: > for bytes that the process
// wrote, < for bytes that it read, then the data as Go strings, which are
// joined. Words before the data say more:
//
//	c=2       the connection, 1 where it is left out
//	+=15ms    time since the line before
//	lost=9    bytes missing before this chunk
//	n=1000    the data that many times
//	end       the direction ends in order after this chunk
//	cut       the direction is cut off after this chunk
//
// Blank lines and lines that start with # are skipped. A line that starts with
// "conn" describes a connection that follows: conn 2 pid=7 comm=curl
// local=192.0.2.1:4000 remote=192.0.2.2:443 sni=example.com.
package recordtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"ssltape/record"
)

// Start is the time of the first chunk of every recording.
var Start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// Open returns the chunks of the recording in the file at path. The test fails
// where it cannot be read.
func Open(t testing.TB, path string) iter.Seq2[record.Chunk, error] {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return Read(bytes.NewReader(text))
}

// Read returns the chunks of the recording in r. Each range over what it
// returns makes new connections; r is read once, by the first.
func Read(r io.Reader) iter.Seq2[record.Chunk, error] {
	return func(yield func(record.Chunk, error) bool) {
		p := parser{now: Start, conns: map[string]*conn{}}
		s := bufio.NewScanner(r)
		s.Buffer(nil, 1<<24)
		for n := 1; s.Scan(); n++ {
			c, ok, err := p.line(strings.TrimSpace(s.Text()))
			if err != nil {
				yield(c, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if ok && !yield(c, nil) {
				return
			}
		}
		if err := s.Err(); err != nil {
			yield(record.Chunk{}, err)
		}
	}
}

type parser struct {
	now   time.Time
	conns map[string]*conn
}

type conn struct {
	record.Conn
	next [2]int64 // offset after what was seen, by Dir
}

func (p *parser) conn(id string) *conn {
	c := p.conns[id]
	if c == nil {
		n, _ := strconv.ParseUint(id, 10, 64)
		c = &conn{Conn: record.Conn{ID: n, PID: 42, Comm: "node", Exe: "/usr/bin/node", Library: "libssl.so.3"}}
		p.conns[id] = c
	}
	return c
}

// line reads one line; ok is false where it is not a chunk.
func (p *parser) line(line string) (c record.Chunk, ok bool, err error) {
	if line == "" || line[0] == '#' {
		return c, false, nil
	}
	if rest, isConn := strings.CutPrefix(line, "conn "); isConn {
		return c, false, p.describe(strings.Fields(rest))
	}
	switch line[0] {
	case '>':
		c.Dir = record.Out
	case '<':
		c.Dir = record.In
	default:
		return c, false, fmt.Errorf("neither > nor <: %q", line)
	}
	words, data := line[1:], ""
	if i := strings.IndexByte(line, '"'); i > 0 {
		words, data = line[1:i], line[i:]
	}
	id, lost, repeat := "1", int64(0), 1
	for _, w := range strings.Fields(words) {
		k, v, _ := strings.Cut(w, "=")
		var d time.Duration
		switch k {
		case "c":
			id = v
		case "+":
			d, err = time.ParseDuration(v)
			p.now = p.now.Add(d)
		case "lost":
			lost, err = strconv.ParseInt(v, 10, 64)
		case "n":
			repeat, err = strconv.Atoi(v)
		case "end":
			c.End = record.EndClean
		case "cut":
			c.End = record.EndCut
		default:
			err = fmt.Errorf("unknown word %q", w)
		}
		if err != nil {
			return c, false, err
		}
	}
	if c.Data, err = unquote(data); err != nil {
		return c, false, err
	}
	c.Data = bytes.Repeat(c.Data, repeat)
	s := p.conn(id)
	c.Conn, c.Time, c.Off = &s.Conn, p.now, s.next[c.Dir]+lost
	s.next[c.Dir] = c.Off + int64(len(c.Data))
	return c, true, nil
}

// unquote joins the Go strings of s.
func unquote(s string) ([]byte, error) {
	var out []byte
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		q, err := strconv.QuotedPrefix(s)
		if err != nil {
			return nil, fmt.Errorf("not a Go string: %q", s)
		}
		text, err := strconv.Unquote(q)
		if err != nil {
			return nil, err
		}
		out, s = append(out, text...), s[len(q):]
	}
	return out, nil
}

func (p *parser) describe(words []string) (err error) {
	if len(words) == 0 {
		return fmt.Errorf("conn without a number")
	}
	c := p.conn(words[0])
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		switch k {
		case "pid":
			c.PID, err = strconv.Atoi(v)
		case "comm":
			c.Comm = v
		case "exe":
			c.Exe = v
		case "lib":
			c.Library = v
		case "local":
			c.Local, err = netip.ParseAddrPort(v)
		case "remote":
			c.Remote, err = netip.ParseAddrPort(v)
		case "sni":
			c.ServerName = v
		case "plain":
			c.Plain = true
		default:
			err = fmt.Errorf("unknown word %q", w)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// A Splitter is a ChunkWriter that passes on each chunk to W in pieces of at
// most N bytes.
type Splitter struct {
	N int
	W record.ChunkWriter
}

// WriteChunk implements [record.ChunkWriter].
func (s Splitter) WriteChunk(c record.Chunk) error {
	for len(c.Data) > s.N {
		piece := c
		piece.Data, piece.End = c.Data[:s.N], record.EndNone
		if err := s.W.WriteChunk(piece); err != nil {
			return err
		}
		c.Data, c.Off = c.Data[s.N:], c.Off+int64(s.N)
	}
	return s.W.WriteChunk(c)
}

// KilledFile is the variable in which the process that [Kill] kills finds the path
// of what to write.
const KilledFile = "SSLTAPE_TEST_KILLED"

// Kill runs the test of this name of the running test binary in another process,
// with path in [KilledFile], and kills that at a random moment up to 40 ms after
// the first byte that it prints. It returns all that was printed and the file,
// which it removes.
func Kill(t *testing.T, name, path string) (printed, file []byte) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+name+"$")
	cmd.Env = append(os.Environ(), KilledFile+"="+path)
	progress, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	started := make([]byte, 1)
	io.ReadFull(progress, started)
	time.Sleep(time.Duration(rand.Int64N(int64(40 * time.Millisecond))))
	cmd.Process.Kill()
	printed, err = io.ReadAll(progress)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // it was killed
	if file, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	os.Remove(path)
	return append(started, printed...), file
}
