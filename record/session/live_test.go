package session_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ssltape/bpf"
	"ssltape/record/session/sessiontest"
)

// binary is the program under test.
var binary string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

// buildAndRun builds the program, or takes the one that SSLTAPE_BINARY names,
// as for machines without Go.
func buildAndRun(m *testing.M) int {
	if binary = os.Getenv("SSLTAPE_BINARY"); binary != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "ssltape-test-*")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "ssltape")
	if out, err := exec.Command("go", "build", "-o", binary, "ssltape").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// needs skips the test where this machine cannot record or lacks a tool; in CI
// that is a failure.
func needs(t testing.TB, tools ...string) {
	t.Helper()
	skip := t.Skipf
	if os.Getenv("CI") == "true" {
		skip = t.Fatalf
	}
	if err := bpf.Supported(); err != nil {
		skip("cannot record here: %v", err)
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			skip("%s is not installed", tool)
		}
	}
}

// A harFile is what the tests read of a HAR file, on their own: the package
// under test must not judge itself.
type harFile struct {
	Log struct {
		Comment   string
		Entries   []harEntry
		Processes []struct {
			Event, Comm string
			PID         int
		} `json:"_processes"`
	}
}

type harEntry struct {
	ID              int `json:"_id"`
	StartedDateTime time.Time
	Time            float64
	Timings         struct{ Connect, SSL, Send, Wait, Receive float64 }
	ConnectionID    string `json:"_connectionId"`
	Process         struct {
		PID  int
		Comm string
	} `json:"_process"`
	Request struct {
		Method, URL string
		Headers     []nameValue
		BodySize    int64
		HTTPVersion string
		PostData    *struct{ Text, Encoding, MimeType string }
	}
	Response struct {
		Status   int
		Headers  []nameValue
		Content  struct{ Text, Encoding, MimeType, Comment string }
		BodySize int64

		HTTPVersion string
		Trailers    []nameValue `json:"_trailers"`
		Interim     []struct{}  `json:"_interim"`
	}
	Comment      string
	ResourceType string `json:"_resourceType"`

	ServerIPAddress string
	Connection      string
	ClientAddress   string `json:"_clientAddress"`
	Lost            []struct {
		Side   string
		Offset *int64
		Length int64
	} `json:"_lost"`
	Anomalies []string `json:"_anomalies"`
	WebSocket []struct {
		Type, Data string
		Opcode     int
	} `json:"_webSocketMessages"`
	Events []struct {
		Time                     float64
		EventName, EventID, Data string
	} `json:"_eventSourceMessages"`
}

type nameValue struct{ Name, Value string }

func readHAR(t *testing.T, path string) harFile {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var h harFile
	if err := json.Unmarshal(text, &h); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return h
}

// find returns the one entry whose URL ends so.
func (h harFile) find(t *testing.T, suffix string) harEntry {
	t.Helper()
	var found []harEntry
	for _, e := range h.Log.Entries {
		if strings.HasSuffix(e.Request.URL, suffix) {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d entries for %s among %d, want 1", len(found), suffix, len(h.Log.Entries))
	}
	return found[0]
}

func decodeText(t *testing.T, text, encoding string) []byte {
	t.Helper()
	if encoding != "base64" {
		return []byte(text)
	}
	p, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (e harEntry) responseBody(t *testing.T) []byte {
	return decodeText(t, e.Response.Content.Text, e.Response.Content.Encoding)
}

func (e harEntry) requestBody(t *testing.T) []byte {
	if e.Request.PostData == nil {
		return nil
	}
	return decodeText(t, e.Request.PostData.Text, e.Request.PostData.Encoding)
}

// startServer starts the server that clients are recorded against.
func startServer(t testing.TB) *sessiontest.Server {
	t.Helper()
	s, err := sessiontest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.Pause = 5 * time.Millisecond
	return s
}

// A run is a finished recording.
type run struct {
	har, pcapng    string
	stdout, stderr string
	code           int
}

// recordArgs runs `ssltape record` with args and two outputs in a new folder.
func recordArgs(t *testing.T, args ...string) run {
	t.Helper()
	dir := t.TempDir()
	r := run{har: filepath.Join(dir, "a.har"), pcapng: filepath.Join(dir, "a.pcapng")}
	cmd := exec.Command(binary, append([]string{"record", "-o", r.har, "-o", r.pcapng}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	r.stdout, r.stderr, r.code = stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
	t.Logf("%s\n%s", strings.Join(args, " "), r.stderr)
	return r
}

// recordCommand records a command that must succeed, and returns the HAR file
// that was written and the one that the pcapng file gives.
func recordCommand(t *testing.T, command ...string) (written, converted harFile) {
	t.Helper()
	r := recordArgs(t, append([]string{"--redact", "none", "--strict", "-s", "0", "--"}, command...)...)
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	return readHAR(t, r.har), r.convert(t)
}

// convert returns the HAR file that r's pcapng file gives.
func (r run) convert(t *testing.T) harFile {
	t.Helper()
	b := filepath.Join(t.TempDir(), "b.har")
	if out, err := exec.Command(binary, "replay", "--redact", "none", r.pcapng, "-o", b).CombinedOutput(); err != nil {
		t.Fatalf("replay: %v\n%s", err, out)
	}
	return readHAR(t, b)
}

// checkDownload checks that the entry for /bytes/N and the like has the N
// bytes that the server sends.
func checkDownload(t *testing.T, h harFile, path string, n int) {
	t.Helper()
	e := h.find(t, path)
	if e.Response.Status != 200 {
		t.Errorf("%s: status %d", path, e.Response.Status)
	}
	if got, want := sessiontest.Sum(e.responseBody(t)), sessiontest.Sum(sessiontest.Body(n)); got != want {
		t.Errorf("%s: body of %d bytes has SHA-256 %s, want %d bytes, %s", path, len(e.responseBody(t)), got, n, want)
	}
}

// checkUpload checks that the one POST to /upload has the body want.
func checkUpload(t *testing.T, h harFile, want []byte) {
	t.Helper()
	e := h.find(t, "/upload")
	if got := e.requestBody(t); !bytes.Equal(got, want) {
		t.Errorf("uploaded body has %d bytes, SHA-256 %s; want %d, %s", len(got), sessiontest.Sum(got), len(want), sessiontest.Sum(want))
	}
	if !strings.Contains(string(e.responseBody(t)), sessiontest.Sum(want)) {
		t.Errorf("response to the upload: %q", e.responseBody(t))
	}
}

// writeFile writes a file for a test and returns its path.
func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
