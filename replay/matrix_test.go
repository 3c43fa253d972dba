package replay

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// allRecordings returns the paths of the recordings of all packages.
func allRecordings(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".rec" {
			all = append(all, path)
		}
		return err
	})
	if err != nil || len(all) < 20 {
		t.Fatalf("%d recordings, %v", len(all), err)
	}
	return all
}

// convertAs converts input to a file called name, so that what an output says
// of the name of its input is the same each time.
func convertAs(t *testing.T, input []byte, format, profile string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out."+format)
	run(t, input, "-o", path, "--redact", profile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// unsettled are the recordings that the way to HTTP/1.1 and back changes more
// than once, between the formats of bytes and those of exchanges, and why.
var unsettled = map[string]string{
	"coding.rec":       "a compressed body that broke off is decoded, and then is short of its length",
	"edges.rec":        "connections without an exchange are only in pcapng: others get their numbers",
	"holes.rec":        "exchanges on connections that began at the same time change places",
	"http2.rec":        "a stream that was reset becomes a request without an answer",
	"peek.rec":         "exchanges whose end only what came after told change places and numbers",
	"lost-request.rec": "a request of which the head was lost cannot be made again",
}

// TestMatrix takes every recording from each format through each other one and
// back, twice. The second time changes nothing: the first may, where a format
// has not all that another has, such as the bytes of heads.
func TestMatrix(t *testing.T) {
	formats := []string{"har", "jsonl", "pcapng"}
	for _, path := range allRecordings(t) {
		input := asPcapng(t, path)
		for _, profile := range []string{"none", "secrets"} {
			for _, a := range formats {
				for _, b := range formats {
					if unsettled[filepath.Base(path)] != "" && (a == "pcapng") != (b == "pcapng") {
						continue
					}
					t.Run(fmt.Sprintf("%s/%s/%s-%s", filepath.Base(path), profile, a, b), func(t *testing.T) {
						first := convertAs(t, input, b, profile)
						once := convertAs(t, convertAs(t, first, a, profile), b, profile)
						twice := convertAs(t, convertAs(t, once, a, profile), b, profile)
						if !bytes.Equal(once, twice) {
							t.Errorf("%d bytes, then %d: %s", len(once), len(twice), firstDifference(once, twice))
						}
					})
				}
			}
		}
	}
}

// firstDifference returns what a and b have where they begin to differ.
func firstDifference(a, b []byte) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	part := func(p []byte) string { return strings.ToValidUTF8(string(p[max(0, i-150):min(len(p), i+100)]), "?") }
	return fmt.Sprintf("at %d\n%q\nand\n%q", i, part(a), part(b))
}
