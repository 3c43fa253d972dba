package replay

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Paced or not, from bytes or from a file of exchanges, a view shows the same.
func TestPaced(t *testing.T) {
	for _, name := range []string{"live", "events", "list"} {
		for _, path := range []string{"../testdata/sse.rec", "testdata/ws.rec"} {
			for format, input := range map[string][]byte{"pcapng": asPcapng(t, path), "HAR": asHAR(t, path)} {
				want, got := run(t, input, "-V", name), run(t, input, "-V", name, "--speed", "1e9")
				if got != want {
					t.Errorf("%s of %s, %s: got\n%s\nwant\n%s", name, path, format, got, want)
				}
			}
		}
	}
}

// A signal ends what is shown at the recorded pace, and finishes the file.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	path := filepath.Join(t.TempDir(), "x.html")
	err := Run(ctx, []string{"--speed", "1e-6", "-o", path, "-"}, "1.2.3", Streams{bytes.NewReader(asHAR(t, "../testdata/sse.rec")), new(bytes.Buffer), new(bytes.Buffer)})
	if e := new(Error); !errors.As(err, &e) || e.Code != 130 || e.Err != nil {
		t.Errorf("the error is %v, want exit code 130", err)
	}
	html, err := os.ReadFile(path)
	if !errors.Is(err, os.ErrNotExist) && !bytes.HasSuffix(html, []byte("</html>\n")) {
		t.Errorf("the file ends in %q", html[max(0, len(html)-20):])
	}
}
