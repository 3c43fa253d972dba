package escape

import (
	"math/rand/v2"
	"testing"
)

// decodeSlowly is Decode, byte by byte.
func decodeSlowly(dst, p []byte) (n int, text []byte, whole bool) {
	for n < len(p) {
		switch rest := p[n:]; {
		case rest[0] == '"':
			return n, dst, false
		case rest[0] != '\\':
			dst, n = append(dst, rest[0]), n+1
		case len(rest) == 1, rest[1] == 'u' && len(rest) < Max:
			return n, dst, true
		case Letters[rest[1]] != 0:
			dst, n = append(dst, Letters[rest[1]]), n+2
		case rest[1] == 'u' && isHexFour(rest[2:Max]):
			dst, n = Append(dst, rest[:Max], len(dst)+4), n+Max
		default:
			return n, dst, false
		}
	}
	return n, dst, true
}

// Decode gives what looking at each byte gives.
func TestDecode(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	parts := []string{`\"`, `\\`, `\n`, `\u0041`, `\u4e2d`, `\ud83d`, "a", "word", " of some length ", "\x00", "\x80", "\xa2", "#", "]"}
	for range 20000 {
		var p []byte
		for range r.IntN(60) {
			p = append(p, parts[r.IntN(len(parts))]...)
		}
		switch r.IntN(4) {
		case 0:
			p = append(append(p, '"'), "more than that, and as long as a block of it has to be to be one of sixty-four"...)
		case 1:
			p = append(p, `\x`...)
		case 2:
			p = p[:len(p)-min(len(p), r.IntN(7))]
		}
		dst := make([]byte, len(p)+8)
		n, to, whole := Decode(dst, p)
		wantN, want, wantWhole := decodeSlowly(nil, p)
		if n != wantN || string(dst[:to]) != string(want) || whole != wantWhole {
			t.Fatalf("Decode(%q) = %d, %q, %v, want %d, %q, %v", p, n, dst[:to], whole, wantN, want, wantWhole)
		}
	}
}
