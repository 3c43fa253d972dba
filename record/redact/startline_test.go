package redact

import (
	"math/rand/v2"
	"regexp"
	"testing"
)

// startLine says what isStartLine does.
var startLine = regexp.MustCompile(`^([^\s:]+ +\S.* HTTP/1\.\d\s*|HTTP/1\.\d +\d{3}(\s.*)?)\n$`)

func TestStartLine(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	parts := []string{"GET", " ", "  ", "/", "HTTP/1.1", "HTTP/1.", "1", "200", "OK", "\t", "\r", "\n", "\f", "\v", ":", "\xff", "é", "\u00a0"}
	usual := []string{"GET", " ", "/", " ", "HTTP/1.1", "\r", "\n"}
	for range 300000 {
		var line string
		for i := range r.IntN(9) {
			if part := parts[r.IntN(len(parts))]; r.IntN(3) == 0 || i >= len(usual) {
				line += part
			} else {
				line += usual[i]
			}
		}
		if r.IntN(3) > 0 {
			line += "\n"
		}
		if got, want := isStartLine([]byte(line)), startLine.MatchString(line); got != want {
			t.Fatalf("isStartLine(%q) = %v, want %v", line, got, want)
		}
	}
	for line, want := range map[string]bool{"GET / HTTP/1.1\r\n": true, "HTTP/1.1 200 OK\r\n": true, "HTTP/1.0  204\n": true, "GET /a b HTTP/1.1\n": true,
		"GET  HTTP/1.1\n": false, "Host: a HTTP/1.1\n": false, "HTTP/1.1 20 OK\n": false, "GET / HTTP/1.1": false, "GET / HTTP/2.0\n": false} {
		if isStartLine([]byte(line)) != want {
			t.Errorf("isStartLine(%q) is not %v", line, want)
		}
	}
}
