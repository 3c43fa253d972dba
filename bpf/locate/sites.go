package locate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"ssltape/bpf/locate/isa"
)

// An anchor is a string in the data that code refers to by its address.
type anchor struct {
	name   string
	lo, hi uint64 // a reference to any address from lo to hi means this string
}

// maxAnchors and maxRefs bound what a hostile file can ask for; real files have
// fewer than 20 and 200.
const (
	maxAnchors = 64
	maxRefs    = 4096
	maxTables  = 16
)

// stringsFound is what one pass over the data finds.
type stringsFound struct {
	anchors  []anchor
	pclntabs []uint64         // where Go's function table may be
	versions map[Stack]string // of the stacks that name theirs
	nss      bool             // nssMark is there
	oldGo    bool             // a function table of Go before 1.18
	goTLS    bool             // the name of (*Conn).Read
}

// A needle is bytes to search for and what to do where they are.
type needle struct {
	text string
	hit  func(va uint64)
}

// searchStrings finds the strings that the stacks are recognised by.
func (im *image) searchStrings() (*stringsFound, error) {
	s := &stringsFound{versions: map[Stack]string{}}
	var needles []needle
	names := []string{sslLib, s3Pkt, sslLibC, recLayerC, s3PktC}
	for _, name := range openSSLFunctions {
		names = append(names, name)
	}
	for _, name := range names {
		needles = append(needles, needle{name + "\x00", func(va uint64) {
			if a, ok := im.anchorAt(name, va); ok && len(s.anchors) < maxAnchors && !slices.Contains(s.anchors, a) {
				s.anchors = append(s.anchors, a)
			}
		}})
	}
	for _, magic := range pclntabMagics {
		needles = append(needles, needle{magic, func(va uint64) {
			if va%8 == 0 && len(s.pclntabs) < maxTables && !slices.Contains(s.pclntabs, va) {
				s.pclntabs = append(s.pclntabs, va)
			}
		}})
	}
	for _, magic := range oldPclntabMagics {
		needles = append(needles, needle{magic, func(va uint64) { s.oldGo = s.oldGo || va%8 == 0 }})
	}
	needles = append(needles, needle{"\x00" + goNames[1] + "\x00", func(uint64) { s.goTLS = true }})
	needles = append(needles, needle{nssMark + "\x00", func(uint64) { s.nss = true }})
	for _, v := range versionTexts {
		needles = append(needles, needle{v.before, func(va uint64) {
			if s.versions[v.stack] == "" {
				if n := im.versionAt(va + uint64(len(v.before))); n != "" {
					s.versions[v.stack] = n
				}
			}
		}})
	}
	return s, im.search(needles)
}

// versionTexts are what stands in a file before the version of a stack in it.
var versionTexts = []struct {
	stack  Stack
	before string
}{
	{OpenSSL, "OpenSSL "}, {LibreSSL, "LibreSSL "}, {NSS, "Version: NSS "}, {GnuTLS, "Enabled GnuTLS "},
	{MbedTLS, "bed TLS "}, {Rustls, "/rustls-"},
}

// search calls the needles' hit functions for all segments with data. A segment
// with code has data only where it has everything, the headers too.
func (im *image) search(needles []needle) error {
	for i := range im.segs {
		if im.segs[i].exec && im.segs[i].off != 0 {
			continue
		}
		if err := im.searchIn(&im.segs[i], needles); err != nil {
			return err
		}
	}
	return nil
}

func (im *image) searchIn(s *segment, needles []needle) error {
	return im.scan(s, func(va uint64, b []byte) {
		for _, n := range needles {
			for at := 0; ; at++ {
				j := bytes.Index(b[at:], []byte(n.text))
				if j < 0 {
					break
				}
				at += j
				n.hit(va + uint64(at))
			}
		}
	})
}

// versionAt reads a version such as 3.0.16 or 1.1.1w, or "".
func (im *image) versionAt(va uint64) string {
	b := im.bytes(va, 20)
	n := 0
	for n < len(b) && (b[n] >= '0' && b[n] <= '9' || b[n] == '.' || n > 4 && b[n] >= 'a' && b[n] <= 'z') {
		n++
	}
	if n < 5 || bytes.Count(b[:n], []byte{'.'}) != 2 {
		return ""
	}
	return string(b[:n])
}

// anchorAt makes an anchor of the name at va. A name with a dot is the last
// part of a path whose beginning is not known, so that a reference to any byte
// after the string before it means the name; other names stand alone.
func (im *image) anchorAt(name string, va uint64) (anchor, bool) {
	const longest = 200
	a := anchor{name, va, va}
	n := min(longest, va-im.segment(va).va)
	before := im.bytes(va-n, int(n))
	path := before[bytes.LastIndexByte(before, 0)+1:]
	if strings.Contains(name, ".") && len(path) > 0 && path[len(path)-1] == '/' {
		a.lo -= uint64(len(path))
		return a, true
	}
	return a, len(path) == 0
}

// anchorOf returns the name of the anchor that address va means, or "".
func anchorOf(anchors []anchor, va uint64) string {
	for _, a := range anchors {
		if va >= a.lo && va <= a.hi {
			return a.name
		}
	}
	return ""
}

// references finds the instructions that load the address of an anchor: the
// place of a byte of each. On the way it finds the targets of all direct calls.
func (im *image) references(anchors []anchor) (refs []uint64, err error) {
	find := im.referencesX86
	if im.arch.Step == 4 {
		find = im.referencesARM
	}
	for i := range im.segs {
		if s := &im.segs[i]; s.exec {
			err := im.scan(s, func(va uint64, b []byte) {
				if len(refs) < maxRefs {
					refs = find(refs, anchors, va, b)
				}
			})
			if err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(refs)
	return slices.Compact(refs), nil
}

// referencesX86 looks at every byte, since where instructions begin is not
// known: lea r64, [rip+d], and in files that are not PIE mov of an immediate.
func (im *image) referencesX86(refs []uint64, anchors []anchor, va uint64, b []byte) []uint64 {
	lo, hi := ^uint64(0), uint64(0)
	for _, a := range anchors {
		lo, hi = min(lo, a.lo), max(hi, a.hi)
	}
	span := hi - lo
	for i := 3; i+4 <= len(b); i++ {
		v := binary.LittleEndian.Uint32(b[i:])
		next := va + uint64(i) + 4
		target := next + uint64(int64(int32(v)))
		switch {
		case b[i-1] == 0xe8: // call
			im.setStart(target)
		case target-lo <= span && b[i-2] == 0x8d && b[i-1]&0xc7 == 5 && b[i-3]&0xf8 == 0x48:
			if anchorOf(anchors, target) != "" {
				refs = append(refs, va+uint64(i))
			}
		}
		mov := b[i-1]&0xf8 == 0xb8 || b[i-1]&0xf8 == 0xc0 && b[i-2] == 0xc7
		if mov && !im.pie && uint64(v)-lo <= span && anchorOf(anchors, uint64(v)) != "" {
			refs = append(refs, va+uint64(i))
		}
	}
	return refs
}

// referencesARM looks for adr, and for adrp with an add to its register within
// the next instructions.
func (im *image) referencesARM(refs []uint64, anchors []anchor, va uint64, b []byte) []uint64 {
	pages := map[uint64]bool{}
	for _, a := range anchors {
		pages[a.lo&^0xfff], pages[a.hi&^0xfff] = true, true
	}
	for i := 0; i+4 <= len(b); i += 4 {
		w := binary.LittleEndian.Uint32(b[i:])
		at := va + uint64(i)
		if w>>26 == 0x25 { // bl
			in, _ := isa.ARM64.Decode(b[i:], at)
			im.setStart(in.Imm)
			continue
		}
		if w>>24&0x1f != 0x10 {
			continue
		}
		in, _ := isa.ARM64.Decode(b[i:], at)
		if w>>31 == 0 {
			if anchorOf(anchors, in.Imm) != "" {
				refs = append(refs, at)
			}
			continue
		}
		if !pages[in.Imm] {
			continue
		}
		for j := i + 4; j+4 <= len(b) && j < i+64; j += 4 {
			add, _ := isa.ARM64.Decode(b[j:], va+uint64(j))
			if add.Op == isa.Add && add.Src == in.Dst && anchorOf(anchors, in.Imm+add.Imm) != "" {
				refs = append(refs, va+uint64(j))
				break
			}
		}
	}
	return refs
}

// functions returns the functions that refer to the anchors, in order of
// address. References that no function is found for are left out: mostly data
// that looks like an instruction.
func (im *image) functions(anchors []anchor) (fs []*function, err error) {
	refs, err := im.references(anchors)
	if err != nil || len(refs) == 0 {
		return nil, err
	}
	if err := im.unwindStarts(); err != nil {
		return nil, err
	}
	if err := im.pointers(func(_, value uint64) { im.setStart(value) }); err != nil {
		return nil, err
	}
	for _, ref := range refs {
		known := func(f *function) bool { return f.holds(ref) }
		if slices.ContainsFunc(fs, known) {
			continue
		}
		if f := im.functionAt(ref); f != nil {
			fs = append(fs, f)
		}
	}
	if len(refs) >= maxRefs || im.work >= maxWork {
		// What is missing could be what makes a function ambiguous.
		return nil, errors.New("too much code refers to names of a TLS library")
	}
	return fs, nil
}

// callers returns the addresses of the direct calls of target.
func (im *image) callers(target uint64) (at []uint64, err error) {
	for i := range im.segs {
		if !im.segs[i].exec {
			continue
		}
		err := im.scan(&im.segs[i], func(va uint64, b []byte) {
			for i := 0; i+8 <= len(b) && len(at) < maxRefs; i += int(im.arch.Step) {
				isCall := b[i] == 0xe8
				if im.arch.Step == 4 {
					isCall = b[i+3]>>2 == 0x25
				}
				if !isCall {
					continue
				}
				if in, ok := im.arch.Decode(b[i:], va+uint64(i)); ok && in.Op == isa.Call && in.Imm == target {
					at = append(at, va+uint64(i))
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(at)
	return slices.Compact(at), nil
}

// tables returns the tables of pointers, n words long, that hold entry in the
// given slot and for which valid is true.
func (im *image) tables(entry uint64, slot, n int, valid func(words []uint64) bool) (found [][]uint64, err error) {
	var at []uint64
	err = im.pointers(func(va, value uint64) {
		if value == entry && len(at) < maxTables && !slices.Contains(at, va) {
			at = append(at, va)
		}
	})
	for _, va := range at {
		w, err := im.words(va-8*uint64(slot), n)
		if err != nil {
			return nil, err
		}
		if valid(w) {
			found = append(found, w)
		}
	}
	return found, err
}
