package redact_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"ssltape/record/redact"
)

// A long body that is not what its label says stays, but for the secrets in it. One
// that is encoded goes, since nobody has looked at all of it.
func TestLong(t *testing.T) {
	random := make([]byte, 9<<20) // more than is looked into
	rand.NewChaCha8([32]byte{5}).Read(random)
	coloured := bytes.Repeat([]byte("\x1b[31mFehler\x1b[0m: Schl\xfcssel fehlt\n"), len(random)/30)
	token := "\n" + evident["github"] + "\n"
	for contentType, body := range map[string]string{
		"text/plain":                           string(random),
		"application/json":                     string(random),
		"text/html":                            string(coloured),
		"text/plain\r\nContent-Encoding: gzip": string(coloured),
	} {
		in := answer(contentType, body)
		whole := redactChunks(t, redact.Secrets, 1<<30, in+token)
		if len(whole) != len(in+token) || !strings.HasPrefix(whole, in) || strings.Contains(whole, evident["github"]) {
			t.Errorf("%q: of %d bytes %d are as they were; at the end %q", contentType, len(in), same(whole, in), whole[len(whole)-60:])
		}
		if out := redactChunks(t, redact.Secrets, 64<<10+1, in+token); out != whole {
			t.Errorf("%q: in pieces %d bytes are as in a whole", contentType, same(out, whole))
		}
	}

	var packed bytes.Buffer
	w := encoders["br"](&packed)
	w.Write(append(random, token...))
	w.Close()
	for _, contentType := range []string{"text/plain", "text/plain\r\nContent-Encoding: br"} {
		in := answer(contentType, packed.String())
		if out := redactChunks(t, redact.Secrets, 1<<30, in); len(out) != len(in) || !strings.HasSuffix(out, strings.Repeat("*", 8<<20)) {
			t.Errorf("%q: what is encoded stays", contentType)
		}
	}
}

// same returns how many bytes a and b have in common at their beginning.
func same(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
