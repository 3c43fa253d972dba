package redact_test

import (
	"net/netip"
	"strings"
	"testing"

	"ssltape/record"
	"ssltape/record/redact"
)

func TestStrict(t *testing.T) {
	tests := []struct{ name, in, gone, kept string }{
		{"fields", "GET / HTTP/1.1\r\nX-Device: zebra\r\nx-stainless-lang: js\r\nAnthropic-Organization-Id: o-77\r\nX-Forwarded-For: 10.1.2.3\r\nFrom: a@b.example\r\n\r\n",
			"zebra o-77 10.1.2.3 a@b", "js"},
		{"secrets too", named["authorization"], plainSecret, "Bearer"},
		{"prompt", post("application/json", `{"model":"claude-x","max_tokens":7,"system":"be zebra","messages":[{"role":"user","content":"my zebra"},{"role":"assistant","content":[{"type":"text","text":"zebra"}]}]}`),
			"zebra", `"model":"claude-x","max_tokens":7 "role":"user" "type":"text"`},
		{"tool", post("application/json", `{"type":"tool_use","name":"Bash","input":{"command":"zebra","n":1234567,"a":[["zebra"],["zebra","x"]],"o":{"k":"zebra"}},"id":"toolu_1"}`),
			"zebra 1234567", `"name":"Bash" "command": "id":"toolu_1"`},
		{"arguments", post("application/json", `{"function":{"name":"f","arguments":"{\"city\":\"zebra\"}"}}`), "zebra", `"name":"f"`},
		{"ids", post("application/json", `{"user_id":"zebra1","organizationId":"zebra2","session_id":"zebra3","device_id":77123,"x":"3f2504e0-4f89-11d3-9a0c-0305e82c3301","y":"mail zebra@example.com now"}`),
			"zebra 77123 3f2504e0 @example", `"user_id": mail now`},
		{"paths", post("application/json", `{"cwd":"/home/zebra/src/x.go","p":"see /Users/zebra"}`), "zebra", "/home/ /src/x.go /Users/"},
		{"paths of Windows", post("application/json", `{"cwd":"C:\\Users\\zebra\\src\\x.go","p":"see:\nC:\\Users\\zebra"}`), "zebra", `C: \\Users\\ \\src\\x.go`},
		{"a path of Windows", answer("text/plain", `see C:\Users\zebra\x.go`), "zebra", `C:\Users\ x.go`},
		{"target", "GET /api/organizations/3f2504e0-4f89-11d3-9a0c-0305e82c3301/chat?q=1&email=zebra%40example.com HTTP/1.1\r\n\r\n", "3f2504e0 zebra", "/api/organizations/ /chat?q=1"},
		{"events", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + deltas("text_delta", "text", "zebra zebra zebra"), "zebr", "content_block_delta text_delta"},
		{"events without a type", "HTTP/1.1 200 OK\r\n\r\n" + deltas("text_delta", "text", "zebra zebra zebra"), "zebr", "content_block_delta text_delta"},
		{"gemini", post("application/json", `{"contents":[{"parts":[{"text":"zebra"},{"functionCall":{"name":"g","args":{"z":"zebra"}}},{"functionResponse":{"name":"g","response":{"o":"zebra"}}}]}]}`), "zebra", `"functionCall" "args"`},
		{"form", post("application/x-www-form-urlencoded", "user=zebra&text=zebra&n=5"), "zebra", "user= n=5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for how, out := range map[string]string{
				"chunks":    redactChunks(t, redact.Strict, 1<<30, tt.in),
				"pieces":    redactChunks(t, redact.Strict, 3, tt.in),
				"exchanges": redactExchanges(t, redact.Strict, 1<<30, tt.in),
			} {
				for _, s := range strings.Fields(tt.gone) {
					if strings.Contains(out, s) {
						t.Errorf("%s: %s is there\n%s", how, s, out)
					}
				}
				for _, s := range strings.Fields(tt.kept) {
					if !strings.Contains(out, s) {
						t.Errorf("%s: %s is gone\n%s", how, s, out)
					}
				}
			}
		})
	}
}

type lastConn struct{ conn *record.Conn }

func (l *lastConn) WriteChunk(k record.Chunk) error { l.conn = k.Conn; return nil }

// The client's address goes, the server's stays.
func TestStrictAddress(t *testing.T) {
	local, remote := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:2")
	for _, dir := range []record.Dir{record.Out, record.In} {
		conn := &record.Conn{ID: 1, Local: local, Remote: remote, Exe: "/home/bob/bin/x"}
		var l lastConn
		w := redact.Chunks(&l, redact.Strict)
		if err := w.WriteChunk(record.Chunk{Conn: conn, Dir: dir, Data: []byte("GET / HTTP/1.1\r\n\r\n")}); err != nil {
			t.Fatal(err)
		}
		first := l.conn
		if err := w.WriteChunk(record.Chunk{Conn: conn, Dir: dir.Peer(), Data: []byte("HTTP/1.1 204 x\r\n\r\n")}); err != nil {
			t.Fatal(err)
		}
		want := record.Conn{ID: 1, Local: local, Remote: remote, Exe: l.conn.Exe}
		if dir == record.Out {
			want.Local = netip.AddrPort{}
		} else {
			want.Remote = netip.AddrPort{}
		}
		if l.conn != first || *l.conn != want || strings.Contains(want.Exe, "bob") {
			t.Errorf("%v: %+v, want %+v", dir, *l.conn, want)
		}
		if conn.Local != local || conn.Remote != remote {
			t.Errorf("source changed: %+v", conn)
		}
	}
}
