package view

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ssltape/record"
	"ssltape/record/assembly"
	"ssltape/record/recordtest"
)

// What the command of the curl view sends is, byte for byte, what was recorded.
func TestCurlSendsTheSameBytes(t *testing.T) {
	for _, name := range []string{"curl", "sh"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(err)
		}
	}
	// HOST stands for the address of the server.
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: HOST\r\n\r\n",
		"GET /a/../b?q=[x]&y={1,2}#no HTTP/1.1\r\nHost: HOST\r\nUser-Agent: me\r\nAccept: */*\r\n\r\n",
		"GET /it's%20\"$HOME\"`id` HTTP/1.1\r\nHost: HOST\r\nX: it's $(id) \\n %s %b\r\n\r\n",
		"HEAD /head HTTP/1.1\r\nHost: HOST\r\nAccept: x\r\n\r\n",
		"DELETE /d HTTP/1.1\r\nHost: HOST\r\nX-Twice: 1\r\nx-twice: 2\r\nX-Empty:\r\n\r\n",
		"PROPFIND / HTTP/1.1\r\nHost: HOST\r\nDepth: 1\r\n\r\n",
		"GET /old HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive\r\n\r\n",
		"GET /bytes HTTP/1.1\r\nHost: HOST\r\nX-Latin: caf\xe9\r\nX-Bell: \x07\x1b[31m\r\n\r\n",
		"GET /%ff\xe2\x80\xae HTTP/1.1\r\nHost: HOST\r\n\r\n",
		"POST /json HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n{\"a\": \"it's\", \"b\": 1}\n",
		"POST /at HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\n\r\n@/etc",
		"POST /chunked HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"GET http://HOST/absolute HTTP/1.1\r\nHost: HOST\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: HOST\r\n\r\n",
		"GET /other HTTP/1.1\r\nHost: HOST\r\nCookie: a=\"b\"; c='d'\r\nAuthorization: Basic eDp5\r\n\r\n",
		"POST /gzip HTTP/1.1\r\nHost: HOST\r\nContent-Encoding: gzip\r\nContent-Length: 22\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\xcb\x48\x04\x00\xac\x2a\x93\xd8\x02\x00\x00\x00",
		"PUT /empty HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n",
		"POST /binary HTTP/1.1\r\nHost: HOST\r\nContent-Type: x/y\r\nContent-Length: 12\r\n\r\n\x00\x01'\\%s\n\xff\xfe0\r\n",
		"POST /large HTTP/1.1\r\nHost: HOST\r\nContent-Length: 300000\r\n\r\n" + strings.Repeat("0123456789", 30000),
		"POST /huge HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3000000\r\n\r\n" + strings.Repeat("012345678\n", 300000),
	} {
		head, _, _ := strings.Cut(request, "\r\n")
		t.Run(head, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			want := strings.ReplaceAll(request, "HOST", l.Addr().String())
			got := make(chan string)
			go serve(l, got)
			command := curlOf(t, want)
			script := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(script, []byte(strings.Replace(command, "curl ", "curl -sS ", 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("sh", script).CombinedOutput()
			if err != nil {
				t.Fatalf("%.2000s: %v: %.2000s", command, err, out)
			}
			if g := <-got; g != want {
				t.Errorf("sent %.500q, want %.500q, by %.2000s", g, want, command)
			}
		})
	}
}

// serve reads a request, answers it, and sends its bytes to got.
func serve(l net.Listener, got chan<- string) {
	c, err := l.Accept()
	if err != nil {
		got <- err.Error()
		return
	}
	defer c.Close()
	var b bytes.Buffer
	if r, err := http.ReadRequest(bufio.NewReader(io.TeeReader(c, &b))); err == nil {
		io.Copy(io.Discard, r.Body)
	}
	io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	c.(*net.TCPConn).CloseWrite()
	io.Copy(&b, c)
	got <- b.String()
}

// curlOf returns what the view shows of a request on a connection without TLS.
func curlOf(t *testing.T, request string) string {
	t.Helper()
	var out bytes.Buffer
	v, err := New("curl", &out, Options{})
	if err != nil {
		t.Fatal(err)
	}
	rec := fmt.Sprintf("conn 1 plain\n> %q\n< \"HTTP/1.1 204 OK\\r\\n\\r\\n\"\n", request)
	a := assembly.New(v, assembly.Options{})
	if err := record.Copy(recordtest.Read(strings.NewReader(rec)), a); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
