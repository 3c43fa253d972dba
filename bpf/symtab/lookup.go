package symtab

import (
	"bytes"
	"debug/elf"
	"io"
	"slices"
)

// Defined returns the addresses of those of names that the dynamic symbol table
// of f defines; of several of one name that of the last. It reads no more of f
// than its hash table leads to, and all symbols where it has none or a damaged one.
func Defined(f *elf.File, names ...string) (map[string]uint64, error) {
	if l, err := openLookup(f); err == nil {
		if defined, err := l.defined(names); err == nil {
			return defined, nil
		}
	}
	symbols, err := Read(f, elf.SHT_DYNSYM)
	if err != nil {
		return nil, err
	}
	defined := map[string]uint64{}
	for s := range symbols {
		if s.Defined() && s.isOneOf(names) {
			defined[string(s.Name)] = s.Value
		}
	}
	return defined, nil
}

// Imports reports whether f wants one of names from another file.
func Imports(f *elf.File, names ...string) bool {
	if l, err := openLookup(f); err == nil && l.gnu != nil {
		if does, err := l.imports(names); err == nil {
			return does
		}
	}
	symbols, err := Read(f, elf.SHT_DYNSYM)
	if err != nil {
		return false
	}
	for s := range symbols {
		if s.Section == elf.SHN_UNDEF && s.isOneOf(names) {
			return true
		}
	}
	return false
}

// A lookup reads symbols of a file, and its hash table, one by one: what is read of
// a file is in memory that is new, which takes longer than the call.
type lookup struct {
	file    *elf.File
	symbols io.ReaderAt // the dynamic symbol table
	n       uint32      // how many these are
	names   io.ReaderAt
	words   io.ReaderAt // the hash table
	size    uint64      // of it, in words
	gnu     *gnuHash    // what that begins with; nil where it is of the older kind
	buckets uint32      // of that kind
	steps   int         // places that were looked at so far

	name []byte
	read []byte // of the hash table
	at   int64  // the place that it was read from
}

// maxSteps is how many places are looked at before a table is taken for damaged,
// such as one whose chains have no end. Some hundred are enough otherwise.
const maxSteps = 1 << 14

// openLookup returns the better one of the hash tables that f has.
func openLookup(f *elf.File) (*lookup, error) {
	symbols := f.SectionByType(elf.SHT_DYNSYM)
	hash := f.SectionByType(elf.SHT_GNU_HASH)
	if hash == nil {
		hash = f.SectionByType(elf.SHT_HASH)
	}
	if symbols == nil || hash == nil || int(symbols.Link) >= len(f.Sections) {
		return nil, errFormat
	}
	l := &lookup{file: f, symbols: symbols.ReaderAt, names: f.Sections[symbols.Link].ReaderAt, words: hash.ReaderAt, size: hash.Size / 4}
	if l.symbols == nil || l.names == nil || l.words == nil { // one is compressed
		return nil, errFormat
	}
	size, _ := format(f)
	l.n = uint32(min(symbols.Size/uint64(size), 1<<32-1))
	if hash.Type == elf.SHT_GNU_HASH {
		return l, l.openGNU()
	}
	return l, l.openSysV()
}

// defined is [Defined]. Its error says that the tables are damaged.
func (l *lookup) defined(names []string) (map[string]uint64, error) {
	defined := map[string]uint64{}
	for _, name := range names {
		last := uint32(0)
		err := l.each(name, func(i uint32, s Symbol) {
			if i > last && s.Defined() {
				last, defined[name] = i, s.Value
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return defined, nil
}

// imports is [Imports] where there is a GNU hash table. What f does not define
// stands before the symbols that the table is about, but for functions with an
// address that all files share, which is in f.
func (l *lookup) imports(names []string) (does bool, err error) {
	for _, name := range names {
		err := l.each(name, func(_ uint32, s Symbol) { does = does || s.Section == elf.SHN_UNDEF })
		if does || err != nil {
			return does, err
		}
	}
	end, longest := l.gnu.first, 0
	if l.gnu.chains(l.size) < uint64(l.n-end) { // the table is about nothing
		end = l.n
	}
	for _, name := range names {
		longest = max(longest, len(name))
	}
	for i := uint32(1); i < end; i++ { // the first is none
		s, err := l.symbol(i, longest)
		if err != nil {
			return false, err
		}
		if s.Section == elf.SHN_UNDEF && s.isOneOf(names) {
			return true, nil
		}
	}
	return false, nil
}

// each calls f with the symbols that are called name and their numbers.
func (l *lookup) each(name string, f func(uint32, Symbol)) error {
	chain := l.chainSysV
	if l.gnu != nil {
		chain = l.chainGNU
	}
	return chain(name, func(i uint32) error {
		s, err := l.symbol(i, len(name))
		if err == nil && string(s.Name) == name {
			f(i, s)
		}
		return err
	})
}

// symbol returns the symbol with number i and its name, which is valid until the
// next call, and empty where it is longer than n bytes or does not end.
func (l *lookup) symbol(i uint32, n int) (Symbol, error) {
	if l.steps++; l.steps > maxSteps || i >= l.n {
		return Symbol{}, errFormat
	}
	size, decode := format(l.file)
	l.name = slices.Grow(l.name[:0], max(size, n+1))
	b := l.name[:size]
	if _, err := l.symbols.ReadAt(b, int64(i)*int64(size)); err != nil {
		return Symbol{}, err
	}
	name, s := decode(l.file, b)
	b = l.name[:n+1]
	read, err := l.names.ReadAt(b, int64(name))
	if err != nil && err != io.EOF { // a name at the end may be shorter
		return Symbol{}, err
	}
	if end := bytes.IndexByte(b[:read], 0); end >= 0 {
		s.Name = b[:end]
	}
	return s, nil
}

// word returns the number in place i of the hash table, which is read some at once.
func (l *lookup) word(i int64) (uint32, error) {
	const size, atOnce = 4, 16
	if l.steps++; l.steps > maxSteps {
		return 0, errFormat
	}
	if i < l.at || i >= l.at+int64(len(l.read)/size) {
		l.read = slices.Grow(l.read[:0], size*atOnce)[:size*atOnce]
		n, err := l.words.ReadAt(l.read, i*size)
		l.read, l.at = l.read[:n], i
		if n < size {
			return 0, err
		}
	}
	return l.file.ByteOrder.Uint32(l.read[(i-l.at)*size:]), nil
}
