package redact_test

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ssltape/record"
	"ssltape/record/assembly"
	"ssltape/record/recordtest"
	"ssltape/record/redact"
)

// redactTimes renders the exchanges of data after they were redacted so often, one
// time after the other.
func redactTimes(t testing.TB, p redact.Profile, times int, data string) string {
	t.Helper()
	r := &render{t: t, seen: map[*record.Exchange]size{}}
	var w record.ExchangeWriter = r
	for range times {
		w = redact.Exchanges(w, p)
	}
	a := assembly.New(w, assembly.Options{})
	conn := &record.Conn{ID: 1}
	in := record.Chunk{Conn: conn, Data: []byte(data), End: record.EndClean}
	if strings.HasPrefix(data, "HTTP/") {
		request := record.Chunk{Conn: conn, Data: []byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n")}
		if err := a.WriteChunk(request); err != nil {
			t.Fatal(err)
		}
		in.Dir = record.In
	}
	if err := (&recordtest.Splitter{N: 1 << 30, W: a}).WriteChunk(in); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return r.out.String()
}

// coded returns an answer with text as its body, in a content coding.
func coded(coding, contentType, text string) string {
	body := gz(text)
	if coding != "gzip" {
		body = packed(coding, text)
	}
	return "HTTP/1.1 200 OK\r\nContent-Type: " + contentType + "\r\nContent-Encoding: " + coding +
		"\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// TestTwice holds that what was redacted stays as it is when it is redacted again,
// as bytes and as exchanges, by either profile.
func TestTwice(t *testing.T) {
	all := map[string]string{}
	for _, set := range []map[string]string{named, harmless} {
		maps.Copy(all, set)
	}
	for name, p := range plants() {
		all["plant "+name] = p.in
	}
	secret := random(51, 46, alnum)
	for _, text := range []string{
		"x GET / HTTP/1.1\nX-access-token: " + secret + "\n y",
		"GET / HTTP/1.1\r\nAuthorization: Bearer " + secret + "\r\n folded\r\nCookie: a=" + secret + "; b\r\n\r\nx",
		"HTTP/1.1 200 OK\nSet-Cookie: " + secret + "\n\n{\"token\":\"" + secret + "\"}",
	} {
		all["plain "+text] = answer("text/plain", text)
		for _, coding := range []string{"gzip", "br", "zstd"} {
			all[coding+" "+text] = coded(coding, "text/plain", text)
		}
	}
	for _, text := range []string{"Authorization: AWS @S@", "Authorization: AWS4 @S@@S@, Signature=@S@", `Authorization: Digest nonce="n", response="@S@"`, "Cookie: a=@S@", "x-api-key @S@", "token=@S@"} {
		text = strings.ReplaceAll(text, "@S@", secret)
		all["form "+text] = post("application/x-www-form-urlencoded", "a=1&note="+url.QueryEscape(text)+"&b=2")
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, p := range []redact.Profile{redact.Secrets, redact.Strict} {
			in := all[name]
			if once, twice := redactTimes(t, p, 1, in), redactTimes(t, p, 2, in); once != twice {
				t.Errorf("%s, exchanges, %v: again\n%.900q\nonce\n%.900q", name, p, twice, once)
			}
			once := redactChunks(t, p, 1<<30, in)
			if twice := redactChunks(t, p, 1<<30, once); once != twice {
				t.Errorf("%s, chunks, %v: again\n%.900q\nonce\n%.900q", name, p, twice, once)
			}
		}
	}
}
