package record

import (
	"net/netip"
	"testing"
	"time"
)

// What is known of the server is in the URL, the best first.
func TestURL(t *testing.T) {
	fields := func(kv ...string) (fs Fields) {
		for i := 0; i < len(kv); i += 2 {
			fs = append(fs, Field{kv[i], kv[i+1]})
		}
		return fs
	}
	remote := netip.MustParseAddrPort("192.0.2.1:8443")
	for _, c := range []struct {
		name string
		x    Exchange
		want string
	}{
		{"nothing", Exchange{}, "https://unknown/"},
		{"target alone", Exchange{Request: Request{Target: "/a?b"}}, "https://unknown/a?b"},
		{"an address", Exchange{Conn: &Conn{Remote: remote}, Request: Request{Target: "/"}}, "https://192.0.2.1:8443/"},
		{"that of the server", Exchange{Conn: &Conn{Local: remote}, Server: true, Request: Request{Target: "/"}}, "https://192.0.2.1:8443/"},
		{"a server name", Exchange{Conn: &Conn{Remote: remote, ServerName: "a.test"}, Request: Request{Target: "/"}}, "https://a.test/"},
		{"Host", Exchange{Conn: &Conn{ServerName: "a.test"}, Request: Request{Target: "/", Message: Message{Header: fields("host", "b.test:1")}}}, "https://b.test:1/"},
		{":authority", Exchange{Request: Request{Target: "/", Message: Message{Header: fields("host", "b.test")}, Pseudo: fields(":authority", "c.test")}}, "https://c.test/"},
		{"without TLS", Exchange{Conn: &Conn{Plain: true, ServerName: "a.test"}, Request: Request{Target: "/"}}, "http://a.test/"},
		{"absolute form", Exchange{Request: Request{Target: "http://d.test/x"}}, "http://d.test/x"},
		{"a URL in the query", Exchange{Request: Request{Target: "/?u=http://d.test/"}}, "https://unknown/?u=http://d.test/"},
		{"asterisk form", Exchange{Request: Request{Method: "OPTIONS", Target: "*"}}, "https://unknown/*"},
		{"CONNECT", Exchange{Request: Request{Method: "CONNECT", Target: "e.test:443"}}, "https://e.test:443"},
		{"extended CONNECT", Exchange{Request: Request{Method: "CONNECT", Target: "/chat", Pseudo: fields(":protocol", "websocket", ":authority", "e.test")}}, "https://e.test/chat"},
		{"opaque", Exchange{Request: Request{Target: "data:,x"}}, "data:,x"},
	} {
		if got := c.x.URL(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestIsWebSocket(t *testing.T) {
	upgrade := Message{Header: Fields{{"Upgrade", "WebSocket"}}}
	asked := Request{Pseudo: Fields{{":protocol", "websocket"}}}
	for _, c := range []struct {
		name string
		x    Exchange
		want bool
	}{
		{"none", Exchange{Response: Response{Status: 200}}, false},
		{"joined in the middle", Exchange{WebSocket: make([]WebSocketMessage, 1)}, true},
		{"HTTP/1", Exchange{Response: Response{Status: 101, Message: upgrade}}, true},
		{"HTTP/1, refused", Exchange{Response: Response{Status: 426, Message: upgrade}}, false},
		{"HTTP/1, to something else", Exchange{Response: Response{Status: 101, Message: Message{Header: Fields{{"Upgrade", "h2c"}}}}}, false},
		{"HTTP/2", Exchange{Request: asked, Response: Response{Status: 200}}, true},
		{"HTTP/2, refused", Exchange{Request: asked, Response: Response{Status: 403}}, false},
		{"HTTP/2, not answered", Exchange{Request: asked}, false},
	} {
		if got := c.x.IsWebSocket(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// An exchange lasts from its first byte to its last, whichever side has these.
func TestDuration(t *testing.T) {
	at := func(n int) time.Time { return time.Unix(int64(n), 0) }
	message := func(start, end int) Message { return Message{Start: at(start), End: at(end)} }
	for _, c := range []struct {
		name  string
		x     Exchange
		start int
		want  time.Duration
	}{
		{"in order", Exchange{Request: Request{Message: message(1, 2)}, Response: Response{Message: message(3, 5)}}, 1, 4 * time.Second},
		{"answered before it ended", Exchange{Request: Request{Message: message(1, 9)}, Response: Response{Message: message(3, 5)}}, 1, 8 * time.Second},
		{"no request", Exchange{Response: Response{Message: message(3, 5)}}, 3, 2 * time.Second},
		{"no answer", Exchange{Request: Request{Message: message(1, 2)}}, 1, time.Second},
		{"the clock was set back", Exchange{Request: Request{Message: message(5, 2)}}, 5, 0},
	} {
		if !c.x.Start().Equal(at(c.start)) || c.x.Duration() != c.want {
			t.Errorf("%s: %v, %v", c.name, c.x.Start().Unix(), c.x.Duration())
		}
	}
}
