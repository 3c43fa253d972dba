package tlslib

import (
	"debug/elf"
	"encoding/binary"

	"golang.org/x/arch/x86/x86asm"

	"ssltape/bpf/symtab"
)

// A probe costs one trap where the kernel can emulate the instruction that it
// replaces, as it can push and nop. Any other is executed out of line, with a
// second trap that takes many times as long in virtual machines. So the place
// matters more than all that the programs do.

// maxPrologue bounds how much of a function is read, in bytes.
const maxPrologue = 256

// An insn is an instruction with its address.
type insn struct {
	x86asm.Inst
	addr uint64
}

// code returns the instructions at addr up to the first that cannot be
// decoded, or nothing where im is not for amd64.
func (im *image) code(addr uint64) []insn {
	off, ok := symtab.Offset(im.file, addr)
	if !ok || im.file.Machine != elf.EM_X86_64 {
		return nil
	}
	buf := make([]byte, maxPrologue)
	n, _ := im.raw.ReadAt(buf, int64(off))
	var code []insn
	for buf = buf[:n]; len(buf) > 0; {
		in, err := x86asm.Decode(buf, 64)
		if isEndbr(buf) {
			in, err = x86asm.Inst{Op: x86asm.NOP, Len: 4}, nil
		}
		if err != nil {
			break
		}
		code = append(code, insn{in, addr})
		addr, buf = addr+uint64(in.Len), buf[in.Len:]
	}
	return code
}

// isEndbr reports whether b starts with endbr64, which x86asm does not know.
func isEndbr(b []byte) bool {
	return len(b) >= 4 && b[0] == 0xf3 && b[1] == 0x0f && b[2] == 0x1e && b[3] == 0xfa
}

// cheapSite returns where to probe the function at addr at its entry: the first
// instruction if it is emulated, else a push behind others that leave the
// arguments and the stack as they are, else the first.
func (im *image) cheapSite(addr uint64) uint64 {
	for _, in := range im.code(addr) {
		switch {
		case in.Op == x86asm.PUSH:
			return in.addr
		case !isStraight(in) || writes(in, x86asm.RSP) || writesArgument(in):
			return addr
		}
	}
	return addr
}

// goSite returns where to probe the function of Go at addr: behind the check of
// the stack, since a function starts again when its stack has grown, or was
// wanted for something else. That is a push on amd64. A function without the
// check, or with one that is not known, is probed at its entry: the arguments
// of the last start are those that count.
func (im *image) goSite(addr uint64) uint64 {
	if im.file.Machine == elf.EM_AARCH64 {
		return im.goSiteARM64(addr)
	}
	for _, in := range im.code(addr) {
		switch {
		case in.Op == x86asm.PUSH:
			return in.addr
		case in.Op == x86asm.JBE || in.Op == x86asm.CMP || in.Op == x86asm.LEA && in.Args[0] == x86asm.R12:
		default:
			return addr
		}
	}
	return addr
}

// goSiteARM64 looks for the b.ls to the part that calls morestack.
func (im *image) goSiteARM64(addr uint64) uint64 {
	const maxCheck, mask, branchLS = 6, 0xff00001f, 0x54000009
	var code [4 * maxCheck]byte
	off, ok := symtab.Offset(im.file, addr)
	if _, err := im.raw.ReadAt(code[:], int64(off)); !ok || err != nil {
		return addr
	}
	for i := uint64(0); i < maxCheck; i++ {
		if binary.LittleEndian.Uint32(code[4*i:])&mask == branchLS {
			return addr + 4*(i+1)
		}
	}
	return addr
}

// inner returns the address of the function that wrapper and wrapperEx, of the
// shapes (ssl, buf, len) and (ssl, buf, len, ..., *n), both call with their
// arguments. The last argument is in the register count: wrapperEx hands it
// on, wrapper makes it the address of a local variable. OpenSSL's
// ssl_read_internal and ssl_write_internal are such functions. They also serve
// BIO_read and BIO_write, which do not call the exported ones.
func (im *image) inner(wrapper, wrapperEx uint64, count x86asm.Reg) (uint64, bool) {
	a, made := im.handsOn(wrapper, count)
	b, kept := im.handsOn(wrapperEx, count)
	return a, a != 0 && a == b && made == countLocal && kept == countKept
}

// How a function's call sets the register of the count.
type countArg uint8

const (
	countKept  countArg = iota // as the function was given it
	countLocal                 // the address of a local variable
	countOther
)

// handsOn returns the target of the first call of the function at addr if the
// registers of ssl and buf then hold what the function was given, and what
// count holds, else 0.
func (im *image) handsOn(addr uint64, count x86asm.Reg) (uint64, countArg) {
	arg := countKept
	for _, in := range im.code(addr) {
		switch {
		case in.Op == x86asm.CALL:
			rel, ok := in.Args[0].(x86asm.Rel)
			if !ok {
				return 0, countOther
			}
			return in.addr + uint64(in.Len) + uint64(int64(rel)), arg
		case writes(in, x86asm.RDI) || writes(in, x86asm.RSI):
			return 0, countOther
		case writes(in, count) && isStackAddress(in):
			arg = countLocal
		case writes(in, count):
			arg = countOther
		case !isStraight(in) && !isBranch(in):
			return 0, countOther
		}
	}
	return 0, countOther
}

// flagsOffset returns where in a connection its shutdown flags are, as
// SSL_get_shutdown reads them, or 0 where it does more than that.
func (im *image) flagsOffset() uint32 {
	at := uint32(0)
	for _, in := range im.code(im.syms[shutdownGetter]) {
		m, load := in.Args[1].(x86asm.Mem)
		switch {
		case in.Op == x86asm.MOV && in.Args[0] == x86asm.EAX && load && m.Base == x86asm.RDI && m.Index == 0 && at == 0:
			at = uint32(m.Disp)
		case in.Op == x86asm.RET:
			return at
		case !isStraight(in) || writes(in, x86asm.RDI) && at == 0 || writes(in, x86asm.RAX):
			return 0
		}
	}
	return 0
}

// isStackAddress reports whether in is mov reg, rsp or lea reg, [rsp+n].
func isStackAddress(in insn) bool {
	if in.Op == x86asm.LEA {
		m, ok := in.Args[1].(x86asm.Mem)
		return ok && m.Base == x86asm.RSP
	}
	return in.Op == x86asm.MOV && in.Args[1] == x86asm.RSP
}

// isBranch reports whether in is a conditional jump, behind which the function
// goes on where nothing is wrong with its arguments.
func isBranch(in insn) bool {
	_, rel := in.Args[0].(x86asm.Rel)
	return rel && in.Op != x86asm.JMP && in.Op != x86asm.CALL
}

// isStraight reports whether the next instruction always follows in.
func isStraight(in insn) bool {
	switch in.Op {
	case x86asm.RET, x86asm.LRET, x86asm.JMP, x86asm.CALL, x86asm.INT, x86asm.UD2, x86asm.HLT, x86asm.SYSCALL:
		return false
	}
	_, rel := in.Args[0].(x86asm.Rel)
	return !rel
}

// writesArgument reports whether in changes a register of an argument.
func writesArgument(in insn) bool {
	for _, r := range []x86asm.Reg{x86asm.RDI, x86asm.RSI, x86asm.RDX, x86asm.RCX, x86asm.R8} {
		if writes(in, r) {
			return true
		}
	}
	return false
}

// writes reports whether in changes the register r or a part of it. What it
// does not know for sure it reports as changed.
func writes(in insn, r x86asm.Reg) bool {
	switch in.Op {
	case x86asm.CMP, x86asm.TEST, x86asm.NOP:
		return false
	case x86asm.PUSH, x86asm.POP:
		if r == x86asm.RSP {
			return true
		}
		if in.Op == x86asm.PUSH {
			return false
		}
	case x86asm.XCHG, x86asm.XADD:
		dst, ok := in.Args[1].(x86asm.Reg)
		if ok && full(dst) == r {
			return true
		}
	case x86asm.MOV, x86asm.MOVSXD, x86asm.MOVZX, x86asm.MOVSX, x86asm.LEA, x86asm.XOR, x86asm.SUB, x86asm.ADD,
		x86asm.AND, x86asm.OR, x86asm.SHL, x86asm.SHR, x86asm.INC, x86asm.DEC, x86asm.NEG, x86asm.NOT:
	default:
		return !isBranch(in)
	}
	dst, ok := in.Args[0].(x86asm.Reg)
	return ok && full(dst) == r
}

// full returns the 64-bit register that r is, or is a part of.
func full(r x86asm.Reg) x86asm.Reg {
	switch {
	case r >= x86asm.EAX && r <= x86asm.R15L:
		return r - x86asm.EAX + x86asm.RAX
	case r >= x86asm.AX && r <= x86asm.R15W:
		return r - x86asm.AX + x86asm.RAX
	case r >= x86asm.AL && r <= x86asm.BL:
		return r - x86asm.AL + x86asm.RAX
	case r >= x86asm.AH && r <= x86asm.BH:
		return r - x86asm.AH + x86asm.RAX
	case r >= x86asm.SPB && r <= x86asm.DIB:
		return r - x86asm.SPB + x86asm.RSP
	case r >= x86asm.R8B && r <= x86asm.R15B:
		return r - x86asm.R8B + x86asm.R8
	}
	return r
}
