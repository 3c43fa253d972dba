package replay

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/net/http2/hpack"

	"ssltape/record"
	"ssltape/record/recordtest"
)

// A planting is a recording with a secret of its own in each place.
type planting struct {
	t       *testing.T
	out     *Output
	conns   uint64
	secrets map[string]string // by where each stands
}

// secret returns another secret each time, that nothing but its place tells.
func (p *planting) secret(where string) string {
	const letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	x := uint64(len(p.secrets))*0x9e3779b97f4a7c15 + 0x1234567
	b := make([]byte, 26)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = letters[x%uint64(len(letters))]
	}
	b[3], b[9], b[14] = '7', 'x', 'Q' // letters of either case and digits
	p.secrets[where] = string(b)
	return string(b)
}

// talk records a connection on which one request and its answer go over.
func (p *planting) talk(request, response string) {
	p.t.Helper()
	p.conns++
	conn := &record.Conn{ID: p.conns, PID: 7, Comm: "curl", Exe: "/usr/bin/curl", ServerName: "a.test"}
	for i, data := range []string{request, response} {
		k := record.Chunk{Conn: conn, Dir: record.Dir(i), Time: recordtest.Start, Data: []byte(data)}
		if err := p.out.WriteChunk(k); err != nil {
			p.t.Fatal(err)
		}
	}
	for i, data := range []string{request, response} {
		k := record.Chunk{Conn: conn, Dir: record.Dir(i), Time: recordtest.Start, Off: int64(len(data)), End: record.EndClean}
		if err := p.out.WriteChunk(k); err != nil {
			p.t.Fatal(err)
		}
	}
}

// fields is the head of a request with the fields that are given.
func fields(target string, fields ...string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: a.test\r\n" + strings.Join(append(fields, "", ""), "\r\n")
}

// sent is a message that begins with line and has a body.
func sent(line, contentType, body string, fields ...string) string {
	head := append([]string{line, "Content-Type: " + contentType, "Content-Length: " + strconv.Itoa(len(body))}, fields...)
	return strings.Join(head, "\r\n") + "\r\n\r\n" + body
}

const (
	posted   = "POST /v1/x HTTP/1.1\r\nHost: a.test"
	answered = "HTTP/1.1 200 OK"
	done     = answered + "\r\nContent-Length: 0\r\n\r\n"
)

// plantHeads plants in start lines and fields.
func (p *planting) plantHeads() {
	p.talk(fields("/a", "Authorization: Bearer "+p.secret("header"), "Cookie: a=b; sid="+p.secret("cookie")), done)
	p.talk(fields("/a?x=1&access_token="+p.secret("query")), done)
	p.talk(fields("/a", "Proxy-Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("bob:"+p.secret("basic")))), done)
	p.talk(fields("/a"), "HTTP/1.1 302 Found\r\nLocation: https://b.test/cb?code=1&token="+p.secret("redirect")+
		"\r\nSet-Cookie: sid="+p.secret("set-cookie")+"; Path=/\r\nContent-Length: 0\r\n\r\n")
	p.talk(fields("/a", "Referer: https://bob:"+p.secret("userinfo")+"@b.test/"), done)
	p.talk(fields("/a"), answered+"\r\nTransfer-Encoding: chunked\r\nTrailer: X-Api-Key\r\n\r\n2\r\nok\r\n0\r\nX-Api-Key: "+p.secret("trailer")+"\r\n\r\n")
	frame := func(kind, flags byte, id uint32, payload string) string {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
		return string(binary.BigEndian.AppendUint32(append(b, flags), id)) + payload
	}
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", "a.test"}, {":path", "/v2?api_key=" + p.secret("HTTP/2 path")},
		{"x-api-key", p.secret("HTTP/2 field")}, {"cookie", "sid=" + p.secret("HTTP/2 cookie")}, {"content-type", "application/json"}} {
		enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	request := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, "") + frame(1, 4, 1, block.String()) +
		frame(0, 1, 1, `{"password":"`+p.secret("HTTP/2 body")+`"}`)
	block.Reset()
	hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	p.talk(request, frame(4, 0, 0, "")+frame(1, 5, 1, block.String()))
}

// plantBodies plants in bodies of many types and codings.
func (p *planting) plantBodies() {
	p.talk(sent(posted, "application/x-www-form-urlencoded", "user=bob&password="+p.secret("form")+"&a=b"), done)
	p.talk(sent(posted, "application/json", `{"a":{"client_secret":"`+p.secret("JSON")+`"},"b":"{\"password\":\"`+p.secret("nested JSON")+`\"}"}`), done)
	p.talk(sent(posted, "multipart/form-data; boundary=XyZ", "--XyZ\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n"+p.secret("multipart")+"\r\n--XyZ--\r\n"), done)
	p.talk(sent(posted, "application/json", `{"content":"`+base64.StdEncoding.EncodeToString([]byte("export API_TOKEN="+p.secret("base64")+"\nls\n"))+`"}`), done)
	p.talk(sent(posted, "application/xml", "<a><password>"+p.secret("XML")+"</password></a>"), done)
	p.talk(sent(posted, "text/plain", "DB_PASSWORD='"+p.secret("text")+"'\n"), done)
	p.talk(sent(posted, "text/plain", url.QueryEscape("https://a.test/?access_token="+p.secret("percent"))+"\n"), done)
	for _, coding := range []string{"gzip", "br", "zstd", "deflate"} {
		body := recordtest.Encode(p.t, coding, `{"text":"`+strings.Repeat("words and words, ", 9)+`","api_key":"`+p.secret(coding)+`"}`)
		p.talk(fields("/"+coding), sent(answered, "application/json", string(body), "Content-Encoding: "+coding))
	}
	name := p.secret("events")
	p.talk(fields("/events"), answered+"\r\nContent-Type: text/event-stream\r\n\r\nevent: a\ndata: {\"password\":\ndata: \""+p.secret("lines of an event")+"\"}\n\n"+
		split(`data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":`, "}}\n\n", "API_TOKEN="+name+"\nis it\n"))
	p.talk(fields("/ws", "Upgrade: websocket", "Connection: Upgrade"), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"+
		message(`{"password":"`+p.secret("WebSocket")+`"}`))
}

// message is a frame with text in it (RFC 6455, section 5.2).
func message(text string) string { return "\x81" + string(rune(len(text))) + text }

// split returns text as strings of four bytes, each between before and after.
func split(before, after, text string) string {
	var b strings.Builder
	for part := range slices.Chunk([]byte(text), 4) {
		fmt.Fprintf(&b, "%s%q%s", before, part, after)
	}
	return b.String()
}

// plantProcesses plants in what processes did.
func (p *planting) plantProcesses() {
	for _, e := range []*record.ProcessEvent{
		{Kind: record.Exec, Args: []string{"sh", "-c", "curl -s -H 'Authorization: Bearer " + p.secret("command") + "' https://a.test"}},
		{Kind: record.Exec, Args: []string{"curl", "-H", "x-api-key: " + p.secret("argument"), "--data", "password=" + p.secret("data")}},
		{Kind: record.Line, Line: "export API_TOKEN=" + p.secret("line") + "; ls"},
	} {
		e.Time, e.PID, e.Comm, e.Exe = recordtest.Start, 7, "curl", "/usr/bin/curl"
		if err := p.out.WriteProcess(e); err != nil {
			p.t.Fatal(err)
		}
	}
}

// plant returns a recording that is not redacted, in pcapng.
func plant(t *testing.T) (*planting, []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in.pcapng")
	out, err := NewOutput("pcapng", path, OutputOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p := &planting{t: t, out: out, secrets: map[string]string{}}
	p.plantHeads()
	p.plantBodies()
	p.plantProcesses()
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return p, b
}

// found returns where the secrets stand of which a part can be read in b.
func (p *planting) found(b []byte) (places []string) {
	texts := readings(b)
	for where, secret := range p.secrets {
		const window = 12
		for i := 0; i+window <= len(secret); i++ {
			if slices.ContainsFunc(formsOf(secret[i:i+window]), func(form string) bool {
				return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, form) })
			}) {
				places = append(places, where)
				break
			}
		}
	}
	slices.Sort(places)
	return places
}

// formsOf returns what part may look like: as it is, in hexadecimal digits, and in
// base64 from any of its bytes on.
func formsOf(part string) []string {
	forms := []string{part, hex.EncodeToString([]byte(part))}
	for k := range 3 {
		b := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", k) + part))
		from := (k*8 + 5) / 6
		forms = append(forms, b[from:len(b)-1])
	}
	return forms
}

var (
	percent   = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
	escaped   = regexp.MustCompile(`\\u00[0-9a-f]{2}`)
	hexColumn = regexp.MustCompile(`(?m)^.*?[0-9a-f]{8}  ((?:[0-9a-f]{2} +){1,16}).*\n`)
	delta     = regexp.MustCompile(`\\*"\}\}(?:\n|\\n|\\)*data: \{\\*"type\\*":\\*"content_block_delta\\*",\\*"index\\*":0,\\*"delta\\*":\{\\*"type\\*":\\*"text_delta\\*",\\*"text\\*":\\*"`)
	solid     = regexp.MustCompile(`[A-Za-z0-9+/]{24,}={0,2}`)
)

// readings returns b in the ways in which a reader may have it: without escapes,
// without the columns of a dump, decoded and decompressed.
func readings(b []byte) []string {
	unhex := func(skip int) func(string) string {
		return func(m string) string { c, _ := hex.DecodeString(m[skip:]); return string(c) }
	}
	s := string(b)
	plain := escaped.ReplaceAllStringFunc(percent.ReplaceAllStringFunc(s, unhex(1)), unhex(4))
	texts := []string{s, plain, delta.ReplaceAllString(plain, ""), strings.ReplaceAll(hexColumn.ReplaceAllString(s, "$1"), " ", "")}
	for _, run := range solid.FindAllString(plain, -1) {
		if c, err := base64.StdEncoding.DecodeString(run); err == nil {
			texts = append(append(texts, string(c)), inflated(c)...)
		}
	}
	for _, text := range inflated(b) {
		texts = append(texts, readings([]byte(text))...)
	}
	return texts
}

// inflated returns what is compressed in b.
func inflated(b []byte) (texts []string) {
	for i := range b {
		var r io.Reader
		switch rest := b[i:]; {
		case bytes.HasPrefix(rest, []byte("\x1f\x8b\x08")):
			if z, err := gzip.NewReader(bytes.NewReader(rest)); err == nil {
				r = z
			}
		case bytes.HasPrefix(rest, []byte("\x28\xb5\x2f\xfd")):
			if z, err := zstd.NewReader(bytes.NewReader(rest)); err == nil {
				defer z.Close()
				r = z
			}
		}
		if r != nil {
			text, _ := io.ReadAll(io.LimitReader(r, 1<<20))
			texts = append(texts, string(text))
		}
	}
	return texts
}

// TestPlantsInOutputs holds that no secret of any place can be found in any file or
// view, from any kind of capture that has all of them.
func TestPlantsInOutputs(t *testing.T) {
	p, pcapng := plant(t)
	all := slices.Sorted(func(yield func(string) bool) {
		for where := range p.secrets {
			if !yield(where) {
				return
			}
		}
	})
	captures := map[string][]byte{"pcapng": pcapng}
	for _, format := range []string{"har", "jsonl", "html", "har.gz"} {
		out := convertAs(t, pcapng, format, "none")
		if got := p.found(out); !slices.Equal(got, all) {
			t.Fatalf("%s that is not redacted shows %q of %q", format, got, all)
		}
		if format == "har" || format == "jsonl" {
			captures[format] = out
		}
	}
	for from, capture := range captures {
		for _, format := range []string{"har", "jsonl", "pcapng", "html", "txt", "har.gz"} {
			for _, profile := range []string{"secrets", "strict"} {
				out := convertAs(t, capture, format, profile)
				if got := p.found(out); len(got) > 0 {
					t.Errorf("%s to %s, %s: shows %q", from, format, profile, got)
				}
				if format == "pcapng" { // with what it has in codings that nothing tells
					if got := p.found(convertAs(t, out, "jsonl", "none")); len(got) > 0 {
						t.Errorf("%s to %s, %s, read: shows %q", from, format, profile, got)
					}
				}
			}
		}
		var shown int
		for _, view := range []string{"list", "summary", "full", "headers", "body", "events", "chat", "timeline", "stats", "curl", "raw", "hex"} {
			if view == "body" {
				for i := range p.conns {
					out, _ := tryRun(t, capture, "-V", "body", "-i", strconv.FormatUint(i+1, 10))
					if got := p.found([]byte(out)); len(got) > 0 {
						t.Errorf("body of %d of %s shows %q", i+1, from, got)
					}
				}
				continue
			}
			if got := p.found([]byte(run(t, capture, "-V", view))); len(got) > 0 {
				t.Errorf("%s of %s shows %q", view, from, got)
			}
			shown = max(shown, len(p.found([]byte(run(t, capture, "-V", view, "--redact", "none")))))
		}
		if shown < len(all)*3/4 {
			t.Errorf("no view of %s shows more than %d of %d secrets when it is asked to", from, shown, len(all))
		}
	}
}
