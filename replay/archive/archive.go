// Package archive finds the recording in a zip file, as Playwright writes one,
// and as people make one to attach a HAR to a bug report.
package archive

import (
	"archive/zip"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// kinds are the endings of recordings, in the order in which they are looked
// for: Playwright has frames of WebSockets in JSON Lines beside a HAR.
func kinds() [][]string {
	return [][]string{{".har", ".har.gz", ".zhar"}, {".pcapng", ".pcap", ".cap", ".pcapng.gz", ".pcap.gz"}, {".jsonl", ".json"}}
}

// Open returns what is in the recording in the zip file f of size bytes, and
// the folder that it is in there. It is an error that there is none, or more
// than one of a kind. Both are read from f.
func Open(f io.ReaderAt, size int64) (recording io.Reader, beside fs.FS, err error) {
	z, err := zip.NewReader(f, size)
	if err != nil {
		return nil, nil, err
	}
	found := find(z)
	switch {
	case len(found) == 0:
		return nil, nil, fmt.Errorf("none of its %d files is a recording by its name", len(z.File))
	case len(found) > 1:
		return nil, nil, fmt.Errorf("it has %d recordings, such as %s and %s", len(found), found[0].Name, found[1].Name)
	case found[0].Flags&encrypted != 0:
		return nil, nil, fmt.Errorf("%s in it is encrypted", found[0].Name)
	}
	if recording, err = found[0].Open(); err != nil {
		return nil, nil, fmt.Errorf("%s in it: %w", found[0].Name, err)
	}
	beside, err = fs.Sub(z, path.Dir(found[0].Name))
	return recording, beside, err
}

// encrypted is the bit of a file's flags that says so (APPNOTE.TXT, 4.4.4).
const encrypted = 1

// find returns the recordings in z that are of the first kind that is there.
// What macOS and editors hide beside files is none.
func find(z *zip.Reader) (found []*zip.File) {
	for _, endings := range kinds() {
		for _, f := range z.File {
			base := strings.ToLower(path.Base(f.Name))
			if strings.HasPrefix(base, ".") || strings.HasPrefix(f.Name, "__MACOSX/") || !fs.ValidPath(f.Name) {
				continue
			}
			if slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(base, e) }) {
				found = append(found, f)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}
