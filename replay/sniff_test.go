package replay

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"
)

// inUTF16 returns s in UTF-16 with a byte order mark.
func inUTF16(s []byte, order binary.AppendByteOrder) []byte {
	b := order.AppendUint16(nil, 0xfeff)
	for _, c := range utf16.Encode([]rune(string(s))) {
		b = order.AppendUint16(b, c)
	}
	return b
}

func compressed(t *testing.T, b []byte, open func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var out bytes.Buffer
	w := open(&out)
	w.Write(b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A recording is the same in every coding.
func TestCodings(t *testing.T) {
	har, err := os.ReadFile("../testdata/sse.har")
	if err != nil {
		t.Fatal(err)
	}
	har = append(har, "\u2028\U0001f600"...) // after the end; what comes there does not matter
	want, err := tryRun(t, har)
	if err != nil || !strings.Contains(want, "/v1/messages") {
		t.Fatalf("%q %v", want, err)
	}
	gz := func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
	little := inUTF16(har, binary.LittleEndian)
	for name, b := range map[string][]byte{
		"gzip":            compressed(t, har, gz),
		"zlib":            compressed(t, har, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }),
		"zstd":            compressed(t, har, func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z }),
		"UTF-16":          little,
		"UTF-16, big":     inUTF16(har, binary.BigEndian),
		"UTF-16, no mark": little[2:],
		"UTF-16 in gzip":  compressed(t, little, gz),
		"with a mark":     append([]byte("\xef\xbb\xbf\r\n"), har...),
		"JSONP":           append(append([]byte("onInputData("), har...), ");"...),
	} {
		if got, err := tryRun(t, b); err != nil || got != want {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
}

// What is no recording is called by its name, with the way out.
func TestNotCapture(t *testing.T) {
	for start, want := range map[string]string{
		"":                                  "not a capture: empty",
		strings.Repeat("\x00", 5000):        "not a capture: nothing but zeros at its start",
		"PK\x03\x04":                        "not a capture: a zip archive",
		"1234:9:websocket;0:~8:response;":   "not a capture: flows of mitmproxy",
		"\x7fELF\x02":                       "not a capture: a program",
		"\x01\x02\x03":                      "not a capture: starts with \"\\x01\\x02\\x03\"",
		"[{}]":                              "not a capture: a JSON array",
		"CLIENT_RANDOM 00":                  "not a capture: a key log of TLS",
		`{"constants":{},"events":[]}`:      "it looks like a net-export log of Chrome",
		`{"info":{},"item":[]}`:             "it looks like a collection of Postman",
		`{"request":{},"response":{}}`:      "it looks like a single entry of a HAR",
		`{"log":{"version":"1.2"}}`:         "its log has no list of entries",
		`{"log":{"pages":[],"entries":{}}}`: "its log has no list of entries",
		`{}`:                                "an empty object",
		`{"a":1,"b":`:                       `an object without log; it has ["a" "b"]`,
		"\x1f\x8b":                          "gzip: unexpected EOF",
		"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff": "cut off before there is anything in it",
	} {
		var out bytes.Buffer
		err := Run(context.Background(), []string{"-"}, strings.NewReader(start), &out, io.Discard)
		e := new(Error)
		if !errors.As(err, &e) || e.Code != ExitTarget || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.20q: %v, want %s", start, err, want)
		}
		if e.Hint == "" && strings.HasPrefix(want, "not") {
			t.Errorf("%.20q: no hint", start)
		}
	}
}

// A capture without HTTP says what it holds.
func TestNothingIn(t *testing.T) {
	head := "\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00"
	packet := func(ip string) string {
		n := string(binary.LittleEndian.AppendUint32(nil, uint32(len(ip))))
		return "\x00\x00\x00\x00\x00\x00\x00\x00" + n + n + ip
	}
	ipv4 := func(proto byte, data string) string {
		return "\x45\x00\x00" + string([]byte{byte(20 + len(data))}) + "\x00\x00\x00\x00\x40" + string([]byte{proto}) + "\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02" + data
	}
	const raw, bluetooth = "\x65\x00\x00\x00", "\xc9\x00\x00\x00"
	tcp := "\x30\x39\x00\x16\x00\x00\x00\x01\x00\x00\x00\x01\x50\x18\x00\x00\x00\x00\x00\x00"
	for file, want := range map[string]string{
		head + raw: "no HTTP in it: no packets\n",
		head + raw + packet(ipv4(17, "\x01\xbb\x30\x39\x00\x08\x00\x00")) + packet(ipv4(1, "ping")): "no HTTP in it: 2 packets, 1 of UDP at port 443 (QUIC), 1 of something else\nhint: HTTP/3",
		head + bluetooth + packet("\x01\x02"):                                                       "1 packet, 1 of link type 201, which replay does not read\n",
		head + raw + packet(ipv4(6, tcp+"SSH-2.0-OpenSSH_9.2\r\n")):                                 "no HTTP in it; connections: SSH 1\n",
		head + raw + packet(ipv4(6, tcp)):                                                           "no HTTP in it: 1 packet, 1 of TCP, without data\n",
		head + "\x69\x00\x00\x00" + packet("\x08\x42"+strings.Repeat("\x00", 40)):                   "1 of an encrypted wireless network\nhint: airdecap-ng",
	} {
		var out, stderr bytes.Buffer
		if err := Run(context.Background(), []string{"-"}, strings.NewReader(file), &out, &stderr); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(stderr.String(), want) || out.Len() > 0 {
			t.Errorf("stderr %q lacks %q", stderr.String(), want)
		}
	}
}
