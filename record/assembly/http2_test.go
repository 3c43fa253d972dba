package assembly_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"ssltape/record"
	"ssltape/record/assembly"
)

// http2Cases are talks, by the name of the file that has what they mean.
var http2Cases = map[string]func(k *talk){
	"simple": func(k *talk) {
		k.get(1, "/")
		k.send(client)
		k.ok(1, "content-length: 5", "content-type: text/plain")
		k.data(server, 1, true, "hello")
		k.send(server)
		k.head(client, 3, false, ":method: POST", ":scheme: https", ":authority: example.com", ":path: /post", "Cookie: a=b", "cookie: c=d")
		k.data(client, 3, false, "one ")
		k.send(client)
		k.data(client, 3, true, "two")
		k.send(client)
		k.head(server, 3, true, ":status: 204")
		k.send(server)
		k.end(record.EndClean)
	},
	"streams": func(k *talk) { // interleaved, with trailers, padding, priority, CONTINUATION and unknown frames
		k.get(1, "/a")
		k.frame(client, headers, endStream|endHeaders|padded|priority, 3, "\x07"+"\x00\x00\x00\x01\x09"+
			k.block(client, ":method: GET", ":scheme: https", ":authority: example.com", ":path: /b")+"\x00\x00\x00\x00\x00\x00\x00")
		k.send(client)
		block := k.block(server, ":status: 200", "x-long: "+strings.Repeat("abcdefgh", 50))
		k.frame(server, headers, 0, 3, block[:10])
		k.frame(server, continuation, 0, 3, block[10:20])
		k.frame(server, continuation, endHeaders, 3, block[20:])
		k.ok(1)
		k.frame(server, 0, padded, 3, "\xc8b1"+strings.Repeat("\x00", 200))
		k.data(server, 1, false, "a1")
		k.frame(server, ping, 0, 0, "12345678")
		k.frame(server, 0x42, 0xff, 1, "unknown")
		k.frame(server, windowUpdate, 0, 0, "\x00\x00\x00\x64")
		k.data(server, 3, true, "b2")
		k.send(server)
		k.data(server, 1, false, "")
		k.data(server, 1, false, "a2")
		k.head(server, 1, true, "grpc-status: 0", "grpc-message: fine")
		k.send(server)
		k.end(record.EndCut)
	},
	"interim": func(k *talk) {
		k.get(1, "/")
		k.send(client)
		k.head(server, 1, false, ":status: 100")
		k.head(server, 1, false, ":status: 103", "link: </style.css>; rel=preload")
		k.send(server)
		k.ok(1)
		k.data(server, 1, true, "x")
		k.send(server)
	},
	"events": func(k *talk) {
		k.get(1, "/events")
		k.send(client)
		k.ok(1, "content-type: text/event-stream")
		k.data(server, 1, false, "event: one\nda")
		k.send(server)
		k.data(server, 1, false, "ta: 1\n\ndata: 2\n")
		k.send(server)
		k.data(server, 1, true, "\n")
		k.send(server)
	},
	"push": func(k *talk) {
		k.get(1, "/")
		k.send(client)
		k.frame(server, pushPromise, endHeaders|padded, 1, "\x03"+"\x00\x00\x00\x02"+
			k.block(server, ":method: GET", ":scheme: https", ":authority: example.com", ":path: /style.css")+"\x00\x00\x00")
		k.ok(1)
		k.ok(2)
		k.data(server, 2, true, "style")
		k.data(server, 1, true, "page")
		k.send(server)
	},
	"reset": func(k *talk) { // by the client, by the server after an early response, and what GOAWAY leaves
		k.get(1, "/long")
		k.send(client)
		k.ok(1)
		k.data(server, 1, false, "some")
		k.send(server)
		k.frame(client, reset, 0, 1, "\x00\x00\x00\x08")
		k.send(client)
		k.data(server, 1, true, "late")
		k.send(server)
		k.head(client, 3, false, ":method: POST", ":scheme: https", ":authority: example.com", ":path: /upload")
		k.data(client, 3, false, "part")
		k.send(client)
		k.head(server, 3, true, ":status: 413")
		k.frame(server, reset, 0, 3, "\x00\x00\x00\x00")
		k.send(server)
		k.get(5, "/last")
		k.get(7, "/refused")
		k.send(client)
		k.frame(server, goAway, 0, 0, "\x00\x00\x00\x05"+"\x00\x00\x00\x0b"+"too many")
		k.ok(5)
		k.send(server)
		k.end(record.EndClean)
	},
	"unended": func(k *talk) { // who has all of a response does not wait for the frame that ends it
		k.get(1, "/reset")
		k.get(3, "/late")
		k.get(5, "/half")
		k.get(7, "/failed")
		k.get(9, "/last")
		k.send(client)
		for id := uint32(1); id <= 9; id += 2 {
			k.ok(id, "content-length: 4")
		}
		k.data(server, 1, false, "some")
		k.data(server, 3, false, "some")
		k.data(server, 5, false, "so")
		k.data(server, 7, false, "some")
		k.data(server, 9, false, "some")
		k.send(server)
		k.frame(client, reset, 0, 1, "\x00\x00\x00\x05")
		k.frame(client, reset, 0, 3, "\x00\x00\x00\x05")
		k.frame(client, reset, 0, 5, "\x00\x00\x00\x05")
		k.send(client)
		k.data(server, 3, true, "")
		k.frame(server, reset, 0, 7, "\x00\x00\x00\x02")
		k.send(server)
		k.end(record.EndCut)
	},
	"connect": func(k *talk) {
		k.head(client, 1, false, ":method: CONNECT", ":authority: inner.example:80")
		k.send(client)
		k.head(server, 1, false, ":status: 200")
		k.send(server)
		k.data(client, 1, false, "GET /in HTTP/1.1\r\nHost: inner.example\r\n\r\n")
		k.send(client)
		k.data(server, 1, true, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nin")
		k.send(server)
		k.head(client, 3, false, ":method: CONNECT", ":authority: refused.example:80")
		k.data(client, 3, true, "")
		k.send(client)
		k.head(server, 3, true, ":status: 403")
		k.send(server)
		k.end(record.EndClean)
	},
	"connect-reset": func(k *talk) { // what is in a tunnel ends with it
		for i, reason := range []string{"\x00\x00\x00\x08", "\x00\x00\x00\x0a"} {
			id := uint32(2*i + 1)
			k.head(client, id, false, ":method: CONNECT", ":authority: inner.example:80")
			k.send(client)
			k.head(server, id, false, ":status: 200")
			k.send(server)
			k.data(client, id, false, "GET /in HTTP/1.1\r\nHost: inner.example\r\n\r\n")
			k.send(client)
			k.data(server, id, false, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nonly a pa")
			k.send(server)
			k.frame(record.Dir(i), reset, 0, id, reason)
			k.send(record.Dir(i))
		}
		k.head(client, 5, false, ":method: CONNECT", ":protocol: websocket", ":scheme: https", ":authority: example.com", ":path: /chat")
		k.send(client)
		k.head(server, 5, false, ":status: 200")
		k.data(server, 5, false, "\x81\x03yes\x01\x04half")
		k.send(server)
		k.frame(client, reset, 0, 5, "\x00\x00\x00\x08")
		k.send(client)
	},
	"websocket": func(k *talk) { // RFC 8441
		k.head(client, 1, false, ":method: CONNECT", ":protocol: websocket", ":scheme: https", ":authority: example.com", ":path: /chat", "sec-websocket-version: 13")
		k.send(client)
		k.head(server, 1, false, ":status: 200")
		k.send(server)
		k.data(client, 1, false, "\x81\x85\x01\x02\x03\x04"+mask("hello", "\x01\x02\x03\x04"))
		k.send(client)
		k.data(server, 1, false, "\x81\x03yes\x89\x00")
		k.data(server, 1, false, "\x88\x02\x03\xe8")
		k.send(server)
		k.data(client, 1, true, "\x88\x82\x00\x00\x00\x00\x03\xe8")
		k.send(client)
		k.data(server, 1, true, "")
		k.get(3, "/after")
		k.send(client)
		k.ok(3)
		k.data(server, 3, true, "ok")
		k.send(server)
	},
	"lost-data": func(k *talk) { // inside of DATA, at its end with the next frame's header, between frames
		k.get(1, "/a")
		k.get(3, "/b")
		k.send(client)
		k.ok(1, "content-length: 20")
		k.data(server, 1, true, "01234567890123456789")
		k.sendBut(server, -8, -4)
		k.ok(3, "content-length: 20")
		k.data(server, 3, false, "0123456789")
		k.data(server, 3, true, "0123456789")
		k.sendBut(server, -24, -12)
		k.get(5, "/c")
		k.get(7, "/d")
		k.send(client)
		k.ok(5)
		k.data(server, 5, false, "01234")
		k.data(server, 5, false, "56789")
		k.data(server, 5, true, "abcde")
		k.sendBut(server, -28, -14)
		k.ok(7, "x-new: 1")
		k.data(server, 7, true, "whole")
		k.send(server)
		k.end(record.EndClean)
	},
	"lost-head": func(k *talk) {
		k.get(1, "/a")
		k.send(client)
		k.get(3, "/b")
		k.sendBut(client, -2, 0) // the end of the block
		k.head(client, 5, true, ":method: GET", ":scheme: https", ":authority: example.com", ":path: /c", "x-new: value")
		k.sendBut(client, 4, 12) // the header of the frame
		k.head(client, 7, true, ":method: GET", ":scheme: https", ":authority: example.com", ":path: /d", "x-new: value", "user-agent: test")
		k.send(client)
		for _, id := range []uint32{1, 3, 5, 7} {
			k.ok(id)
			k.data(server, id, true, fmt.Sprint("body ", id))
		}
		k.send(server)
		k.ok(9)
		k.data(server, 9, true, "to a request that is not there")
		k.send(server)
		k.end(record.EndClean)
	},
	"attach": func(k *talk) { // within a response, of which the rest is of no use
		k.get(1, "/a")
		k.get(3, "/b")
		k.send(client)
		k.ok(1)
		k.data(server, 1, false, strings.Repeat("x", 1000))
		k.send(server)
		k.attach()
		k.bytes[server].WriteString("the end of a frame")
		k.data(server, 1, true, "more")
		k.ok(3)
		k.data(server, 3, true, "answer to a request that was not seen")
		k.send(server)
		k.get(5, "/c")
		k.send(client)
		k.ok(5, "x-new: 1")
		k.data(server, 5, true, "c")
		k.send(server)
		k.head(client, 7, true, ":method: GET", ":scheme: https", ":authority: example.com", ":path: /d", "x-other: 1")
		k.send(client)
		k.ok(7, "x-new: 1")
		k.data(server, 7, true, "d")
		k.send(server)
	},
	"attach-data": func(k *talk) { // nothing but data, and then the end of the stream
		k.conn.Local, k.conn.Remote = netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("192.0.2.2:443")
		k.attach()
		for _, word := range []string{"what ", "the server ", "says"} {
			k.data(server, 5, false, word)
			k.send(server)
		}
		k.head(server, 5, true, "grpc-status: 0")
		k.send(server)
		k.data(server, 5, true, "of a stream that is over")
		k.send(server)
	},
	"server-first": func(k *talk) { // and it is the server that is recorded
		*k = talk{conn: k.conn, now: k.now, encode: k.encode, fields: k.fields}
		for d := range k.encode {
			k.encode[d] = hpack.NewEncoder(&k.fields[d])
		}
		k.frame(client, settings, 0, 0, "\x00\x03\x00\x00\x00\x64")
		k.send(client) // the names of the sides are swapped from here on
		k.bytes[server].WriteString("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
		k.frame(server, settings, 0, 0, "")
		k.head(server, 1, true, ":method: GET", ":scheme: https", ":authority: example.com", ":path: /")
		k.send(server)
		k.head(client, 1, false, ":status: 200")
		k.data(client, 1, true, "served")
		k.send(client)
	},
	"lost-response": func(k *talk) { // a whole response, and the head of another
		for i, path := range []string{"/a", "/b", "/c", "/d"} {
			k.get(uint32(2*i+1), path)
		}
		k.send(client)
		k.ok(1)
		k.data(server, 1, true, "0123456789")
		k.send(server)
		k.ok(3, "x-lost: yes")
		k.data(server, 3, true, "0123456789")
		k.sendBut(server, 0, 0)
		k.ok(5, "x-lost: yes", "x-new: 1")
		k.data(server, 5, true, "0123456789")
		k.sendBut(server, 2, 12)
		k.ok(7, "x-new: 1")
		k.data(server, 7, true, "0123456789")
		k.send(server)
		k.end(record.EndClean)
	},
}

// mask applies the mask of a WebSocket frame.
func mask(s, key string) string {
	p := []byte(s)
	for i := range p {
		p[i] ^= key[i&3]
	}
	return string(p)
}

func TestHTTP2(t *testing.T) {
	for name, write := range http2Cases {
		t.Run(name, func(t *testing.T) {
			k := newTalk()
			write(k)
			checkGolden(t, "testdata/http2-"+name+".exchanges", k.chunks)
		})
	}
}

// BenchmarkHTTP2 is small JSON exchanges on one connection, and a download.
func BenchmarkHTTP2(b *testing.B) {
	body := `{"id":12345,"name":"something","tags":["a","b"],"ok":true}`
	b.Run("exchanges", func(b *testing.B) {
		k, out := newTalk(), &discard{}
		w := tape{conn: k.conn, a: assembly.New(out, assembly.Options{})}
		for _, c := range k.chunks {
			w.write(b, c.Dir, c.Data)
		}
		b.ReportAllocs()
		for i := uint32(1); b.Loop(); i += 2 {
			for d := range k.bytes {
				k.bytes[d].Reset()
			}
			k.head(client, i, false, ":method: POST", ":scheme: https", ":authority: api.example.com", ":path: /v1/items?x=1", "content-type: application/json")
			k.data(client, i, true, body)
			k.ok(i, "content-type: application/json")
			k.data(server, i, true, body)
			w.write(b, client, k.bytes[client].Bytes())
			w.write(b, server, k.bytes[server].Bytes())
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "exchanges/s")
		if out.done != b.N {
			b.Fatalf("%d exchanges, want %d", out.done, b.N)
		}
	})
	b.Run("download", func(b *testing.B) {
		const size = 1 << 30
		b.SetBytes(size)
		for b.Loop() {
			k, out := newTalk(), &discard{}
			w := tape{conn: k.conn, a: assembly.New(out, assembly.Options{MaxBody: 64 << 20})}
			k.get(1, "/")
			k.send(client)
			k.ok(1)
			k.send(server)
			for _, c := range k.chunks {
				w.write(b, c.Dir, c.Data)
			}
			k.data(server, 1, false, strings.Repeat("x", 16<<10))
			frame := k.bytes[server].Bytes()
			for range size / (16 << 10) {
				w.write(b, server, frame)
			}
			if err := w.a.Close(); err != nil || out.done != 1 {
				b.Fatalf("%d exchanges, %v", out.done, err)
			}
		}
	})
}
