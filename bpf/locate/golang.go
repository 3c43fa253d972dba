package locate

import (
	"debug/buildinfo"
	"encoding/binary"
	"fmt"

	"ssltape/bpf/locate/isa"
)

// The first bytes of Go's function table, pclntab, as of Go 1.18 and 1.20
// (internal/abi/symtab.go): a magic number, the unit of code (1 or 4 bytes) and
// the size of a pointer.
var pclntabMagics = [...]string{
	"\xf0\xff\xff\xff\x00\x00\x01\x08", "\xf0\xff\xff\xff\x00\x00\x04\x08",
	"\xf1\xff\xff\xff\x00\x00\x01\x08", "\xf1\xff\xff\xff\x00\x00\x04\x08",
}

// Those of Go 1.2 and 1.16, where arguments are passed elsewhere.
var oldPclntabMagics = [...]string{
	"\xfb\xff\xff\xff\x00\x00\x01\x08", "\xfb\xff\xff\xff\x00\x00\x04\x08",
	"\xfa\xff\xff\xff\x00\x00\x01\x08", "\xfa\xff\xff\xff\x00\x00\x04\x08",
}

var goNames = [...]string{"crypto/tls.(*Conn).Close", "crypto/tls.(*Conn).Read", "crypto/tls.(*Conn).writeRecordLocked"}

// A pclntab is Go's table of functions (runtime/symtab.go): a header of words,
// their names, and for each function its distance from the start of the code
// and where its description is.
type pclntab struct {
	im    *image
	va    uint64
	count uint64 // functions
	names segment
	funcs uint64 // address of the functions
	text  uint64 // start of the code
}

// findGo finds the methods of crypto/tls.Conn, or nil where the file is not
// Go's or does without TLS.
func findGo(im *image, _ []*function, s *stringsFound) (*Library, error) {
	for _, va := range s.pclntabs {
		t, ok := im.pclntabAt(va)
		if !ok {
			continue
		}
		names, err := t.find()
		if err != nil || len(names) == 0 {
			return nil, err
		}
		l := im.goLibrary()
		if t.text, err = t.textStart(); err == nil {
			err = t.functions(l, names)
		}
		return l, l.refuse(err)
	}
	if s.oldGo && s.goTLS {
		l := im.goLibrary()
		return l, l.refuse(&RefusedError{goNames[1], "before Go 1.18 its arguments are passed in another way"})
	}
	return nil, nil
}

func (im *image) goLibrary() *Library {
	l := &Library{Stack: Go}
	if info, err := buildinfo.Read(im.r); err == nil {
		l.Version = info.GoVersion
	}
	return l
}

// pclntabAt reads the header of the table at va.
func (im *image) pclntabAt(va uint64) (*pclntab, bool) {
	s := im.segment(va)
	w, err := im.words(va+8, 8)
	if err != nil {
		return nil, false
	}
	room := s.va + s.size - va
	if w[3] > w[4] || w[4] > room || w[7] > room || w[0] == 0 || w[0] >= (room-w[7])/8 {
		return nil, false
	}
	t := &pclntab{im: im, va: va, count: w[0], funcs: va + w[7]}
	t.names = segment{off: im.offset(va + w[3]), va: va + w[3], size: w[4] - w[3]}
	return t, true
}

// find returns the offsets of the names that are looked for in the table of
// names, and which each is.
func (t *pclntab) find() (map[uint32]string, error) {
	found := map[uint32]string{}
	var needles []needle
	for _, n := range goNames {
		needles = append(needles, needle{"\x00" + n + "\x00", func(va uint64) { found[uint32(va+1-t.names.va)] = n }})
	}
	return found, t.im.searchIn(&t.names, needles)
}

// textStart finds the start of the code, which the offsets count from. The
// header no longer has it; the module's description (runtime.moduledata) does,
// which begins with a pointer to the table.
func (t *pclntab) textStart() (uint64, error) {
	const minPC, maxPC, text, words = 20, 21, 22, 24
	first, _ := t.im.u32(t.funcs)
	last, _ := t.im.u32(t.funcs + 8*t.count)
	modules, err := t.im.tables(t.va, 0, words, func(w []uint64) bool {
		return w[minPC] == w[text]+uint64(first) && w[maxPC] == w[text]+uint64(last) && t.im.code(w[text]) != nil
	})
	if err != nil {
		return 0, err
	}
	if len(modules) != 1 {
		return 0, &RefusedError{goNames[1], fmt.Sprintf("%d descriptions of the module", len(modules))}
	}
	return modules[0][text], nil
}

// functions adds the functions whose names are at the given offsets to l.
func (t *pclntab) functions(l *Library, names map[uint32]string) error {
	var refused error
	table := segment{off: t.im.offset(t.funcs), va: t.funcs, size: 8*t.count + 4}
	err := t.im.scan(&table, func(_ uint64, b []byte) {
		for ; len(b) >= 12; b = b[8:] {
			nameOff, _ := t.im.u32(t.funcs + uint64(binary.LittleEndian.Uint32(b[4:])) + 4)
			name := names[nameOff]
			if name == "" {
				continue
			}
			start, end := t.text+uint64(binary.LittleEndian.Uint32(b)), t.text+uint64(binary.LittleEndian.Uint32(b[8:]))
			returns := t.im.returns(start, end)
			switch {
			case l.Func(name) != nil && l.Func(name).Addr != start:
				refused = &RefusedError{name, fmt.Sprintf("there are two, at %#x and %#x", l.Func(name).Addr, start)}
			case l.Func(name) != nil: // seen again where two pieces of the table overlap
			case len(returns) == 0:
				refused = &RefusedError{name, fmt.Sprintf("the code from %#x cannot be decoded", start)}
			default:
				l.add(t.im, name, start, "named in Go's function table")
				l.Func(name).Returns = returns
			}
		}
	})
	if err != nil {
		return err
	}
	return refused
}

// returns lists the file offsets of the return instructions from va to end,
// or nil where the code there cannot be decoded. Go's compiler puts no data
// between instructions, and no jump to another function in a method.
func (im *image) returns(va, end uint64) (offs []uint64) {
	for va < end {
		in, ok := im.arch.Decode(im.bytes(va, 16), va)
		if !ok || im.code(va) == nil || im.work >= maxWork {
			return nil
		}
		im.work++
		if in.Op == isa.Return {
			offs = append(offs, im.offset(va))
		}
		va += uint64(in.Len)
	}
	return offs
}
