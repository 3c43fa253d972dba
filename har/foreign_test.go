package har_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

// TestSharedConn checks that the exchanges of a connection have the same one.
// Playwright can put bodies into files of their own; they are not read, and so
// are not there.
func TestAttached(t *testing.T) {
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
