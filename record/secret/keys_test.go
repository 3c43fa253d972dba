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

// TestNextSolidKey holds that for the keys that are found in what is solid.
func TestNextSolidKey(t *testing.T) {
	const around = "b0rn//w1th+c4re/qu1te++f4r"
	found := map[string]bool{}
	for _, k := range secret.Samples() {
		if strings.ContainsAny(k.Prefix+k.Body, "-_.$:,=~@") {
			continue
		}
		for from := range len(around) {
			p := []byte(around[:from] + k.Prefix + k.Body + around[from:])
			at, to, _ := secret.KeyAt(p, from)
			if at == to || !secret.IsSolid(p) {
				continue
			}
			found[k.Prefix] = true
			i := secret.NextSolidKey(p, 0)
			for i < from {
				i = secret.NextSolidKey(p, i+1)
			}
			if i != from {
				t.Fatalf("%q at %d: not among the places", k.Prefix, from)
			}
		}
	}
	for _, prefix := range []string{"AKIA", "EAA", "AKCp"} {
		if !found[prefix] {
			t.Errorf("%s was not looked for", prefix)
		}
	}
}

// TestNumber holds that no key is in what is a number.
func TestNumber(t *testing.T) {
	for in, want := range map[string]bool{"0190163d-8694-739b-aea5-966c26f8ad91": true, "9c1185a5c5e9fc54612808977ee8f548b2258d31": true,
		"": false, "0190163g": false, "9c1185a5c5e9fc54612808977ee8f548-b2258d31-0190163d": false, "0190163d-8694-739b-fc-5966c26f8ad91": false} {
		if got := secret.IsNumber([]byte(in)); got != want {
			t.Errorf("IsNumber(%q) = %v", in, got)
		}
	}
	for _, k := range secret.Samples() {
		for _, before := range []string{"", "0a", "12-", "9f-3"} {
			p := []byte(before + k.Prefix + k.Body)
			if from, to, _ := secret.KeyAt(p, len(before)); from < to && secret.IsNumber(p) {
				t.Errorf("%q is a number", p)
			}
		}
	}
}
