package jsonlist

import (
	"math/rand/v2"
	"testing"
)

// TestEndOfString compares endOfString with a loop over the characters, for random
// strings of which many have rows of backslashes.
func TestEndOfString(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	ends := 0
	for range 100_000 {
		p := make([]byte, r.IntN(300))
		often := 1 + r.IntN(40)
		for i := range p {
			switch n := r.IntN(often * 4); {
			case n < 4:
				p[i] = '\\'
			case n == 4 && i > 0 && (p[i-1] == '\\' || r.IntN(3) == 0):
				p[i] = '"'
			default:
				p[i] = []byte{'x', '"' + 1, '"' - 1, '\\' + 1, '\\' - 1, '"' | 0x80, '\\' | 0x80, 0}[r.IntN(8)]
			}
		}
		want := 0
		for want < len(p) && p[want] != '"' {
			if p[want] == '\\' {
				want++
			}
			want++
		}
		if want = min(want, len(p)); want < len(p) {
			ends++
		}
		if got := endOfString(p); got != want {
			t.Fatalf("%q: %d, want %d", p, got, want)
		}
	}
	if ends < 10_000 {
		t.Errorf("%d strings with an end", ends)
	}
}
