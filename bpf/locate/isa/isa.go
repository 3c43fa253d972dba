// Package isa decodes machine code of x86-64 and arm64 as far as the search for
// functions in stripped programs needs it: how long an instruction is, where it
// goes, and which registers it sets from what.
package isa

// An Arch is an instruction set and the calling convention of C on it.
type Arch struct {
	Decode func(b []byte, va uint64) (Inst, bool) // false: no instruction
	Step   uint64                                 // instructions begin at multiples of it
	Args   [6]Reg                                 // registers of the first arguments
	Saved  uint32                                 // bit r: register r survives a call
	SP, FP Reg                                    // stack and frame pointer
}

// A Reg is the number of a general register, or NoReg.
type Reg int8

// NoReg stands where an instruction has no register.
const NoReg Reg = -1

// An Op is what an instruction does, as far as finding functions needs it.
type Op uint8

// The operations, with the fields of [Inst] that they use.
const (
	Other   Op = iota // nothing that matters; Dst and Dst2 are overwritten
	Const             // Dst = Imm
	Add               // Dst = Src + Imm; a move where Imm is 0
	Load              // Dst, Dst2 = memory at Src; then Src += Imm
	Store             // memory at Src = something; then Src += Imm
	Call              // call Imm
	CallInd           // call through a register or memory
	Jump              // go to Imm
	JumpIf            // maybe go to Imm
	JumpInd           // go to an address in a register or memory
	Return            // return
	Trap              // stop the program
)

// An Inst is one decoded instruction. Of memory operands only the base
// register is known. Registers are NoReg where there is none.
type Inst struct {
	Op        Op
	Len       int    // bytes
	Dst, Dst2 Reg    // written
	Src       Reg    // read; of memory operands the base
	Val       Reg    // what a Store writes
	Imm       uint64 // a constant, an address, or the change of Src
}
