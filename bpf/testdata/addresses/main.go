// addresses SECURE PLAIN does as client.js. addresses serve HOST... serves HTTPS
// at each of the hosts until its input ends, and prints the URLs; an answer is
// the addresses of the server and of the client.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
)

func main() {
	if os.Args[1] == "serve" {
		for _, host := range os.Args[2:] {
			fmt.Println(serve(host))
		}
		io.Copy(io.Discard, os.Stdin)
		return
	}
	clients(strings.Split(os.Args[1], ","), strings.Split(os.Args[2], ","))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func serve(host string) (url string) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%v %s", r.Context().Value(http.LocalAddrContextKey), r.RemoteAddr)
	}))
	var err error
	s.Listener.Close()
	s.Listener, err = net.Listen("tcp", net.JoinHostPort(host, "0"))
	check(err)
	s.StartTLS()
	return s.URL
}

// A conn is a connection that is kept alive.
type conn struct {
	client *http.Client
	url    string
}

func newConn(url string) conn {
	return conn{&http.Client{Transport: &http.Transport{
		MaxConnsPerHost: 1, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}, url}
}

func (c conn) get(name string) {
	r, err := c.client.Get(c.url + name)
	check(err)
	_, err = io.Copy(io.Discard, r.Body)
	check(err)
	r.Body.Close()
}

func clients(secure, plain []string) {
	var conns []conn
	for s, url := range secure {
		for a := range 10 {
			conns = append(conns, newConn(fmt.Sprintf("%s/s%da%d", url, s, a)))
		}
	}
	var early sync.WaitGroup
	for i := 0; i < len(conns); i += 2 {
		early.Go(func() { conns[i].get("before") })
	}
	early.Wait()
	fmt.Println("ready")
	os.Stdin.Read(make([]byte, 1))
	var work, beside sync.WaitGroup
	done := make(chan struct{})
	for _, url := range plain {
		beside.Go(func() { noise(newConn(url+"/plain"), done) })
	}
	for _, c := range conns {
		work.Go(func() {
			for n := range 8 {
				c.get(fmt.Sprint("n", n))
			}
		})
	}
	work.Wait()
	close(done)
	beside.Wait()
}

func noise(c conn, done chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		default:
			c.get(fmt.Sprint(n))
		}
	}
}
