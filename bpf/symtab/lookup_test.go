package symtab

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A symbol is one of a file that a test makes: of value 0 where another file has
// it, with one where it is hashed.
type symbol struct {
	name    string
	value   uint32
	foreign bool
}

// symbols are those of most of the files, sorted as for two buckets.
var symbols = []symbol{{"dlopen", 0, true}, {"malloc", 0, true}, // what follows is hashed
	{"SSL_write", 0x20, false}, {"fork", 0x50, true}, {"SSL_free", 0, false}, {"SSL_read", 0x10, false}, {"SSL_read", 0x30, false}}

const hashed = 2 // of symbols, the first

// A file is what a test makes an ELF file of.
type file struct {
	class   elf.Class
	symbols []symbol
	hash    elf.SectionType // SHT_NULL: none
	first   int             // of symbols that is in a GNU hash table
	damage  func(words []uint32) []uint32
}

// image returns the file: its sections are the table of symbols, the names, the
// hash table and the dynamic section.
func (f *file) image() []byte {
	names := []byte("\x00libx.so.1\x00")
	dynsym := f.put(nil, make([]byte, 24-8*f.narrow()))
	for _, s := range f.symbols {
		section, value := uint16(1), s.value
		if s.foreign {
			section = 0
		}
		if f.narrow() == 1 {
			dynsym = f.put(dynsym, uint32(len(names)), value, uint32(0), uint8(elf.STT_FUNC), uint8(0), section)
		} else {
			dynsym = f.put(dynsym, uint32(len(names)), uint8(elf.STT_FUNC), uint8(0), section, uint64(value), uint64(0))
		}
		names = append(append(names, s.name...), 0)
	}
	words := f.words()
	if f.damage != nil {
		words = f.damage(words)
	}
	dynamic := f.put(nil, f.word(uint64(elf.DT_SONAME)), f.word(1), f.word(0), f.word(0))
	return f.file([][]byte{dynsym, names, f.put(nil, words), dynamic})
}

// words returns the hash table.
func (f *file) words() []uint32 {
	const buckets = 2
	switch f.hash {
	case elf.SHT_HASH:
		words := make([]uint32, 2+buckets+1+len(f.symbols))
		words[0], words[1] = buckets, uint32(1+len(f.symbols))
		for i, s := range f.symbols {
			sum := uint32(0)
			for _, c := range []byte(s.name) {
				sum = sum<<4 + uint32(c)
				sum = (sum ^ sum>>28<<4) & (1<<28 - 1)
			}
			at := 2 + sum%buckets
			words[2+buckets+1+i], words[at] = words[at], uint32(1+i)
		}
		return words
	case elf.SHT_GNU_HASH:
		filter := 2 - f.narrow()
		words := append([]uint32{buckets, uint32(1 + f.first), 1, 0}, make([]uint32, filter+buckets)...)
		for i, s := range f.symbols[f.first:] {
			sum := uint32(5381)
			for _, c := range []byte(s.name) {
				sum = sum<<5 + sum + uint32(c)
			}
			at := 4 + filter + int(sum%buckets)
			if words[at] == 0 {
				words[at] = uint32(1 + f.first + i)
				if i > 0 {
					words[len(words)-1] |= 1
				}
			}
			words = append(words, sum&^1)
		}
		if f.first < len(f.symbols) {
			words[len(words)-1] |= 1
		}
		return words
	}
	return nil
}

// file returns the ELF file of sections.
func (f *file) file(sections [][]byte) []byte {
	head, entry := 64-12*f.narrow(), 64-24*f.narrow()
	types := []elf.SectionType{elf.SHT_DYNSYM, elf.SHT_STRTAB, f.hash, elf.SHT_DYNAMIC}
	body, table := []byte(nil), make([]byte, entry)
	for i, s := range sections {
		at, link := uint64(head+len(body)), uint32(2)
		table = f.put(table, uint32(0), uint32(types[i]), f.word(0), f.word(0), f.word(at), f.word(uint64(len(s))), link, uint32(0), f.word(1), f.word(0))
		body = append(body, s...)
	}
	ident := [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(f.class), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)}
	b := f.put(nil, ident, uint16(elf.ET_DYN), uint16(elf.EM_X86_64), uint32(elf.EV_CURRENT), f.word(0), f.word(0), f.word(uint64(head+len(body))),
		uint32(0), uint16(head), uint16(56), uint16(0), uint16(entry), uint16(1+len(sections)), uint16(2))
	return slices.Concat(b, body, table)
}

// narrow returns 1 for a file of 32 bits.
func (f *file) narrow() int {
	if f.class == elf.ELFCLASS32 {
		return 1
	}
	return 0
}

func (f *file) word(v uint64) any {
	if f.narrow() == 1 {
		return uint32(v)
	}
	return v
}

func (f *file) put(b []byte, values ...any) []byte {
	for _, v := range values {
		b, _ = binary.Append(b, binary.LittleEndian, v)
	}
	return b
}

func (f *file) open(t *testing.T) *elf.File {
	t.Helper()
	ef, err := elf.NewFile(bytes.NewReader(f.image()))
	if err != nil {
		t.Fatal(err)
	}
	return ef
}

// What is looked up is the same with each kind of hash table, with a damaged one,
// which is said to be where the damage shows, and without any.
func TestLookup(t *testing.T) {
	set := func(i int, v uint32) func([]uint32) []uint32 {
		return func(words []uint32) []uint32 { words[i] = v; return words }
	}
	endless := func(words []uint32) []uint32 {
		for i := len(words) - len(symbols) + hashed; i < len(words); i++ {
			words[i] &^= 1
		}
		return append(words, make([]uint32, 2*maxSteps)...)
	}
	circle := func(words []uint32) []uint32 {
		for i := len(words) - len(symbols); i < len(words); i++ {
			words[i] = uint32(1 + i - (len(words) - len(symbols)))
		}
		return words
	}
	cut := func(n int) func([]uint32) []uint32 { return func(words []uint32) []uint32 { return words[:n] } }
	for _, c := range []struct {
		name   string
		hash   elf.SectionType
		damage func([]uint32) []uint32
		good   bool
	}{
		{"none", elf.SHT_NULL, nil, false},
		{"gnu", elf.SHT_GNU_HASH, nil, true},
		{"no buckets", elf.SHT_GNU_HASH, set(0, 0), false},
		{"many buckets", elf.SHT_GNU_HASH, set(0, 1<<32-1), false},
		{"starts behind the end", elf.SHT_GNU_HASH, set(1, 1<<31), false},
		{"large filter", elf.SHT_GNU_HASH, set(2, 1<<32-1), false},
		{"no end", elf.SHT_GNU_HASH, endless, false},
		{"gnu, short", elf.SHT_GNU_HASH, cut(3), false},
		{"sysv", elf.SHT_HASH, nil, true},
		{"circle", elf.SHT_HASH, circle, false},
		{"sysv, no buckets", elf.SHT_HASH, set(0, 0), false},
		{"number behind the end", elf.SHT_HASH, func(words []uint32) []uint32 { words[2], words[3] = 1000, 1000; return words }, false},
		{"sysv, short", elf.SHT_HASH, cut(1), false},
	} {
		for _, class := range []elf.Class{elf.ELFCLASS64, elf.ELFCLASS32} {
			t.Run(fmt.Sprint(c.name, class), func(t *testing.T) {
				f := (&file{class, symbols, c.hash, hashed, c.damage}).open(t)
				names := []string{"SSL_read", "SSL_write", "SSL_free", "SSL_ctrl", "fork", "malloc"}
				l, err := openLookup(f)
				if err == nil {
					_, err = l.defined(names)
				}
				if good := err == nil; good != c.good {
					t.Errorf("the hash table: %v", err)
				}
				got, err := Defined(f, names...)
				if want := map[string]uint64{"SSL_read": 0x30, "SSL_write": 0x20}; err != nil || !maps.Equal(got, want) {
					t.Errorf("defined: %v, %v; want %v", got, err, want)
				}
				for name, want := range map[string]bool{"dlopen": true, "malloc": true, "fork": true, "SSL_read": false, "execve": false, "dlope": false, "dlopens": false} {
					if got := Imports(f, name, "vfork"); got != want {
						t.Errorf("imports %s: %t", name, got)
					}
				}
				if got := Soname(f); got != "libx.so.1" {
					t.Errorf("soname %q", got)
				}
			})
		}
	}
}

// A GNU hash table may be about nothing, and then says that all comes after the first.
func TestEmptyHash(t *testing.T) {
	for _, class := range []elf.Class{elf.ELFCLASS64, elf.ELFCLASS32} {
		f := (&file{class, symbols[:hashed], elf.SHT_GNU_HASH, hashed, func(words []uint32) []uint32 { words[1] = 1; return words }}).open(t)
		if got, err := Defined(f, "SSL_read"); err != nil || len(got) > 0 || !Imports(f, "malloc") || Imports(f, "free") {
			t.Errorf("%v: defined %v, %v; imports malloc %t, free %t", class, got, err, Imports(f, "malloc"), Imports(f, "free"))
		}
	}
}

// In the libraries of this machine the same is found as by reading all symbols.
func TestLibraries(t *testing.T) {
	paths, err := filepath.Glob("/lib/*-linux-*/lib[cps]*.so.*")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no libraries: %v", err)
	}
	names := []string{"malloc", "free", "dlopen", "fork", "SSL_read", "memcpy", "environ", "pthread_create", "strlen"}
	found := 0
	for _, path := range paths[:min(len(paths), 40)] {
		f, err := elf.Open(path)
		if err != nil {
			continue // a link that leads nowhere
		}
		defer f.Close()
		all, err := Read(f, elf.SHT_DYNSYM)
		if err != nil {
			t.Fatal(err)
		}
		want, imported := map[string]uint64{}, map[string]bool{}
		for s := range all {
			switch name := string(s.Name); {
			case !slices.Contains(names, name):
			case s.Section == elf.SHN_UNDEF:
				imported[name] = true
			case s.Defined():
				want[name] = s.Value
			}
		}
		l, err := openLookup(f)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		got, err := l.defined(names)
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: defined %v, %v; want %v", path, got, err, want)
		}
		for _, name := range names {
			if got := Imports(f, name); got != imported[name] {
				t.Errorf("%s: imports %s: %t, want %t", path, name, got, imported[name])
			}
		}
		found += len(want) + len(imported)
	}
	if found == 0 {
		t.Error("nothing of what was looked for is there")
	}
}

// What is found in any file is there, and is found before long.
func FuzzLookup(f *testing.F) {
	for _, class := range []elf.Class{elf.ELFCLASS64, elf.ELFCLASS32} {
		for _, hash := range []elf.SectionType{elf.SHT_NULL, elf.SHT_HASH, elf.SHT_GNU_HASH} {
			f.Add((&file{class, symbols, hash, hashed, nil}).image())
		}
	}
	names := []string{"SSL_read", "SSL_free", "fork", "dlopen"}
	f.Fuzz(func(t *testing.T, image []byte) {
		ef, err := elf.NewFile(bytes.NewReader(image))
		if err != nil {
			return
		}
		Soname(ef)
		l, err := openLookup(ef)
		if err == nil {
			_, err = l.defined(names)
		}
		if l != nil && l.steps > maxSteps+1 {
			t.Errorf("%d steps, %v", l.steps, err)
		}
		got, err := Defined(ef, names...)
		if err != nil {
			return
		}
		imports := Imports(ef, names...)
		all, err := Read(ef, elf.SHT_DYNSYM)
		if err != nil {
			return
		}
		for s := range all {
			if v, ok := got[string(s.Name)]; ok && s.Defined() && v == s.Value {
				delete(got, string(s.Name))
			}
			imports = imports && !(s.Section == elf.SHN_UNDEF && slices.Contains(names, string(s.Name)))
		}
		if len(got) > 0 || imports {
			t.Errorf("found %s that are not there; imports: %t", strings.Join(slices.Collect(maps.Keys(got)), ", "), imports)
		}
	})
}
