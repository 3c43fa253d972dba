package session_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ssltape/record/session/sessiontest"
)

// sizes of bodies: none, one byte, one TLS record, several, many.
var sizes = []int{0, 1, 16384, 100_000, 10_000_000}

func TestCurl(t *testing.T) {
	needs(t, "curl")
	s := startServer(t)
	upload := sessiontest.Body(10_000_000)
	file := writeFile(t, "upload", upload)
	var script strings.Builder
	for _, n := range sizes {
		fmt.Fprintf(&script, "curl -sS --http1.1 --cacert %s %s/bytes/%d -o /dev/null\n", s.CertFile, s.URL, n)
		fmt.Fprintf(&script, "curl -sS --http1.1 --cacert %s %s/chunked/%d -o /dev/null\n", s.CertFile, s.URL, n)
	}
	fmt.Fprintf(&script, "curl -sS --http1.1 --cacert %s %s/close/70000 -o /dev/null\n", s.CertFile, s.URL)
	fmt.Fprintf(&script, "curl -sS --http1.1 --cacert %s --data-binary @%s %s/upload\n", s.CertFile, file, s.URL)
	written, converted := recordCommand(t, "sh", "-ec", script.String())
	for name, h := range map[string]harFile{"har": written, "pcapng": converted} {
		t.Run(name, func(t *testing.T) {
			for _, n := range sizes {
				checkDownload(t, h, fmt.Sprint("/bytes/", n), n)
				checkDownload(t, h, fmt.Sprint("/chunked/", n), n)
			}
			checkDownload(t, h, "/close/70000", 70000)
			checkUpload(t, h, upload)
			for _, e := range h.Log.Entries {
				client, err := netip.ParseAddrPort(e.ClientAddress)
				if server := net.JoinHostPort(e.ServerIPAddress, e.Connection); err != nil || server != s.Addr || client.Addr().String() != "127.0.0.1" {
					t.Errorf("%s: from %q to %q, want %s", e.Request.URL, e.ClientAddress, server, s.Addr)
				}
			}
			if want := 2*len(sizes) + 2; len(h.Log.Entries) != want {
				t.Errorf("%d entries, want %d", len(h.Log.Entries), want)
			}
		})
	}
}

// nodeClient downloads and uploads with both of Node's clients.
const nodeClient = `
const https = require('https'), fs = require('fs');
const [url, file] = process.argv.slice(1);
const get = path => new Promise((ok, bad) => https.get(url + path, r => r.resume().on('end', ok)).on('error', bad));
const post = (path, body) => new Promise((ok, bad) =>
  https.request(url + path, {method: 'POST', headers: {'content-length': body.length}}, r => r.resume().on('end', ok)).on('error', bad).end(body));
(async () => {
  for (const n of [0, 1, 16384, 100000]) await get('/bytes/' + n);
  await (await fetch(url + '/bytes/10000000')).arrayBuffer();
  await (await fetch(url + '/echo?fetch')).json();
  await post('/upload', fs.readFileSync(file));
})().catch(e => { console.error(e); process.exit(1); });
`

// Node calls SSL_write three times for one request of a new connection.
func TestNode(t *testing.T) {
	needs(t, "node")
	s := startServer(t)
	upload := sessiontest.Body(100_000)
	file := writeFile(t, "upload", upload)
	written, converted := recordCommand(t, "env", "NODE_EXTRA_CA_CERTS="+s.CertFile, "node", "-e", nodeClient, s.URL, file)
	for name, h := range map[string]harFile{"har": written, "pcapng": converted} {
		t.Run(name, func(t *testing.T) {
			for _, n := range sizes {
				checkDownload(t, h, fmt.Sprint("/bytes/", n), n)
			}
			if got := string(h.find(t, "/echo?fetch").responseBody(t)); !strings.Contains(got, "/echo?fetch") {
				t.Errorf("response to fetch: %q", got)
			}
			checkUpload(t, h, upload)
			if len(h.Log.Entries) != 7 {
				t.Errorf("%d entries, want 7: each request once", len(h.Log.Entries))
			}
			if comm := h.Log.Entries[0].Process.Comm; comm != "node" {
				t.Errorf("process is called %q, want node", comm)
			}
		})
	}
}

const pythonClient = `
import http.client, ssl, sys
host, cert, file = sys.argv[1:]
c = http.client.HTTPSConnection(host, context=ssl.create_default_context(cafile=cert))
def do(method, path, body=None):
    c.request(method, path, body)
    r = c.getresponse()
    r.read()
for n in (0, 1, 16384, 100000, 10000000): do('GET', '/bytes/%d' % n)
do('GET', '/chunked/100000')
do('HEAD', '/bytes/500')
do('POST', '/upload', open(file, 'rb').read())
`

// Python calls SSL_read_ex and SSL_write_ex.
func TestPython(t *testing.T) {
	needs(t, "python3")
	s := startServer(t)
	upload := sessiontest.Body(10_000_000)
	file := writeFile(t, "upload", upload)
	host := strings.TrimPrefix(s.URL, "https://")
	written, converted := recordCommand(t, "python3", "-c", pythonClient, host, s.CertFile, file)
	for name, h := range map[string]harFile{"har": written, "pcapng": converted} {
		t.Run(name, func(t *testing.T) {
			for _, n := range sizes {
				checkDownload(t, h, fmt.Sprint("/bytes/", n), n)
			}
			checkDownload(t, h, "/chunked/100000", 100_000)
			checkUpload(t, h, upload)
			if e := h.find(t, "/bytes/500"); e.Request.Method != "HEAD" || len(e.responseBody(t)) != 0 {
				t.Errorf("HEAD: %s with a body of %d bytes", e.Request.Method, len(e.responseBody(t)))
			}
			if len(h.Log.Entries) != len(sizes)+3 {
				t.Errorf("%d entries, want %d", len(h.Log.Entries), len(sizes)+3)
			}
		})
	}
}

func TestOpenSSLClient(t *testing.T) {
	needs(t, "openssl")
	s := startServer(t)
	script := fmt.Sprintf(`printf 'GET /bytes/100000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' |
		openssl s_client -quiet -connect %s -CAfile %s >/dev/null 2>&1 || test $? -le 1`, s.Addr, s.CertFile)
	written, converted := recordCommand(t, "sh", "-c", script)
	checkDownload(t, written, "/bytes/100000", 100_000)
	checkDownload(t, converted, "/bytes/100000", 100_000)
}

// Each event of a stream carries the time at which it came.
func TestEventStream(t *testing.T) {
	needs(t, "curl")
	s := startServer(t)
	written, converted := recordCommand(t, "curl", "-sSN", "--http1.1", "--cacert", s.CertFile, "-d", `{"stream":true}`, s.URL+"/v1/messages")
	for name, h := range map[string]harFile{"har": written, "pcapng": converted} {
		e := h.find(t, "/v1/messages")
		if len(e.Events) != sessiontest.Events {
			t.Fatalf("%s: %d events, want %d", name, len(e.Events), sessiontest.Events)
		}
		for i, ev := range e.Events {
			if i > 0 && ev.Time <= e.Events[i-1].Time {
				t.Errorf("%s: event %d at %f, the one before at %f", name, i, ev.Time, e.Events[i-1].Time)
			}
		}
		if last := e.Events[len(e.Events)-1]; last.EventName != "message_stop" || last.Data != `{"type":"message_stop"}` {
			t.Errorf("%s: last event %+v", name, last)
		}
		if e.Response.Content.MimeType != "text/event-stream" {
			t.Errorf("%s: MIME type %q", name, e.Response.Content.MimeType)
		}
	}
}

// Wget speaks TLS through GnuTLS.
func TestWget(t *testing.T) {
	needs(t, "wget")
	s := startServer(t)
	written, converted := recordCommand(t, "wget", "-q", "--ca-certificate="+s.CertFile, "-O", "/dev/null",
		s.URL+"/bytes/0", s.URL+"/bytes/100000", s.URL+"/chunked/10000000")
	for _, h := range []harFile{written, converted} {
		checkDownload(t, h, "/bytes/0", 0)
		checkDownload(t, h, "/bytes/100000", 100_000)
		checkDownload(t, h, "/chunked/10000000", 10_000_000)
	}
}

// nssClient is a program for libcurl, whose numbers stand in curl/curl.h.
const nssClient = `
import ctypes, sys
url, file, *paths = sys.argv[1:]
curl = ctypes.CDLL('libcurl-nss.so.4')
curl.curl_easy_init.restype = ctypes.c_void_p
easy = ctypes.c_void_p(curl.curl_easy_init())
sink = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p)(lambda p, size, n, _: size * n)
VERIFYPEER, VERSION, WRITE, URL, FIELDS, SIZE = 64, 84, 20011, 10002, 10015, 60
def set(option, value):
    if curl.curl_easy_setopt(easy, option, value): sys.exit('option %d' % option)
def get(path):
    set(URL, ctypes.c_char_p((url + path).encode()))
    error = curl.curl_easy_perform(easy)
    if error: sys.exit('%s: error %d of curl' % (path, error))
set(VERIFYPEER, ctypes.c_long(0)) # which for NSS is no authority by itself
set(VERSION, ctypes.c_long(2)) # HTTP/1.1
set(WRITE, sink)
for path in paths: get(path)
body = open(file, 'rb').read()
set(SIZE, ctypes.c_long(len(body)))
set(FIELDS, ctypes.c_char_p(body))
get('/upload')
curl.curl_easy_cleanup(easy)
`

// libcurl's build for NSS, whose libssl3.so is not OpenSSL.
func TestNSS(t *testing.T) {
	python := systemPython(t)
	s := startServer(t)
	upload := sessiontest.Body(300_000)
	file := writeFile(t, "upload", upload)
	args := []string{python, "-c", nssClient, s.URL, file, "/chunked/100000", "/close/70000"}
	for _, n := range sizes {
		args = append(args, fmt.Sprint("/bytes/", n))
	}
	written, converted := recordCommand(t, args...)
	for name, h := range map[string]harFile{"har": written, "pcapng": converted} {
		for _, n := range sizes {
			checkDownload(t, h, fmt.Sprint("/bytes/", n), n)
		}
		checkDownload(t, h, "/chunked/100000", 100_000)
		checkDownload(t, h, "/close/70000", 70000)
		checkUpload(t, h, upload)
		if want := len(sizes) + 3; len(h.Log.Entries) != want {
			t.Errorf("%s: %d entries, want %d", name, len(h.Log.Entries), want)
		}
		if ip := h.Log.Entries[0].ServerIPAddress; ip != "127.0.0.1" {
			t.Errorf("%s: the server's address is %q", name, ip)
		}
	}
}

// systemPython returns the path of Debian's python, which finds the libraries
// of Debian's packages.
func systemPython(t *testing.T) string {
	t.Helper()
	const path = "/usr/bin/python3"
	needs(t, path)
	if err := exec.Command(path, "-c", "import ctypes; ctypes.CDLL('libcurl-nss.so.4')").Run(); err != nil {
		missing(t, "libcurl-nss.so.4: "+err.Error())
	}
	return path
}

// A client in C speaks by libraries that no program of the others has: Mbed TLS,
// wolfSSL, and OpenSSL linked in and stripped.
func TestLinkedClients(t *testing.T) {
	for _, tt := range []struct{ name, flags, needs string }{
		{"mbedtls", "-DUSE_MBEDTLS -lmbedtls -lmbedx509 -lmbedcrypto", "/usr/include/mbedtls/ssl.h"},
		{"wolfssl", "-DUSE_WOLFSSL -lwolfssl", "/usr/include/wolfssl/ssl.h"},
		{"openssl 3, static", "-s -static -lssl -lcrypto", "/usr/include/openssl/ssl.h"},
		{"openssl 1.1, static", "-s -static -L$LIBSSL/bullseye-amd64 -lssl -lcrypto", "$LIBSSL/bullseye-amd64/libssl.a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			needs(t, "gcc")
			fill := func(s string) string { return strings.ReplaceAll(s, "$LIBSSL", os.Getenv("SSLTAPE_LIBSSL")) }
			if _, err := os.Stat(fill(tt.needs)); err != nil {
				missing(t, err.Error())
			}
			client := filepath.Join(t.TempDir(), "client")
			tool(t, "gcc", append([]string{"-O1", "-w", "-o", client, "testdata/tlsclient/client.c"}, strings.Fields(fill(tt.flags))...)...)
			s := startServer(t)
			_, port, _ := strings.Cut(s.Addr, ":")
			args := []string{client, port}
			for _, n := range sizes {
				args = append(args, fmt.Sprint("/bytes/", n), fmt.Sprint("/chunked/", n))
			}
			args = append(args, "/close/70000", "/close/70001")
			written, converted := recordCommand(t, args...)
			for name, h := range map[string]harFile{"har": written, "pcapng": converted} {
				for _, n := range sizes {
					checkDownload(t, h, fmt.Sprint("/bytes/", n), n)
					checkDownload(t, h, fmt.Sprint("/chunked/", n), n)
				}
				checkDownload(t, h, "/close/70000", 70000)
				checkDownload(t, h, "/close/70001", 70001)
				if want := 2*len(sizes) + 2; len(h.Log.Entries) != want {
					t.Errorf("%s: %d entries, want %d", name, len(h.Log.Entries), want)
				}
			}
		})
	}
}

const bunClient = `
const [url, body] = process.argv.slice(2);
for (const n of [0, 1, 16384, 100000, 10000000]) await (await fetch(url + '/bytes/' + n)).arrayBuffer();
const r = await fetch(url + '/upload', {method: 'POST', body: Bun.file(body)});
if (!r.ok) process.exit(1);
await (await fetch(url + '/v1/messages', {method: 'POST', body: '{}'})).text();
`

// Bun has BoringSSL linked in, without a symbol of it.
func TestBun(t *testing.T) {
	needs(t, "tar")
	for _, version := range []string{"linux-x64-1.4.5", "linux-x64-1.3.14", "linux-x64-1.0.0", "linux-x64-baseline-1.3.14"} {
		t.Run(version, func(t *testing.T) {
			bun := unpackBun(t, version)
			s := startServer(t)
			upload := sessiontest.Body(300_000)
			file := writeFile(t, "upload", upload)
			script := writeFile(t, "client.mjs", []byte(bunClient))
			written, converted := recordCommand(t, "env", "NODE_TLS_REJECT_UNAUTHORIZED=0", bun, script, s.URL, file)
			for name, h := range map[string]harFile{"har": written, "pcapng": converted} {
				for _, n := range sizes {
					checkDownload(t, h, fmt.Sprint("/bytes/", n), n)
				}
				checkUpload(t, h, upload)
				if n := len(h.find(t, "/v1/messages").Events); n != sessiontest.Events {
					t.Errorf("%s: %d events, want %d", name, n, sessiontest.Events)
				}
			}
		})
	}
}

// missing skips the test for lack of a tool, which CI must have.
func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// unpackBun returns the path of a bun that npm has packed.
func unpackBun(t *testing.T, name string) string {
	t.Helper()
	pack := filepath.Join(os.Getenv("SSLTAPE_NPM"), "oven-bun-"+name+".tgz")
	if _, err := os.Stat(pack); err != nil {
		missing(t, err.Error())
	}
	dir := t.TempDir()
	tool(t, "tar", "xzf", pack, "-C", dir)
	return filepath.Join(dir, "package", "bin", "bun")
}

// A script that starts node that starts curl: all are recorded.
func TestChildren(t *testing.T) {
	needs(t, "node", "curl")
	s := startServer(t)
	script := writeFile(t, "script", []byte(fmt.Sprintf(`#!/bin/sh
		curl -sS --http1.1 --cacert %[1]s -o /dev/null %[2]s/echo?first
		NODE_EXTRA_CA_CERTS=%[1]s node -e "
			const https = require('https'), {execFileSync} = require('child_process');
			https.get('%[2]s/echo?second', r => r.resume().on('end', () => {
				execFileSync('curl', ['-sS', '--http1.1', '--cacert', '%[1]s', '-o', '/dev/null', '%[2]s/echo?third']);
			}));"
		exit 7
	`, s.CertFile, s.URL)))
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	r := recordArgs(t, "--", script)
	if r.code != 7 {
		t.Errorf("exit code %d, want that of the script, 7", r.code)
	}
	h := readHAR(t, r.har)
	for path, comm := range map[string]string{"/echo?first": "curl", "/echo?second": "node", "/echo?third": "curl"} {
		if e := h.find(t, path); e.Process.Comm != comm {
			t.Errorf("%s is from %s, want %s", path, e.Process.Comm, comm)
		}
	}
	events := map[string]int{}
	for _, p := range h.Log.Processes {
		events[p.Event+" "+p.Comm]++
	}
	if events["exec curl"] != 2 || events["exec node"] != 1 || events["exit curl"] != 2 {
		t.Errorf("process events: %v", events)
	}
}
