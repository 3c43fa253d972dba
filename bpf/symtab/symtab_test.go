package symtab

import (
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// The symbols are those that package elf finds, in this program and in the shell's
// libraries.
func TestRead(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{self, shell} {
		f, err := elf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, c := range []struct {
			t    elf.SectionType
			read func() ([]elf.Symbol, error)
		}{{elf.SHT_SYMTAB, f.Symbols}, {elf.SHT_DYNSYM, f.DynamicSymbols}} {
			want, err := c.read()
			if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
				t.Fatal(err)
			}
			all, err := Read(f, c.t)
			if err != nil {
				t.Fatal(err)
			}
			got := slices.Collect(all)
			if len(got) != len(want) {
				t.Fatalf("%s, %v: %d symbols, want %d", path, c.t, len(got), len(want))
			}
			for i, s := range got {
				if w := want[i]; string(s.Name) != w.Name || s.Info != w.Info || s.Section != w.Section || s.Value != w.Value {
					t.Errorf("%s, %v %d: %s %+v, want %+v", path, c.t, i, s.Name, s, w)
				}
			}
		}
	}
}

// A damaged table is an error or has fewer symbols.
func TestDamaged(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(shell)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table := f.SectionByType(elf.SHT_DYNSYM)
	names := f.Sections[table.Link]
	table.Link = names.Link // the section without a name, which is empty
	if all, err := Read(f, elf.SHT_DYNSYM); err == nil {
		for s := range all {
			t.Fatalf("%+v has a name", s)
		}
	}
	table.Link = uint32(len(f.Sections))
	if _, err := Read(f, elf.SHT_DYNSYM); !errors.Is(err, errFormat) {
		t.Errorf("error %v, want %v", err, errFormat)
	}
}
