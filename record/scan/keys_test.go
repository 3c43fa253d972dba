package scan

import (
	"strings"
	"testing"
)

// fits returns n bytes that ok holds for, in which letters and digits mix.
func fits(n int, ok func(byte) bool) string {
	const from = "4aB9cD2eF7a0Bc5Fd8E1b3gHx6jKmNpQrStUvWyZ"
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		if c := from[i%len(from)]; ok(c) {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// TestKeyKinds holds that a key of every kind goes wherever it stands, and that
// its prefix alone stays.
func TestKeyKinds(t *testing.T) {
	for _, k := range keyKinds {
		body := fits(k.min, k.of)
		if k.where == dotted {
			body = body[:k.min/2] + "." + body[k.min/2+1:]
		}
		for _, text := range []string{"@", "use @ now", `{"a":"@"}`, `see: x="@"`, "https://h.example/?q=@&r=1", "a\n@\n"} {
			in := strings.Replace(text, "@", k.prefix+body, 1)
			if out := Secrets.Freely(in); strings.Contains(out, body) {
				t.Errorf("%s: %q became %q", k.prefix, in, out)
			}
			in = strings.Replace(text, "@", k.prefix, 1)
			if out := Secrets.Freely(in); out != in {
				t.Errorf("%s alone: %q became %q", k.prefix, in, out)
			}
		}
	}
}
