package locate

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A program is an executable in memory, stripped of everything but what is
// mapped, and where its functions were before that.
type program struct {
	data    []byte
	symbols map[string]uint64
}

// readProgram reads the executable at path.
func readProgram(t testing.TB, path string) program {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	p := program{data: data, symbols: map[string]uint64{}}
	syms, err := f.Symbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		t.Fatal(err)
	}
	for _, s := range syms {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			p.symbols[s.Name] = s.Value
		}
	}
	// The section headers are what leads to the symbols. Without them, what is
	// left of symbols and strings is bytes that nothing refers to.
	end := uint64(0)
	for _, s := range f.Progs {
		end = max(end, s.Off+s.Filesz)
	}
	p.data = p.data[:end]
	clear(p.data[40:48]) // e_shoff
	clear(p.data[60:64]) // e_shnum, e_shstrndx
	return p
}

func (p program) find(t testing.TB) ([]Library, error) {
	t.Helper()
	return Find(bytes.NewReader(p.data), int64(len(p.data)))
}

// tool skips the test where a program is not installed, but not in CI.
func tool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		missing(t, err.Error())
	}
}

func missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// run runs a command and returns what it prints.
func run(t testing.TB, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// compilers are the ways to make C into executables for each architecture.
var compilers = map[string]string{
	"gcc":       "gcc -Wl,-z,notext",
	"clang":     "clang -fuse-ld=lld",
	"clang-arm": "clang -fuse-ld=lld --target=aarch64-linux-gnu",
}

// compile compiles and links the C files in testdata/dir.
func compile(t testing.TB, compiler, flags, dir string) program {
	t.Helper()
	words := strings.Fields(compilers[compiler] + " " + flags)
	tool(t, words[0])
	if words[0] == "clang" {
		tool(t, "ld.lld")
	}
	files, err := filepath.Glob("testdata/" + dir + "/*.c")
	if err != nil || len(files) == 0 {
		t.Fatal("no C files in testdata/"+dir, err)
	}
	out := filepath.Join(t.TempDir(), "a.out")
	words = append(words, "-w", "-ffreestanding", "-nostdlib", "-Wl,-e,main", "-o", out)
	run(t, nil, words[0], append(words[1:], files...)...)
	return readProgram(t, out)
}

// extract writes a file of a package as npm pack makes it to a folder that is
// removed after the test, and returns its path.
func extract(t *testing.T, pack, file string) string {
	t.Helper()
	f, err := os.Open(pack)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err != nil {
			t.Fatalf("%s in %s: %v", file, pack, err)
		}
		if h.Name != file {
			continue
		}
		out, err := os.Create(filepath.Join(t.TempDir(), filepath.Base(file)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(out, r)
		if err := errors.Join(err, out.Close()); err != nil {
			t.Fatal(err)
		}
		return out.Name()
	}
}

// readSymbols returns the addresses of all functions that the file names.
func readSymbols(t *testing.T, path string) map[string]uint64 {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols := map[string]uint64{}
	for _, read := range []func() ([]elf.Symbol, error){f.Symbols, f.DynamicSymbols} {
		list, err := read()
		if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
			t.Logf("%s: %v", path, err)
		}
		for _, s := range list {
			if elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Value != 0 {
				symbols[s.Name] = s.Value
			}
		}
	}
	return symbols
}
