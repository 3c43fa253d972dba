package locate

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestCache(t *testing.T) {
	p := compile(t, "gcc", "-O2 -Wl,--build-id "+pie, "boringssl")
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	c := Cache{filepath.Join(dir, "cache")}
	write := func(path string, data []byte, mode os.FileMode) {
		t.Helper()
		os.Remove(path)
		if err := os.WriteFile(path, data, mode); err != nil {
			t.Fatal(err)
		}
	}
	// find returns how SSL_read was found.
	find := func() string {
		t.Helper()
		libs, err := c.Find(program)
		if err != nil || len(libs) != 1 || libs[0].Func("SSL_read").Addr != p.symbols["SSL_read"] {
			t.Fatalf("found %+v, %v", libs, err)
		}
		return libs[0].Func("SSL_read").How
	}
	write(program, p.data, 0o700)
	how := find()
	names, err := filepath.Glob(filepath.Join(c.Dir, "*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("the cache holds %q, %v", names, err)
	}
	name := names[0]
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	sound, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	marked := bytes.Replace(sound, []byte(how), []byte("from the cache"), 1)

	write(name, marked, 0o600)
	if got := find(); got != "from the cache" {
		t.Errorf("the cache was not used: %s", got)
	}
	write(program, p.data, 0o700) // a copy: another time, the same build id
	if got := find(); got != "from the cache" {
		t.Errorf("the cache was not used for a copy: %s", got)
	}
	for what, entry := range map[string][]byte{
		"cut": marked[:len(marked)/2], "empty": {}, "of another file": bytes.Replace(marked, []byte("build id"), []byte("build-id"), 1),
		"of another version": bytes.Replace(marked, []byte(fmt.Sprintf(`"Version":%d`, cacheVersion)), []byte(`"Version":0`), 1), "other": []byte("null"),
	} {
		write(name, entry, 0o600)
		if got := find(); got != how {
			t.Errorf("an entry that is %s was used: %s", what, got)
		}
		if now, _ := os.ReadFile(name); !bytes.Equal(now, sound) {
			t.Errorf("an entry that is %s was not replaced", what)
		}
	}
	write(name, marked, 0o600)
	if err := os.Chmod(name, 0o666); err != nil {
		t.Fatal(err)
	}
	if got := find(); got != how {
		t.Errorf("an entry that others may write was used: %s", got)
	}

	// The function begins with other bytes: the entry is of another program.
	write(name, marked, 0o600)
	libs, err := p.find(t)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(p.data)
	changed[libs[0].Func("SSL_write").Offset] = 0xcc
	write(program, changed, 0o700)
	if libs, err := c.Find(program); err != nil || libs[0].Func("SSL_read") != nil && libs[0].Func("SSL_read").How != how {
		t.Errorf("the cache was used for another program: %+v, %v", libs, err)
	}
}

// That nothing is in a file is remembered too; a file that cannot be searched
// is an error each time.
func TestCacheNothing(t *testing.T) {
	p := compile(t, "gcc", "-O2 "+pie, "openssl")
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	c := Cache{dir}
	for _, name := range []string{"SSL_read", "SSL_write", "ssl_read_internal", "ssl_write_internal", "ssl3_read_bytes", "ssl3_write_bytes"} {
		p.data = bytes.ReplaceAll(p.data, []byte(name+"\x00"), bytes.Repeat([]byte("x"), len(name)+1))
	}
	if err := os.WriteFile(program, p.data, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if libs, err := c.Find(program); !errors.Is(err, ErrNotFound) || libs != nil {
			t.Errorf("found %+v, %v", libs, err)
		}
	}
	if err := os.WriteFile(program, p.data[:40], 0o600); err != nil {
		t.Fatal(err)
	}
	var format *FormatError
	if _, err := c.Find(program); !errors.As(err, &format) {
		t.Errorf("error %v of a file that was cut", err)
	}
	if _, err := c.Find(dir); err == nil {
		t.Error("no error for a folder")
	}
}

// What was not used for long goes when an entry is written, and nothing else.
func TestCachePrune(t *testing.T) {
	p := compile(t, "gcc", "-O2 -Wl,--build-id "+pie, "boringssl")
	dir := t.TempDir()
	program, c := filepath.Join(dir, "program"), Cache{filepath.Join(dir, "cache")}
	if err := errors.Join(os.WriteFile(program, p.data, 0o700), os.Mkdir(c.Dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	write := func(name string, age time.Duration, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(c.Dir, name)
		if err := errors.Join(os.WriteFile(path, nil, mode), os.Chtimes(path, now.Add(-age), now.Add(-age))); err != nil {
			t.Fatal(err)
		}
		return path
	}
	there := func(path string) bool {
		_, err := os.Lstat(path)
		return err == nil
	}
	var stay, gone []string
	for i := range cacheEntries + 20 {
		path := write(fmt.Sprintf("locate-%024x.json", i), time.Duration(i)*time.Minute, 0o600)
		if i < cacheEntries-2 { // one is written, one is a link
			stay = append(stay, path)
		} else if i >= cacheEntries {
			gone = append(gone, path)
		}
	}
	const long = 2 * cacheAge
	stay = append(stay, write("other.json", long, 0o600), write("locate-of-all.json", long, 0o644), write("locate-1.tmp", time.Minute, 0o600))
	gone = append(gone, write("locate-2.tmp", 2*cacheWriting, 0o600))
	link := filepath.Join(c.Dir, "locate-link.json")
	if err := os.Symlink(write("far", long, 0o600), link); err != nil {
		t.Fatal(err)
	}
	stay = append(stay, link)

	var all sync.WaitGroup
	for range 4 { // at once, as recorders may
		all.Go(func() {
			if libs, err := c.Find(program); err != nil || len(libs) != 1 {
				t.Errorf("found %+v, %v", libs, err)
			}
			prune(c.Dir, now)
		})
	}
	all.Wait()
	for _, path := range stay {
		if !there(path) {
			t.Errorf("%s is gone", filepath.Base(path))
		}
	}
	for _, path := range gone {
		if there(path) {
			t.Errorf("%s is still there", filepath.Base(path))
		}
	}

	// An entry that is used stays, however long ago it was written.
	entry, err := c.name(keyOf(t, program))
	if err != nil {
		t.Fatal(err)
	}
	old := now.Add(-long)
	if err := os.Chtimes(entry, old, old); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Find(program); err != nil {
		t.Fatal(err)
	}
	prune(c.Dir, now)
	if !there(entry) {
		t.Error("an entry in use is gone")
	}
	if err := os.Chtimes(entry, old, old); err != nil {
		t.Fatal(err)
	}
	prune(c.Dir, now)
	if there(entry) {
		t.Error("an entry that was not used for long is still there")
	}
}

// keyOf returns the key of the file at path.
func keyOf(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return cacheKey(f, info)
}

// A home of somebody else is not ours to write to.
func TestCacheDir(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", "")
	if dir, err := cacheDir(); err != nil || dir != filepath.Join(home, ".cache") {
		t.Errorf("%q, %v; want the folder in %s", dir, err, home)
	}
	if err := os.Chown(home, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if dir, err := cacheDir(); err != nil || strings.HasPrefix(dir, home) {
		t.Errorf("%q, %v; want a folder of root's", dir, err)
	}
}
