package har_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"ssltape/har"
	"ssltape/record"
)

// foreign returns the paths of files in the manner of other producers, and
// those of what is written of them.
func foreign(t testing.TB) (files, golden []string) {
	t.Helper()
	all, err := filepath.Glob("testdata/foreign/*.har")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		if strings.HasSuffix(path, ".out.har") {
			continue
		}
		files = append(files, path)
		golden = append(golden, strings.TrimSuffix(path, ".har")+".out.har")
	}
	if len(files) == 0 {
		t.Fatal("no files in testdata/foreign")
	}
	return files, golden
}

func TestForeign(t *testing.T) {
	files, golden := foreign(t)
	for i, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := write(t, read(t, text)...)
			if *update {
				if err := os.WriteFile(golden[i], got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden[i])
			if err != nil {
				t.Fatalf("%v (go test -update writes it)", err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s (go test -update rewrites it): %s", golden[i], diff(got, want))
			}
			if again := write(t, read(t, got)...); !bytes.Equal(again, got) {
				t.Errorf("read and written again: %s", diff(again, got))
			}
			var zipped bytes.Buffer
			z := gzip.NewWriter(&zipped)
			z.Write(append([]byte("\uFEFF"), text...))
			z.Close()
			if got := write(t, read(t, zipped.Bytes())...); !bytes.Equal(got, want) {
				t.Errorf("compressed, with a byte order mark: %s", diff(got, want))
			}
		})
	}
}

func TestNotHAR(t *testing.T) {
	for _, file := range []string{
		"", " ", "text", "{", "{}", "[]", "null", "5", `{"log":{}}`, `{"log":[]}`, `{"log":null}`, `{"log":{"entries":{}}}`,
		`{"log":{"entries":null}}`, `{"type":"exchange"}`, "\x1f\x8b", "\xef\xbb\xbf", `{"log":` + strings.Repeat("[", 5000),
		`{"a":` + strings.Repeat("[", 5000), "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x00",
	} {
		var last error
		for x, err := range har.Read(strings.NewReader(file)) {
			if last = err; err == nil {
				t.Errorf("%.20q: exchange %v", file, x)
			}
		}
		if last == nil || !strings.HasPrefix(last.Error(), "read HAR: ") {
			t.Errorf("%.20q: error %v", file, last)
		}
		if !strings.HasPrefix(file, "\x1f\x8b") && !errors.Is(last, har.ErrFormat) {
			t.Errorf("%.20q: error %v, want %v", file, last, har.ErrFormat)
		}
	}
}

// TestReadStops checks that a loop over what Read returns can be left.
func TestReadStops(t *testing.T) {
	file := write(t, exchange(), exchange())
	for x, err := range har.Read(bytes.NewReader(file)) {
		if x == nil || err != nil {
			t.Fatal(err)
		}
		break
	}
}

// Playwright can put bodies into files of their own; where those are not at
// hand it says that they are not there.
func TestNotAttached(t *testing.T) {
	x := read(t, []byte(`{"log":{"version":"1.2","creator":{"name":"Playwright","version":"1"},"entries":[{"startedDateTime":"2026-01-01T00:00:00Z",
		"request":{"method":"POST","url":"https://h/","httpVersion":"HTTP/1.1","headers":[],"bodySize":75,"postData":{"mimeType":"application/json","text":"","_file":"a.json"}},
		"response":{"status":200,"httpVersion":"HTTP/1.1","headers":[],"bodySize":900,"content":{"size":1553,"mimeType":"text/plain","_file":"b.txt"}}}]}}`))[0]
	for _, m := range []struct {
		*record.Message
		cut  int64
		file string
	}{{&x.Request.Message, 75, "a.json"}, {&x.Response.Message, 1553, "b.txt"}} {
		if want := "in the file " + m.file + " beside the HAR"; m.Cut != m.cut || m.Comment != want {
			t.Errorf("%d bytes cut and %q, want %d and %q", m.Cut, m.Comment, m.cut, want)
		}
	}
}

// Files beside the HAR are bodies and frames of it where their names are those
// of Playwright, which are of what is in them, and nothing else is opened.
func TestAttached(t *testing.T) {
	request, response := `{"ü":1}`, strings.Repeat("\x00\xff", 700_000)
	nameOf := func(body, ending string) string { return fmt.Sprintf("%x%s", sha1.Sum([]byte(body)), ending) }
	frames := strings.Repeat("f", 32) + ".jsonl"
	beside := asked{fstest.MapFS{
		nameOf(request, ".json"): {Data: []byte(request)},
		nameOf(response, ".dat"): {Data: []byte(response)},
		nameOf("other", ".txt"):  {Data: []byte("not what its name says")},
		frames:                   {Data: []byte("{\"type\":\"send\",\"time\":1795711366421.8,\"opcode\":1,\"data\":\"hällo\"}\n{\"type\":\"receive\",\"time\":1,\"opcode\":2,\"data\":\"AAH/\"}\n{\"cut")},
		"secret.txt":             {Data: []byte("secret")},
	}, map[string]bool{}}
	entry := func(status int, asked, answered string) string {
		return fmt.Sprintf(`{"startedDateTime":"2026-01-01T00:00:00Z","request":{"method":"POST","url":"https://h/","httpVersion":"HTTP/1.1","headers":[],"bodySize":9,
			"postData":{"mimeType":"application/json","text":"","_file":%q}},"response":{"status":%d,"httpVersion":"HTTP/1.1","headers":[],"bodySize":900,
			"content":{"size":1400000,"mimeType":"text/plain","_file":%q}}}`, asked, status, answered)
	}
	file := `{"log":{"version":"1.2","creator":{"name":"Playwright","version":"1"},"entries":[` + strings.Join([]string{
		entry(200, nameOf(request, ".json"), nameOf(response, ".dat")), entry(101, "", frames),
		entry(200, "../secret.txt", nameOf("other", ".txt")), entry(200, nameOf("absent", ".txt"), "secret.txt"), entry(200, "", frames),
	}, ",") + `]}}`
	for x, err := range har.ReadWith(strings.NewReader(file), har.ReadOptions{Beside: beside}) {
		if err != nil {
			t.Fatal(err)
		}
		sent, got := body(t, &x.Request.Message), body(t, &x.Response.Message)
		switch x.ID {
		case 1:
			if sent != request || got != response || x.Request.Cut != 0 || x.Response.Cut != 0 || x.Response.Comment != "" {
				t.Errorf("%.20q of %d bytes and %.20q of %d, cut %d and %d, %q", sent, len(sent), got, len(got), x.Request.Cut, x.Response.Cut, x.Response.Comment)
			}
		case 2:
			if ws := x.WebSocket; len(ws) != 2 || ws[0].Data != "hällo" || !ws[0].FromClient || ws[1].Data != "\x00\x01\xff" || ws[0].Time.UTC().Year() != 2026 {
				t.Errorf("frames %+v", ws)
			}
		default:
			if sent+got != "" || x.Response.Cut == 0 {
				t.Errorf("%d: %.20q and %.20q, cut %d", x.ID, sent, got, x.Response.Cut)
			}
		}
	}
	if beside.names["../secret.txt"] || beside.names["secret.txt"] {
		t.Errorf("opened %v", beside.names)
	}
}

// An asked file system notes what was asked of it.
type asked struct {
	fstest.MapFS
	names map[string]bool
}

func (a asked) Stat(name string) (fs.FileInfo, error) {
	a.names[name] = true
	return a.MapFS.Stat(name)
}

func (a asked) ReadFile(name string) ([]byte, error) {
	a.names[name] = true
	return a.MapFS.ReadFile(name)
}

func body(t *testing.T, m *record.Message) string {
	t.Helper()
	b, err := io.ReadAll(m.Body.Reader())
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// TestSharedConn checks that the exchanges of a connection have the same one.
func TestSharedConn(t *testing.T) {
	other := exchange()
	other.Conn.ID++
	xs := read(t, write(t, exchange(), other, exchange()))
	if xs[0].Conn != xs[2].Conn || xs[0].Conn == xs[1].Conn {
		t.Errorf("connections %p, %p, %p", xs[0].Conn, xs[1].Conn, xs[2].Conn)
	}
}

// TestRestore checks what of an exchange a file brings back.
func TestRestore(t *testing.T) {
	want := exchange()
	want.Server, want.Anomalies = true, []string{"bare-lf"}
	want.Conn.Local, want.Conn.Remote = want.Conn.Remote, want.Conn.Local
	want.Response.Done, want.Response.Lost = false, []record.Hole{{Off: -1, Len: 5}, {Off: 3, Len: 4}}
	want.Response.Cut, want.Response.Comment = 7, "9 bytes were lost; 7 bytes at the end were not kept"
	want.Response.Interim = []record.Interim{{Status: 103, Reason: "Early Hints", Header: record.Fields{{Name: "Link", Value: "</a>"}}, Time: t0}}
	want.Err = record.ErrStopped
	got := read(t, write(t, want))[0]
	if !errors.Is(got.Err, record.ErrStopped) || got.Err.Error() != want.Err.Error() {
		t.Errorf("error %v, want %v", got.Err, want.Err)
	}
	got.Err = want.Err
	if *got.Conn != *want.Conn {
		t.Errorf("connection %+v, want %+v", *got.Conn, *want.Conn)
	}
	got.Conn = want.Conn
	want.Response.Header[1].Value = strings.ReplaceAll(want.Response.Header[1].Value, "\xe4", "ä")
	equal(t, got, want)
}
