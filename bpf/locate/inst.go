package locate

// An arch is an instruction set and the calling convention of C on it.
type arch struct {
	decode func(b []byte, va uint64) (inst, bool) // false: no instruction
	step   uint64                                 // instructions begin at multiples of it
	args   [6]reg                                 // registers of the first arguments
	saved  uint32                                 // bit r: register r survives a call
	sp     reg
}

// A reg is the number of a general register, or noReg.
type reg int8

const noReg reg = -1

// An op is what an instruction does, as far as finding functions needs it.
type op uint8

const (
	opOther   op = iota // nothing that matters; dst and dst2 are overwritten
	opConst             // dst = imm
	opAdd               // dst = src + imm; a move where imm is 0
	opLoad              // dst, dst2 = memory at src; then src += imm
	opStore             // memory at src = something; then src += imm
	opCall              // call imm
	opCallInd           // call through a register or memory
	opJump              // go to imm
	opJumpIf            // maybe go to imm
	opJumpInd           // go to an address in a register or memory
	opReturn            // return
	opTrap              // stop the program
)

// An inst is one decoded instruction. Of memory operands only the base
// register is known. Registers are noReg where there is none.
type inst struct {
	op        op
	len       int
	dst, dst2 reg
	src       reg
	val       reg
	imm       uint64 // a constant, an address, or the change of src
}
