package redact_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"ssltape/record"
	"ssltape/record/recordtest"
	"ssltape/record/redact"
)

// Secrets that give themselves away wherever they stand.
var evident = map[string]string{
	"anthropic": "sk-ant-api03-" + strings.Repeat("aB3_x-", 15) + "AA",
	"oauth":     "sk-ant-oat01-Zq8vLr2Kp0WmNxTt5sYd1uHc",
	"openai":    "sk-proj-T3BlbkFJq8vLr2Kp0WmNxTt5sYd1uHc7",
	"github":    "ghp_1234567890abcdefghijABCDEFGHIJ123456",
	"aws":       "AKIAIOSFODNN7EXAMPLE",
	"pem":       "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj",
	"userinfo":  "alice:pa55w0rd,;x",
	"signature": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
}

// show is how an evident secret stands in text.
func show(kind string) string {
	s := evident[kind]
	switch kind {
	case "pem":
		return "-----BEGIN PRIVATE KEY-----\n" + s + "\n" + s[:20] + "==\n-----END PRIVATE KEY-----\n"
	case "userinfo":
		return "https://" + s + "@example.com/x"
	case "signature":
		return "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + s
	}
	return s
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func gz(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

// post returns a request with a body.
func post(contentType, body string, fields ...string) string {
	head := "POST /v1/messages HTTP/1.1\r\nHost: api.example.com\r\nContent-Type: " + contentType + "\r\n"
	for _, f := range fields {
		head += f + "\r\n"
	}
	return head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body
}

const multi = "--XyZ\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello %s\r\n" +
	"--XyZ\r\nContent-Disposition: form-data; name=\"meta\"\r\nContent-Type: application/json\r\n\r\n{\"a\":%s}\r\n--XyZ--\r\n"

// places are requests that hold an evident secret, by where that is.
var places = map[string]func(s string) string{
	"target": func(s string) string { return "GET /x?u=" + url.QueryEscape(s) + " HTTP/1.1\r\nHost: h\r\n\r\n" },
	"field": func(s string) string {
		return "GET / HTTP/1.1\r\nX-Note: " + strings.ReplaceAll(s, "\n", " ") + "\r\n\r\n"
	},
	"json":       func(s string) string { return post("application/json", `{"a":[1,{"b":`+quote("see "+s+" there")+`}]}`) },
	"json-key":   func(s string) string { return post("application/json", `{`+quote(s)+`: 1}`) },
	"nested":     func(s string) string { return post("application/json", `{"a":`+quote(`{"b":`+quote(s)+`}`)+`}`) },
	"unlabelled": func(s string) string { return post("application/octet-stream", `{"a":`+quote(s)+`}`) },
	"text":       func(s string) string { return post("text/plain", "this is\n"+s+"\nindeed") },
	"binary":     func(s string) string { return post("application/x-thing", "\x00\x01\xff"+s+"\x00") },
	"form": func(s string) string {
		return post("application/x-www-form-urlencoded", "a=1&b="+url.QueryEscape("it is "+s)+"&c=2")
	},
	"form-json": func(s string) string { return post("application/x-www-form-urlencoded", `{"a":`+quote(s)+`}`) },
	"multipart": func(s string) string { return post("multipart/form-data; boundary=XyZ", fmt.Sprintf(multi, s, `"x"`)) },
	"part-json": func(s string) string {
		return post("multipart/form-data; boundary=XyZ", fmt.Sprintf(multi, "x", quote(s)))
	},
	"base64": func(s string) string {
		return post("text/plain", "data:;base64,"+base64.StdEncoding.EncodeToString([]byte("see "+s)))
	},
	"base64-json": func(s string) string {
		return post("application/json", `{"d":"`+base64.StdEncoding.EncodeToString([]byte(`{"k":`+quote(s)+`}`))+`"}`)
	},
	"gzip": func(s string) string {
		return post("application/json", gz(`{"a":`+quote(s)+`}`), "Content-Encoding: gzip")
	},
	"gzip-silent": func(s string) string { return post("application/json", gz(`{"a":`+quote(s)+`}`)) },
	"chunked": func(s string) string {
		b := `{"a":` + quote(s) + `}`
		out := "POST / HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
		for len(b) > 0 {
			n := min(7, len(b))
			out += fmt.Sprintf("%x\r\n%s\r\n", n, b[:n])
			b = b[n:]
		}
		return out + "0\r\nX-Sum: " + strings.ReplaceAll(s, "\n", " ") + "\r\n\r\n"
	},
	"sse": func(s string) string {
		return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: x\ndata: {\"a\":" + quote(s) + "}\n\n"
	},
	"sse-deltas": func(s string) string {
		out := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
		for s := "see " + s + " there"; s != ""; {
			n := min(5, len(s))
			out += "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":" + quote(s[:n]) + "}}\n\n"
			s = s[n:]
		}
		return out
	},
	"location": func(s string) string {
		return "HTTP/1.1 302 Found\r\nLocation: /cb?next=" + url.QueryEscape(s) + "\r\nContent-Length: 0\r\n\r\n"
	},
	"doubt": func(s string) string { return "\x81\x05HELLO " + s + " and {\"a\":" + quote(s) + "}" },
}

// collect is a ChunkWriter that joins what it is given.
type collect struct {
	data [2]bytes.Buffer
	next [2]int64
}

func (c *collect) WriteChunk(k record.Chunk) error {
	if k.Off < c.next[k.Dir] {
		return fmt.Errorf("chunk at %d, expected %d", k.Off, c.next[k.Dir])
	}
	for ; c.next[k.Dir] < k.Off; c.next[k.Dir]++ {
		c.data[k.Dir].WriteByte('_') // lost
	}
	c.data[k.Dir].Write(k.Data)
	c.next[k.Dir] += int64(len(k.Data))
	return nil
}

// redactChunks passes data through Chunks in pieces of n bytes.
func redactChunks(t testing.TB, p redact.Profile, n int, data string) string {
	t.Helper()
	var out collect
	w := redact.Chunks(&out, p)
	s := recordtest.Splitter{N: n, W: w}
	if err := s.WriteChunk(record.Chunk{Conn: &record.Conn{ID: 1}, Dir: record.Out, Data: []byte(data), End: record.EndClean}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.data[record.Out].String()
}

var pieces = []int{1, 2, 3, 7, 1 << 30}

// leaks reports how secret can be found in out.
func leaks(out, secret string) string {
	forms := map[string]string{"raw": secret, "percent-encoded": url.QueryEscape(secret), "quoted": strings.Trim(quote(secret), `"`)}
	for i := range 3 { // three ways to stand in base64
		b := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", i) + secret + "xx"))
		forms[fmt.Sprintf("base64+%d", i)] = b[4 : len(b)-8]
	}
	for how, f := range forms {
		if strings.Contains(out, f) {
			return how
		}
	}
	for i := 0; i+10 < len(out); i++ {
		if out[i] != 0x1f || out[i+1] != 0x8b {
			continue
		}
		if r, err := gzip.NewReader(strings.NewReader(out[i:])); err == nil {
			if b, _ := io.ReadAll(r); len(b) > 0 && leaks(string(b), secret) != "" {
				return "compressed"
			}
		}
	}
	return ""
}

func TestChunksEvident(t *testing.T) {
	for where, make := range places {
		for kind, secret := range evident {
			t.Run(where+"/"+kind, func(t *testing.T) {
				in := make(show(kind))
				if kind == "pem" && (where == "field" || where == "chunked") {
					secret = secret[10:50]
				}
				whole := redactChunks(t, redact.Secrets, 1<<30, in)
				if how := leaks(whole, secret); how != "" {
					t.Errorf("%s in\n%s", how, whole)
				}
				for _, n := range pieces {
					out := redactChunks(t, redact.Secrets, n, in)
					if out != whole {
						t.Errorf("in pieces of %d\n%s\nas a whole\n%s", n, out, whole)
					}
					if len(out) != len(in) {
						t.Errorf("in pieces of %d: %d bytes, want %d", n, len(out), len(in))
					}
				}
				if none := redactChunks(t, redact.None, 3, in); none != in {
					t.Errorf("none: %s", none)
				}
			})
		}
	}
}
