package har_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"ssltape/har"
	"ssltape/record"
)

// FuzzRead checks that what is read of any file is written as JSON, and that
// this comes back the same.
func FuzzRead(f *testing.F) {
	const entry = `{"startedDateTime":"2026-01-02T03:04:05Z","time":1,"request":{"method":"GET","url":"http://a/b?c=d","headers":[["A","b"]]},` +
		`"response":{"status":200,"headers":{"B":"c"},"content":{"text":"aGk=","encoding":"base64"}},"timings":{"send":1.5}}`
	f.Add([]byte(`{"log":{"entries":[` + entry + `,null]}}`))
	f.Add([]byte(`{"log":{"a":[{}],"entries":[` + entry))
	f.Add([]byte(`{"log":{"entries":[{"_id":1,"_eventSourceMessages":[{"time":17200000000100}]}]}}`)) // of the year 2515
	f.Add(write(f, exchange()))
	f.Fuzz(func(t *testing.T, file []byte) {
		var b bytes.Buffer
		w, err := har.NewWriter(&b, har.Options{Version: "0.1.0", Redaction: "none"})
		if err != nil {
			t.Fatal(err)
		}
		for x, err := range har.Read(bytes.NewReader(file)) {
			if err != nil {
				break // what was whole before is written
			}
			if err := w.WriteExchange(x); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if !json.Valid(b.Bytes()) {
			t.Fatalf("not JSON: %s", b.Bytes())
		}
		if again := write(t, read(t, b.Bytes())...); !bytes.Equal(again, b.Bytes()) {
			t.Errorf("read and written again: %s", diff(again, b.Bytes()))
		}
	})
}

// FuzzExchange checks that any exchange is written as a file that comes back
// the same, whatever a connection carried.
func FuzzExchange(f *testing.F) {
	f.Add("GET", "/a?b=c", "Host", "example.com", "gzip", []byte("\x1f\x8bxx"), int64(5), int64(-3))
	f.Add("ET", "/a?b2c", "Host", "e%ampl(.com", "gzip", []byte("2x0"), int64(5), int64(-3)) // breaks off within a character
	f.Add("CONNECT", "a:443", "cookie", "a=b; c", "", []byte("\xff"), int64(-1), int64(1<<40))
	f.Add("", "http://a/\xe9#x", "Set-Cookie", "a=b; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "br", []byte(""), int64(0), int64(0))
	f.Fuzz(func(t *testing.T, method, target, name, value, coding string, body []byte, n, micros int64) {
		x := exchange()
		micros %= 1 << 50
		x.Request.Method, x.Request.Target = method, target
		x.Request.Header = record.Fields{{Name: name, Value: value}, {Name: "Content-Type", Value: coding}}
		x.Request.Body, x.Request.Lost = record.NewBody(body), []record.Hole{{Off: max(-1, n), Len: 1 + max(0, n)}}
		x.Request.End = x.Request.Start.Add(time.Duration(micros) * time.Microsecond)
		x.Response.Header = record.Fields{{Name: name, Value: value}, {Name: "Content-Encoding", Value: coding}, {Name: "Location", Value: target}}
		x.Response.Body, x.Response.Reason, x.Response.Events = record.NewBody(body), value, nil
		x.Response.BodySize, x.Response.Cut = int64(len(body))+max(0, n), max(0, n)
		x.Conn.ServerName, x.Conn.Comm = name, value
		if n%2 != 0 {
			x.Err = errors.New("because " + value)
		}
		file := write(t, x)
		if !json.Valid(file) {
			t.Fatalf("not JSON: %s", file)
		}
		if again := write(t, read(t, file)...); !bytes.Equal(again, file) {
			t.Errorf("read and written again: %s", diff(again, file))
		}
	})
}
