// gotls is a program that is recorded: an HTTPS client, or server, of Go.
//
//	gotls sizes URL CERT     downloads and uploads of several sizes, one after the other
//	gotls many URL CERT      many connections at once, with uploads that differ
//	gotls clients URL CERT   many connections, each of which asks for its own address
//	gotls stack ADDR CERT    reads into a buffer on a stack that moves meanwhile
//	gotls http2              a client and a server of HTTP/2, both in this process
//	gotls serve DIR          a server; prints its port and leaves its certificate in DIR
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"unsafe"

	"ssltape/record/session/sessiontest"
)

func main() {
	log.SetFlags(0)
	switch args := os.Args[2:]; os.Args[1] {
	case "sizes":
		sizes(args[0], config(args[1]))
	case "many":
		many(args[0], config(args[1]))
	case "clients":
		clients(args[0], config(args[1]))
	case "stack":
		stack(args[0], config(args[1]))
	case "http2":
		http2()
	case "serve":
		s, err := sessiontest.Start(args[0])
		check(err)
		fmt.Println(s.URL[strings.LastIndexByte(s.URL, ':')+1:])
		select {}
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func config(cert string) *tls.Config {
	pem, err := os.ReadFile(cert)
	check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: roots, ServerName: "localhost"}
}

func do(c *http.Client, method, url string, body []byte) {
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	check(err)
	resp, err := c.Do(req)
	check(err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	check(err)
}

func sizes(url string, config *tls.Config) {
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
	for _, n := range []int{0, 1, 16384, 100_000, 10_000_000} {
		do(c, "GET", fmt.Sprint(url, "/bytes/", n), nil)
		do(c, "GET", fmt.Sprint(url, "/chunked/", n), nil)
		do(c, "POST", fmt.Sprint(url, "/upload?", n), sessiontest.Body(n))
	}
	do(c, "GET", url+"/close/70000", nil)
}

func many(url string, config *tls.Config) {
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			t := &http.Transport{TLSClientConfig: config}
			defer t.CloseIdleConnections()
			c := &http.Client{Transport: t}
			for j := range 10 {
				do(c, "GET", fmt.Sprintf("%s/echo?%d-%d", url, i, j), nil)
				do(c, "POST", fmt.Sprintf("%s/upload?%d-%d", url, i, j), bytes.Repeat([]byte{byte('A' + i), byte('0' + j)}, 1+i*j*50))
			}
		})
	}
	wg.Wait()
}

func clients(url string, config *tls.Config) {
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			t := &http.Transport{TLSClientConfig: config}
			defer t.CloseIdleConnections()
			for j := range 3 {
				do(&http.Client{Transport: t}, "GET", fmt.Sprintf("%s/client?%d-%d", url, i, j), nil)
			}
		})
	}
	wg.Wait()
}

// stack reads where stacks have more and less room left, into buffers on them,
// and says whether one moved meanwhile.
func stack(addr string, config *tls.Config) {
	moved := make(chan bool)
	const depths = 32
	for i := range depths {
		go func() {
			tcp, err := net.Dial("tcp", addr)
			check(err)
			c := tls.Client(tcp, config)
			go fmt.Fprintf(c, "GET /echo?stack-%d HTTP/1.1\r\nHost: localhost\r\n\r\n", i)
			moved <- readAt(c, i)
			check(c.Close())
			moved <- false
		}()
	}
	any := false
	for range 2 * depths {
		any = <-moved || any
	}
	fmt.Println("moved:", any)
}

// readAt reads until the end of a response, depth calls further down, and
// reports whether the buffer moved. The first read has the handshake in it.
func readAt(c *tls.Conn, depth int) bool {
	var b [256]byte
	if depth > 0 {
		return readAt(c, depth-1) || b[depth] != 0
	}
	before := address(&b)
	for n := 0; !bytes.HasSuffix(b[:n], []byte("}\n")); {
		var err error
		n, err = c.Read(b[:])
		check(err)
	}
	return address(&b) != before
}

func http2() {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		check(err)
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(body)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	var wg sync.WaitGroup
	for i, n := range []int{0, 1, 16384, 100_000, 1_000_000} {
		wg.Go(func() { do(s.Client(), "POST", fmt.Sprint(s.URL, "/", i), sessiontest.Body(n)) })
	}
	wg.Wait()
}

// address returns where b is, without telling the compiler that it escapes.
func address(b *[256]byte) uintptr { return uintptr(unsafe.Pointer(b)) }
