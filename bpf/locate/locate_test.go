package locate

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	pie    = "-fPIE -static-pie"
	static = "-fno-pie -static -fno-asynchronous-unwind-tables" // and without .eh_frame
)

// eachBuild calls f for the C files in testdata/dir compiled in many ways:
// at each level of optimisation with each of the flags.
func eachBuild(t *testing.T, dir string, levels, flags []string, f func(t *testing.T, p program)) {
	for compiler := range compilers {
		for _, level := range levels {
			for _, extra := range flags {
				t.Run(strings.Join([]string{compiler, level, extra}, " "), func(t *testing.T) {
					t.Parallel()
					f(t, compile(t, compiler, level+" "+extra, dir))
				})
			}
		}
	}
}

// check compares the functions of a library with what the symbols were. want
// maps a name to the name of the symbol.
func check(t *testing.T, l *Library, p program, want map[string]string) {
	t.Helper()
	for _, f := range l.Funcs {
		symbol, ok := want[f.Name]
		if !ok {
			t.Errorf("%s at %#x is unexpected", f.Name, f.Addr)
		} else if f.Addr != p.symbols[symbol] {
			t.Errorf("%s at %#x, the symbol %s is at %#x: %s", f.Name, f.Addr, symbol, p.symbols[symbol], f.How)
		}
	}
	for name := range want {
		if l.Func(name) == nil {
			t.Errorf("%s not found: %v", name, l.Refused)
		}
	}
}

func TestBoringSSL(t *testing.T) {
	levels := []string{"-O0", "-O1", "-O2", "-O3", "-Os"}
	eachBuild(t, "boringssl", levels, []string{pie + " -DPEEK", static}, func(t *testing.T, p program) {
		libs, err := p.find(t)
		if err != nil {
			t.Fatal(err)
		}
		if len(libs) != 1 || libs[0].Stack != BoringSSL || libs[0].Refused != nil {
			t.Fatalf("found %+v", libs)
		}
		check(t, &libs[0], p, map[string]string{"SSL_read": "SSL_read", "SSL_write": "SSL_write", "tls_free": "tls_free"})
	})
}

// The library is recognised, but its functions are not what their names
// promise: then they are refused, whatever else is found.
func TestBoringSSLRefused(t *testing.T) {
	for flag, name := range map[string]string{
		"-DINLINED": "SSL_read",  // into a function with other arguments
		"-DTWICE":   "SSL_write", // two functions have the same error site
	} {
		eachBuild(t, "boringssl", []string{"-O1", "-O2"}, []string{pie + " " + flag}, func(t *testing.T, p program) {
			libs, err := p.find(t)
			if err != nil || len(libs) != 1 {
				t.Fatalf("found %+v, %v", libs, err)
			}
			if l := libs[0]; l.Refused == nil || l.Refused.Func != name || l.Func(name) != nil {
				t.Errorf("%s: refused %v, found %+v", name, l.Refused, l.Func(name))
			}
		})
	}
}

func TestOpenSSL(t *testing.T) {
	levels := []string{"-O0", "-O2", "-Os"}
	flags := []string{pie, pie + " -DV1 -DOLD", static + " -DOLD", static + " -DINLINED"}
	eachBuild(t, "openssl", levels, flags, func(t *testing.T, p program) {
		libs, err := p.find(t)
		if err != nil {
			t.Fatal(err)
		}
		if len(libs) != 1 || libs[0].Stack != OpenSSL || libs[0].Version != "3.0.99" && libs[0].Version != "1.1.1z" || libs[0].Refused != nil {
			t.Fatalf("found %+v", libs)
		}
		want := map[string]string{"SSL_read": "SSL_read", "SSL_write": "SSL_write", "SSL_free": "tls_free"}
		for _, of := range []string{"read", "write"} {
			if inner := "ssl_" + of + "_internal"; p.symbols[inner] != 0 {
				want[inner] = inner
			} else {
				want["SSL_"+of+"_ex"] = "SSL_" + of + "_ex"
			}
		}
		check(t, &libs[0], p, want)
		for _, f := range libs[0].Funcs {
			if stores := f.Name != "SSL_read" && f.Name != "SSL_write" && f.Name != "SSL_free"; stores != (f.Count == 3) {
				t.Errorf("%s stores the count by argument %d", f.Name, f.Count)
			}
		}
	})
}

// OpenSSL as Debian builds it: libssl-dev of this machine, and those of other
// releases and arm64 that .ci/libssl has put into the folder SSLTAPE_LIBSSL.
func TestRealOpenSSL(t *testing.T) {
	dir := os.Getenv("SSLTAPE_LIBSSL")
	for _, lib := range []struct{ folder, target, version, free string }{
		{dir + "/bullseye-amd64", "x86_64", "1.1.1", "tls1_free"},
		{dir + "/bullseye-arm64", "aarch64", "1.1.1", "tls1_free"},
		{"/usr/lib/x86_64-linux-gnu", "x86_64", "3.0.", "tls1_free"},
		{dir + "/trixie-amd64", "x86_64", "3.5.", "ossl_ssl_connection_free"},
		{dir + "/trixie-arm64", "aarch64", "3.5.", "ossl_ssl_connection_free"},
	} {
		t.Run(lib.version+lib.target, func(t *testing.T) {
			if _, err := os.Stat(lib.folder + "/libssl.a"); err != nil || dir == "" {
				missing(t, fmt.Sprint("no static OpenSSL: ", err))
			}
			tool(t, "ld.lld")
			out := filepath.Join(t.TempDir(), "a.out")
			// Without libc, which nothing is run of.
			run(t, nil, "clang", "--target="+lib.target+"-linux-gnu", "-fuse-ld=lld", "-nostdlib", "-static", "-w", "-Wl,-e,main",
				"-Wl,--unresolved-symbols=ignore-all", "-o", out, "testdata/real/main.c", lib.folder+"/libssl.a", lib.folder+"/libcrypto.a")
			p := readProgram(t, out)
			libs, err := p.find(t)
			if err != nil || len(libs) != 1 || libs[0].Stack != OpenSSL || libs[0].Refused != nil || !strings.HasPrefix(libs[0].Version, lib.version) {
				t.Fatalf("found %+v, %v", libs, err)
			}
			check(t, &libs[0], p, map[string]string{"SSL_read": "SSL_read", "SSL_write": "SSL_write", "SSL_free": lib.free,
				"ssl_read_internal": "ssl_read_internal", "ssl_write_internal": "ssl_write_internal"})
			if count, want := libs[0].Func("ssl_write_internal").Count, map[bool]int{true: 4, false: 3}[lib.version == "3.5."]; count != want {
				t.Errorf("ssl_write_internal stores the count by argument %d, want %d", count, want)
			}
		})
	}
}

func TestNSS(t *testing.T) {
	eachBuild(t, "nss", []string{"-O0", "-O1", "-O2", "-Os"}, []string{pie, static}, func(t *testing.T, p program) {
		libs, err := p.find(t)
		if err != nil {
			t.Fatal(err)
		}
		if len(libs) != 1 || libs[0].Stack != NSS || libs[0].Version != "3.99.1" || libs[0].Refused != nil {
			t.Fatalf("found %+v", libs)
		}
		check(t, &libs[0], p, map[string]string{"ssl_SecureRecv": "ssl_SecureRecv", "ssl_SecureSend": "ssl_SecureSend", "ssl_SecureClose": "ssl_SecureClose"})
	})
}

const goProgram = `package main

import ("crypto/tls"; "os")

func main() {
	c, err := tls.Dial("tcp", os.Args[1], nil)
	if err != nil { panic(err) }
	c.Read(make([]byte, 9)); c.Write([]byte("x")); c.Close()
}
`

func TestGo(t *testing.T) {
	tool(t, "go")
	dir := t.TempDir()
	for name, text := range map[string]string{"main.go": goProgram, "go.mod": "module x\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, env := range map[string][]string{
		"amd64": {"GOARCH=amd64"}, "amd64 pie": {"GOARCH=amd64", "GOFLAGS=-buildmode=pie"},
		"amd64 v3": {"GOARCH=amd64", "GOAMD64=v3"}, "arm64": {"GOARCH=arm64"},
	} {
		t.Run(name, func(t *testing.T) {
			env = append(env, "GOOS=linux", "CGO_ENABLED=0", "GOWORK=off")
			full, stripped := filepath.Join(t.TempDir(), "full"), filepath.Join(t.TempDir(), "stripped")
			run(t, env, "go", "build", "-C", dir, "-o", full, ".")
			run(t, env, "go", "build", "-C", dir, "-ldflags=-s -w", "-o", stripped, ".")
			p := readProgram(t, full)
			for _, path := range []string{full, stripped} {
				q := readProgram(t, path)
				libs, err := q.find(t)
				if err != nil || len(libs) != 1 || libs[0].Stack != Go || libs[0].Refused != nil {
					t.Fatalf("%s: found %+v, %v", path, libs, err)
				}
				want := map[string]string{}
				for _, n := range goNames {
					want[n] = n
				}
				check(t, &libs[0], p, want)
				for _, f := range libs[0].Funcs {
					if want := returnsOf(t, full, f); !slices.Equal(f.Returns, want) {
						t.Errorf("%s returns at %#x, want %#x", f.Name, f.Returns, want)
					}
				}
			}
			if libs, _ := (Cache{t.TempDir()}).Find(stripped); len(libs) != 1 || !strings.HasPrefix(libs[0].Version, "go1.") {
				t.Errorf("version of %+v", libs)
			}
		})
	}
}

// returnsOf lists the file offsets of the returns of f as go tool objdump sees
// them.
func returnsOf(t *testing.T, path string, f Func) (offs []uint64) {
	t.Helper()
	text := run(t, nil, "go", "tool", "objdump", "-s", "^"+regexp.QuoteMeta(f.Name)+"$", path)
	for _, m := range regexp.MustCompile(`(?m)^\s+\S+\s+0x([0-9a-f]+)\s.*\sRET\s*$`).FindAllStringSubmatch(text, -1) {
		va, err := strconv.ParseUint(m[1], 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		offs = append(offs, va-f.Addr+f.Offset)
	}
	if len(offs) == 0 {
		t.Fatalf("no returns in %s", text)
	}
	return offs
}

// The offsets were confirmed by recording what went through them, those for
// arm64 by their code.
var bunOffsets = []struct {
	pack              string
	read, write, free uint64
	ci                bool // required in CI
}{
	{"bun-linux-x64-1.4.5", 0x237e500, 0x23ffc30, 0x23ae4c0, true},
	{"bun-linux-x64-1.3.14", 0x3a027c0, 0x3a02b50, 0x3a52ce0, true},
	{"bun-linux-x64-1.0.0", 0x2a4fee0, 0x2a502f0, 0x2b63800, true},
	{"bun-linux-x64-baseline-1.3.14", 0x367f3f0, 0x367f780, 0x36ca460, true},
	{"bun-linux-x64-musl-1.4.5", 0x5fa7cc0, 0x5fa80b0, 0x5faa840, true},
	{"bun-linux-aarch64-1.4.5", 0x2125500, 0x21a07c0, 0x2158400, false},
	{"bun-linux-aarch64-1.3.14", 0x34f6880, 0x34f6c40, 0x354c180, true},
}

// TestBun reads packages that were fetched with npm pack @oven/NAME@VERSION
// into the folder SSLTAPE_NPM, or ssltape/npm in the user's cache folder.
func TestBun(t *testing.T) {
	dir := os.Getenv("SSLTAPE_NPM")
	if cache, err := os.UserCacheDir(); dir == "" && err == nil {
		dir = filepath.Join(cache, "ssltape", "npm")
	}
	for _, bun := range bunOffsets {
		t.Run(bun.pack, func(t *testing.T) {
			pack := filepath.Join(dir, "oven-"+bun.pack+".tgz")
			if _, err := os.Stat(pack); err != nil {
				if bun.ci {
					missing(t, err.Error())
				}
				t.Skip(err)
			}
			libs, err := Cache{t.TempDir()}.Find(extract(t, pack, "package/bin/bun"))
			if err != nil || len(libs) != 1 || libs[0].Refused != nil {
				t.Fatalf("found %+v, %v", libs, err)
			}
			want := map[string]uint64{"SSL_read": bun.read, "SSL_write": bun.write, "tls_free": bun.free}
			got := map[string]uint64{}
			for _, f := range libs[0].Funcs {
				got[f.Name] = f.Offset
			}
			if !maps.Equal(got, want) {
				t.Errorf("found %#x, want %#x", got, want)
			}
		})
	}
}

// No function is found in programs of this machine where its symbol is not,
// nor in those that certainly have none.
func TestNoFalseHits(t *testing.T) {
	without := regexp.MustCompile(`^(perl|gdb|cc1|lto1|qemu-system-.*|libcrypto\.so.*|libLLVM.*|libgnutls\.so.*|libstdc.*|libgo\.so.*|libicudata.*)$`)
	budget := int64(1 << 30) // bytes to read
	for _, root := range []string{"/usr/bin", "/usr/lib", "/usr/libexec"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil // a folder that may not be read
			}
			info, err := d.Info()
			if err != nil || info.Size() < 2<<20 || info.Size() > budget {
				return nil
			}
			libs, err := Cache{t.TempDir()}.Find(path)
			if format := (*FormatError)(nil); errors.As(err, &format) || errors.Is(err, fs.ErrPermission) {
				return nil
			}
			budget -= info.Size()
			if without.MatchString(d.Name()) && !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: found %+v, %v", path, libs, err)
			}
			for _, l := range libs {
				confirm(t, path, &l)
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// inners are the functions in which the exported ones do their work.
var inners = map[string]string{"SSL_read": "ssl_read_internal", "SSL_write": "ssl_write_internal"}

// confirm compares the functions found with those of the symbols that the file
// at path has.
func confirm(t *testing.T, path string, l *Library) {
	t.Helper()
	symbols := readSymbols(t, path)
	names := []string{}
	for _, f := range l.Funcs {
		names = append(names, fmt.Sprintf("%s %#x", f.Name, f.Addr))
		at, ok := symbols[f.Name]
		if inner, found := strings.CutSuffix(f.Name, "_ex"); found && symbols[inners[inner]] == f.Addr {
			continue // the function that it hands all arguments to, and which some compilers put into the others
		}
		if ok && at != f.Addr && f.Name != "SSL_free" {
			t.Errorf("%s: %s found at %#x, its symbol is at %#x", path, f.Name, f.Addr, at)
		}
	}
	t.Logf("%s: %s %s %v", path, l.Stack, l.Version, names)
}
