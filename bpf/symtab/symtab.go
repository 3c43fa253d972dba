// Package symtab looks symbols of ELF files up by name, by the hash table that
// the dynamic loader uses, or reads them one by one. A table of them may have a
// hundred thousand, of which few are looked for: package elf makes them all, with
// a string each.
package symtab

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
)

// A Symbol is an entry of a table.
type Symbol struct {
	Name    []byte // of the table, and not to be changed
	Info    uint8  // see [elf.ST_TYPE]
	Section elf.SectionIndex
	Value   uint64
}

// Defined reports whether the file has what the symbol stands for.
func (s *Symbol) Defined() bool { return s.Section != elf.SHN_UNDEF && s.Value != 0 }

// isOneOf reports whether the symbol is called like one of names. It makes no
// string of its name.
func (s *Symbol) isOneOf(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return name == string(s.Name) })
}

// errFormat says that a table is damaged.
var errFormat = errors.New("damaged symbol table")

// Read returns the symbols of the table of type t of f, [elf.SHT_DYNSYM] or
// [elf.SHT_SYMTAB], in their order, and none where f has no such table. Those with
// a name outside of the table of names are left out.
func Read(f *elf.File, t elf.SectionType) (iter.Seq[Symbol], error) {
	section := f.SectionByType(t)
	if section == nil {
		return func(func(Symbol) bool) {}, nil
	}
	if int(section.Link) >= len(f.Sections) {
		return nil, errFormat
	}
	entries, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf("symbols: %w", err)
	}
	names, err := f.Sections[section.Link].Data()
	if err != nil {
		return nil, fmt.Errorf("names of symbols: %w", err)
	}
	size, decode := format(f)
	return func(yield func(Symbol) bool) {
		for at := size; at+size <= len(entries); at += size { // the first is none
			name, s := decode(f, entries[at:])
			if uint64(name) >= uint64(len(names)) {
				continue
			}
			s.Name = names[name:]
			end := bytes.IndexByte(s.Name, 0)
			if end < 0 {
				continue
			}
			s.Name = s.Name[:end:end]
			if !yield(s) {
				return
			}
		}
	}, nil
}

// format returns how long the entries of symbol tables of f are and what reads one.
func format(f *elf.File) (size int, decode func(*elf.File, []byte) (uint32, Symbol)) {
	if f.Class == elf.ELFCLASS32 {
		return elf.Sym32Size, decode32
	}
	return elf.Sym64Size, decode64
}

func decode64(f *elf.File, b []byte) (name uint32, s Symbol) {
	o := f.ByteOrder
	return o.Uint32(b), Symbol{Info: b[4], Section: elf.SectionIndex(o.Uint16(b[6:])), Value: o.Uint64(b[8:])}
}

func decode32(f *elf.File, b []byte) (name uint32, s Symbol) {
	o := f.ByteOrder
	return o.Uint32(b), Symbol{Info: b[12], Section: elf.SectionIndex(o.Uint16(b[14:])), Value: uint64(o.Uint32(b[4:]))}
}

// Offset returns where in the file the code at addr is; ok is false where none of
// it is mapped there to be executed.
func Offset(f *elf.File, addr uint64) (off uint64, ok bool) {
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && addr >= p.Vaddr && addr-p.Vaddr < p.Filesz {
			return addr - p.Vaddr + p.Off, true
		}
	}
	return 0, false
}

// Soname returns the name that f has for the dynamic loader, or "".
func Soname(f *elf.File) string {
	dynamic := f.SectionByType(elf.SHT_DYNAMIC)
	at, err := f.DynValue(elf.DT_SONAME)
	if err != nil || len(at) == 0 || int(dynamic.Link) >= len(f.Sections) {
		return ""
	}
	const maxName = 255 // NAME_MAX
	names, name := f.Sections[dynamic.Link], make([]byte, maxName+1)
	if names.ReaderAt == nil || at[0] > math.MaxInt64 {
		return ""
	}
	n, _ := names.ReadAt(name, int64(at[0])) // the last one may be shorter
	name, _, ok := bytes.Cut(name[:n], []byte{0})
	if !ok {
		return ""
	}
	return string(name)
}
