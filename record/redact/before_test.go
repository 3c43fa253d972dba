package redact_test

import (
	"net/url"
	"strings"
	"testing"

	"ssltape/record/redact"
)

// TestBefore holds that what stands before a secret and tells it does so wherever the
// text is cut that it stands in: between the pieces that come, those of JSON within
// strings, and at each space of a form.
func TestBefore(t *testing.T) {
	const secret = "vLaV9zDTRMf67r9m"
	texts := []string{`auth=HTTPBasicAuth("bob",` + "\t" + `"` + secret + `")`, `auth=('bob', '` + secret + `')`, `echo "bob:` + secret + `" | chpasswd`,
		"echo " + secret + " | docker login --password-stdin", `{"name": "session" , "value" : "` + secret + `"}`, "{SSHA} {SSHA}" + secret + "=="}
	for _, text := range texts {
		for n := range 140 {
			in := strings.Repeat("some words, ", 20)[:n] + "\n" + text + " and more"
			for how, in := range map[string]string{
				"text": post("text/plain", in), "JSON": post("application/json", quote(in)), "form": post("application/x-www-form-urlencoded", "a="+url.QueryEscape(in)),
				"nested": post("application/json", `{"x":`+quote(`{"y":`+quote(in)+`}`)+`}`), "twice": post("application/json", `{"x":`+quote(quote(`{"y":`+quote(in)+`}`))+`}`),
			} {
				for _, size := range []int{1, 7, 1 << 20} {
					if out := redactChunks(t, redact.Secrets, size, in); strings.Contains(out, secret) {
						t.Fatalf("%s in pieces of %d: %q", how, size, out)
					}
				}
			}
		}
	}
}
