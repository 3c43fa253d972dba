package pcapng_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ssltape/pcapng"
	"ssltape/record/recordtest"
)

// With FramingTLS, Wireshark decrypts HTTP/1 and HTTP/2 at their real ports and
// has nothing to warn of.
func TestTLS(t *testing.T) {
	t.Parallel()
	const rec = `conn 1 pid=42 comm=curl local=10.0.0.5:40001 remote=192.0.2.7:443 sni=one.example
		conn 2 pid=42 comm=curl local=10.0.0.5:40002 remote=192.0.2.7:8443 sni=two.example
		> c=1 "GET /1 HTTP/1.1\r\nHost: one.example\r\n\r\n"
		< c=1 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
		> c=2 "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
		> c=2 "\x00\x00\x11\x01\x05\x00\x00\x00\x01\x82\x84\x87\x41\x8c\x9d\x68\xd2\x3e\xab\x93\x0b\x0e\x8b\x49\x05\x4f"
		< c=2 "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
		> c=1 end
		< c=1 end`
	path := save(t, write(t, recordtest.Read(strings.NewReader(rec)), pcapng.Options{Framing: pcapng.FramingTLS}))
	checkWireshark(t, path)
	got := run(t, "tshark", "-r", path, "-Y", "http.request || http2.headers.method", "-T", "fields",
		"-e", "tcp.dstport", "-e", "http.request.full_uri", "-e", "http2.headers.path")
	if want := "443\thttps://one.example/1\t\n8443\t\t/\n"; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	names := run(t, "tshark", "-r", path, "-Y", "tls.handshake.type==1", "-T", "fields",
		"-e", "tls.handshake.extensions_server_name", "-e", "tls.handshake.extensions_alpn_str")
	if want := "one.example\thttp/1.1\ntwo.example\th2\n"; names != want {
		t.Errorf("names:\n%s\nwant:\n%s", names, want)
	}
	const warning = "0x600000" // PI_WARN of Wireshark
	if warned := run(t, "tshark", "-r", path, "-Y", "_ws.expert.severity >= "+warning+" || _ws.malformed"); warned != "" {
		t.Errorf("warnings:\n%s", warned)
	}
}

// Bodies come out of TLS as they went in; after a hole the connection goes on.
func TestTLSBodies(t *testing.T) {
	t.Parallel()
	all := bodies()
	path := save(t, write(t, exchanges(all), pcapng.Options{Framing: pcapng.FramingTLS}))
	checkWireshark(t, path)
	dir := t.TempDir()
	run(t, "tshark", "-r", path, "-q", "--export-objects", "http,"+dir)
	for i, b := range all {
		for _, p := range [][]byte{b.up, b.down} {
			if len(p) > 0 && !exported(t, dir, p) {
				t.Errorf("body %d of %d bytes was not exported", i, len(p))
			}
		}
	}

	holes := save(t, write(t, recordtest.Open(t, "testdata/holes.rec"), pcapng.Options{Framing: pcapng.FramingTLS}))
	got := run(t, "tshark", "-r", holes, "-Y", "http.request", "-T", "fields", "-e", "http.request.full_uri")
	if want := "https://example.com/1\nhttps://example.com/2\nhttps://example.com/3\n"; got != want {
		t.Errorf("requests:\n%s\nwant:\n%s", got, want)
	}
}

// exported reports whether a file in dir has these bytes.
func exported(t *testing.T, dir string, want []byte) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if p, err := os.ReadFile(f); err == nil && bytes.Equal(p, want) {
			return true
		}
	}
	return false
}

// A client that closes in order, as curl does, gives Wireshark nothing to warn
// of; that the server had not closed is read back.
func TestOrdinaryEnd(t *testing.T) {
	const rec = `conn 1 local=10.0.0.5:40001 remote=192.0.2.7:443 sni=a.example
		> "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
		< +=1ms "HTTP/1.1 204 No Content\r\n\r\n"
		> +=1ms end
		< cut`
	const warn = "_ws.expert.severity >= 6291456"                                        // PI_WARN
	for framing, show := range []string{"tcp && " + warn + " && !http.tls_port", warn} { // plain HTTP on 443 has a warning of its own
		o := pcapng.Options{Framing: pcapng.Framing(framing)}
		want := newDump()
		file := write(t, recordtest.Read(strings.NewReader(rec)), o, want)
		if got := read(t, file, want); got != want.String() {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
		if out := run(t, "tshark", "-r", save(t, file), "-Y", show); out != "" {
			t.Errorf("framing %d:\n%s", framing, out)
		}
	}
}
