package replay

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What is wrong is said on one line with a way out, and by the exit code.
func TestErrors(t *testing.T) {
	dir := t.TempDir()
	har := asHAR(t, "../testdata/sse.rec")
	capture := asPcapng(t, "../testdata/sse.rec")
	files := map[string][]byte{
		"text":       []byte("GET / HTTP/1.1\r\n"),
		"empty":      nil,
		"other":      []byte(`{"name":"package"}`),
		"cut.har":    har[:len(har)*2/3],
		"cut.pcapng": capture[:len(capture)-300],
		"ok.har":     har,
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"", 2, "replay: no file"},
		{"--nonsense ok.har", 2, "unknown flag: --nonsense"},
		{"missing.har", 4, "open missing.har: no such file or directory"},
		{".", 4, "is a folder"},
		{"text", 4, "text: not a capture: an HTTP message as text"},
		{"empty", 4, "empty: not a capture: empty"},
		{"other", 4, `other: read HAR: not an HTTP archive: an object without log; it has ["name"]`},
		{"cut.har", 1, "cut.har: read HAR: file is cut off or broken after 1 entries"},
		{"cut.pcapng", 1, "cut.pcapng: "},
		{"-V nothing ok.har", 2, `view "nothing": unknown; there are list,`},
		{"-i x ok.har", 2, `"x" is no number of an exchange`},
		{"--side both ok.har", 2, "--side both: unknown"},
		{"--sort name ok.har", 2, "--sort name: unknown"},
		{"--color blue ok.har", 2, "--color blue: unknown"},
		{"--redact some ok.har", 2, `redaction "some"`},
		{"--speed 0 ok.har", 2, "--speed 0: not above 0"},
		{"--json -V list ok.har", 2, "--json and --view"},
		{"-V list -o x.har ok.har", 2, "--view and --output"},
		{"--realtime --reverse ok.har", 2, "--realtime and an order of its own"},
		{"-o ok.har ok.har", 2, "output ok.har: is the input"},
		{"-o - ok.har", 2, "output -: stdout has no name"},
		{"-o none/x.har ok.har", 1, "output none/x.har: stat none: no such file or directory"},
		{"ok.har stauts:200", 2, "column 1"},
	} {
		var out, stderr bytes.Buffer
		err := Run(context.Background(), strings.Fields(c.args), "1.2.3", Streams{nil, &out, &stderr})
		e := new(Error)
		if !errors.As(err, &e) || e.Code != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("replay %s: %v (code %d), want %s (code %d)", c.args, err, e.Code, c.want, c.code)
		}
	}
	if left, _ := filepath.Glob("x.har"); left != nil {
		t.Error("an error left a file")
	}
}

// A recording that breaks off is shown up to there.
func TestTruncated(t *testing.T) {
	whole := asHAR(t, "../testdata/sse.rec")
	out, err := tryRun(t, whole[:len(whole)*2/3], "-V", "list")
	if err == nil || !strings.Contains(out, "/v1/messages") {
		t.Errorf("list of a HAR file that breaks off: %v\n%s", err, out)
	}
	path := filepath.Join(t.TempDir(), "x.jsonl")
	if _, err := tryRun(t, whole[:len(whole)*2/3], "-o", path); err == nil {
		t.Error("converted without an error")
	}
	if b, err := os.ReadFile(path); err != nil || !strings.Contains(run(t, b, "-V", "list"), "/v1/messages") {
		t.Errorf("the part that was read was not written: %v", err)
	}

	// What was killed before the first exchange may have what processes did.
	started := []byte(`{"type":"process","time":"2026-01-02T03:04:05Z","event":"exec","pid":7,"ppid":1,"comm":"curl","exe":"/usr/bin/curl"}` + "\n")
	path = filepath.Join(t.TempDir(), "y.jsonl")
	_, err = tryRun(t, started, "-o", path)
	if e := new(Error); !errors.As(err, &e) || e.Code != ExitFailure {
		t.Errorf("JSON Lines that break off before an exchange: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || !strings.Contains(string(b), "/usr/bin/curl") {
		t.Errorf("the process that was read was not written: %v", err)
	}
}

// Inputs are known by what they hold, compressed or not.
func TestOpen(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(asHAR(t, "../testdata/sse.rec"))
	z.Close()
	for want, input := range map[string][]byte{
		"har":    append([]byte("\xef\xbb\xbf \n"), asHAR(t, "../testdata/sse.rec")...),
		"pcapng": asPcapng(t, "../testdata/sse.rec"),
		"jsonl":  convert(t, asHAR(t, "../testdata/sse.rec"), "jsonl"),
		"pcap":   []byte("\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x01\x00\x00\x00"),
	} {
		s, err := Open(bytes.NewReader(input))
		if err != nil || s.Format != want {
			t.Errorf("Open of %s: %+v, %v", want, s, err)
		}
	}
	if s, err := Open(&zipped); err != nil || s.Format != "har" {
		t.Errorf("Open of gzip: %+v, %v", s, err)
	}
}

// What is selected is shown, and in the order that was asked for.
func TestSelection(t *testing.T) {
	input := asPcapng(t, "testdata/mixed.rec")
	for _, c := range []struct{ args, want string }{
		{"-i 3,5-6", "3 5 6"},
		{"-i 9", ""},
		{"--sort time", "1 2 3 4 5 6"},
		{"--sort size", "1 5 4 2 3 6"},
		{"--sort duration --reverse", "5 4 6 3 2 1"},
		{"--reverse -i 1-3", "1 3 2"},
		{"-F host:a.test", "1 4 5"},
		{"-F host:a.test -F status:5xx", "5"},
		{"-F -host:a.test", "2 3 6"},
		{"--speed 1e9", "2 3 1 4 5 6"},
	} {
		var got []string
		for line := range strings.Lines(run(t, input, strings.Fields(c.args)...)) {
			if f := strings.Fields(line); f[0] != "#" {
				got = append(got, f[0])
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("replay %s: %v, want %s", c.args, got, c.want)
		}
	}
}

// Words after the file are filters, also those that start with a hyphen.
func TestFilterWords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pcapng")
	if err := os.WriteFile(path, asPcapng(t, "testdata/mixed.rec"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Run(context.Background(), []string{path, "-V", "headers", "method:GET", "-path:/slow", "-status:5xx"}, "1.2.3", Streams{nil, &out, &out}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "GET /trailer") || strings.Count(got, "> Host:") != 1 {
		t.Errorf("got %s", got)
	}
}

// Selected exchanges go into files, too, whatever those store.
func TestSelectionIntoFiles(t *testing.T) {
	for _, format := range []string{"har", "pcapng", "jsonl"} {
		got := facts(t, convert(t, asPcapng(t, "testdata/mixed.rec"), format, "-F", "path:/up"))
		if !strings.Contains(got, "PUT https://b.test/up") || strings.Count(got, "https://") != 1 {
			t.Errorf("%s: %s", format, got)
		}
		order := func(args ...string) (urls []string) {
			for line := range strings.Lines(run(t, convert(t, asPcapng(t, "testdata/mixed.rec"), format, args...), "-V", "headers")) {
				if line[0] == '#' {
					urls = append(urls, strings.Fields(line)[4])
				}
			}
			return urls
		}
		if as, other := order(), order("--reverse"); slices.Equal(as, other) {
			t.Errorf("%s: %q, and the other way round %q", format, as, other)
		}
	}
}

// Secrets do not leave unless that is asked for.
func TestRedaction(t *testing.T) {
	const secret = "sk-ant-api03-not-a-real-key"
	for _, input := range [][]byte{asHAR(t, "../testdata/sse.rec"), asPcapng(t, "../testdata/sse.rec")} {
		for _, args := range []string{"-V full", "-V raw", "-V curl", "--json", "-o har:-", "-o pcapng:-", "-o txt:-"} {
			if got := run(t, input, strings.Fields(args)...); strings.Contains(got, secret) || got == "" {
				t.Errorf("replay %s: %q", args, got)
			}
			if got := run(t, input, append(strings.Fields(args), "--redact", "none")...); !strings.Contains(got, secret) {
				t.Errorf("replay %s --redact none: %q", args, got)
			}
		}
	}
}

// The body of one exchange comes out byte for byte.
func TestBody(t *testing.T) {
	input := asPcapng(t, "testdata/mixed.rec")
	for args, want := range map[string]string{
		"-i 3 --side request": "\x00\x01\x02\xfe\xff",
		"-i 4":                "abcdefg",
		"-i 2":                "",
	} {
		if got := run(t, input, append(strings.Fields(args), "-V", "body")...); got != want {
			t.Errorf("replay -V body %s: %q, want %q", args, got, want)
		}
	}
	if got := run(t, input, "-V", "body", "-i", "1", "--no-decode"); !strings.HasPrefix(got, "\x1f\x8b") {
		t.Errorf("--no-decode: %q", got)
	}
}

// A body that is not whole comes out as far as it goes, and that is said.
func TestBrokenBody(t *testing.T) {
	var coded bytes.Buffer
	z := gzip.NewWriter(&coded)
	z.Write(bytes.Repeat([]byte("0123456789"), 1000))
	z.Close()
	rec := fmt.Sprintf("> \"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n\"\n< \"HTTP/1.1 200 OK\\r\\nContent-Encoding: gzip\\r\\nContent-Length: 500\\r\\n\\r\\n\"\n< cut %q\n",
		coded.Bytes()[:coded.Len()-10])
	path := filepath.Join(t.TempDir(), "x.rec")
	if err := os.WriteFile(path, []byte(rec), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := tryRun(t, asPcapng(t, path), "-V", "body")
	if err == nil || !strings.Contains(err.Error(), "exchange 1: body: ") {
		t.Errorf("error %v", err)
	}
	if !strings.HasPrefix(out, "0123456789") {
		t.Errorf("output %.40q", out)
	}
}

// What cannot be shown is named and counted.
func TestLeftOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.rec")
	rec := `> "SSH-2.0-x\r\n"
< "\x00\x00\x01\x14binary"
> c=2 "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"
< c=2 "\x16\x03\x03\x00\x05\x02\x00\x00\x01\x00"
`
	if err := os.WriteFile(path, []byte(rec), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, stderr bytes.Buffer
	if err := Run(context.Background(), []string{"-"}, "1.2.3", Streams{bytes.NewReader(asPcapng(t, path)), &out, &stderr}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"no HTTP in it; connections: TLS 1, unknown 1\n", "hint: TLS is encrypted"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("stderr %q lacks %q", stderr.String(), want)
		}
	}
	if out.Len() > 0 {
		t.Errorf("stdout %q", out.String())
	}
	// A request without an answer is HTTP. The name of a file is no command of the terminal.
	half := filepath.Join(t.TempDir(), "half.rec")
	if err := os.WriteFile(half, []byte("> \"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{half: "", path: "\\x1b]0;: no HTTP in it"} {
		name := filepath.Join(t.TempDir(), "\x1b]0;")
		if err := os.WriteFile(name, asPcapng(t, path), 0o600); err != nil {
			t.Fatal(err)
		}
		stderr.Reset()
		if err := Run(context.Background(), []string{name}, "1.2.3", Streams{nil, &out, &stderr}); err != nil {
			t.Fatal(err)
		}
		if got := stderr.String(); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: stderr %q, want %q in it", path, got, want)
		}
	}
}

// Every output that replay writes says by which version.
func TestVersion(t *testing.T) {
	for format, want := range map[string]string{
		"har": `"creator":{"name":"ssltape","version":"1.2.3"}`, "jsonl": `"version":"1.2.3"`, "pcapng": "ssltape 1.2.3", "html": `"version":"1.2.3"`,
	} {
		if got := run(t, asHAR(t, "../testdata/sse.rec"), "-o", format+":-"); !strings.Contains(got, want) {
			t.Errorf("%s: no %s in it", format, want)
		}
	}
	if got := run(t, asHAR(t, "../testdata/sse.rec"), "--json"); !strings.Contains(got, `"version":"1.2.3"`) {
		t.Errorf("--json: %s", got)
	}
}
