package session_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ssltape/record/session/sessiontest"
)

// curl asks a Go server over one connection.
func TestHTTP2Curl(t *testing.T) {
	needs(t, "curl")
	s, err := sessiontest.StartHTTP2(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	upload := sessiontest.Body(1_000_000)
	file := writeFile(t, "upload", upload)
	script := fmt.Sprintf(`curl -sSZ --http2 --cacert %[1]s -o /dev/null %[2]s/bytes/0 -o /dev/null %[2]s/bytes/100000 -o /dev/null %[2]s/bytes/10000000
		curl -sS --http2 --cacert %[1]s --data-binary @%[3]s %[2]s/upload
		curl -sSN --http2 --cacert %[1]s -d '{"stream":true}' %[2]s/v1/messages`, s.CertFile, s.URL, file)
	written, converted := recordCommand(t, "sh", "-ec", script)
	for name, h := range map[string]harFile{"har": written, "pcapng": converted} {
		t.Run(name, func(t *testing.T) {
			checkVersion(t, h)
			for _, n := range []int{0, 100_000, 10_000_000} {
				checkDownload(t, h, fmt.Sprint("/bytes/", n), n)
			}
			checkUpload(t, h, upload)
			if n := len(h.find(t, "/v1/messages").Events); n != sessiontest.Events {
				t.Errorf("%d events, want %d", n, sessiontest.Events)
			}
			if len(h.Log.Entries) != 5 {
				t.Errorf("%d entries, want 5", len(h.Log.Entries))
			}
		})
	}
}

// checkVersion checks that all of h was HTTP/2.
func checkVersion(t *testing.T, h harFile) {
	t.Helper()
	for _, e := range h.Log.Entries {
		if e.Request.HTTPVersion != "HTTP/2.0" || e.Response.HTTPVersion != "HTTP/2.0" {
			t.Errorf("%s: versions %q and %q", e.Request.URL, e.Request.HTTPVersion, e.Response.HTTPVersion)
		}
	}
}

const nginxConfig = `
daemon off; master_process off; worker_processes 1; pid %[1]s/pid; error_log stderr crit;
events { worker_connections 64; }
http {
	access_log off; default_type application/octet-stream; keepalive_requests 1000000000; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
	server {
		listen 127.0.0.1:%[2]d ssl http2; ssl_certificate %[1]s/cert.pem; ssl_certificate_key %[1]s/key.pem;
		location / { root %[1]s/www; }
		location /no { return 404 "nothing\n"; }
	}
}`

// freePort returns a port of loopback that nobody has, and that the kernel gives
// nobody who does not ask for it, as ip(7) says, before a program listens there.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 20000 + rand.IntN(10000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// startNginx starts nginx with the certificate of s and a file of these bytes
// at /file, and returns its URL and process.
func startNginx(t testing.TB, s *sessiontest.Server, content []byte) (url string, pid int) {
	t.Helper()
	dir := filepath.Dir(s.CertFile)
	port := freePort(t)
	if err := os.Mkdir(filepath.Join(dir, "www"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "www", "file"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	for path := dir; path != os.TempDir() && path != "/"; path = filepath.Dir(path) { // nginx may drop its privileges
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config := writeFile(t, "nginx.conf", fmt.Appendf(nil, nginxConfig, dir, port))
	cmd := exec.Command("nginx", "-c", config, "-e", "stderr")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	waitFor(t, "nginx", func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return fmt.Sprintf("https://localhost:%d", port), cmd.Process.Pid
}

// Both ends of the same connections are recorded: curl, and nginx as a server.
func TestHTTP2Nginx(t *testing.T) {
	needs(t, "curl", "nginx")
	s := startServer(t) // for its certificate
	content := sessiontest.Body(2_000_000)
	url, pid := startNginx(t, s, content)
	r := startRecording(t, "--redact", "none", "-p", fmt.Sprint(pid))
	written, converted := recordCommand(t, "curl", "-sSZ", "--http2", "--cacert", s.CertFile,
		"-o", "/dev/null", url+"/file", "-o", "/dev/null", url+"/no", "-o", "/dev/null", url+"/file?again")
	for _, path := range []string{"/file", "/no", "/file?again"} {
		r.waitFor(t, path)
	}
	r.stop(t)
	for name, h := range map[string]harFile{"har": written, "pcapng": converted, "server": readHAR(t, r.har)} {
		t.Run(name, func(t *testing.T) {
			checkVersion(t, h)
			for _, path := range []string{"/file", "/file?again"} {
				if got := h.find(t, path).responseBody(t); sessiontest.Sum(got) != sessiontest.Sum(content) {
					t.Errorf("%s has %d bytes, want %d", path, len(got), len(content))
				}
			}
			if e := h.find(t, "/no"); e.Response.Status != 404 || string(e.responseBody(t)) != "nothing\n" {
				t.Errorf("/no: status %d, %q", e.Response.Status, e.responseBody(t))
			}
			if len(h.Log.Entries) != 3 {
				t.Errorf("%d entries, want 3", len(h.Log.Entries))
			}
		})
	}
}

// nodeHTTP2 is a server with push and trailers, and a client that resets one of
// its streams.
const nodeHTTP2 = `
const http2 = require('http2'), fs = require('fs');
const [cert, key] = process.argv.slice(1).map(f => fs.readFileSync(f));
const server = http2.createSecureServer({cert, key});
server.on('stream', (stream, headers) => {
  const path = headers[':path'];
  if (path === '/slow') { stream.respond({':status': 200}); stream.write('some'); stream.on('error', () => {}); return; }
  if (path === '/push') stream.pushStream({':path': '/pushed'}, (err, push) => { push.respond({':status': 200}); push.end('pushed body'); });
  stream.additionalHeaders({':status': 103, link: '</style.css>'});
  stream.respond({':status': 200, 'content-type': 'text/plain'}, {waitForTrailers: true});
  stream.on('wantTrailers', () => stream.sendTrailers({'x-sum': path}));
  stream.end('body of ' + path + ' ' + 'x'.repeat(50000));
});
server.listen(0, '127.0.0.1', async () => {
  const c = http2.connect('https://localhost:' + server.address().port, {ca: cert});
  c.on('stream', s => s.resume());
  const get = path => new Promise(ok => { const r = c.request({':path': path, 'x-client': 'node'}); r.resume(); r.on('close', ok); r.end(); });
  await Promise.all(['/a', '/b', '/push'].map(get));
  await new Promise(ok => { const r = c.request({':path': '/slow'}); r.on('data', () => r.close(http2.constants.NGHTTP2_CANCEL)); r.on('close', ok); });
  await get('/after');
  c.close(() => server.close());
});
`

// Node is both the client and the server of the connection.
func TestHTTP2Node(t *testing.T) {
	needs(t, "node")
	s := startServer(t) // for its certificate
	written, converted := recordCommand(t, "node", "-e", nodeHTTP2, s.CertFile, s.KeyFile)
	for name, h := range map[string]harFile{"har": written, "pcapng": converted} {
		t.Run(name, func(t *testing.T) {
			seen := map[string]int{}
			for _, e := range h.Log.Entries {
				path := e.Request.URL[strings.LastIndexByte(e.Request.URL, '/'):]
				seen[path]++
				body, want := string(e.responseBody(t)), "body of "+path+" "+strings.Repeat("x", 50000)
				switch path {
				case "/slow":
					want = "some"
					if !strings.HasPrefix(e.Comment, "incomplete: CANCEL by the client") {
						t.Errorf("/slow: comment %q", e.Comment)
					}
				case "/pushed":
					want = "pushed body"
					if strings.Join(e.Anomalies, ",") != "server-push" {
						t.Errorf("/pushed: anomalies %v", e.Anomalies)
					}
				default:
					if len(e.Response.Trailers) != 1 || e.Response.Trailers[0].Value != path || len(e.Response.Interim) != 1 {
						t.Errorf("%s: trailers %v, interim responses %v", path, e.Response.Trailers, e.Response.Interim)
					}
				}
				if body != want {
					t.Errorf("%s: body of %d bytes, want %d", path, len(body), len(want))
				}
			}
			for _, path := range []string{"/a", "/b", "/push", "/pushed", "/slow", "/after"} {
				if seen[path] != 2 { // once sent, once answered
					t.Errorf("%s: %d entries, want 2", path, seen[path])
				}
			}
		})
	}
}

// nodeWebSocket is a WebSocket server and its client, both by hand: frames as
// RFC 6455 has them, compressed ones as RFC 7692.
const nodeWebSocket = `
const https = require('https'), fs = require('fs'), zlib = require('zlib'), crypto = require('crypto');
const [cert, key] = process.argv.slice(1).map(f => fs.readFileSync(f));
const frame = (first, data, masked) => {
  const n = data.length, head = n < 126 ? [first, n] : n < 65536 ? [first, 126, n >> 8, n & 255] : [first, 127, 0, 0, 0, 0, n >>> 24, n >> 16 & 255, n >> 8 & 255, n & 255];
  if (!masked) return Buffer.concat([Buffer.from(head), data]);
  head[1] |= 0x80;
  const mask = crypto.randomBytes(4);
  return Buffer.concat([Buffer.from(head), mask, data.map((c, i) => c ^ mask[i & 3])]);
};
const packer = () => {
  const z = zlib.createDeflateRaw();
  return text => new Promise(ok => {
    const parts = [], take = p => parts.push(p);
    z.on('data', take);
    z.write(text);
    z.flush(zlib.constants.Z_SYNC_FLUSH, () => { z.off('data', take); ok(Buffer.concat(parts).subarray(0, -4)); });
  });
};
const server = https.createServer({cert, key});
server.on('upgrade', async (req, s) => {
  s.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n');
  const pack = packer();
  for (let i = 0; i < 3; i++) s.write(frame(0xc1, await pack('the same message again and again'), false));
  s.write(frame(0x82, Buffer.alloc(70000, 7), false));
  s.once('data', () => s.end(frame(0x88, Buffer.from([3, 232]), false)));
});
server.listen(0, '127.0.0.1', () => {
  https.request({host: 'localhost', port: server.address().port, path: '/socket', ca: cert,
    headers: {connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ=='}})
    .on('upgrade', async (res, s, head) => {
      let n = head.length;
      s.on('data', p => {
        if (n < 70000 && n + p.length >= 70000) s.write(Buffer.concat([frame(0x01, Buffer.from('frag'), true), frame(0x89, Buffer.from('?'), true), frame(0x80, Buffer.from('mented'), true), frame(0x88, Buffer.from([3, 232]), true)]));
        n += p.length;
      });
      s.on('end', () => { s.end(); server.close(); });
    }).end();
});
`

func TestWebSocketNode(t *testing.T) {
	needs(t, "node")
	s := startServer(t) // for its certificate
	written, converted := recordCommand(t, "node", "-e", nodeWebSocket, s.CertFile, s.KeyFile)
	same := "receive 1 the same message again and again"
	want := []string{same, same, same, "receive 2 70000 bytes", "send 9 Pw==", "send 1 fragmented", "send 8 A+g=", "receive 8 A+g="}
	for name, h := range map[string]harFile{"har": written, "pcapng": converted} {
		t.Run(name, func(t *testing.T) {
			if len(h.Log.Entries) != 2 { // of the client and of the server
				t.Fatalf("%d entries, want 2", len(h.Log.Entries))
			}
			for _, e := range h.Log.Entries {
				var got []string
				for _, m := range e.WebSocket {
					if data, err := base64.StdEncoding.DecodeString(m.Data); err == nil && len(data) > 100 {
						m.Data = fmt.Sprintf("%d bytes", len(data))
					}
					got = append(got, fmt.Sprintf("%s %d %s", m.Type, m.Opcode, m.Data))
				}
				if strings.Join(got, "\n") != strings.Join(want, "\n") {
					t.Errorf("messages\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				if e.ResourceType != "websocket" || e.Response.Status != 101 {
					t.Errorf("type %q, status %d", e.ResourceType, e.Response.Status)
				}
			}
		})
	}
}
