package secret_test

import (
	"strings"
	"testing"

	"ssltape/record/scan/field"
	"ssltape/record/secret"
)

// TestKeyKinds holds that a key of every kind goes wherever it stands, and that
// its prefix alone stays.
func TestKeyKinds(t *testing.T) {
	for _, k := range secret.Samples() {
		for _, text := range []string{"@", "use @ now", `{"a":"@"}`, `see: x="@"`, "https://h.example/?q=@&r=1", "a\n@\n"} {
			in := strings.Replace(text, "@", k.Prefix+k.Body, 1)
			if out := field.Freely(secret.Secrets, in); strings.Contains(out, k.Body) {
				t.Errorf("%s: %q became %q", k.Prefix, in, out)
			}
			in = strings.Replace(text, "@", k.Prefix, 1)
			if out := field.Freely(secret.Secrets, in); out != in {
				t.Errorf("%s alone: %q became %q", k.Prefix, in, out)
			}
		}
	}
}

// TestNextKey holds that the place of a key is among those that are looked at,
// wherever it stands among others.
func TestNextKey(t *testing.T) {
	const around = "b0rn w1th c4re, qu1te f4r"
	for _, k := range secret.Samples() {
		for from := range len(around) {
			p := []byte(around[:from] + k.Prefix + k.Body + around[from:])
			for start := range from + 1 {
				i := secret.NextKey(p, start)
				for i < from {
					i = secret.NextKey(p, i+1)
				}
				if i != from {
					t.Fatalf("%q at %d, from %d on: not among the places", k.Prefix, from, start)
				}
			}
		}
	}
}

// TestNextSolidKey holds that for text of base64.
func TestNextSolidKey(t *testing.T) {
	const around = "b0rn/w1th+c4re/qu1te+f4r"
	found := map[string]bool{}
	for _, k := range secret.Samples() {
		if strings.ContainsAny(k.Prefix+k.Body, "-_.$:,=~@") {
			continue
		}
		found[k.Prefix] = true
		for from := range len(around) {
			p := []byte(around[:from] + k.Prefix + k.Body + around[from:])
			i := secret.NextSolidKey(p, 0)
			for i < from {
				i = secret.NextSolidKey(p, i+1)
			}
			if i != from {
				t.Fatalf("%q at %d: not among the places", k.Prefix, from)
			}
		}
	}
	for _, prefix := range []string{"AKIA", "SK", "EAA", "AKCp"} {
		if !found[prefix] {
			t.Errorf("%s was not looked for", prefix)
		}
	}
}
