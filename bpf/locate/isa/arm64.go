package isa

import (
	"encoding/binary"
	"math/bits"
)

const (
	regFP   Reg = 29
	regSP64 Reg = 31 // register 31 is tracked as the stack pointer, never as xzr
)

// ARM64 is A64 with the calling convention AAPCS64.
var ARM64 = Arch{
	Decode: decodeARM,
	Step:   4,
	Args:   [6]Reg{0, 1, 2, 3, 4, 5},
	Saved:  0x7ff<<19 | 1<<regSP64,
	SP:     regSP64,
	FP:     regFP,
}

// decodeARM decodes the A64 instruction at the start of b; the masks are those
// of the Arm ARM, section C4.1.
func decodeARM(b []byte, va uint64) (Inst, bool) {
	in := Inst{Len: 4, Dst: NoReg, Dst2: NoReg, Src: NoReg, Val: NoReg}
	if len(b) < 4 {
		return in, false
	}
	w := binary.LittleEndian.Uint32(b)
	switch {
	case w>>16 == 0: // udf
		in.Op = Trap
	case w>>26&7 == 5:
		armBranch(&in, w, va)
	case w>>26&7 == 4:
		armImmediate(&in, w, va)
	case w>>25&5 == 4:
		armMemory(&in, w)
	case w>>25&7 == 5:
		armRegister(&in, w)
	}
	return in, true
}

// general is the register numbered n where 31 is xzr.
func general(n uint32) Reg {
	if n &= 31; n < 31 {
		return Reg(n)
	}
	return NoReg
}

// field is the signed n-bit number at bit lo of w.
func field(w uint32, lo, n int) uint64 {
	return uint64(int64(w) << (64 - lo - n) >> (64 - n))
}

func armBranch(in *Inst, w uint32, va uint64) {
	switch {
	case w>>26 == 0x05:
		in.Op, in.Imm = Jump, va+4*field(w, 0, 26)
	case w>>26 == 0x25:
		in.Op, in.Imm = Call, va+4*field(w, 0, 26)
	case w>>24 == 0x54, w>>25&0x3f == 0x1a: // b.cond, cbz
		in.Op, in.Imm = JumpIf, va+4*field(w, 5, 19)
	case w>>25&0x3f == 0x1b: // tbz
		in.Op, in.Imm = JumpIf, va+4*field(w, 5, 14)
	case w>>21 == 0x6a1, w>>21 == 0x6a2: // brk, hlt
		in.Op = Trap
	case w>>25 == 0x6b: // through a register; bit 24 and the low ones are pointer authentication
		switch w >> 21 & 7 {
		case 0:
			in.Op = JumpInd
		case 1:
			in.Op = CallInd
		case 2:
			in.Op = Return
		}
	}
}

// armImmediate is for data processing with an immediate.
func armImmediate(in *Inst, w uint32, va uint64) {
	in.Dst = general(w)
	wide := w>>31 == 1
	switch w >> 23 & 7 {
	case 0, 1: // adr, adrp
		in.Op = Const
		imm := field(w, 5, 19)<<2 | uint64(w>>29&3)
		if in.Imm = va + imm; wide {
			in.Imm = va&^0xfff + imm<<12
		}
	case 2: // add, sub
		if w>>29&1 == 1 || !wide { // of 32 bits, or setting flags: a comparison
			return
		}
		in.Op, in.Dst, in.Src = Add, Reg(w&31), Reg(w>>5&31)
		in.Imm = uint64(w>>10&0xfff) << (12 * (w >> 22 & 1))
		if w>>30&1 == 1 {
			in.Imm = -in.Imm
		}
	case 4: // and, orr, eor
		if v, ok := armBitmask(w); ok && w>>29&3 == 1 && w>>5&31 == 31 {
			in.Op, in.Imm = Const, v
		} else if w>>29&3 != 3 {
			in.Dst = Reg(w & 31) // may be sp
		}
	case 5: // movn, movz, movk
		v := uint64(w>>5&0xffff) << (16 * (w >> 21 & 3))
		switch w >> 29 & 3 {
		case 0:
			in.Op, in.Imm = Const, ^v
			if !wide {
				in.Imm = uint64(uint32(^v))
			}
		case 2:
			in.Op, in.Imm = Const, v
		}
	}
}

// armBitmask decodes the immediate of a logical instruction (DecodeBitMasks
// in the Arm ARM): a run of ones, rotated, repeated.
func armBitmask(w uint32) (uint64, bool) {
	n, immr, imms := w>>22&1, int(w>>16&63), w>>10&63
	log := bits.Len32(n<<6|^imms&63) - 1
	if log < 1 {
		return 0, false
	}
	size := 1 << log
	ones := int(imms)&(size-1) + 1
	if ones == size {
		return 0, false
	}
	v := uint64(1)<<ones - 1
	for i := size; i < 64; i *= 2 {
		v |= v << i
	}
	v = bits.RotateLeft64(v, -(immr & (size - 1)))
	if w>>31 == 0 {
		v = uint64(uint32(v))
	}
	return v, true
}

// armMemory is for loads and stores.
func armMemory(in *Inst, w uint32) {
	in.Op, in.Src = Store, Reg(w>>5&31)
	vector := w>>26&1 == 1
	load := w>>22&1 == 1
	switch {
	case w>>27&7 == 5: // pairs
		if w>>23&1 == 1 { // pre- or post-indexed
			scale := w>>31 + 2 // ldpsw and the vector forms differ
			if vector {
				scale = w>>30 + 2
			}
			in.Imm = field(w, 15, 7) << scale
		}
		in.Dst2 = general(w >> 10)
	case w>>27&7 == 3: // literal
		in.Src, load = NoReg, true
	case w>>27&7 == 7:
		load = w>>22&3 != 0 && (!vector || load)
		if w>>24&1 == 0 && w>>21&1 == 0 && w>>10&1 == 1 {
			in.Imm = field(w, 12, 9)
		}
	}
	if load {
		in.Op = Load
	}
	in.Dst = general(w)
	if !load && !vector {
		in.Val = in.Dst
	}
	if vector || !load {
		in.Dst, in.Dst2 = NoReg, NoReg
	}
}

// armRegister is for data processing between registers.
func armRegister(in *Inst, w uint32) {
	in.Dst = general(w)
	if w&0x7fe0ffe0 != 0x2a0003e0 { // not orr r, zr, r
		return
	}
	if in.Src = general(w >> 16); in.Src == NoReg {
		in.Op = Const
	} else {
		in.Op = Add
	}
}
