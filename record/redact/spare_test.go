package redact_test

import (
	"fmt"
	"strings"
	"testing"

	"ssltape/record"
	"ssltape/record/redact"
)

// after is what becomes of a body of an exchange that w is given.
type after struct{ body string }

func (a *after) WriteExchange(x *record.Exchange) error {
	p := make([]byte, x.Request.Body.Len())
	x.Request.Body.ReadAt(p, 0)
	a.body = string(p)
	return nil
}

// TestNextBody holds that what becomes of a body is the same after any other one, also
// after one that is cut off anywhere: nothing of an exchange reaches the next one, and
// none makes a value of another go or stay, unless it is the same.
func TestNextBody(t *testing.T) {
	first := []string{
		`{"password":"f1rst-Secret-0042","kind":"Secret","data":{"x":"` + `cGFzc3dvcmQxMjM0NTY="}}`, `[{"delta":{"text":"password: "}},{"model":"m","delta":{"text":"f1rst`,
		"event: x\ndata: {\"delta\":{\"text\":\"token = f1rst\"}}\n\n", `{"a":"{\"password\":\"f1rst-Secret-0042`, "password=f1rst%2042&query=", `<input type="password" value="f1rst-Secret-0042">`,
		"-----BEGIN PRIVATE KEY-----\nf1rstQIBADANBgkqhkiG9w0BAQEFAASC\n", "API_TOKEN=f1rst", wide("padding padding API_TOKEN=f1rstsecret0042xyz", false), "\x82\xa4user\xa3bob\xa8password\xb6f1rst-Secret-0042-abcdef", "\xa2duserceve\x68password\x76f1rst-Secret-0042-abcdef", "--XyZ\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nf1rst", "POST / HTTP/1.1\r\nAuthorization: f1rst\r\n\r\n",
	}
	next := []string{
		`0a1b2c3d4e5f60718293","name":"an item","value":"q8w7e6r5t4y3u2i1"}`, `{"id":42,"delta":{"text":"8f7e6d5c4b3a2910"},"secret":"s3c0nd-Secret-0042"}`, "data: {\"text\":\"8f7e6d5c4b3a29101234\"}\n\n",
		"a=8f7e6d5c4b3a29101234&token=th1rdsecret0042", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n", `<a value="8f7e6d5c4b3a29101234">b</a>`, wide("token=s1xthsecret0042xyz", false), "\x81\xa8password\xb1f0urth-Secret-004", "\xa1\x68password\x71f1f7h--Secret-004", "8f7e6d5c4b3a29101234", "--XyZ\r\n\r\n8f7e6d5c4b3a29101234\r\n--XyZ--\r\n",
	}
	for _, media := range []string{"", "application/json", "application/x-ndjson", "text/event-stream", "text/plain", "text/html", "application/xml",
		"application/x-www-form-urlencoded", "multipart/form-data; boundary=XyZ", "application/graphql", "application/yaml", "message/http", "application/msgpack", "application/cbor", "text/plain; charset=utf-16"} {
		for _, p := range []redact.Profile{redact.Secrets, redact.Strict} {
			alone := make([]string, len(next))
			for i, body := range next {
				var out after
				writeBody(t, redact.Exchanges(&out, p), media, body)
				alone[i] = out.body
			}
			var out after
			w := redact.Exchanges(&out, p)
			for _, body := range first {
				for n := len(body); n > 0; n -= 1 + n/9 {
					for i := range next {
						writeBody(t, w, media, body[:n])
						if writeBody(t, w, media, next[i]); out.body != alone[i] || strings.Contains(out.body, "f1rst") {
							t.Fatalf("%q, %v: after %q\n%q became\n%q\nrather than\n%q", media, p, body[:n], next[i], out.body, alone[i])
						}
					}
				}
			}
		}
	}
}

func writeBody(t *testing.T, w record.ExchangeWriter, media, body string) {
	t.Helper()
	x := &record.Exchange{}
	x.Request.Proto, x.Request.Done, x.Response.Done = "HTTP/1.1", true, true
	x.Request.Header = record.Fields{{Name: "Content-Type", Value: media}, {Name: "Content-Length", Value: fmt.Sprint(len(body))}}
	x.Request.Body = record.NewBody([]byte(body))
	if err := w.WriteExchange(x); err != nil {
		t.Fatal(err)
	}
}
