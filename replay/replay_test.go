package replay

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ssltape/har"
	"ssltape/pcapng"
	"ssltape/record"
	"ssltape/record/assembly"
	"ssltape/record/recordtest"
)

var update = flag.Bool("update", false, "rewrite the wanted outputs")

// Times are shown in local time, and to a terminal by its locale, which must be
// the same everywhere.
func TestMain(m *testing.M) {
	flag.Parse()
	time.Local = time.FixedZone("test", 3600)
	os.Setenv("LC_ALL", "C.UTF-8")
	os.Exit(m.Run())
}

// recordings returns the recordings of the project and those of this package.
func recordings(t *testing.T) []string {
	t.Helper()
	ours, _ := filepath.Glob("testdata/*.rec")
	all, _ := filepath.Glob("../testdata/*.rec")
	if len(ours) == 0 || len(all) == 0 {
		t.Fatal("no recordings")
	}
	return append(all, ours...)
}

// asPcapng returns the pcapng file of the recording at path.
func asPcapng(t *testing.T, path string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := pcapng.NewWriter(&b, pcapng.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := record.Copy(recordtest.Open(t, path), w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// asHAR returns the HAR file of the recording at path.
func asHAR(t *testing.T, path string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := har.NewWriter(&b, har.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := assembly.New(w, assembly.Options{})
	if err := record.Copy(recordtest.Open(t, path), a); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// run runs replay on input and returns what it prints. It fails the test if
// replay does.
func run(t *testing.T, input []byte, args ...string) string {
	t.Helper()
	out, err := tryRun(t, input, args...)
	if err != nil {
		t.Fatalf("replay %s: %v", strings.Join(args, " "), err)
	}
	return out
}

func tryRun(t *testing.T, input []byte, args ...string) (string, error) {
	t.Helper()
	var out, stderr bytes.Buffer
	err := Run(context.Background(), append(args, "-"), "1.2.3", Streams{bytes.NewReader(input), &out, &stderr})
	return out.String(), err
}

// golden compares got with the file at path, or rewrites that.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}
