package replay

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
	b, _, err := decode(bytes.NewReader(little[2:]))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, har) {
		t.Errorf("UTF-16: it ends in %q (%v)", got[max(0, len(got)-20):], err)
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
		err := Run(context.Background(), []string{"-"}, "1.2.3", Streams{strings.NewReader(start), &out, io.Discard})
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
		if err := Run(context.Background(), []string{"-"}, "1.2.3", Streams{strings.NewReader(file), &out, &stderr}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(stderr.String(), want) || out.Len() > 0 {
			t.Errorf("stderr %q lacks %q", stderr.String(), want)
		}
	}
}

// The recording in a zip file is found, with the bodies that Playwright puts
// beside it there; so are those beside a HAR in a folder.
func TestArchive(t *testing.T) {
	sse, err := os.ReadFile("../testdata/sse.har")
	if err != nil {
		t.Fatal(err)
	}
	const answer = "what was answered"
	attached := fmt.Sprintf("%x.txt", sha1.Sum([]byte(answer)))
	har := fmt.Sprintf(`{"log":{"version":"1.2","creator":{"name":"Playwright","version":"1"},"entries":[{"startedDateTime":"2026-01-01T00:00:00Z",
		"request":{"method":"GET","url":"https://h/attached","httpVersion":"HTTP/1.1","headers":[]},
		"response":{"status":200,"httpVersion":"HTTP/1.1","headers":[],"content":{"size":17,"mimeType":"text/plain","_file":%q}}}]}}`, attached)
	for name, c := range map[string]struct {
		files []string // names and what is in them
		want  string   // in what is shown, or in the error
	}{
		"attached": {[]string{"sub/x.har", har, "sub/" + attached, answer, strings.Repeat("0", 32) + ".jsonl", "{}", "__MACOSX/._y.har", "", ".z.har", ""}, answer},
		"gzip":     {[]string{"a.txt", "", "X.HAR.GZ", string(compressed(t, sse, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }))}, "/v1/messages"},
		"pcapng":   {[]string{"a.pcapng", string(asPcapng(t, "../testdata/sse.rec")), "notes.json", "{}"}, "/v1/messages"},
		"none":     {[]string{"a.txt", ""}, "a zip archive: none of its 1 files is a recording by its name"},
		"two":      {[]string{"a.har", har, "b.har", har}, "a zip archive: it has 2 recordings, such as a.har and b.har"},
	} {
		path := filepath.Join(t.TempDir(), "x.zip")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		z := zip.NewWriter(f)
		for i := 0; i < len(c.files); i += 2 {
			w, _ := z.Create(c.files[i])
			io.WriteString(w, c.files[i+1])
		}
		if err := errors.Join(z.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
		got, err := runFile(t, path, "-V", "full")
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "x.har"), []byte(har), 0o600), os.WriteFile(filepath.Join(dir, attached), []byte(answer), 0o600)); err != nil {
		t.Fatal(err)
	}
	if got, err := runFile(t, filepath.Join(dir, "x.har"), "-V", "body"); got != "\n"+answer && got != answer {
		t.Errorf("in a folder: %q, %v", got, err)
	}
	if got, err := tryRun(t, []byte(har), "-V", "full"); !strings.Contains(got, "17 bytes of the body were not kept") {
		t.Errorf("from a pipe: %q, %v", got, err)
	}
}

func runFile(t *testing.T, path string, args ...string) (string, error) {
	t.Helper()
	var out, stderr bytes.Buffer
	err := Run(context.Background(), append(args, path), "1.2.3", Streams{nil, &out, &stderr})
	return out.String(), err
}
