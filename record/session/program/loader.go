package program

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
var tlsLibraries = []string{"libssl.so", "libssl3.so", "libgnutls.so", "libmbedtls.so", "libwolfssl.so", "libs2n.so"}

// Libraries returns the TLS libraries that programs started here load by name.
func Libraries() []string { return LibrariesNamed(tlsLibraries...) }

// LibrariesNamed returns the libraries that programs started here load by a
// name that begins with one of prefixes.
func LibrariesNamed(prefixes ...string) []string {
	cache, err := os.ReadFile(loaderCache)
	if err != nil {
		return globLibraries("", prefixes)
	}
	paths, err := parseLoaderCache(cache)
	if err != nil {
		return globLibraries("", prefixes)
	}
	var libs []string
	for _, p := range paths {
		if IsNamed(p, prefixes...) {
			libs = append(libs, p)
		}
	}
	slices.Sort(libs)
	return slices.Compact(libs)
}

// Loaders returns the dynamic loaders of programs that are started here.
func Loaders() []string {
	var loaders []string
	for _, pattern := range []string{"/lib/ld-*.so*", "/lib64/ld-*.so*"} {
		found, _ := filepath.Glob(pattern)
		loaders = append(loaders, found...)
	}
	return loaders
}

// IsTLSLibrary reports whether the file at path has the name of a TLS library.
func IsTLSLibrary(path string) bool { return IsNamed(path, tlsLibraries...) }

// IsNamed reports whether the name of the file at path begins with one of
// prefixes.
func IsNamed(path string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		return strings.HasPrefix(filepath.Base(path), prefix)
	})
}

// LibrariesIn returns the TLS libraries where programs with the root folder root
// usually find them.
func LibrariesIn(root string) []string { return globLibraries(root, tlsLibraries) }

// globLibraries looks where libraries usually are below the folder root, for
// systems without a cache, such as those with musl.
func globLibraries(root string, prefixes []string) []string {
	var libs []string
	for _, dir := range []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib/*-linux-*", "/usr/lib/*-linux-*"} {
		for _, prefix := range prefixes {
			found, _ := filepath.Glob(root + dir + "/" + prefix + "*")
			libs = append(libs, found...)
		}
	}
	return libs
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

// Needed returns the TLS libraries that the ELF file at path loads, directly or
// through other libraries, as far as its run paths, the given folders, which are
// those of LD_LIBRARY_PATH, and the loader's cache tell; and those that stand
// beside it, as a browser's do.
func Needed(path string, folders ...string) ([]string, error) {
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
		folders := append(runPaths(f, queue[0]), folders...)
		f.Close()
		for _, name := range needed {
			p := byName[name]
			for _, folder := range slices.Backward(folders) {
				if found := filepath.Join(folder, name); isFile(found) {
					p = found
				}
			}
			if p == "" || seen[p] {
				continue
			}
			seen[p] = true
			queue = append(queue, p)
			if IsTLSLibrary(p) {
				tls = append(tls, p)
			}
		}
	}
	return append(tls, beside(path, seen)...), nil
}

// runPaths returns the folders that f, of the file at path, has its libraries
// looked up in before others (ld.so(8)).
func runPaths(f *elf.File, path string) (folders []string) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		real = path
	}
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		lists, _ := f.DynString(tag)
		for _, list := range lists {
			for _, folder := range filepath.SplitList(list) {
				folder = strings.NewReplacer("$ORIGIN", filepath.Dir(real), "${ORIGIN}", filepath.Dir(real)).Replace(folder)
				folders = append(folders, folder)
			}
		}
	}
	return folders
}

// beside returns the TLS libraries in the folder of the file at path that are
// not in seen.
func beside(path string, seen map[string]bool) (libs []string) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil
	}
	folder, err := os.Open(filepath.Dir(real))
	if err != nil {
		return nil
	}
	defer folder.Close()
	names, _ := folder.Readdirnames(-1) // once: it may be /usr/bin
	slices.Sort(names)
	for _, name := range names {
		if lib := filepath.Join(filepath.Dir(real), name); IsTLSLibrary(lib) && !seen[lib] && lib != real {
			libs = append(libs, lib)
		}
	}
	return libs
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
