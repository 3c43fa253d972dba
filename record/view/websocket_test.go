package view

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"ssltape/record"
)

// Messages of a WebSocket are shown as they come, each once, and escaped.
func TestWebSocket(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, want := range map[string]string{
		"live": `#1 03:04:05.000 node[42] GET ws.test/ws 101 - 0ms
  > text: {"type":"hi","n":1}
  < text, 3 bytes lost: \x1b[2J
  < binary: 2 bytes
  < close: 1000 bye
#1 ended after 4 messages 101 - 0→0 0ms/0ms W
`,
		"events": `[03:04:05] SSL_write | PID:42 | data_length:0
  [HTTP] GET /ws HTTP/1.1

[03:04:05] SSL_read  | PID:42 | data_length:0
  [HTTP] HTTP/1.1 101 Switching Protocols

[03:04:06] SSL_write | PID:42 | data_length:19
  [WS] text
         type: hi
         n: 1

[03:04:06] SSL_read  | PID:42 | data_length:4
  [WS] text, 3 bytes lost
         data: \x1b[2J

[03:04:06] SSL_read  | PID:42 | data_length:2
  [WS] binary

[03:04:06] SSL_read  | PID:42 | data_length:5
  [WS] close
         data: 1000 bye

`,
		"full": `#1 03:04:05.000 node[42] GET ws.test/ws
> GET /ws HTTP/1.1
> Host: ws.test
>
< HTTP/1.1 101 Switching Protocols
< Upgrade: websocket
<
> 03:04:06.000 text, 19 bytes
  {"type":"hi","n":1}
< 03:04:06.000 text, 3 bytes lost, 4 bytes
  \x1b[2J
< 03:04:06.000 binary, 2 bytes
< 03:04:06.000 close, 5 bytes
  1000 bye

`,
	} {
		var out bytes.Buffer
		v, err := New(name, &out, Options{Zone: time.UTC})
		if err != nil {
			t.Fatal(err)
		}
		x := &record.Exchange{ID: 1, Conn: &record.Conn{PID: 42, Comm: "node"}}
		x.Request = record.Request{Method: "GET", Target: "/ws"}
		x.Request.Message = record.Message{Proto: "HTTP/1.1", Header: record.Fields{{Name: "Host", Value: "ws.test"}}, Start: start, End: start, Done: true}
		x.Response = record.Response{Status: 101, Reason: "Switching Protocols"}
		x.Response.Message = record.Message{Proto: "HTTP/1.1", Header: record.Fields{{Name: "Upgrade", Value: "websocket"}}, Start: start, End: start}
		grow := func(m record.WebSocketMessage) {
			m.Time = start.Add(time.Second)
			x.WebSocket = append(x.WebSocket, m)
			if err := v.WriteExchange(x); err != nil {
				t.Fatal(err)
			}
		}
		grow(record.WebSocketMessage{FromClient: true, Opcode: 1, Data: `{"type":"hi","n":1}`})
		grow(record.WebSocketMessage{Opcode: 1, Data: "\x1b[2J", Lost: 3})
		grow(record.WebSocketMessage{Opcode: 2, Data: "\x00\x01"})
		x.Response.Done = true
		grow(record.WebSocketMessage{Opcode: 8, Data: "\x03\xe8bye"})
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, strings.ReplaceAll(got, "\x1b", "ESC"), want)
		}
	}
}
