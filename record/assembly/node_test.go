package assembly_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ssltape/record"
)

// nodeScript prints, for each response in the file that is its argument, what
// the HTTP client of Node makes of it.
const nodeScript = `
const net = require('net'), http = require('http'), fs = require('fs');
const ask = (response) => new Promise((done) => {
  const server = net.createServer((s) => {
    s.on('error', () => {});
    s.once('data', () => s.end(Buffer.from(response, 'base64')));
  });
  const finish = (r) => { server.close(); done(r); };
  server.listen(0, '127.0.0.1', () => {
    http.get({host: '127.0.0.1', port: server.address().port, agent: false}, (m) => {
      const parts = [];
      m.on('data', (p) => parts.push(p));
      m.on('error', () => finish({}));
      m.on('end', () => finish({Accepted: m.complete, Status: m.statusCode, Body: Buffer.concat(parts).toString('base64')}));
    }).on('error', () => finish({})).on('upgrade', (m, s) => { s.destroy(); finish({}); });
  });
});
(async () => {
  const sent = JSON.parse(fs.readFileSync(process.argv[2])), answers = [];
  while (sent.length > 0) answers.push(...await Promise.all(sent.splice(0, 20).map(ask)));
  console.log(JSON.stringify(answers));
})();
`

// TestNode compares with the client of Node: of each response that it accepts,
// however odd, body and status are the same.
func TestNode(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	tests := evasions(t)
	tests = append(tests, combinations()...)
	var sent [][]byte
	for _, test := range tests {
		sent = append(sent, []byte(test.in))
	}
	dir := t.TempDir()
	data, _ := json.Marshal(sent)
	os.WriteFile(filepath.Join(dir, "sent.json"), data, 0o600)
	os.WriteFile(filepath.Join(dir, "node.js"), []byte(nodeScript), 0o600)
	out, err := exec.Command(node, filepath.Join(dir, "node.js"), filepath.Join(dir, "sent.json")).Output()
	if err != nil {
		t.Fatal(err)
	}
	var answers []struct {
		Accepted bool
		Status   int
		Body     []byte
	}
	if err := json.Unmarshal(out, &answers); err != nil || len(answers) != len(tests) {
		t.Fatalf("%d answers to %d: %v", len(answers), len(tests), err)
	}
	accepted := 0
	for i, want := range answers {
		if !want.Accepted || want.Status == 101 { // of which Node drops what follows, and others read it
			continue
		}
		accepted++
		conn := &record.Conn{ID: 1}
		cs := appendData(nil, conn, record.Out, []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
		cs = appendData(cs, conn, record.In, sent[i])
		cs = append(cs, record.Chunk{Conn: conn, Dir: record.In, Off: int64(len(sent[i])), End: record.EndClean})
		xs, _ := assemble(t, cs, 0)
		r := &xs[0].Response
		if got, _ := r.Body.Bytes(); !bytes.Equal(got, want.Body) || r.Status != want.Status || !r.Done {
			t.Errorf("%s: %q\nis %d %q, done %t\nNode %d %q", tests[i].name, sent[i], r.Status, got, r.Done, want.Status, want.Body)
		}
	}
	if accepted < len(tests)/4 {
		t.Errorf("Node accepts %d of %d", accepted, len(tests))
	}
}

// combinations returns responses that combine what is odd about framing.
func combinations() (all []evasion) {
	bodies := map[string]string{"plain": "some", "chunked": "4\r\nsome\r\n0\r\n\r\n", "odd chunks": "0004;x=\"y\"\r\nsome\r\n1 \r\nx\r\n0\r\nA: b\r\n\r\n", "none": ""}
	for _, version := range []string{"HTTP/1.1", "HTTP/1.0"} {
		for _, status := range []string{" 200 OK", " 200", " 203  two ", " 204 No", " 304 Not", " 205 Reset", " 418 caf\xe9"} {
			for _, fields := range []string{"", "Content-Length: 4\r\n", "Content-Length:4 \r\nContent-Length: 4\r\n", "Content-Length: 0004\r\n", "content-length:\t4\t\r\n", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
				"Transfer-Encoding: chunked\r\n", "Transfer-Encoding: Chunked \r\n", "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: chunked, gzip\r\n", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
				"Transfer-Encoding: chunked,\r\n", "Transfer-Encoding: identity\r\n", "Transfer-Encoding:\r\n", "Transfer-Encoding: chunkedchunked\r\n", "X: y\r\n z\r\nConnection: close\r\n"} {
				for name, body := range bodies {
					in := version + status + "\r\n" + fields + "\r\n" + body
					all = append(all, evasion{strings.TrimSpace(version + status + " " + name), in})
				}
			}
		}
	}
	return all
}
