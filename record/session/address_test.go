package session_test

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"ssltape/record/session/sessiontest"
)

// compareAddresses compares the addresses of exchanges with those that the
// server at addr has seen, and answers with. A wrong one is worse than none.
func compareAddresses(t *testing.T, h harFile, addr string) (right, absent int) {
	t.Helper()
	for _, e := range h.Log.Entries {
		switch server, client := net.JoinHostPort(e.ServerIPAddress, e.Connection), string(e.responseBody(t)); {
		case e.ServerIPAddress == "" && e.ClientAddress == "":
			absent++
		case server != addr || e.ClientAddress != client:
			t.Errorf("%s: from %q to %q, want from %q to %q", e.Request.URL, e.ClientAddress, server, client, addr)
		default:
			right++
		}
	}
	return right, absent
}

// Exchanges have the addresses that the server saw, whatever the client leaves
// to its library, and already the first one of a connection.
func TestClientAddresses(t *testing.T) {
	for _, tt := range []struct {
		name, script string // $1: URL, $2: address, $3: certificate
		want         int
		tools        []string
	}{
		{"curl", `for i in 1 2 3; do curl -sS --http1.1 --cacert $3 $1/client?$i $1/client?again-$i; done`, 6, []string{"curl"}},
		{"openssl", `printf 'GET /client HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' |
			openssl s_client -quiet -connect $2 -CAfile $3 >/dev/null 2>&1 || test $? -le 1`, 1, []string{"openssl"}},
		{"go", buildGo(t) + ` clients $1 $3`, 150, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			needs(t, tt.tools...)
			s := startServer(t)
			written, converted := recordCommand(t, "sh", "-ec", tt.script, "sh", s.URL, s.Addr, s.CertFile)
			for name, h := range map[string]harFile{"har": written, "pcapng": converted} {
				right, absent := compareAddresses(t, h, s.Addr)
				if right+absent != tt.want || absent*20 > right {
					t.Errorf("%s: %d addresses right, %d absent, want %d", name, right, absent, tt.want)
				}
			}
		})
	}
}

// A server of Go has the same addresses as its clients.
func TestServerAddresses(t *testing.T) {
	dir := t.TempDir()
	server := startCommand(t, buildGo(t), "serve", dir)
	r := startRecording(t, "--redact", "none", "-p", fmt.Sprint(server.pid))
	for i := range 20 {
		client := clientFor(t, &sessiontest.Server{CertFile: filepath.Join(dir, "cert.pem")})
		get(t, client, fmt.Sprintf("https://localhost:%s/client?%d", server.line, i))
		client.CloseIdleConnections()
	}
	r.stop(t)
	right, absent := compareAddresses(t, readHAR(t, r.har), "127.0.0.1:"+server.line)
	if right+absent != 20 || absent > 1 {
		t.Errorf("%d addresses right, %d absent, want 20", right, absent)
	}
}
