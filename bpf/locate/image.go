package locate

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"ssltape/bpf/locate/isa"
)

const (
	chunkSize = 1 << 20  // of one sequential read
	pageSize  = 64 << 10 // of one random read
	maxProgs  = 64       // program headers; real files have about ten
	maxWork   = 1 << 24  // steps of all walks of one file; the largest number seen is a tenth of it
)

// An image is a little-endian 64-bit ELF file as its program headers lay it
// out. Section headers and symbols are never looked at: strip takes them, and
// what remains is what the kernel maps.
//
// An image holds an eighth of the size of the executable segments (starts)
// and a few buffers; the file itself is read in pieces.
type image struct {
	r       io.ReaderAt
	arch    isa.Arch
	pie     bool
	segs    []segment
	ehFrame segment // .eh_frame_hdr, empty where there is none
	dynamic segment
	notes   []segment

	page   []byte // the piece that was last read at random
	pageVA uint64
	work   int // instructions walked and places tried so far
}

// A segment is a part of the file that is mapped at va.
type segment struct {
	off, va, size uint64
	exec          bool
	starts        []uint64 // bitmap of the addresses where a function may begin, where exec
}

func (s *segment) contains(va uint64) bool { return va-s.va < s.size }

// newImage reads the headers of the size bytes of r.
func newImage(r io.ReaderAt, size int64) (*image, error) {
	var h elf.Header64
	head := io.NewSectionReader(r, 0, size)
	if err := binary.Read(head, binary.LittleEndian, &h); err != nil {
		return nil, fmt.Errorf("ELF header: %w", noEOF(err))
	}
	if string(h.Ident[:4]) != elf.ELFMAG {
		return nil, errors.New("not an ELF file")
	}
	if elf.Class(h.Ident[elf.EI_CLASS]) != elf.ELFCLASS64 || elf.Data(h.Ident[elf.EI_DATA]) != elf.ELFDATA2LSB {
		return nil, errors.New("not a 64-bit little-endian ELF file")
	}
	im := &image{r: r, pie: elf.Type(h.Type) == elf.ET_DYN}
	if t := elf.Type(h.Type); t != elf.ET_EXEC && t != elf.ET_DYN {
		return nil, fmt.Errorf("%v is neither an executable nor a shared library", t)
	}
	switch m := elf.Machine(h.Machine); m {
	case elf.EM_X86_64:
		im.arch = isa.AMD64
	case elf.EM_AARCH64:
		im.arch = isa.ARM64
	default:
		return nil, fmt.Errorf("%v is not supported", m)
	}
	if h.Phentsize != 56 || h.Phnum > maxProgs {
		return nil, fmt.Errorf("%d program headers of %d bytes", h.Phnum, h.Phentsize)
	}
	progs := make([]elf.Prog64, h.Phnum)
	head = io.NewSectionReader(r, int64(h.Phoff&(1<<62-1)), int64(h.Phnum)*56)
	if err := binary.Read(head, binary.LittleEndian, progs); err != nil {
		return nil, fmt.Errorf("program headers: %w", noEOF(err))
	}
	return im, im.load(progs, uint64(size))
}

// load takes over the program headers that matter. What it accepts is within
// the file, does not wrap, and is together not much larger than the file, so
// that reading all segments takes a time that is linear in size.
func (im *image) load(progs []elf.Prog64, size uint64) error {
	var sum uint64
	for _, p := range progs {
		s := segment{off: p.Off, va: p.Vaddr, size: p.Filesz, exec: elf.ProgFlag(p.Flags)&elf.PF_X != 0}
		t := elf.ProgType(p.Type)
		if t != elf.PT_LOAD && t != elf.PT_GNU_EH_FRAME && t != elf.PT_DYNAMIC && t != elf.PT_NOTE {
			continue
		}
		if s.off > size || s.size > size-s.off || s.va+s.size < s.va {
			return fmt.Errorf("segment at %#x: ends after the file", s.off)
		}
		if sum += s.size; sum > 2*size+chunkSize {
			return errors.New("segments overlap")
		}
		switch {
		case t == elf.PT_GNU_EH_FRAME:
			im.ehFrame = s
		case t == elf.PT_DYNAMIC:
			im.dynamic = s
		case t == elf.PT_NOTE:
			im.notes = append(im.notes, s)
		case s.size > 0:
			if s.exec {
				s.starts = make([]uint64, s.size/64+1)
			}
			im.segs = append(im.segs, s)
		}
	}
	if len(im.segs) == 0 {
		return errors.New("nothing is loaded from the file")
	}
	return nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// segment returns the loaded segment that va is in, or nil.
func (im *image) segment(va uint64) *segment {
	for i := range im.segs {
		if im.segs[i].contains(va) {
			return &im.segs[i]
		}
	}
	return nil
}

// code returns the executable segment that va is in, or nil.
func (im *image) code(va uint64) *segment {
	if s := im.segment(va); s != nil && s.exec {
		return s
	}
	return nil
}

// offset returns where in the file the byte at va is. A uprobe is placed by it.
func (im *image) offset(va uint64) uint64 {
	s := im.segment(va)
	if s == nil {
		return 0
	}
	return va - s.va + s.off
}

// bytes returns the n bytes at va, or fewer at a segment's end, valid until the
// next call. n is at most half of pageSize.
func (im *image) bytes(va uint64, n int) []byte {
	s := im.segment(va)
	if s == nil {
		return nil
	}
	n = int(min(uint64(n), s.va+s.size-va))
	if va < im.pageVA || va+uint64(n) > im.pageVA+uint64(len(im.page)) {
		// Walks go forward, searches for a start go backward: read around va.
		from := max(s.va, va-min(va, pageSize/4))
		im.page = append(im.page[:0], make([]byte, min(pageSize, s.va+s.size-from))...)
		im.pageVA = from
		m, _ := im.r.ReadAt(im.page, int64(from-s.va+s.off))
		im.page = im.page[:m]
	}
	from := min(va-im.pageVA, uint64(len(im.page)))
	return im.page[from:min(from+uint64(n), uint64(len(im.page)))]
}

func (im *image) u32(va uint64) (uint32, bool) {
	b := im.bytes(va, 4)
	if len(b) < 4 {
		return 0, false
	}
	return binary.LittleEndian.Uint32(b), true
}

func (im *image) u64(va uint64) (uint64, bool) {
	b := im.bytes(va, 8)
	if len(b) < 8 {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b), true
}

// overlap is how much of a chunk is seen again in the next one: more than any
// instruction, pointer or string that is searched for.
const overlap = 64

// scan calls f with the bytes of s, piece by piece; va is that of b[0].
// The pieces overlap, so that nothing short is cut.
func (im *image) scan(s *segment, f func(va uint64, b []byte)) error {
	buf := make([]byte, min(chunkSize+overlap, s.size))
	for pos := uint64(0); pos < s.size; pos += chunkSize {
		b := buf[:min(uint64(len(buf)), s.size-pos)]
		if n, err := im.r.ReadAt(b, int64(s.off+pos)); n < len(b) {
			return noEOF(err)
		}
		f(s.va+pos, b)
	}
	return nil
}

// setStart notes that a function may begin at va.
func (im *image) setStart(va uint64) {
	if s := im.code(va); s != nil {
		s.starts[(va-s.va)/64] |= 1 << ((va - s.va) % 64)
	}
}

// isStart tells whether a function may begin at va: the target of a direct
// call, a pointer in the data, or an entry of the unwind table. Few of those
// that are not are in the set: bytes that look like a call.
func (im *image) isStart(va uint64) bool {
	s := im.code(va)
	return s != nil && s.starts[(va-s.va)/64]>>((va-s.va)%64)&1 == 1
}

// unwindStarts adds the functions of .eh_frame_hdr (LSB 5.0, 10.6.2) in the
// only encoding that linkers write: a sorted table of 32-bit differences.
func (im *image) unwindStarts() error {
	s := im.ehFrame
	head := make([]byte, 12)
	if s.size < 12 {
		return nil
	}
	if _, err := im.r.ReadAt(head, int64(s.off)); err != nil {
		return noEOF(err)
	}
	if !bytes.Equal(head[:4], []byte{1, 0x1b, 0x03, 0x3b}) {
		return nil
	}
	n := min(uint64(binary.LittleEndian.Uint32(head[8:])), (s.size-12)/8)
	table := segment{off: s.off + 12, va: s.va + 12, size: 8 * n}
	return im.scan(&table, func(_ uint64, b []byte) {
		for ; len(b) >= 8; b = b[8:] {
			im.setStart(s.va + uint64(int64(int32(binary.LittleEndian.Uint32(b)))))
		}
	})
}

// pointers calls f with each pointer in the data: where it is and what it will
// be when the file is loaded at its own addresses.
func (im *image) pointers(f func(at, value uint64)) error {
	for i := range im.segs {
		if im.segs[i].exec {
			continue
		}
		// RELR relocations and files that are not PIE have the value in place.
		err := im.scan(&im.segs[i], func(va uint64, b []byte) {
			for i := int(-va & 7); i+8 <= len(b); i += 8 {
				if v := binary.LittleEndian.Uint64(b[i:]); v != 0 {
					f(va+uint64(i), v)
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return im.relocations(f)
}

// relocations calls f with each R_*_RELATIVE entry of DT_RELA.
func (im *image) relocations(f func(at, value uint64)) error {
	rela := segment{}
	err := im.scan(&im.dynamic, func(_ uint64, b []byte) {
		for ; len(b) >= 16; b = b[16:] {
			switch elf.DynTag(binary.LittleEndian.Uint64(b)) {
			case elf.DT_RELA:
				rela.va = binary.LittleEndian.Uint64(b[8:])
			case elf.DT_RELASZ:
				rela.size = binary.LittleEndian.Uint64(b[8:])
			}
		}
	})
	s := im.segment(rela.va)
	if err != nil || s == nil || rela.size > s.va+s.size-rela.va {
		return err
	}
	const entry = 24 // chunks of whole entries: 24 does not divide chunkSize
	buf := make([]byte, chunkSize/entry*entry)
	for pos := uint64(0); pos+entry <= rela.size; pos += uint64(len(buf)) {
		b := buf[:min(uint64(len(buf)), (rela.size-pos)/entry*entry)]
		if n, err := im.r.ReadAt(b, int64(im.offset(rela.va)+pos)); n < len(b) {
			return noEOF(err)
		}
		for ; len(b) >= entry; b = b[entry:] {
			if t := binary.LittleEndian.Uint32(b[8:]); t == uint32(elf.R_X86_64_RELATIVE) || t == uint32(elf.R_AARCH64_RELATIVE) {
				f(binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[16:]))
			}
		}
	}
	return nil
}

// words returns the n pointers from va on, relocations applied.
func (im *image) words(va uint64, n int) ([]uint64, error) {
	w := make([]uint64, n)
	for i := range w {
		w[i], _ = im.u64(va + 8*uint64(i))
	}
	err := im.relocations(func(at, value uint64) {
		if i := (at - va) / 8; at >= va && i < uint64(n) {
			w[i] = value
		}
	})
	return w, err
}
