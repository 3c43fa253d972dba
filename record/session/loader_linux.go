package session

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// loaderCache is where ld.so keeps the paths of the shared libraries that it
// finds by name (ld.so(8)).
const loaderCache = "/etc/ld.so.cache"

// tlsLibraries are the beginnings of the file names of libraries that are
// hooked before anything is known to use them.
var tlsLibraries = []string{"libssl.so", "libgnutls.so", "libnspr4.so"}

// readlineLibrary is likewise that of the library that some builds of bash read
// lines with.
const readlineLibrary = "libreadline.so"

// systemLibraries returns the TLS libraries that programs started here load by
// name.
func systemLibraries() []string { return librariesNamed(tlsLibraries...) }

// librariesNamed returns the libraries that programs started here load by a
// name that begins with one of prefixes.
func librariesNamed(prefixes ...string) []string {
	cache, err := os.ReadFile(loaderCache)
	if err != nil {
		return globLibraries(prefixes)
	}
	paths, err := parseLoaderCache(cache)
	if err != nil {
		return globLibraries(prefixes)
	}
	var libs []string
	for _, p := range paths {
		if isNamed(p, prefixes...) {
			libs = append(libs, p)
		}
	}
	slices.Sort(libs)
	return slices.Compact(libs)
}

func isTLSLibrary(path string) bool { return isNamed(path, tlsLibraries...) }

// isNamed reports whether the name of the file at path begins with one of
// prefixes.
func isNamed(path string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		return strings.HasPrefix(filepath.Base(path), prefix)
	})
}

// globLibraries looks where libraries usually are, for systems without a
// cache, such as those with musl.
func globLibraries(prefixes []string) []string {
	var libs []string
	for _, dir := range []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib/*-linux-*", "/usr/lib/*-linux-*"} {
		for _, prefix := range prefixes {
			found, _ := filepath.Glob(dir + "/" + prefix + "*")
			libs = append(libs, found...)
		}
	}
	return libs
}

// Functions of libc by which a process comes to more code than it has.
var (
	loading  = []string{"dlopen", "dlmopen"}
	starting = []string{"fork", "vfork", "execve", "execv", "execvp", "posix_spawn", "posix_spawnp", "system", "popen"}
)

// mayCome reports whether process pid may yet load a TLS library, or with
// children start a program that does: whether what it has mapped, other than
// libc and the loader themselves, imports a function that does so.
func mayCome(pid int, children bool) bool {
	files, _ := mappedFiles(pid)
	for _, path := range files {
		if isNamed(path, "libc.so", "libc-", "ld-", "ld.so") {
			continue
		}
		if imports(path, loading) || children && imports(path, starting) {
			return true
		}
	}
	return false
}

// imports reports whether the ELF file at path imports one of functions.
func imports(path string, functions []string) (does bool) {
	defer func() { // debug/elf does not promise to survive every file
		if recover() != nil {
			does = false
		}
	}()
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	symbols, _ := f.ImportedSymbols()
	return slices.ContainsFunc(symbols, func(s elf.ImportedSymbol) bool { return slices.Contains(functions, s.Name) })
}

// parseLoaderCache returns the paths in an ld.so.cache of the format that
// glibc 2.2 and later write (elf/cache.c, struct cache_file_new), which may
// follow an older table in the same file. Broken entries are skipped.
func parseLoaderCache(cache []byte) ([]string, error) {
	const (
		magic     = "glibc-ld.so.cache1.1"
		headSize  = 48 // magic and version, nlibs, len_strings, flags, extension offset, unused
		entrySize = 24 // flags int32, key and value uint32, osversion uint32, hwcap uint64
	)
	i := bytes.Index(cache, []byte(magic))
	if i < 0 || len(cache)-i < headSize {
		return nil, errors.New(loaderCache + ": unknown format")
	}
	cache = cache[i:] // strings are addressed from here
	n := int(binary.NativeEndian.Uint32(cache[20:]))
	var paths []string
	for e := cache[headSize:]; n > 0 && len(e) >= entrySize; e, n = e[entrySize:], n-1 {
		value := int(binary.NativeEndian.Uint32(e[8:]))
		if value >= len(cache) {
			continue
		}
		if end := bytes.IndexByte(cache[value:], 0); end > 0 {
			paths = append(paths, string(cache[value:value+end]))
		}
	}
	return paths, nil
}

// neededTLS returns the TLS libraries that the dynamic executable at path
// loads, directly or through other libraries, as far as the loader's cache
// tells.
func neededTLS(path string) ([]string, error) {
	byName := map[string]string{}
	if cache, err := os.ReadFile(loaderCache); err == nil {
		paths, _ := parseLoaderCache(cache)
		for _, p := range slices.Backward(paths) { // the first of a name is the one that is loaded
			byName[filepath.Base(p)] = p
		}
	}
	var tls []string
	seen := map[string]bool{}
	for queue := []string{path}; len(queue) > 0; queue = queue[1:] {
		f, err := elf.Open(queue[0])
		if err != nil && queue[0] == path {
			return nil, err
		}
		if err != nil {
			continue
		}
		needed, _ := f.ImportedLibraries()
		f.Close()
		for _, name := range needed {
			p := byName[name]
			if p == "" || seen[p] {
				continue
			}
			seen[p] = true
			queue = append(queue, p)
			if isTLSLibrary(p) {
				tls = append(tls, p)
			}
		}
	}
	return tls, nil
}
