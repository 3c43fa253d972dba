package session_test

import (
	"testing"
)

// The first exchange of a connection says how long the handshake took, where
// the program calls a function for that, and only the first.
func TestHandshake(t *testing.T) {
	s := startServer(t)
	for _, tt := range []struct {
		tool    string
		known   bool
		command []string
	}{
		{"curl", true, []string{"curl", "-sS", "--http1.1", "--cacert", s.CertFile, s.URL + "/echo?one", s.URL + "/echo?two"}},
		{"wget", true, []string{"wget", "-q", "--ca-certificate=" + s.CertFile, "-O", "/dev/null", s.URL + "/echo?one", s.URL + "/echo?two"}},
		{"python3", true, []string{"python3", "-c", `
import http.client, ssl, sys
c = http.client.HTTPSConnection(sys.argv[1][8:], context=ssl.create_default_context(cafile=sys.argv[2]))
for path in ('/echo?one', '/echo?two'):
    c.request('GET', path)
    c.getresponse().read()
`, s.URL, s.CertFile}},
		// Its handshake is a part of reads and writes that wait for other things too.
		{"node", false, []string{"env", "NODE_EXTRA_CA_CERTS=" + s.CertFile, "node", "-e", `
const https = require('https'), agent = new https.Agent({keepAlive: true, maxSockets: 1});
const get = (path, then) => https.get(process.argv[1] + path, {agent}, r => r.resume().on('end', then));
get('/echo?one', () => get('/echo?two', () => process.exit(0)));
`, s.URL}},
	} {
		t.Run(tt.tool, func(t *testing.T) {
			needs(t, tt.tool)
			written, converted := recordCommand(t, tt.command...)
			one := written.find(t, "/echo?one")
			if known := one.Timings.SSL > 0; known != tt.known {
				t.Errorf("ssl %g ms, want it to be known: %v", one.Timings.SSL, tt.known)
			}
			sum := max(0, one.Timings.Connect) + one.Timings.Send + one.Timings.Wait + one.Timings.Receive
			if one.Timings.Connect != one.Timings.SSL || one.Time < sum-0.01 || one.Time > sum+0.01 {
				t.Errorf("timings %+v of %g ms", one.Timings, one.Time)
			}
			if again := converted.find(t, "/echo?one"); again.Timings != one.Timings || !again.StartedDateTime.Equal(one.StartedDateTime) {
				t.Errorf("timings %+v, from pcapng %+v", one.Timings, again.Timings)
			}
			for _, h := range []harFile{written, converted} {
				if two := h.find(t, "/echo?two"); two.Timings.SSL != -1 || two.Timings.Connect != -1 {
					t.Errorf("second exchange: timings %+v", two.Timings)
				}
			}
		})
	}
}
