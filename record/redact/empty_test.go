package redact_test

import (
	"testing"

	"ssltape/record/redact"
)

// What is empty where a secret may be stays so.
func TestEmpty(t *testing.T) {
	for _, name := range []string{"Referer", "Location", "Content-Location", "Origin", "Link", "X-Return-Url", "Authorization", "Cookie",
		"Set-Cookie", "X-Api-Key", "X-Unknown", "Host", "User-Agent", "Forwarded", "X-Forwarded-For", "From", "Content-Type", "Content-Encoding",
		"Sec-WebSocket-Protocol", "Alt-Svc", "Grpc-Message", ""} {
		for _, in := range []string{
			"GET / HTTP/1.1\r\n" + name + ":\r\n\r\n",
			"GET / HTTP/1.1\r\n" + name + ": \t\r\n\r\n",
			"GET  HTTP/1.1\r\n" + name + ":=\r\n\r\n",
			"HTTP/1.1 200 \r\n" + name + ":;\r\n" + name + ":,\r\n\r\n",
			"GET / HTTP/1.1\r\n" + name + ":",
		} {
			for _, p := range []redact.Profile{redact.Secrets, redact.Strict} {
				for _, n := range []int{1, len(in)} {
					if out := redactChunks(t, p, n, in); len(out) != len(in) {
						t.Errorf("%v: %q of %q", p, out, in)
					}
				}
				redactExchanges(t, p, 1, in)
			}
		}
	}
	for _, media := range []string{"application/json", "text/html", "text/event-stream", "multipart/form-data; boundary=", "application/x-www-form-urlencoded", "application/cbor", "image/png", ""} {
		for _, body := range []string{"", " ", "=", "&", "\"\"", "{}", "[]", "<>", "--", "data:\n\n", ":", "{\"\":\"\"}"} {
			in := post(media, body)
			for _, p := range []redact.Profile{redact.Secrets, redact.Strict} {
				if out := redactChunks(t, p, 3, in); out != in {
					t.Errorf("%v: %q of %q", p, out, in)
				}
				redactExchanges(t, p, 3, in)
			}
		}
	}
}
