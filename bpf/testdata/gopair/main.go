// gopair CERT KEY STEP...: a client and a server in one process, on loopback.
// A step is new, new6 (over IPv6), wN (the client writes N bytes), r (the server reads all of
// them), aN (the server answers N bytes), ra (the client reads them), close (by
// the client), eof (the server closes, the client reads that), fin (likewise,
// without close_notify), cut (likewise, within a record), wait (a goroutine of
// the client reads meanwhile), last (the server answers 5 bytes and closes
// before the client reads them), echoN (the client writes N times, another
// goroutine of it reads the answers), mixN (N goroutines of the client write at
// once, the server sends it all back, which is printed), old (what new connects
// from then on is TLS 1.2), toN (the client connects to a server elsewhere, at port
// N), dies (the process ends in the first write of what new connects from then on),
// twoN (two goroutines of the client read at once the N bytes that the server answers),
// move (the client changes threads in each write from then on), drain (the client
// reads two bytes, one by one, within Close from then on) or inside (new, within the
// TLS of the last new).
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

type pair struct {
	cert           tls.Certificate
	client, server *tls.Conn
	socket         net.Conn // of the server
	written, read  int      // by the client and the server
	version        uint16
	moves, dies    bool
	drains         bool
}

func main() {
	cert, err := tls.LoadX509KeyPair(os.Args[1], os.Args[2])
	check(err)
	p := pair{cert: cert}
	for _, s := range os.Args[3:] {
		p.step(s)
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func want(err, want error) {
	if err != want {
		panic(fmt.Sprintf("error %v, want %v", err, want))
	}
}

func (p *pair) step(s string) {
	name := strings.TrimRight(s, "0123456789")
	n, _ := strconv.Atoi(s[len(name):])
	switch name {
	case "new":
		host := "127.0.0.1"
		if n == 6 {
			host = "::1"
		}
		p.connect(dial(host))
	case "inside":
		p.connect(p.client, p.server)
	case "w":
		_, err := p.client.Write(make([]byte, n))
		check(err)
		p.written += n
	case "r":
		readAll(p.server, p.written)
		p.written = 0
	case "a":
		_, err := p.server.Write(make([]byte, n))
		check(err)
		p.read += n
	case "ra":
		readAll(p.client, p.read)
		p.read = 0
	case "close":
		p.client.Close()
	case "eof":
		p.server.Close()
		_, err := p.client.Read(make([]byte, 9))
		want(err, io.EOF)
	case "fin":
		p.socket.Close()
		_, err := p.client.Read(make([]byte, 9))
		want(err, io.EOF)
	case "cut":
		p.socket.Write([]byte{23, 3, 3, 0, 99})
		p.socket.Close()
		_, err := p.client.Read(make([]byte, 9))
		want(err, io.ErrUnexpectedEOF)
	case "last":
		p.server.Write(make([]byte, 5))
		p.server.Close()
		readAll(p.client, 5)
	case "two":
		p.two(n)
	case "dies":
		p.dies = true
	case "move":
		p.moves = true
	case "drain":
		p.drains = true
	case "old":
		p.version = tls.VersionTLS12
	case "wait":
		p.wait()
	case "echo":
		p.echo(n)
	case "mix":
		p.mix(n)
	case "to":
		c, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", n))
		check(err)
		p.client, p.server = tls.Client(c, &tls.Config{InsecureSkipVerify: true}), nil
	}
}

// dial returns the ends of a TCP connection.
func dial(host string) (client, server net.Conn) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	check(err)
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	check(err)
	server, err = l.Accept()
	check(err)
	return client, server
}

func (p *pair) connect(client, server net.Conn) {
	p.socket = server
	if p.moves {
		client = &moving{client}
	}
	last, drain := &lastWrite{Conn: client}, &draining{Conn: client}
	switch {
	case p.dies:
		client = last
	case p.drains:
		client = drain
	}
	p.client = tls.Client(client, &tls.Config{InsecureSkipVerify: true, MaxVersion: p.version})
	p.server = tls.Server(server, &tls.Config{Certificates: []tls.Certificate{p.cert}})
	done := make(chan error)
	go func() { done <- p.server.Handshake() }()
	check(p.client.Handshake())
	check(<-done)
	last.due, drain.tls = true, p.client
}

// A draining connection reads what is left before it is closed.
type draining struct {
	net.Conn
	tls *tls.Conn // on it
}

func (d *draining) Close() error {
	readAll(d.tls, 1)
	readAll(d.tls, 1)
	return d.Conn.Close()
}

// A lastWrite ends the process in the first write that is due.
type lastWrite struct {
	net.Conn
	due bool
}

func (l *lastWrite) Write(b []byte) (int, error) {
	n, err := l.Conn.Write(b)
	if l.due {
		os.Exit(0)
	}
	return n, err
}

// A moving connection writes on another thread than it was called on.
type moving struct{ net.Conn }

func (m *moving) Write(b []byte) (int, error) {
	for at := syscall.Gettid(); syscall.Gettid() == at; {
		next := make(chan bool)
		go func() {
			runtime.LockOSThread() // which is for this goroutine alone then
			close(next)
			if syscall.Gettid() == at {
				select {}
			}
		}()
		<-next
	}
	return m.Conn.Write(b)
}

// wait leaves a goroutine in Read, until the connection is closed.
func (p *pair) wait() {
	c, entered := p.client, make(chan bool)
	go func() {
		close(entered)
		c.Read(make([]byte, 9))
	}()
	<-entered
}

// echo writes n numbers, of which the server sends each one back, while another
// goroutine reads.
func (p *pair) echo(n int) {
	echoed, next := make(chan error), make(chan bool)
	go func() {
		_, err := io.CopyN(p.server, p.server, int64(8*n))
		echoed <- err
	}()
	go func() {
		for range n {
			readAll(p.client, 8)
			next <- true
		}
	}()
	for i := range n {
		fmt.Fprintf(p.client, "%8d", i)
		<-next
	}
	check(<-echoed)
}

// two has the server write n bytes in pieces, which two goroutines read.
func (p *pair) two(n int) {
	wrote, read := make(chan error), make(chan int)
	go func() {
		for left := n; left > 0; left -= 1000 {
			if _, err := p.server.Write(make([]byte, min(1000, left))); err != nil {
				wrote <- err
				return
			}
		}
		wrote <- p.server.CloseWrite()
	}()
	for range 2 {
		go func() {
			m, _ := io.Copy(io.Discard, p.client) // until the end
			read <- int(m)
		}()
	}
	if m := <-read + <-read; m != n {
		panic(fmt.Sprint(m, " bytes were read"))
	}
	check(<-wrote)
}

// mix has n goroutines write messages of all sizes, each in a buffer that is then
// used again, while the server sends back what it reads.
func (p *pair) mix(n int) {
	sizes := []int{1, 9, 1000, 16384, 16393, 70000, 3, 262144}
	total := 0
	for _, size := range sizes {
		total += 3 * size * n
	}
	echoed := make(chan error, 1)
	if p.server != nil {
		go func() { echoed <- echo(p.server, total) }()
	} else {
		echoed <- nil
	}
	for i := range n {
		go func() {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			buf := make([]byte, slices.Max(sizes))
			for j := range 3 * len(sizes) {
				b := buf[:sizes[(i+j)%len(sizes)]]
				for k := range b {
					b[k] = byte(random.Uint32())
				}
				_, err := p.client.Write(b)
				check(err)
			}
		}()
	}
	_, err := io.CopyN(os.Stdout, p.client, int64(total))
	check(err)
	check(<-echoed)
}

// echo sends back n bytes that it reads, while it reads on.
func echo(c net.Conn, n int) error {
	pieces := make(chan []byte, 1000)
	read := make(chan error, 1)
	go func() {
		defer close(pieces)
		for n > 0 {
			b := make([]byte, 32<<10)
			m, err := c.Read(b)
			if err != nil {
				read <- err
				return
			}
			pieces <- b[:m]
			n -= m
		}
		read <- nil
	}()
	for b := range pieces {
		if _, err := c.Write(b); err != nil {
			return err
		}
		clear(b) // it is used again
	}
	return <-read
}

func readAll(c net.Conn, n int) {
	_, err := io.CopyN(io.Discard, c, int64(n))
	check(err)
}
