package isa

import (
	"encoding/binary"
	"strings"
)

const (
	regAX, regCX, regDX, regBX Reg = 0, 1, 2, 3
	regSP, regBP, regSI, regDI Reg = 4, 5, 6, 7
)

// AMD64 is x86-64 with the calling convention of System V.
var AMD64 = Arch{
	Decode: decodeX86,
	Step:   1,
	Args:   [6]Reg{regDI, regSI, regDX, regCX, 8, 9},
	Saved:  1<<regBX | 1<<regBP | 1<<regSP | 0xf<<12,
	SP:     regSP,
	FP:     regBP,
}

// What follows each opcode byte, as in the opcode maps of the Intel manual
// (volume 2, appendix A): m a ModRM byte, b an 8-bit and z a 32-bit immediate
// (16 with an operand-size prefix), B and Z both ModRM and immediate, g and G
// the same for TEST only (reg field 0 and 1), d a 32-bit displacement, w two
// bytes, e three, q eight, v eight with REX.W and else as z; - nothing;
// x no instruction in 64-bit mode (escapes and prefixes are taken before).
const oneByteMap = "" +
	"mmmmbzxxmmmmbzxx" + // 00
	"mmmmbzxxmmmmbzxx" + // 10
	"mmmmbzxxmmmmbzxx" + // 20
	"mmmmbzxxmmmmbzxx" + // 30
	"xxxxxxxxxxxxxxxx" + // 40
	"----------------" + // 50
	"xxxmxxxxzZbB----" + // 60
	"bbbbbbbbbbbbbbbb" + // 70
	"BZxBmmmmmmmmmmmm" + // 80
	"----------x-----" + // 90
	"qqqq----bz------" + // a0
	"bbbbbbbbvvvvvvvv" + // b0
	"BBw-xxBZe-w--bx-" + // c0
	"mmmmxxx-mmmmmmmm" + // d0
	"bbbbbbbbddxb----" + // e0
	"x-xx--gG------mm" //   f0

const twoByteMap = "" +
	"mmmmx-----x-xm-B" + // 0f 00
	"mmmmmmmmmmmmmmmm" + // 0f 10
	"mmmmxxxxmmmmmmmm" + // 0f 20
	"------x-xxxxxxxx" + // 0f 30
	"mmmmmmmmmmmmmmmm" + // 0f 40
	"mmmmmmmmmmmmmmmm" + // 0f 50
	"mmmmmmmmmmmmmmmm" + // 0f 60
	"BBBBmmm-mmmmmmmm" + // 0f 70
	"dddddddddddddddd" + // 0f 80
	"mmmmmmmmmmmmmmmm" + // 0f 90
	"---mBmxx---mBmmm" + // 0f a0
	"mmmmmmmmmmBmmmmm" + // 0f b0
	"mmBmBBBm--------" + // 0f c0
	"mmmmmmmmmmmmmmmm" + // 0f d0
	"mmmmmmmmmmmmmmmm" + // 0f e0
	"mmmmmmmmmmmmmmmm" //   0f f0

// An x86 is an instruction taken apart.
type x86 struct {
	b      []byte
	n      int  // bytes taken
	opsize bool // operand-size prefix
	rex    byte
	vex    bool // VEX or EVEX encoded
	page   byte // opcode map: 0 one byte, 1 0f, 2 0f 38, 3 0f 3a, 5 and 6 EVEX only
	opcode byte

	mem     bool // operand M is memory
	rip     bool // at disp from the next instruction
	indexed bool
	field   byte // reg field of ModRM: an operand or a part of the opcode
	r, m    Reg  // operands; m is the base where mem
	disp    uint64
	imm     uint64
}

// decodeX86 decodes the x86-64 instruction at the start of b.
func decodeX86(b []byte, va uint64) (Inst, bool) {
	x := x86{b: b[:min(len(b), 15)], r: NoReg, m: NoReg}
	if !x.opcodes() || !x.operands() {
		return Inst{}, false
	}
	in := Inst{Len: x.n, Dst: NoReg, Dst2: NoReg, Src: NoReg, Val: NoReg}
	next := va + uint64(x.n)
	switch {
	case x.vex:
		x.effectVEX(&in)
	case x.page == 0:
		x.effect(&in, next)
	case x.page == 1:
		x.effect0F(&in, next)
	}
	return in, true
}

// take returns the next n bytes as a sign-extended number.
func (x *x86) take(n int) (v uint64, ok bool) {
	if x.n+n > len(x.b) {
		return 0, false
	}
	p := x.b[x.n : x.n+n]
	x.n += n
	switch n {
	case 1:
		v = uint64(int8(p[0]))
	case 2, 3:
		v = uint64(int16(binary.LittleEndian.Uint16(p)))
	case 4:
		v = uint64(int32(binary.LittleEndian.Uint32(p)))
	case 8:
		v = binary.LittleEndian.Uint64(p)
	}
	return v, true
}

// opcodes takes the prefixes and the opcode.
func (x *x86) opcodes() bool {
	c := byte(0x66)
	for c&0xfe == 0x66 || c&0xfe == 0x64 || c&0xe7 == 0x26 || c&0xfe == 0xf2 || c == 0xf0 {
		v, ok := x.take(1)
		if !ok {
			return false
		}
		c = byte(v)
		x.opsize = x.opsize || c == 0x66
	}
	if c&0xf0 == 0x40 {
		x.rex = c
		v, ok := x.take(1)
		if !ok {
			return false
		}
		c = byte(v)
	}
	payload := 0 // bytes of VEX and EVEX before the opcode
	switch c {
	case 0xc5:
		payload = 1
	case 0xc4:
		payload = 2
	case 0x62:
		payload = 3
	}
	switch {
	case payload > 0 && x.rex == 0:
		if x.n+payload > len(x.b) {
			return false
		}
		p := x.b[x.n]
		x.n += payload
		x.vex, x.page = true, 1
		x.rex = ^p >> 5 & 4 // VEX.R is REX.R inverted
		if payload > 1 {
			x.page = p & 0x1f
			x.rex |= ^p >> 5 & 3
		}
		if payload == 3 {
			x.page = p & 7
		}
	case c == 0x0f:
		x.page = 1
	default:
		x.opcode = c
		return true
	}
	v, ok := x.take(1)
	if ok && !x.vex && (v == 0x38 || v == 0x3a) {
		x.page = byte(v&3)/2 + 2
		v, ok = x.take(1)
	}
	x.opcode = byte(v)
	return ok
}

// operands takes what follows the opcode.
func (x *x86) operands() bool {
	kind := byte('m')
	switch x.page {
	case 0:
		kind = oneByteMap[x.opcode]
		if x.vex {
			return false
		}
	case 1:
		kind = twoByteMap[x.opcode]
	case 3:
		kind = 'B'
	}
	if kind == 'x' {
		return false
	}
	if strings.IndexByte("mBZgG", kind) >= 0 && !x.modRM() {
		return false
	}
	full := 4
	if x.opsize {
		full = 2
	}
	size := 0
	switch {
	case kind == 'b' || kind == 'B' || kind == 'g' && x.field < 2:
		size = 1
	case kind == 'v' && x.rex&8 != 0 || kind == 'q':
		size = 8
	case kind == 'z' || kind == 'Z' || kind == 'v' || kind == 'G' && x.field < 2:
		size = full
	case kind == 'd':
		size = 4
	case kind == 'w':
		size = 2
	case kind == 'e':
		size = 3
	}
	v, ok := x.take(size)
	x.imm = v
	return ok
}

// modRM takes the ModRM and SIB bytes and the displacement.
func (x *x86) modRM() bool {
	v, ok := x.take(1)
	mod, rm := byte(v)>>6, byte(v)&7
	x.field = byte(v) >> 3 & 7
	x.r = Reg(x.field | x.rex<<1&8)
	x.m = Reg(rm | x.rex<<3&8)
	if mod == 3 {
		return ok
	}
	x.mem = true
	size := [3]int{0, 1, 4}[mod]
	if rm == 4 {
		sib, more := x.take(1)
		ok = ok && more
		x.indexed = sib>>3&7 != 4 || x.rex&2 != 0
		rm = byte(sib) & 7
		x.m = Reg(rm | x.rex<<3&8)
		if rm == 5 && mod == 0 {
			x.m, size = NoReg, 4
		}
	} else if rm == 5 && mod == 0 {
		x.m, x.rip, size = NoReg, true, 4
	}
	disp, more := x.take(size)
	x.disp = disp
	return ok && more
}

// store makes in a write to operand M: to memory, or of a register by an
// operation that is not followed.
func (x *x86) store(in *Inst) {
	if x.mem {
		in.Op, in.Src = Store, x.m
	} else {
		in.Dst = x.m
	}
}

// effect says what a one-byte opcode does. Instructions that are seldom in
// compiled code, such as those on AL or AH, count as ones without effect.
func (x *x86) effect(in *Inst, next uint64) {
	wide := x.rex&8 != 0
	switch o := x.opcode; {
	case o == 0x31 && !x.mem && x.r == x.m, o == 0x33 && !x.mem && x.r == x.m: // xor r, r
		in.Op, in.Dst = Const, x.m
	case o < 0x40:
		x.effectALU(in, o>>3, o&7)
	case o&0xf8 == 0x50: // push
		in.Op, in.Src, in.Imm = Store, regSP, ^uint64(7)
	case o&0xf8 == 0x58: // pop
		in.Op, in.Dst, in.Src, in.Imm = Load, Reg(o&7|x.rex<<3&8), regSP, 8
	case o == 0x68, o == 0x6a: // push imm
		in.Op, in.Src, in.Imm = Store, regSP, ^uint64(7)
	case o == 0x63, o == 0x69, o == 0x6b: // movsxd, imul
		in.Dst = x.r
	case o&0xf0 == 0x70, o&0xfc == 0xe0: // jcc, loop
		in.Op, in.Imm = JumpIf, next+x.imm
	case o == 0x80, o == 0x81, o == 0x83: // ALU with immediate
		x.effectImm(in)
	case o == 0x86, o == 0x87: // xchg
		x.store(in)
		in.Dst2 = x.r
	case o == 0x88, o == 0xc0, o == 0xc1, o&0xfc == 0xd0: // mov r8, shifts
		x.store(in)
	case o == 0x89: // mov M, R
		x.move(in, x.m, x.r)
	case o == 0x8a:
		in.Dst = x.r
	case o == 0x8b: // mov R, M
		x.move(in, x.r, x.m)
		if x.mem {
			in.Op, in.Dst, in.Src = Load, x.r, x.m
		}
	case o == 0x8d && x.rip: // lea R, [rip+d]
		in.Op, in.Dst, in.Imm = Const, x.r, next+x.disp
	case o == 0x8d && wide && !x.indexed && x.m != NoReg: // lea R, [M+d]
		in.Op, in.Dst, in.Src, in.Imm = Add, x.r, x.m, x.disp
	case o == 0x8d:
		in.Dst = x.r
	case o == 0x8f: // pop M
		in.Op, in.Src, in.Imm = Load, regSP, 8
	case o == 0x99: // cdq
		in.Dst = regDX
	case o&0xf8 == 0xb0:
		in.Dst = Reg(o&7 | x.rex<<3&8)
	case o&0xf8 == 0xb8: // mov r, imm
		in.Op, in.Dst, in.Imm = Const, Reg(o&7|x.rex<<3&8), x.imm
		if !wide {
			in.Imm = uint64(uint32(x.imm))
		}
	case o == 0xc7 && !x.mem: // mov M, imm
		in.Op, in.Dst, in.Imm = Const, x.m, x.imm
		if !wide {
			in.Imm = uint64(uint32(x.imm))
		}
	case o == 0xc6, o == 0xc7:
		x.store(in)
	case o == 0xc9: // leave: rsp = rbp; pop rbp
		in.Op, in.Dst, in.Src, in.Imm, in.Dst2 = Add, regSP, regBP, 8, regBP
	case o == 0xc2, o == 0xc3:
		in.Op = Return
	case o == 0xcc, o == 0xf4: // int3, hlt
		in.Op = Trap
	case o == 0xe8:
		in.Op, in.Imm = Call, next+x.imm
	case o == 0xe9, o == 0xeb:
		in.Op, in.Imm = Jump, next+x.imm
	case o&0xfe == 0xf6 && x.field >= 4: // mul, div
		in.Dst, in.Dst2 = regAX, regDX
	case o&0xfe == 0xf6 && x.field >= 2: // not, neg
		x.store(in)
	case o&0xfe == 0xfe && x.field < 2: // inc, dec
		x.store(in)
	case o == 0xff && x.field>>1 == 1:
		in.Op = CallInd
	case o == 0xff && x.field>>1 == 2:
		in.Op = JumpInd
	case o == 0xff && x.field == 6: // push M
		in.Op, in.Src, in.Imm = Store, regSP, ^uint64(7)
	}
}

// move makes in a move between registers, or a store.
func (x *x86) move(in *Inst, dst, src Reg) {
	if x.mem {
		in.Op, in.Src, in.Val = Store, x.m, src
		return
	}
	in.Op, in.Dst, in.Src = Add, dst, src
}

// effectALU is for add, or, adc, sbb, and, sub, xor and cmp (kind 0 to 7)
// between registers and memory.
func (x *x86) effectALU(in *Inst, kind, form byte) {
	switch {
	case kind == 7 || form > 5:
	case form > 3:
		in.Dst = regAX
	case form > 1:
		in.Dst = x.r
	default:
		x.store(in)
	}
}

// effectImm is for the same with an immediate.
func (x *x86) effectImm(in *Inst) {
	wide := x.rex&8 != 0 && x.opcode != 0x80 && !x.mem
	switch {
	case x.field == 7: // cmp
	case x.field == 0 && wide: // add
		in.Op, in.Dst, in.Src, in.Imm = Add, x.m, x.m, x.imm
	case x.field == 5 && wide: // sub
		in.Op, in.Dst, in.Src, in.Imm = Add, x.m, x.m, -x.imm
	default:
		x.store(in)
	}
}

// effect0F is for opcodes after 0f.
func (x *x86) effect0F(in *Inst, next uint64) {
	switch o := x.opcode; {
	case o == 0x0b, o == 0xb9, o == 0xff: // ud2, ud1, ud0
		in.Op = Trap
	case o&0xf0 == 0x80:
		in.Op, in.Imm = JumpIf, next+x.imm
	case o&0xf0 == 0x40, o == 0xaf, o&0xf6 == 0xb6, o == 0xb8, o&0xfe == 0xbc, o&0xfe == 0x2c, o == 0x50, o == 0xd7:
		in.Dst = x.r // cmov, imul, movzx, movsx, popcnt, bsf, bsr, cvt, movmsk
	case o&0xf8 == 0xc8: // bswap
		in.Dst = Reg(o&7 | x.rex<<3&8)
	case o == 0xa2: // cpuid
		in.Dst, in.Dst2 = regCX, regDX
	case o&0xfe == 0xb0, o&0xfe == 0xc0: // cmpxchg, xadd
		x.store(in)
		in.Dst2 = x.r
	case o&0xf0 == 0x90, o == 0xa4, o == 0xa5, o == 0xac, o == 0xad, o == 0xab, o == 0xb3, o == 0xbb, o == 0xba:
		x.store(in) // setcc, shifts, bit operations
	case o == 0x7e && !x.mem: // movd M, xmm
		in.Dst = x.m
	default:
		x.storeVector(in)
	}
}

// storeVector makes in a store where it moves a vector register to memory.
func (x *x86) storeVector(in *Inst) {
	switch x.opcode {
	case 0x11, 0x13, 0x17, 0x29, 0x2b, 0x7f, 0xd6, 0xe7:
		if x.mem {
			in.Op, in.Src = Store, x.m
		}
	}
}

// effectVEX is for VEX and EVEX: vector moves, and BMI on general registers.
func (x *x86) effectVEX(in *Inst) {
	switch {
	case x.page == 1 && x.opcode == 0x7e && !x.mem:
		in.Dst = x.m
	case x.page == 1:
		x.storeVector(in)
	case x.page == 2 && x.opcode >= 0xf2 && x.opcode <= 0xf7, x.page == 3 && x.opcode == 0xf0:
		in.Dst = x.r // andn, bextr, shlx, rorx, mulx and the like
	}
}
