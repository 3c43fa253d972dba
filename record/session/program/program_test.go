package program

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// tree writes files below a new folder and returns it. Those whose text starts
// with #! or that are ELF can be executed. DIR: stands for the folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path, mode := filepath.Join(dir, name), os.FileMode(0o644)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			if err := os.Symlink(to, path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if strings.HasPrefix(text, "#!") || strings.HasPrefix(text, "\x7fELF") {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR:", dir)), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const elfFile = "\x7fELF"

func TestFiles(t *testing.T) {
	machine := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	big := elfFile + strings.Repeat("x", minBinary)
	dir := tree(t, map[string]string{
		"bin/node": elfFile, "bin/sh": elfFile, "bin/other": elfFile,
		"plain":   "#!DIR:/bin/node --flag\n",
		"env":     "#!/usr/bin/env node\n",
		"split":   "#!/usr/bin/env -S -u HOME A=b node --x\n",
		"split2":  "#!/usr/bin/env --split-string=node --x\n",
		"unknown": "#!/usr/bin/env no-such-program\n",
		"twice":   "#!DIR:/plain\n",
		"loop":    "#!DIR:/loop\n",
		"shell":   "#!DIR:/bin/sh\nDIR=DIR:/bin\nNAME=\"other\"\nif true; then\n  exec $DIR/${NAME} \"$@\"\nfi\nexec >log 2>&1\nexec $X/node\n",
		"text":    "no program\n",
		"link":    "-> env",

		"npm/bin/tool": "-> ../lib/node_modules/@x/tool/bin/tool.js",
		"npm/lib/node_modules/@x/tool/bin/tool.js": "#!/usr/bin/env node\n",
		"npm/lib/node_modules/@x/tool/package.json": `{"optionalDependencies": {"@x/tool-linux-` + machine + `": "1", "@x/tool-darwin-` + machine + `": "1",
			"@x/flat-linux-` + machine + `": "1", "@x/gone-linux-` + machine + `": "1"}}`,
		"npm/lib/node_modules/@x/tool/node_modules/@x/tool-linux-" + machine + "/vendor/bin/tool":  big,
		"npm/lib/node_modules/@x/tool/node_modules/@x/tool-linux-" + machine + "/vendor/bin/rg":    big,
		"npm/lib/node_modules/@x/tool/node_modules/@x/tool-darwin-" + machine + "/vendor/bin/tool": big,
		"npm/lib/node_modules/@x/flat-linux-" + machine + "/tool":                                  big,
		"npm/lib/node_modules/broken/cli.js":                                                       "#!/usr/bin/env node\n",
		"npm/lib/node_modules/broken/package.json":                                                 `{"optionalDependencies": 7`,
	})
	t.Setenv("PATH", filepath.Join(dir, "bin"))
	for name, want := range map[string][]string{
		"plain": {"bin/node"}, "env": {"bin/node"}, "split": {"bin/node"}, "split2": {"bin/node"}, "link": {"bin/node"},
		"twice": {"bin/node"}, "loop": nil, "shell": {"bin/sh", "bin/other"}, "text": nil, "missing": nil, "bin/other": {"bin/other"},
		"npm/bin/tool": {"bin/node", "npm/lib/node_modules/@x/flat-linux-" + machine + "/tool",
			"npm/lib/node_modules/@x/tool/node_modules/@x/tool-linux-" + machine + "/vendor/bin/tool"},
		"npm/lib/node_modules/broken/cli.js": {"bin/node"},
	} {
		var got []string
		for _, f := range Files(filepath.Join(dir, name)) {
			rel, _ := filepath.Rel(dir, f)
			got = append(got, rel)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, s := range Resolve(filepath.Join(dir, "unknown")) {
		if filepath.Base(s.Path) != "env" && filepath.Base(s.Path) != "unknown" {
			t.Errorf("unknown leads to %+v", s)
		}
	}
}

// A table as ld.so writes it, and damaged ones.
func TestLoaderCache(t *testing.T) {
	b := make([]byte, 48)
	copy(b, "glibc-ld.so.cache1.1")
	binary.NativeEndian.PutUint32(b[20:], 3)
	const text = "libssl.so.3\x00/lib/libssl.so.3\x00"
	for _, value := range []uint32{48 + 3*24 + 12, 1 << 30, 48 + 3*24} {
		e := make([]byte, 24)
		binary.NativeEndian.PutUint32(e[8:], value)
		b = append(b, e...)
	}
	b = append(b, text...)
	got, err := parseLoaderCache(append([]byte("old"), b...))
	if want := []string{"/lib/libssl.so.3", "libssl.so.3"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	for n := range b {
		parseLoaderCache(b[:n]) // must not fail badly
	}
	if _, err := parseLoaderCache([]byte("ld.so-1.7.0")); err == nil {
		t.Error("an old table is taken for a new one")
	}
}

// A program finds the libraries of its run path before those of the system, and
// those that stand beside it.
func TestNeeded(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir := tree(t, map[string]string{"app": string(text), "libssl3.so": elfFile, "other": elfFile})
	got, err := Needed(filepath.Join(dir, "app"))
	if want := []string{filepath.Join(dir, "libssl3.so")}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if _, err := Needed(filepath.Join(dir, "other")); err == nil {
		t.Error("a file that is no program needs nothing")
	}
}
