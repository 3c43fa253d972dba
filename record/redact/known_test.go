package redact_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"ssltape/record/redact"
)

// teachers are requests of which redaction knows by its place what a secret is.
func teachers(s string) map[string]string {
	return map[string]string{
		"authorization": get("/", "Authorization: Bearer "+s),
		"field":         get("/", "X-Api-Key: "+s),
		"cookie":        get("/", "Cookie: theme=dark; sid="+s),
		"basic":         get("/", "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("bob:"+s))),
		"query":         get("/cb?access_token="+url.QueryEscape(s), "Accept: */*"),
		"form":          post("application/x-www-form-urlencoded", "user=bob&password="+url.QueryEscape(s)),
		"json":          post("application/json", `{"user":"bob","password":`+quote(s)+`}`),
		"gzip":          post("application/json", gz(`{"user":"bob","password":`+quote(s)+`}`), "Content-Encoding: gzip"),
		"yaml":          post("application/yaml", "user: bob\npassword: "+s+"\n"),
		"multipart":     post("multipart/form-data; boundary=XyZ", "--XyZ\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n"+s+"\r\n--XyZ--\r\n"),
	}
}

// echoes are requests in which nothing but its value tells a secret.
func echoes(s string) map[string]string {
	in64 := func(lead string) string { return base64.StdEncoding.EncodeToString([]byte(lead + s + " it was")) }
	return map[string]string{
		"prose":     post("text/plain", "I have tried "+s+" and it is wrong.\n"),
		"json":      post("application/json", `{"message":`+quote("invalid: "+s)+`,"n":1}`),
		"json list": post("application/json", `{"data":["a",`+quote(s)+`,"b"]}`),
		"html":      post("text/html", "<p>You said <b>"+s+"</b></p>"),
		"path":      get("/users/"+url.PathEscape(s)+"/x", "Accept: */*"),
		"query":     get("/search?q="+url.QueryEscape(s)+"&n=1", "Accept: */*"),
		"field":     get("/", "X-Note: is it "+s+" or not"),
		"referer":   get("/", "Referer: https://h/?q="+url.QueryEscape(s)),
		"form":      post("application/x-www-form-urlencoded", "note="+url.QueryEscape("see "+s)),
		"base64":    post("text/plain", "x "+in64("")+" y\n"),
		"base64 1":  post("text/plain", "x "+in64("a")+" y\n"),
		"base64 2":  post("text/plain", "x "+in64("ab")+" y\n"),
		"hex":       post("text/plain", "x "+hex.EncodeToString([]byte(s))+" y\n"),
		"twice":     get("/r?to="+url.QueryEscape("https://h/?q="+url.QueryEscape(s)), "Accept: */*"),
		"gzip":      post("text/plain", gz("I have tried "+s+" and it is wrong.\n"), "Content-Encoding: gzip"),
		"octets":    post("application/octet-stream", "\x00\x01\x02"+s+"\x03\x04"),
	}
}

// spelled returns how s may stand in a text.
func spelled(s string) []string {
	all := []string{s, url.QueryEscape(s), url.PathEscape(s), url.QueryEscape(url.QueryEscape(s)), strings.Trim(quote(s), `"`), hex.EncodeToString([]byte(s))}
	for lead := range 3 {
		in := base64.RawStdEncoding.EncodeToString([]byte("ab"[:lead] + s))
		all = append(all, in[lead*8/6+1:len(in)-1])
	}
	return all
}

// TestKnown holds that a secret which is known by one message is found in those after it.
func TestKnown(t *testing.T) {
	for _, s := range []string{"qZ7kPw2mXv9sLt4bNc8d", "hunter2024", "p4ss&w0/rd+x7="} {
		all := teachers(s)
		for _, from := range slices.Sorted(maps.Keys(all)) {
			for where, echo := range echoes(s) {
				in := all[from] + echo
				chunks := redactChunks(t, redact.Secrets, 1<<30, in)
				mustHide(t, s, "chunks, "+from+", "+where, chunks)
				mustHide(t, s, "exchanges, "+from+", "+where, redactExchanges(t, redact.Secrets, 1<<30, in))
				if out := redactChunks(t, redact.Secrets, 7, in); out != chunks {
					t.Errorf("%s, %s, in pieces\n%q\nas a whole\n%q", from, where, out, chunks)
				}
				if again := redactChunks(t, redact.Secrets, 1<<30, chunks); again != chunks {
					t.Errorf("%s, %s, again\n%q\nonce\n%q", from, where, again, chunks)
				}
			}
		}
	}
}

// mustHide fails if s shows in out, also where that is compressed.
func mustHide(t *testing.T, s, where, out string) {
	t.Helper()
	texts := []string{out}
	if i := strings.LastIndex(out, "\x1f\x8b"); i >= 0 {
		if z, err := gzip.NewReader(strings.NewReader(out[i:])); err == nil {
			p, _ := io.ReadAll(z) // others may follow on it
			texts = append(texts, string(p))
		}
	}
	for _, text := range texts {
		for _, is := range spelled(s) {
			if strings.Contains(text, is) {
				t.Errorf("%s: %q shows in\n%q", where, is, text)
			}
		}
	}
}

// TestNotKnown holds that what may be another thing elsewhere stays there.
func TestNotKnown(t *testing.T) {
	for teacher, echo := range map[string]string{
		post("application/json", `{"password":"correcthorse"}`):                       "the correcthorse battery",
		post("application/json", `{"password":"12345678"}`):                           "order 12345678",
		post("application/json", `{"password":"enter-your-password"}`):                "please enter-your-password here",
		get("/", "Cookie: lang=en-US-x-2024; model=claude-3-5-sonnet-20241022"):       "claude-3-5-sonnet-20241022 in en-US-x-2024",
		get("/", "Cookie: machine=0a1b2c3d-1111-2222-3333-444455556666; ip=10.1.2.3"): "0a1b2c3d-1111-2222-3333-444455556666 at 10.1.2.3",
		get("/", "Cookie: at=2024-10-22T10:11:12Z; v=1.2.3-beta45"):                   "2024-10-22T10:11:12Z 1.2.3-beta45",
		get("/", "Cookie: host=node-12.example.com"):                                  "node-12.example.com",
	} {
		in := teacher + post("text/plain", echo)
		for how, out := range map[string]string{"chunks": redactChunks(t, redact.Secrets, 1<<30, in), "exchanges": redactExchanges(t, redact.Secrets, 1<<30, in)} {
			if !strings.Contains(out, echo) {
				t.Errorf("%s: %q went\n%s", how, echo, out)
			}
		}
	}
}

// TestKnownBefore holds that a secret counts from where it is known on, however the bytes
// came.
func TestKnownBefore(t *testing.T) {
	s := "qZ7kPw2mXv9sLt4bNc8d"
	in := post("text/plain", "is it "+s+" or\n") + post("application/json", `{"a":"`+s+`","password":"`+s+`","b":"`+s+`"}`)
	out := redactChunks(t, redact.Secrets, 1<<30, in)
	if strings.Count(out, s) != 2 {
		t.Errorf("got\n%s", out)
	}
	for _, n := range pieces {
		if again := redactChunks(t, redact.Secrets, n, in); again != out {
			t.Errorf("in pieces of %d\n%s\nas a whole\n%s", n, again, out)
		}
	}
}

// TestKnownFramed holds that a known secret is found under the masks of a WebSocket, in
// compressed messages of one, and in the compressed fields of HTTP/2.
func TestKnownFramed(t *testing.T) {
	s := "qZ7kPw2mXv9sLt4bNc8d"
	upgrade := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	learn, tell := `{"password":"`+s+`"}`, "they said "+s+" to me"
	for name, c := range map[string]struct {
		in     string
		masked bool
	}{
		"plain":        {upgrade + "\r\n" + wsFrame(0x81, "", learn) + wsFrame(0x81, "", tell) + wsFrame(0x81, "", "last"), false},
		"masked":       {upgrade + "\r\n" + wsFrame(0x81, "k\x99#\x01", learn) + wsFrame(0x81, "k\x99#\x01", tell) + wsFrame(0x81, "k\x99#\x01", "last"), true},
		"compressed":   {switching + deflated("", true, []string{learn, tell, "last"}), false},
		"and together": {switching + deflated("", false, []string{learn, tell, "last"}), false},
		"fields":       {knownFields(s), false},
	} {
		whole := redactChunks(t, redact.Secrets, 1<<30, c.in)
		if len(whole) != len(c.in) {
			t.Errorf("%s: %d bytes of %d", name, len(whole), len(c.in))
		}
		for _, n := range pieces {
			if out := redactChunks(t, redact.Secrets, n, c.in); out != whole {
				t.Errorf("%s, in pieces of %d: %q\nas a whole\n%q", name, n, out, whole)
			}
		}
		seen := whole
		switch {
		case c.masked:
			seen = unmasked(whole[len(upgrade)+2:], "k\x99#\x01")
		case strings.HasPrefix(c.in, switching):
			if seen = inflated(whole[len(switching):]); !strings.Contains(seen, "they said ") || !strings.HasSuffix(seen, " to me last") {
				t.Errorf("%s: got\n%q", name, seen)
			}
		case name == "fields":
			if seen = parse(t, whole); !strings.Contains(seen, "x-note: it was redacted-") {
				t.Errorf("%s: got\n%s", name, seen)
			}
		}
		if strings.Contains(seen, s) || leaks(whole, s) != "" {
			t.Errorf("%s: leaks\n%q", name, seen)
		}
	}
}

// knownFields is a connection of HTTP/2 with s as the value of a field, and of another one
// in a request after that.
func knownFields(s string) string {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	out := preface + frame(4, 0, 0, "")
	for i, f := range []hpack.HeaderField{{Name: "x-api-key", Value: s}, {Name: "x-note", Value: "it was " + s + " indeed"}} {
		block.Reset()
		for _, f := range []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":path", Value: "/"}, f} {
			enc.WriteField(f)
		}
		out += frame(1, 4|1|0x20, uint32(1+2*i), "\x00\x00\x00\x00\x10"+block.String())
	}
	return out
}

// unmasked returns the payloads of frames of wsFrame that are masked with key.
func unmasked(frames, key string) (out string) {
	for len(frames) > 8 {
		n := int(frames[2])<<8 | int(frames[3])
		for i := range n {
			out += string(frames[8+i] ^ key[i%4])
		}
		frames = frames[8+n:]
	}
	return out
}

// inflated returns the messages of frames of deflated, a space after each but the last.
func inflated(frames string) string {
	var all []string
	var message string
	for len(frames) > 1 {
		first, n, head := frames[0], int(frames[1]), 2
		if n == 126 {
			n, head = int(frames[2])<<8|int(frames[3]), 4
		}
		if first&0x0f < 8 {
			message += frames[head : head+n]
		}
		frames = frames[head+n:]
		if first&0x8f == 0x89 || first&0x80 == 0 {
			continue
		}
		z := flate.NewReaderDict(strings.NewReader(message+"\x00\x00\xff\xff"), []byte(strings.Join(all, "")))
		p, _ := io.ReadAll(z) // which does not end
		all, message = append(all, string(p)), ""
	}
	return strings.Join(all, " ")
}
