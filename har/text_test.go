package har

import (
	"encoding/base64"
	"math/rand/v2"
	"testing"
)

// TestBase64 compares appendBase64 with package base64, for every short length,
// with room in its buffer and without.
func TestBase64(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	p := make([]byte, 500)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	for n := range len(p) {
		want := "before" + base64.StdEncoding.EncodeToString(p[:n])
		for _, b := range [][]byte{[]byte("before"), append(make([]byte, 0, 1000), "before"...)} {
			if got := appendBase64(b, p[:n]); string(got) != want {
				t.Fatalf("%d bytes: %s, want %s", n, got, want)
			}
		}
	}
}
