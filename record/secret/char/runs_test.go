package char

import (
	"math/rand/v2"
	"testing"
)

// LongRun finds what looking at each byte finds.
func TestLongRun(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 20000 {
		p := make([]byte, r.IntN(300))
		for i := range p {
			if round%2 == 0 && r.IntN(40) > 0 { // few words of ASCII
				if p[i] = 0xc3; r.IntN(40) == 0 {
					p[i] = 'x'
				}
				if i > 0 && r.IntN(20) > 0 {
					p[i] = p[i-1]
				}
				continue
			}
			p[i] = byte(r.IntN(256))
			if r.IntN(4) > 0 {
				p[i] = "ab\"c{ \\\x7f\x80\n!~"[r.IntN(12)]
			}
			if r.IntN(3) > 0 {
				p[i] = 'x'
			}
		}
		k := 5 + r.IntN(12)
		from := r.IntN(len(p) + 1)
		want := len(p)
		for i, n := from, 0; i < len(p); i++ {
			if n++; Breaks(p[i]) {
				n = 0
			}
			if n == k {
				want = i - k + 1
				break
			}
		}
		if got := LongRun(p, from, k); got != want {
			t.Fatalf("LongRun(%q, %d, %d) = %d, want %d", p, from, k, got, want)
		}
	}
}
