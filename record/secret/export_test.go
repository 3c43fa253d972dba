package secret

import "strings"

// A Sample is a key of one of the kinds.
type Sample struct{ Prefix, Body string }

// Samples returns a key of every kind.
func Samples() (all []Sample) {
	for _, k := range keyKinds {
		body := fits(k.min, k.of)
		if k.where == dotted {
			body = body[:k.min/2] + "." + body[k.min/2+1:]
		}
		all = append(all, Sample{k.prefix, body})
	}
	return all
}

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
