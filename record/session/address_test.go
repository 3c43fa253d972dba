package session_test

import (
	"fmt"
	"net"
	"testing"
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

// memoryClient is one of asyncio, which hands the bytes over in memory.
const memoryClient = `
import asyncio, ssl, sys
url, cert = sys.argv[1:]
host, port = url[8:].split(':')
async def client(i):
    r, w = await asyncio.open_connection(host, port, ssl=ssl.create_default_context(cafile=cert))
    for again in range(2):
        w.write(b'GET /client?%d-%d HTTP/1.1\r\nHost: localhost\r\n\r\n' % (i, again))
        head = await r.readuntil(b'\r\n\r\n')
        await r.readexactly(int(head.lower().split(b'content-length: ')[1].split()[0]))
    w.close()
async def main(): await asyncio.gather(*map(client, range(20)))
asyncio.run(main())
`

const memoryNodeClient = `
const https = require('https');
for (let i = 0; i < 20; i++) {
  const agent = new https.Agent({keepAlive: true, maxSockets: 1});
  const get = again => https.get(process.argv[1] + '/client?' + i + '-' + again, {agent}, r => r.resume().on('end', () =>
    again ? agent.destroy() : get(1)));
  get(0);
}
`

// Where a client uses the socket itself, already the first exchange of a
// connection has the addresses.
func TestMemoryAddresses(t *testing.T) {
	for tool, script := range map[string]string{
		"python3": `python3 -c "$0" $1 $2`,
		"node":    `NODE_EXTRA_CA_CERTS=$2 node -e "$0" $1`,
	} {
		t.Run(tool, func(t *testing.T) {
			needs(t, tool)
			s := startServer(t)
			client := map[string]string{"python3": memoryClient, "node": memoryNodeClient}[tool]
			written, converted := recordCommand(t, "sh", "-ec", script, client, s.URL, s.CertFile)
			for name, h := range map[string]harFile{"har": written, "pcapng": converted} {
				right, absent := compareAddresses(t, h, s.Addr)
				if right+absent != 40 || absent > 2 {
					t.Errorf("%s: %d addresses right, %d absent, want 40", name, right, absent)
				}
			}
		})
	}
}

// memoryServer tells clients their addresses, and uses the socket itself.
const memoryServer = `
import asyncio, ssl, sys
async def answer(r, w):
    while await r.readuntil(b'\r\n\r\n'):
        text = b'%s:%d' % (w.get_extra_info('peername')[0].encode(), w.get_extra_info('peername')[1])
        w.write(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' % len(text) + text)
async def main():
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(sys.argv[1], sys.argv[2])
    s = await asyncio.start_server(answer, '127.0.0.1', 0, ssl=c)
    print(s.sockets[0].getsockname()[1], flush=True)
    await s.serve_forever()
asyncio.run(main())
`

const memoryNodeServer = `
const https = require('https'), fs = require('fs');
const [cert, key] = process.argv.slice(1);
const s = https.createServer({cert: fs.readFileSync(cert), key: fs.readFileSync(key)},
  (req, res) => res.end(req.socket.remoteAddress + ':' + req.socket.remotePort));
s.listen(0, '127.0.0.1', () => console.log(s.address().port));
`

// A server has the same addresses as its clients, mostly already for the first
// exchange.
func TestServerAddresses(t *testing.T) {
	for name, command := range map[string][]string{
		"go":      {"sh", "-c", `exec "$0" serve $(dirname $1)`, buildGo(t)}, // makes its own
		"node":    {"node", "-e", memoryNodeServer},
		"python3": {"python3", "-c", memoryServer},
	} {
		t.Run(name, func(t *testing.T) {
			needs(t, command[0])
			s := startServer(t) // for its certificate
			server := startCommand(t, append(command, s.CertFile, s.KeyFile)...)
			r := startRecording(t, "--redact", "none", "-p", fmt.Sprint(server.pid))
			for i := range 20 {
				client := clientFor(t, s)
				get(t, client, fmt.Sprintf("https://localhost:%s/client?%d", server.line, i))
				get(t, client, fmt.Sprintf("https://localhost:%s/client?again-%d", server.line, i))
				client.CloseIdleConnections()
			}
			r.waitFor(t, "/client?again-19")
			r.stop(t)
			right, absent := compareAddresses(t, readHAR(t, r.har), "127.0.0.1:"+server.line)
			// What proves the first one of a connection may come too late.
			if right+absent != 40 || absent > 10 {
				t.Errorf("%d addresses right, %d absent, want 40", right, absent)
			}
		})
	}
}
