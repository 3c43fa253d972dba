package har_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ssltape/har"
	"ssltape/record"
	"ssltape/record/assembly"
	"ssltape/record/recordtest"
)

var update = flag.Bool("update", false, "rewrite the wanted outputs in testdata")

// recordings returns the paths of all recordings written by hand.
func recordings(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"../testdata/*.rec", "testdata/*.rec"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: no recordings (%v)", pattern, err)
		}
		all = append(all, paths...)
	}
	return all
}

// convert returns the HAR file of the recording at path, the chunks of which
// are passed on in pieces of at most n bytes.
func convert(t testing.TB, path string, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := har.NewWriter(&b, har.Options{Version: "0.1.0", Redaction: "none"})
	if err != nil {
		t.Fatal(err)
	}
	a := assembly.New(w, assembly.Options{})
	if err := record.Copy(recordtest.Open(t, path), recordtest.Splitter{N: n, W: a}); err != nil {
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

func TestGolden(t *testing.T) {
	for _, path := range recordings(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".rec"), func(t *testing.T) {
			got := convert(t, path, 1<<20)
			if !json.Valid(got) {
				t.Errorf("not JSON:\n%s", got)
			}
			golden := strings.TrimSuffix(path, ".rec") + ".har"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v (go test -update writes it)", err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s (go test -update rewrites it): %s", golden, diff(got, want))
			}
			for _, n := range []int{1, 2, 3, 7} {
				if cut := convert(t, path, n); !bytes.Equal(cut, want) {
					t.Errorf("in pieces of %d bytes: %s", n, diff(cut, want))
				}
			}
			if again := write(t, read(t, want)...); !bytes.Equal(again, want) {
				t.Errorf("read and written again: %s", diff(again, want))
			}
		})
	}
}

// diff says where got is not want.
func diff(got, want []byte) string {
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d is\n%s\nwant\n%s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}
