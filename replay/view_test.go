package replay

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"ssltape/record"
	"ssltape/record/assembly"
	"ssltape/record/recordtest"
	"ssltape/record/view"
)

// Every view of every recording is what it was, read from pcapng.
func TestViews(t *testing.T) {
	for _, path := range recordings(t) {
		name := strings.TrimSuffix(filepath.Base(path), ".rec")
		input := asPcapng(t, path)
		for _, v := range view.All() {
			t.Run(name+"/"+v.Name, func(t *testing.T) {
				got := run(t, input, "-V", v.Name, "--redact", "none")
				golden(t, filepath.Join("testdata", "views", name+"."+v.Name+".txt"), got)
			})
		}
	}
}

// What a view shows does not depend on how the bytes came, nor on the format
// in which they were stored.
func TestViewsAgree(t *testing.T) {
	for _, path := range recordings(t) {
		for _, name := range []string{"list", "live", "events", "full"} {
			t.Run(filepath.Base(path)+"/"+name, func(t *testing.T) {
				want := run(t, asPcapng(t, path), "-V", name, "--redact", "none")
				for _, n := range []int{1, 2, 3, 7} {
					if got := show(t, path, name, n); got != want {
						t.Errorf("in pieces of %d: got\n%s\nwant\n%s", n, got, want)
					}
				}
			})
		}
		t.Run(filepath.Base(path)+"/HAR", func(t *testing.T) {
			want := run(t, asPcapng(t, path), "-V", "list", "--redact", "none")
			if got := run(t, asHAR(t, path), "-V", "list", "--redact", "none"); got != want {
				t.Errorf("list of HAR: got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// show returns the view of a recording whose chunks come in pieces of n bytes,
// as record shows it.
func show(t *testing.T, path, name string, n int) string {
	t.Helper()
	var b bytes.Buffer
	v, err := view.New(name, &b, view.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := assembly.New(v, assembly.Options{})
	if err := record.Copy(recordtest.Open(t, path), recordtest.Splitter{N: n, W: a}); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// No view passes on what could take over a terminal.
func TestViewsAreSafe(t *testing.T) {
	for _, path := range recordings(t) {
		for _, v := range view.All() {
			got := showOn(t, path, v.Name, view.Options{Terminal: true, Width: 100})
			for i, r := range got {
				if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
					t.Errorf("%s of %s: character %U in %q", v.Name, path, r, got[max(0, i-20):min(len(got), i+20)])
					break
				}
			}
		}
	}
}

// Lines of the list fit the terminal whatever its width.
func TestListFits(t *testing.T) {
	for _, path := range recordings(t) {
		for _, width := range []int{50, 80, 100, 132, 200} {
			for line := range strings.Lines(showOn(t, path, "list", view.Options{Terminal: true, Width: width})) {
				if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width {
					t.Errorf("%s at %d columns: %d in %q", path, width, n, line)
				}
			}
		}
	}
}

func showOn(t *testing.T, path, name string, o view.Options) string {
	t.Helper()
	var b bytes.Buffer
	v, err := view.New(name, &b, o)
	if err != nil {
		t.Fatal(err)
	}
	a := assembly.New(v, assembly.Options{})
	if err := record.Copy(recordtest.Open(t, path), a); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
