package record_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/ulikunitz/xz/lzma"

	"ssltape/record"
	"ssltape/record/recordtest"
)

func message(body []byte, header ...string) *record.Message {
	m := &record.Message{Proto: "HTTP/1.1", Body: record.NewBody(body)}
	for i := 0; i < len(header); i += 2 {
		m.Header = append(m.Header, record.Field{Name: header[i], Value: header[i+1]})
	}
	return m
}

func TestDecode(t *testing.T) {
	text := strings.Repeat("what is said, ", 1000)
	for coding := range recordtest.Encoders() {
		label, _, _ := strings.Cut(coding, " ")
		body := recordtest.Encode(t, coding, text)
		for _, l := range []string{label, strings.ToUpper(label), " " + label + " ", "identity, " + label} {
			got, err := recordtest.Decode(t, message(body, "Content-Encoding", l))
			if err != nil || got != text {
				t.Errorf("%s labelled %q: %d bytes, %v", coding, l, len(got), err)
			}
		}
		for _, n := range []int{len(body) / 2, len(body) - 20} {
			got, err := recordtest.Decode(t, message(body[:n], "Content-Encoding", label))
			if err != io.ErrUnexpectedEOF || !strings.HasPrefix(text, got) {
				t.Errorf("%s cut at %d of %d: %d bytes, %v", coding, n, len(body), len(got), err)
			}
		}
		holed := message(body[:len(body)/2], "Content-Encoding", label)
		holed.Body.Write(body[len(body)/2+10:])
		holed.Lost = []record.Hole{{Off: int64(len(body) / 2), Len: 10}}
		if got, err := recordtest.Decode(t, holed); err != io.ErrUnexpectedEOF || !strings.HasPrefix(text, got) {
			t.Errorf("%s with a hole: %d bytes, %v", coding, len(got), err)
		}
	}
}

func TestDecodeOdd(t *testing.T) {
	text := "some text that is long enough to be worth it"
	gz := recordtest.Encode(t, "gzip", text)
	badSum := bytes.Clone(gz)
	badSum[len(badSum)-6] ^= 1
	badHeader := append([]byte{0x1f, 0x8b, 8, 2, 0, 0, 0, 0, 0, 3, 0, 0}, gz[10:]...)
	named := append([]byte{0x1f, 0x8b, 8, 4 | 8 | 16, 0, 0, 0, 0, 0, 3, 2, 0, 'x', 'y', 'n', 0, 'c', 0}, gz[10:]...)
	tests := []struct {
		name   string
		body   []byte
		header []string
		want   string
	}{
		{"nothing", []byte(text), nil, text},
		{"identity", []byte(text), []string{"Content-Encoding", "identity"}, text},
		{"list", recordtest.Encode(t, "br", string(gz)), []string{"Content-Encoding", "gzip, br"}, text},
		{"two fields", recordtest.Encode(t, "zstd", string(gz)), []string{"Content-Encoding", "x-gzip", "Content-Encoding", "zstd"}, text},
		{"no label", gz, []string{"Content-Type", "text/event-stream"}, text},
		{"no label, zstd", recordtest.Encode(t, "zstd", text), []string{"Content-Type", "application/json"}, text},
		{"no label, a file", gz, []string{"Content-Type", "application/gzip"}, string(gz)},
		{"label is not true", []byte(text), []string{"Content-Encoding", "gzip"}, text},
		{"label is not true, br", []byte("\xff\xff plain"), []string{"Content-Encoding", "br"}, "\xff\xff plain"},
		{"gzip labelled deflate", gz, []string{"Content-Encoding", "deflate"}, text},
		{"deflate labelled gzip", recordtest.Encode(t, "deflate", text), []string{"Content-Encoding", "gzip"}, text},
		{"raw deflate labelled gzip", recordtest.Encode(t, "deflate raw", text), []string{"Content-Encoding", "gzip"}, text},
		{"label with junk", gz, []string{"Content-Encoding", "\x00xgzip;q=1"}, text},
		{"two members", append(bytes.Clone(gz), gz...), []string{"Content-Encoding", "gzip"}, text + text},
		{"junk after", append(bytes.Clone(gz), "junk"...), []string{"Content-Encoding", "gzip"}, text},
		{"no sums", gz[:len(gz)-8], []string{"Content-Encoding", "gzip"}, text},
		{"bad sum", badSum, []string{"Content-Encoding", "gzip"}, text},
		{"bad header sum", badHeader, []string{"Content-Encoding", "gzip"}, text},
		{"all header parts", named, []string{"Content-Encoding", "gzip"}, text},
		{"label with another word", gz, []string{"Content-Encoding", "gzip foo"}, text},
		{"label with a colon", gz, []string{"Content-Encoding", ": gzip"}, text},
		{"label of a field with other bytes", recordtest.Encode(t, "deflate raw", text), []string{"Content\x00-Encoding", "deflate"}, text},
		{"label in a folded field", gz, []string{"X", "y Content-Encoding: gzip"}, text},
		{"lzma", lzmaEncode(t, text), []string{"Content-Encoding", "lzma"}, text},
		{"lzma with a large window", append([]byte("\x5d\xff\xff\xff\xff"), lzmaEncode(t, text)[5:]...), []string{"Content-Encoding", "lzma"},
			"\x5d\xff\xff\xff\xff" + string(lzmaEncode(t, text)[5:])},
		{"chunked, but for a word", []byte("4\r\nsome\r\n28 ;x=y\r\n" + text[4:] + "\r\n0\r\nX: y\r\n\r\n"), []string{"Transfer-Encoding", "chunked foo"}, text},
		{"chunked, but it is not", []byte(text), []string{"Transfer-Encoding", "xchunked"}, text},
		{"gzip, then chunked, but for a word", fmt.Appendf(nil, "%x\n%s\n0\n\n", len(gz), gz), []string{"Content-Encoding", "gzip", "Transfer-Encoding", "chunkedx"}, text},
		{"empty", nil, []string{"Content-Encoding", "gzip"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, err := recordtest.Decode(t, message(test.body, test.header...)); err != nil || got != test.want {
				t.Errorf("%q, %v; want %q", got, err, test.want)
			}
		})
	}
	if _, err := recordtest.Decode(t, message([]byte(text), "Content-Encoding", "gzip, foo")); err == nil || !strings.Contains(err.Error(), `"foo"`) {
		t.Errorf("unknown coding: %v", err)
	}
	m := message(gz, "Content-Encoding", "gzip")
	m.Decoded = true
	if got, err := recordtest.Decode(t, m); err != nil || got != string(gz) {
		t.Errorf("decoded already: %q, %v", got, err)
	}
}

// lzmaEncode returns text as an .lzma file.
func lzmaEncode(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := lzma.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zeros is a reader of n zero bytes.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestDecodeBomb(t *testing.T) {
	for _, coding := range []string{"gzip", "deflate", "br", "zstd"} {
		var b bytes.Buffer
		w := recordtest.Encoders()[coding](&b)
		if _, err := io.Copy(w, zeros(100<<20)); err != nil {
			t.Fatal(err)
		}
		w.Close()
		d, err := message(b.Bytes(), "Content-Encoding", coding).Decode()
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, d)
		if !errors.Is(err, record.ErrDecodedRatio) || n > 80<<20 {
			t.Errorf("%s: %d bytes of %d, %v", coding, n, b.Len(), err)
		}
		d.Close()
	}
}

// FuzzDecode holds that no body makes Decode panic or give without end.
func FuzzDecode(f *testing.F) {
	for coding := range recordtest.Encoders() {
		label, _, _ := strings.Cut(coding, " ")
		f.Add(recordtest.Encode(f, coding, "some text, some text"), label)
	}
	f.Add([]byte("\x1f\x8b\x08\x1f\x00\x00\x00\x00\x00\x00\x01\x00x"), "gzip, deflate")
	f.Fuzz(func(t *testing.T, body []byte, label string) {
		m := message(body, "Content-Encoding", label)
		d, err := m.Decode()
		if err != nil {
			return
		}
		defer d.Close()
		if n, _ := io.Copy(io.Discard, d); n > int64(len(body))*1e6 && n > 100<<20 {
			t.Errorf("%d bytes of %d", n, len(body))
		}
	})
}
