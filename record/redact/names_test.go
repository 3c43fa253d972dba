package redact_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"ssltape/record/redact"
)

// plainSecret can only be told by the name it goes by.
const plainSecret = "correct-horse/battery+staple=9"

// named are requests that hold plainSecret under the name of a secret.
var named = map[string]string{
	"authorization":   "GET / HTTP/1.1\r\nAuthorization: Bearer " + plainSecret + "\r\n\r\n",
	"no scheme":       "GET / HTTP/1.1\r\nAUTHORIZATION:" + plainSecret + "\r\n\r\n",
	"folded":          "GET / HTTP/1.1\r\nProxy-Authorization: Basic\r\n  " + plainSecret + "\r\nA: b\r\n\r\n",
	"x-api-key":       "GET / HTTP/1.1\r\nX-API-Key: " + plainSecret + "\r\n\r\n",
	"token field":     "GET / HTTP/1.1\r\nPrivate-Token: " + plainSecret + "\r\n\r\n",
	"space in name":   "GET / HTTP/1.1\r\nx-api-key : " + plainSecret + "\r\n\r\n",
	"bare lf":         "GET / HTTP/1.1\nx-api-key: " + plainSecret + "\n\n",
	"cookie":          "GET / HTTP/1.1\r\nCookie: a=" + plainSecret + "; b=2\r\n\r\n",
	"second cookie":   "GET / HTTP/1.1\r\nCookie: a=1;b=" + plainSecret + "\r\n\r\n",
	"set-cookie":      "HTTP/1.1 200 OK\r\nSet-Cookie: sid=" + plainSecret + "; Path=/; HttpOnly\r\nContent-Length: 0\r\n\r\n",
	"interim":         "HTTP/1.1 103 Early Hints\r\nSet-Cookie: sid=" + plainSecret + "\r\n\r\n",
	"trailer":         "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n0\r\nX-Auth-Token: " + plainSecret + "\r\n\r\n",
	"query":           "GET /cb?a=1&access_token=" + url.QueryEscape(plainSecret) + "&b=2 HTTP/1.1\r\n\r\n",
	"query first":     "GET /cb?key=" + url.QueryEscape(plainSecret) + " HTTP/1.1\r\n\r\n",
	"query encoded":   "GET /cb?access%5Ftoken=" + url.QueryEscape(plainSecret) + " HTTP/1.1\r\n\r\n",
	"absolute":        "GET http://h/cb?X-Amz-Signature=" + url.QueryEscape(plainSecret) + " HTTP/1.1\r\n\r\n",
	"nested query":    "GET /l?to=" + url.QueryEscape("https://h/?id_token="+url.QueryEscape(plainSecret)) + " HTTP/1.1\r\n\r\n",
	"fragment":        "HTTP/1.1 302 Found\r\nLocation: https://h/cb#access_token=" + url.QueryEscape(plainSecret) + "&x=1\r\nContent-Length: 0\r\n\r\n",
	"referer":         "GET / HTTP/1.1\r\nReferer: https://h/x?api_key=" + url.QueryEscape(plainSecret) + "\r\n\r\n",
	"json":            post("application/json", `{"user":"bob","password" : `+quote(plainSecret)+`,"x":1}`),
	"json camel":      post("application/json", `{"accessToken":`+quote(plainSecret)+`}`),
	"json escaped":    post("application/json", `{"pass\u0077ord":"correct-horse\/battery\u002bstaple=9"}`),
	"json array":      post("application/json", `{"headers":{"Authorization":["Bearer `+plainSecret+`"]}}`),
	"json pair":       post("application/json", `[{"name":"x-api-key","value":`+quote(plainSecret)+`}]`),
	"json nested":     post("application/json", `{"a":`+quote(`{"client_secret": `+quote(plainSecret)+`}`)+`}`),
	"json twice":      post("application/json", `{"a":`+quote(`{"b":`+quote(`{"secret":`+quote(plainSecret)+`}`)+`}`)+`}`),
	"json cut":        post("application/json", `"x":1},{"refresh_token":`+quote(plainSecret)),
	"json lines":      post("application/x-ndjson", `{"a":1}`+"\n"+`{"session_key":`+quote(plainSecret)+"}\n"),
	"json as text":    post("text/plain", "\ufeff\n "+`{"code_verifier":`+quote(plainSecret)+`}`),
	"url in json":     post("application/json", `{"next":"https://h/x?sig=1\u0026access_token=`+url.QueryEscape(plainSecret)+`"}`),
	"form":            post("application/x-www-form-urlencoded", "grant_type=x&client_secret="+url.QueryEscape(plainSecret)),
	"form brackets":   post("application/x-www-form-urlencoded", "user%5Bpassword%5D="+url.QueryEscape(plainSecret)+"&x=1"),
	"json in form":    post("application/x-www-form-urlencoded", "payload="+url.QueryEscape(`{"password":`+quote(plainSecret)+`}`)),
	"multipart":       post("multipart/form-data; boundary=Q", "--Q\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n"+plainSecret+"\r\n--Q--\r\n"),
	"no boundary":     post("multipart/form-data", "--Q\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n"+plainSecret+"\r\n--Q--\r\n"),
	"base64 json":     post("text/plain", base64.StdEncoding.EncodeToString([]byte(`{"password":`+quote(plainSecret)+`}`))),
	"base64 part":     post("multipart/mixed; boundary=Q", "--Q\r\nContent-Transfer-Encoding: base64\r\n\r\n"+base64.StdEncoding.EncodeToString([]byte(`{"password":`+quote(plainSecret)+`}`))+"\r\n--Q--\r\n"),
	"gzip":            post("application/json", gz(`{"password":`+quote(plainSecret)+`}`), "Content-Encoding: gzip"),
	"sse":             "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {\"id_token\":\ndata: " + quote(plainSecret) + "}\n\n",
	"sse partial":     "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + deltas("input_json_delta", "partial_json", `{"password": `+quote(plainSecret)+`}`),
	"after pipelined": "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nX-Api-Key: " + plainSecret + "\r\n\r\n",
	"after body":      post("text/plain", "hello") + "GET / HTTP/1.1\r\nX-Api-Key: " + plainSecret + "\r\n\r\n",
	"body never came": "PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 500\r\n\r\nGET / HTTP/1.1\r\nX-Api-Key: " + plainSecret + "\r\n\r\n",
	"two lengths":     "POST / HTTP/1.1\r\nContent-Length: 500\r\nContent-Length: 2\r\n\r\nhiGET / HTTP/1.1\r\nX-Api-Key: " + plainSecret + "\r\n\r\n",
	"bad chunk":       "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi\nGET / HTTP/1.1\r\nX-Api-Key: " + plainSecret + "\r\n\r\n",
	"in doubt":        "garbage\r\nX-Api-Key: " + plainSecret + "\r\nand {\"password\":" + quote(plainSecret) + "}",
	"long":            post("application/json", `{"password":`+quote(strings.Repeat(plainSecret, 5000))+`}`),
}

// deltas returns events that carry text in pieces.
func deltas(kind, key, text string) string {
	var b strings.Builder
	for text != "" {
		n := min(4, len(text))
		for n < len(text) && !utf8.RuneStart(text[n]) { // models send whole ones
			n++
		}
		fmt.Fprintf(&b, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":%q,%q:%s}}\n\n", kind, key, quote(text[:n]))
		text = text[n:]
	}
	return b.String()
}

func TestChunksNamed(t *testing.T) {
	for where, in := range named {
		t.Run(where, func(t *testing.T) {
			whole := redactChunks(t, redact.Secrets, 1<<30, in)
			if how := leaks(whole, plainSecret); how != "" || strings.Contains(whole, "battery") {
				t.Errorf("%s in\n%s", how, whole)
			}
			for _, n := range pieces {
				out := redactChunks(t, redact.Secrets, n, in)
				if out != whole {
					t.Errorf("in pieces of %d\n%q\nas a whole\n%q", n, out, whole)
				}
				if len(out) != len(in) {
					t.Errorf("in pieces of %d: %d bytes, want %d", n, len(out), len(in))
				}
			}
			if again := redactChunks(t, redact.Secrets, 1<<30, whole); again != whole && where != "gzip" {
				t.Errorf("redacted again\n%s\nonce\n%s", again, whole)
			}
		})
	}
}

// harmless are messages without a secret.
var harmless = map[string]string{
	"prompt": post("application/json", `{"model":"claude","max_tokens":1024,"messages":[{"role":"user","content":"Why is `+
		`password: hunter2 a bad idea? See task-force-one-two-three-four-five and risk-based-authentication-2024-edition.\n`+
		`export ANTHROPIC_API_KEY=sk-ant-...; cfg = {'password': p, \"token\": t}; mail bob@example.com, http://localhost:8080/a@b"}]}`),
	"ids": post("application/json", `{"id":"msg_01XFDUDYJgAACzvnptvVoYEL","uuid":"3f2504e0-4f89-11d3-9a0c-0305e82c3301",`+
		`"next_page_token":"CAESBhIECAEQAQabcdef","tokens":12,"logprobs":[{"token":" Hello","logprob":-0.1}],"password":null,"secret":false,"signature":""}`),
	"schema": post("application/json", `{"properties":{"password":{"type":"string","description":"the password"}},"required":["password"]}`),
	"format": post("application/json", " {\n\t\"a\" : [ 1.50 , -0 ,2e5, true,null ] ,\"b\":\"\\u00e9\\/\\n\\ud83d\\ude00\"}\r\n"),
	"commit": post("application/json", `{"sha":"e83c5163316f89bfbde7d9ab23ca2e25604af290","etag":"W/\"5d8c72a5edda8d6a9a3c4d4b9a9f7d7b\""}`),
	"image":  post("application/json", `{"data":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="}`),
	"fields": "GET /a/b?c=d&page=2&tokens=5&keyword=x HTTP/1.1\r\nHost: h\r\nAccept: */*\r\nUser-Agent: x/1 (sk; de)\r\nX-Request-Id: req_011CSHoEeqs5C35K2UUqR7Fy\r\nIf-None-Match: \"abc\"\r\n\r\n",
	"limits": "HTTP/1.1 200 OK\r\nanthropic-ratelimit-tokens-remaining: 5\r\nContent-Length: 2\r\n\r\nok",
	"form":   post("application/x-www-form-urlencoded", "a=b%20c&d=%zz&e&=f&&key=1+2"),
	"gzip":   post("application/json", gz(`{"a":"nothing here"}`), "Content-Encoding: gzip"),
	"pem":    post("text/plain", "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJ\n-----END CERTIFICATE-----\n"),
	"pem talk": post("text/plain", "A key file begins with -----BEGIN PRIVATE KEY----- and then has base64, but do not paste it here. "+
		"Look for -----BEGIN in the file."),
	"css":       post("text/css", ".sk-fading-circle-animation-delay-two{} .sk-cube-grid{color:#fff}"),
	"sse":       "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n:hi\nevent: a\r\ndata:x\rdata: {\"a\":1}\n\n\nid: 7\ndata: [DONE]\n\n" + deltas("text_delta", "text", "The task is to ask a skilled e s A gh p"),
	"multipart": post("multipart/form-data; boundary=Q", "pre\r\n--Q\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n-\r\n--\r\n--R\r\n\r\n--Q\r\n\r\ny\r\n--Q--\r\nafter"),
	"http2":     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x12\x04\x00\x00\x00\x00\x00",
	"binary":    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello \r\n\r\n: \r\nGET nothing\r\n",
}

func TestChunksHarmless(t *testing.T) {
	for what, in := range harmless {
		t.Run(what, func(t *testing.T) {
			for _, n := range pieces {
				if out := redactChunks(t, redact.Secrets, n, in); out != in {
					t.Errorf("in pieces of %d\n%q\nwant\n%q", n, out, in)
				}
			}
		})
	}
}
