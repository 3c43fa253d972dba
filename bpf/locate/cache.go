package locate

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A Cache remembers on disk what [Find] found, in one small file for each file
// that was searched. The zero Cache is in the folder ssltape in the user's
// folder for caches ([os.UserCacheDir]); under sudo, in root's.
//
// It keeps what was used last: see prune. It only ever saves time: an entry that cannot be read, was written by another
// user or version, or does not fit the file counts as missing, and one that
// cannot be written is not kept.
type Cache struct{ Dir string }

// A cacheEntry is the content of a file in the cache.
type cacheEntry struct {
	Version int
	Key     string // see cacheKey
	Libs    []Library
	Code    [][]byte // first bytes of each function, in order
}

const (
	cacheVersion = 4       // of the entries, to be raised when Find finds more, or others
	cacheMax     = 1 << 20 // bytes of an entry
	cacheEntries = 256
	cacheAge     = 90 * 24 * time.Hour // since an entry was used, to a day
	cacheUse     = 24 * time.Hour      // how exactly that is known
	cacheWriting = time.Hour           // what has not become an entry by then never will
	ntGNUBuildID = 3
)

// Find is [Find] for the file at path. Its errors begin with the path.
func (c Cache) Find(path string) ([]Library, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	key := cacheKey(f, info)
	libs, ok := c.load(key, f)
	if !ok {
		libs, err = Find(f, info.Size())
		if err == nil || errors.Is(err, ErrNotFound) {
			c.store(key, libs, f)
		}
	} else if len(libs) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return libs, nil
}

// cacheKey identifies the content of a file: by its size and what the linker
// noted, which survives copying, and else by when it was written.
func cacheKey(r io.ReaderAt, info os.FileInfo) string {
	if id := buildID(r, info.Size()); id != nil {
		return fmt.Sprintf("%d bytes, build id %x", info.Size(), id)
	}
	return fmt.Sprintf("%d bytes, written %d", info.Size(), info.ModTime().UnixNano())
}

// buildID returns the description of the note NT_GNU_BUILD_ID, or nil.
func buildID(r io.ReaderAt, size int64) []byte {
	im, err := newImage(r, size)
	if err != nil {
		return nil
	}
	for _, s := range im.notes {
		b := make([]byte, min(s.size, pageSize))
		r.ReadAt(b, int64(s.off)) // zeros, where it fails, are no note
		for len(b) >= 16 {
			name, desc := uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[4:]))
			from := 12 + (name+3)&^3
			next := from + (desc+3)&^3
			if next > uint64(len(b)) {
				break
			}
			if binary.LittleEndian.Uint32(b[8:]) == ntGNUBuildID && string(b[12:16]) == "GNU\x00" && desc > 0 {
				return b[from : from+desc]
			}
			b = b[next:]
		}
	}
	return nil
}

// name returns the path of the entry for key.
func (c Cache) name(key string) (string, error) {
	dir := c.Dir
	if dir == "" {
		user, err := cacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(user, "ssltape")
	}
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(dir, fmt.Sprintf("locate-%x.json", sum[:12])), nil
}

// load returns the entry for key where there is a sound one, and the functions
// of the file that r reads begin as they did.
func (c Cache) load(key string, r io.ReaderAt) ([]Library, bool) {
	name, err := c.name(key)
	if err != nil {
		return nil, false
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > cacheMax || !private(info) {
		return nil, false
	}
	var e cacheEntry
	if json.NewDecoder(io.LimitReader(f, cacheMax)).Decode(&e) != nil || e.Version != cacheVersion || e.Key != key {
		return nil, false
	}
	code := codeOf(e.Libs, r)
	if len(code) != len(e.Code) {
		return nil, false
	}
	for i := range code {
		if len(code[i]) == 0 || !bytes.Equal(code[i], e.Code[i]) {
			return nil, false
		}
	}
	if now := time.Now(); now.Sub(info.ModTime()) > cacheUse {
		_ = os.Chtimes(name, now, now) // it is in use: see prune
	}
	return e.Libs, true
}

// store writes the entry for key. A reader sees a whole entry or none.
func (c Cache) store(key string, libs []Library, r io.ReaderAt) {
	b, err := json.Marshal(cacheEntry{cacheVersion, key, libs, codeOf(libs, r)})
	if err != nil {
		return
	}
	name, err := c.name(key)
	if err != nil || os.MkdirAll(filepath.Dir(name), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(name), "locate-*.tmp") // mode 0600
	if err != nil {
		return
	}
	_, err = f.Write(b)
	if errors.Join(err, f.Close()) != nil || os.Rename(f.Name(), name) != nil {
		os.Remove(f.Name())
		return
	}
	prune(filepath.Dir(name), time.Now())
}

// prune removes from dir the entries that were not used for long, all but the
// [cacheEntries] that were used last, and what a writer that was killed has left.
// Others may read, write and prune there at the same time: an entry that one of
// them misses is searched for again. Files of other users and names stay.
func prune(dir string, now time.Time) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	var entries []fs.FileInfo
	for _, file := range files {
		info, err := file.Info()
		if err != nil || !info.Mode().IsRegular() || !private(info) {
			continue
		}
		if ok, _ := filepath.Match("locate-*.tmp", file.Name()); ok && now.Sub(info.ModTime()) > cacheWriting {
			os.Remove(filepath.Join(dir, file.Name()))
		}
		if ok, _ := filepath.Match("locate-*.json", file.Name()); ok {
			entries = append(entries, info)
		}
	}
	slices.SortFunc(entries, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for i, info := range entries {
		if i >= cacheEntries || now.Sub(info.ModTime()) > cacheAge {
			os.Remove(filepath.Join(dir, info.Name()))
		}
	}
}

// codeOf returns the first bytes of each function.
func codeOf(libs []Library, r io.ReaderAt) (code [][]byte) {
	for _, l := range libs {
		for _, f := range l.Funcs {
			b := make([]byte, 16)
			n, _ := r.ReadAt(b, int64(f.Offset&(1<<62-1)))
			code = append(code, b[:n])
		}
	}
	return code
}
