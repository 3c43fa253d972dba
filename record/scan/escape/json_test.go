package escape

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
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

// DecodeWithin gives what was written into strings within strings, and nothing of what
// is cut off or has other backslashes.
func TestDecodeWithin(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	parts := []string{`"`, `\`, `\\`, "\n", "\t", "A", "é", "中", "\x01", "word", " of some length ", "{", "]", "u0041", `\"`}
	for range 20000 {
		var text string
		for range r.IntN(20) {
			text += parts[r.IntN(len(parts))]
		}
		depth := 1 + r.IntN(3)
		p := text
		for range depth + 1 {
			q, _ := json.Marshal(p)
			p = string(q[1 : len(q)-1])
		}
		slashes := 1<<depth - 1
		quote := strings.Repeat(`\`, slashes) + `"`
		in := []byte(p + quote + ": more of it")
		dst := make([]byte, len(in)+8)
		n, to, whole := DecodeWithin(dst, in, slashes)
		if n != len(p) || string(dst[:to]) != text || !whole {
			t.Fatalf("DecodeWithin(%q, %d) = %d, %q, %v, want %d, %q", in, slashes, n, dst[:to], whole, len(p), text)
		}
		for cut := range len(p + quote) {
			if _, _, whole := DecodeWithin(dst, in[:cut], slashes); whole {
				t.Fatalf("DecodeWithin(%q, %d) is whole", in[:cut], slashes)
			}
		}
		odd := []byte(p + `\` + strings.Repeat(`\`, slashes) + `x` + quote)
		if _, _, whole := DecodeWithin(make([]byte, len(odd)+8), odd, slashes); whole {
			t.Fatalf("DecodeWithin(%q, %d) is whole", odd, slashes)
		}
	}
}
