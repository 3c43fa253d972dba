package redact_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"ssltape/record/redact"
)

// nest returns JSON in a string in JSON, up to three times, that is longer than
// what is looked at at once, and the secrets in it.
func nest(r *rand.Rand) (in string, secrets []string) {
	var b bytes.Buffer
	b.WriteString("[")
	for b.Len() < 3000+r.IntN(30000) {
		object(r, &b)
		switch kinds := []string{"oauth", "github", "pem", "signature", "userinfo"}; r.IntN(12) {
		case 0:
			k := kinds[r.IntN(len(kinds))]
			fmt.Fprintf(&b, `{"s":%s},`, quote("see\t\""+show(k)+"\n"))
			secrets = append(secrets, evident[k])
		case 1:
			words := "correct/horse\nbattery " + random(r.Uint64(), 8, lower)
			fmt.Fprintf(&b, `{"password":%s},`, quote(words))
			secrets = append(secrets, words[len(words)-8:])
		case 2:
			fmt.Fprintf(&b, "{\"a\\/b\":\"\\u4f60\\ud83d\\ude00\\q\" , \"c\":%q},\n", sentence(r, 30))
		}
	}
	in = b.String() + "{}]"
	for range 1 + r.IntN(3) {
		in = `{"a":` + quote(in) + `}`
	}
	return in, secrets
}

// TestNested holds that JSON in strings loses its secrets however it comes.
func TestNested(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for i := range 12 {
		in, secrets := nest(r)
		in = post("application/json", in)
		whole := redactChunks(t, redact.Secrets, 1<<30, in)
		for _, s := range secrets {
			if strings.Contains(whole, s) {
				t.Fatalf("%s is in %s", s, whole)
			}
		}
		for _, n := range []int{1 + i, 100 + r.IntN(1000), 16 << 10} {
			if out := redactChunks(t, redact.Secrets, n, in); out != whole {
				t.Fatalf("in pieces of %d\n%s\nas a whole\n%s", n, out, whole)
			}
		}
	}
}
