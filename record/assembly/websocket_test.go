package assembly_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"ssltape/record"
	"ssltape/record/assembly"
	"ssltape/record/recordtest"
)

// A socket makes a recording of a WebSocket, as seen by the client.
type socket struct {
	talk
	deflate [2]*flate.Writer
	packed  [2]bytes.Buffer
}

// newSocket returns a socket whose handshake was sent. extension is what the
// server agrees to.
func newSocket(extension string) *socket {
	k := &socket{talk: talk{conn: &record.Conn{ID: 1}, now: recordtest.Start}}
	for d := range k.deflate {
		k.deflate[d], _ = flate.NewWriter(&k.packed[d], 9)
	}
	k.bytes[client].WriteString("GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	k.send(client)
	k.bytes[server].WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
	if extension != "" {
		k.bytes[server].WriteString("Sec-WebSocket-Extensions: " + extension + "\r\n")
	}
	k.bytes[server].WriteString("\r\n")
	k.send(server)
	return k
}

// frame writes a frame whose first byte is this; those of the client are masked.
func (k *socket) frame(d record.Dir, first byte, payload string) {
	w, n := &k.bytes[d], len(payload)
	w.WriteByte(first)
	var masked byte
	if d == client {
		masked = 0x80
	}
	switch {
	case n < 126:
		w.WriteByte(masked | byte(n))
	case n < 1<<16:
		w.Write(binary.BigEndian.AppendUint16([]byte{masked | 126}, uint16(n)))
	default:
		w.Write(binary.BigEndian.AppendUint64([]byte{masked | 127}, uint64(n)))
	}
	if d == client {
		key := "\x01\x02\x03" + string(rune('a'+n%20))
		payload = key + mask(payload, key)
	}
	w.WriteString(payload)
}

// pack returns the data as permessage-deflate has it, after what was packed before.
func (k *socket) pack(d record.Dir, data string) string {
	k.packed[d].Reset()
	k.deflate[d].Write([]byte(data))
	k.deflate[d].Flush()
	return strings.TrimSuffix(k.packed[d].String(), "\x00\x00\xff\xff")
}

const (
	text, binaryOp, closing, pinging, ponging = 0x81, 0x82, 0x88, 0x89, 0x8a

	compressed = 0x40
)

// webSocketCases are sockets, by the name of the file that has what they mean.
var webSocketCases = map[string]func() *socket{
	"plain": func() *socket {
		k := newSocket("")
		k.frame(server, text, "welcome")
		k.send(server)
		k.frame(client, text, "first")
		k.frame(client, 0x01, "frag")
		k.frame(client, pinging, "still there?")
		k.frame(client, 0x00, "men")
		k.frame(client, 0x80, "ted")
		k.send(client)
		k.frame(server, ponging, "still there?")
		k.frame(server, binaryOp, strings.Repeat("\x00\xff", 100))
		k.frame(server, text, strings.Repeat("long ", 20000))
		k.frame(server, text, "")
		k.send(server)
		k.frame(client, closing, "\x03\xe8bye")
		k.send(client)
		k.frame(server, closing, "\x03\xe8")
		k.bytes[server].WriteString("after the end")
		k.send(server)
		k.end(record.EndCut)
		return k
	},
	"cut": func() *socket { // in the middle of a message
		k := newSocket("")
		k.frame(client, text, "question")
		k.send(client)
		k.frame(server, 0x01, "half of ")
		k.frame(server, 0x00, "an answer")
		k.bytes[server].Truncate(k.bytes[server].Len() - 4)
		k.send(server)
		k.end(record.EndCut)
		return k
	},
	"deflate": func() *socket { // with what came before, and the client without
		k := newSocket("permessage-deflate; client_no_context_takeover; server_max_window_bits=15")
		for range 3 {
			k.frame(server, text|compressed, k.pack(server, "the same message again and again"))
			k.frame(client, text|compressed, k.pack(client, "the same message again and again"))
			k.deflate[client].Reset(&k.packed[client])
		}
		packed := k.pack(server, "fragmented, with the same message in it")
		k.frame(server, 0x01|compressed, packed[:5])
		k.frame(server, 0x80, packed[5:])
		k.frame(server, text, "not compressed")
		k.send(server)
		k.send(client)
		k.end(record.EndClean)
		return k
	},
	"lost": func() *socket { // in a payload, in a header
		k := newSocket("")
		k.frame(server, text, "0123456789")
		k.sendBut(server, -4, -2)
		k.frame(client, text, "0123456789")
		k.sendBut(client, -4, -2)
		k.frame(server, text, "lost head")
		k.frame(server, text, `{"found":"again"}`)
		k.frame(server, text, `{"and":"this too"}`)
		k.sendBut(server, 1, 3)
		k.frame(client, text, "lost head")
		k.frame(client, text, `{"found":"again"}`)
		k.frame(client, pinging, "")
		k.frame(client, text, `{"and":"this too"}`)
		k.sendBut(client, 1, 3)
		k.end(record.EndClean)
		return k
	},
	"attach": func() *socket { // the handshake was not seen; masks tell who is who
		k := newSocket("permessage-deflate")
		k.pack(server, "before the recording")
		k.attach()
		k.frame(server, text, `{"news":1}`)
		k.send(server)
		k.frame(client, text, "hello there")
		k.frame(client, binaryOp, "\x00\x01")
		k.send(client)
		k.frame(server, text|compressed, k.pack(server, "refers to what was before the recording"))
		k.deflate[server].Reset(&k.packed[server])
		k.frame(server, text|compressed, k.pack(server, "refers to nothing"))
		k.frame(server, text|compressed, k.pack(server, "refers to nothing that is not known"))
		k.frame(server, pinging, "")
		k.send(server)
		k.end(record.EndClean)
		return k
	},
	"attach-within": func() *socket { // a frame, by a server
		k := newSocket("")
		k.attach()
		k.bytes[client].WriteString("the end of a frame")
		for range 3 {
			k.frame(client, text, `{"what":"the client says"}`)
		}
		k.send(client)
		k.frame(server, pinging, "x")
		k.frame(server, closing, "\x03\xe8")
		k.send(server)
		k.end(record.EndCut)
		return k
	},
	"found": func() *socket { // after a loss: one short message is little evidence, and what no frame may be is none
		k := newSocket("permessage-deflate")
		k.frame(server, text, "lost head")
		for range 2 { // too little, as it turns out
			k.frame(server, text, "ok")
		}
		k.bytes[server].WriteString("\xff\xff no frames \xff\xff")
		for range 6 {
			k.frame(server, 0x80|compressed, "a frame after the first one is never said to be compressed")
		}
		for range 3 {
			k.frame(server, text, "fine")
		}
		k.sendBut(server, 1, 3)
		k.end(record.EndClean)
		return k
	},
	"broken": func() *socket { // a frame that may not follow the one before it ends the message
		k := newSocket("permessage-deflate")
		packed := k.pack(server, "fragmented, and said to be compressed twice")
		k.frame(server, 0x01|compressed, packed[:5])
		k.frame(server, 0x80|compressed, packed[5:])
		k.frame(server, text, "found again")
		k.frame(server, text, "and this too")
		k.frame(server, 0x01, "a second one begins ")
		k.frame(server, text, "before the first one has ended")
		k.frame(server, text, "found once more")
		k.send(server)
		k.frame(client, closing, "\x03\xea")
		k.send(client)
		k.end(record.EndClean)
		return k
	},
	"lost-deflate": func() *socket { // what refers to it cannot be read
		k := newSocket("permessage-deflate")
		for i := range 3 {
			k.frame(server, text|compressed, k.pack(server, "the same message again and again"))
			k.frame(server, pinging, "")
			if i == 1 {
				k.sendBut(server, 4, 5)
			} else {
				k.send(server)
			}
		}
		k.frame(client, closing, "\x03\xe9")
		k.send(client)
		k.end(record.EndClean)
		return k
	},
}

func TestWebSocket(t *testing.T) {
	for name, write := range webSocketCases {
		t.Run(name, func(t *testing.T) {
			checkGolden(t, "testdata/websocket-"+name+".exchanges", write().chunks)
		})
	}
}

// TestWebSocketLimits sends more than is kept.
func TestWebSocketLimits(t *testing.T) {
	k := newSocket("permessage-deflate")
	k.frame(server, text|compressed, k.pack(server, strings.Repeat("bomb", 8<<20)))
	k.send(server)
	k.frame(client, binaryOp, strings.Repeat("x", 20<<20))
	k.send(client)
	for range 10 {
		k.frame(client, binaryOp, strings.Repeat("y", 8<<20))
		k.send(client)
	}
	k.end(record.EndClean)
	xs, st := assemble(t, k.chunks, 0)
	if len(xs) != 1 {
		t.Fatalf("%d exchanges, want 1", len(xs))
	}
	kept, cut := 0, int64(0)
	for _, m := range xs[0].WebSocket {
		kept += len(m.Data)
		cut += m.Cut
	}
	if kept > 64<<20 || kept < 60<<20 {
		t.Errorf("%d bytes kept", kept)
	}
	first := xs[0].WebSocket[0]
	if !first.Deflated || len(first.Data) > 1<<20 {
		t.Errorf("a bomb of %d bytes, deflated %v", len(first.Data), first.Deflated)
	}
	if got := xs[0].WebSocket[1]; len(got.Data) != 16<<20 || got.Cut != 4<<20 {
		t.Errorf("a large message has %d bytes, %d cut", len(got.Data), got.Cut)
	}
	if st.Cut == 0 || cut == 0 || strings.Join(xs[0].Anomalies, ",") != "messages-cut" {
		t.Errorf("%d bytes cut, %d in messages, anomalies %v", st.Cut, cut, xs[0].Anomalies)
	}
}

// TestWebSocketGrows checks that messages are passed on as they come.
func TestWebSocketGrows(t *testing.T) {
	k := newSocket("")
	for range 3 {
		k.frame(server, text, "tick")
		k.send(server)
	}
	s := newSink(t)
	a := assembly.New(s, assembly.Options{})
	var seen []int
	for _, c := range k.chunks {
		if err := a.WriteChunk(c); err != nil {
			t.Fatal(err)
		}
		if len(s.all) > 0 {
			seen = append(seen, len(s.all[0].WebSocket))
		}
	}
	if len(seen) != 5 || seen[4] != 3 || seen[3] != 2 || s.all[0].Done() {
		t.Errorf("messages after each chunk: %v", seen)
	}
	if last := s.all[0].WebSocket[2]; last.Time.Sub(recordtest.Start) != 4*time.Millisecond {
		t.Errorf("last message at %v", last.Time)
	}
	if err := a.Close(); err != nil || s.all[0].Err != record.ErrStopped {
		t.Errorf("closed: %v, %v", err, s.all[0].Err)
	}
}
