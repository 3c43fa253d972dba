package locate

import (
	"slices"

	"ssltape/bpf/locate/isa"
)

const (
	window    = 64 << 10 // how far a function reaches from its start
	maxBlocks = 1 << 12  // of one walk
	maxStates = 32       // of one address in one walk
	maxTries  = 48       // starts that are tried for one place
	moreTries = 4        // after one that leads there
)

// A value is what is known of a register: base plus off. The base is nothing
// (zero: an absolute number), or what a register held when the function was
// entered, or unknown.
type value struct {
	base base
	off  uint64
}

type base uint64 // of a size that leaves no gaps in a state: they are compared often

const (
	unknown base = iota
	number
	spilled // was read from the function's own stack frame
	entered // entered+r: what register r held at entry
)

// A state is what is known at one place on one path.
type state struct {
	regs   [32]value
	framed bool // the stack pointer was moved
}

func (st *state) get(r isa.Reg) value {
	if r == isa.NoReg {
		return value{}
	}
	return st.regs[r]
}

func (st *state) set(r isa.Reg, v value) {
	if r == isa.NoReg {
		return
	}
	if v.base == unknown {
		v.off = 0
	}
	st.regs[r] = v
}

// A call is a call or tail call, with what is known of its arguments.
type call struct {
	at     uint64
	target uint64 // 0: through a pointer
	args   [6]value
}

// A function is what the walk of a function found on all paths that end in a
// proper return.
type function struct {
	entry  uint64
	args   [6]isa.Reg
	homed  uint8 // bit i: argument i is kept in the stack frame
	calls  []call
	stores int            // instructions that write to memory other than its own stack frame
	code   map[uint64]int // length of the instruction at each address
}

// holds tells whether the byte at va is a part of one of f's instructions.
func (f *function) holds(va uint64) bool {
	for back := range 15 {
		if f.code[va-uint64(back)] > back {
			return true
		}
	}
	return false
}

// own tells whether argument i of c, a call that f makes, is what f was called
// with as its argument j. In code that was not optimised, which keeps all
// arguments on the stack, it is enough that it comes from there.
func (f *function) own(c call, i, j int) bool {
	const three = 7
	return c.args[i] == value{entered + base(f.args[j]), 0} || f.homed&three == three && c.args[i].base == spilled
}

// A block is a straight run of instructions, entered in a given state.
type block struct {
	at     uint64
	state  state
	from   []int // blocks that lead here
	good   bool  // some path from here returns with the stack as it was at entry
	calls  []call
	homed  uint8
	insts  [][2]uint64 // addresses and lengths
	stores []uint64
}

type blockKey struct {
	at    uint64
	state state
}

type walk struct {
	im     *image
	entry  uint64
	blocks []block
	index  map[blockKey]int
	states map[uint64]int // blocks at an address
}

// walk follows the control flow from entry, one run of instructions at a time,
// with the registers that are known. It returns nil where no path from entry
// returns with the stack pointer as it was: entry is then not where a function
// begins. For the same reason code after a call that does not return is
// dropped: there the next function begins, in a frame that it did not make.
func (im *image) walk(entry uint64) *function {
	w := walk{im: im, entry: entry, index: map[blockKey]int{}, states: map[uint64]int{}}
	var st state
	for _, r := range append(im.arch.Args[:], im.arch.FP, im.arch.SP) {
		st.regs[r] = value{entered + base(r), 0}
	}
	w.visit(entry, st, -1)
	for i := 0; i < len(w.blocks) && im.work < maxWork; i++ {
		w.run(i)
	}
	w.spread()
	if !w.blocks[0].good {
		return nil
	}
	f := &function{entry: entry, args: im.arch.Args, code: map[uint64]int{}}
	stores := map[uint64]bool{}
	for _, b := range w.blocks {
		if !b.good {
			continue
		}
		for _, in := range b.insts {
			f.code[in[0]] = int(in[1])
		}
		for _, va := range b.stores {
			stores[va] = true
		}
		f.homed |= b.homed
		for _, c := range b.calls {
			if !slices.Contains(f.calls, c) {
				f.calls = append(f.calls, c)
			}
		}
	}
	f.stores = len(stores)
	return f
}

// visit notes that block from leads to va in state st.
func (w *walk) visit(va uint64, st state, from int) {
	if w.im.code(va) == nil || va-w.entry >= window && w.entry-va >= window {
		return
	}
	key := blockKey{va, st}
	i, ok := w.index[key]
	if !ok {
		if w.states[va]++; w.states[va] > maxStates || len(w.blocks) == maxBlocks {
			return // a loop that counts in a register would have no end
		}
		i = len(w.blocks)
		w.index[key] = i
		w.blocks = append(w.blocks, block{at: va, state: st})
	}
	if from >= 0 {
		w.blocks[i].from = append(w.blocks[i].from, from)
	}
}

// run follows block i to its end. What it learns of the block is noted before
// visit, which may move the blocks.
func (w *walk) run(i int) {
	b, a := &w.blocks[i], &w.im.arch
	st, va := b.state, b.at
	for {
		in, ok := a.Decode(w.im.bytes(va, 16), va)
		if !ok {
			return
		}
		w.im.work++
		b.insts = append(b.insts, [2]uint64{va, uint64(in.Len)})
		st.framed = st.framed || st.regs[a.SP].off != 0
		balanced := st.regs[a.SP] == value{entered + base(a.SP), 0}
		if balanced && va != w.entry && w.im.isStart(va) {
			return // the next function, after a call that does not return
		}
		switch in.Op {
		case isa.Return:
			b.good = balanced
			return
		case isa.Trap:
			return
		case isa.JumpInd: // a tail call, or a switch that is not followed
			b.good = balanced
			if balanced {
				b.calls = append(b.calls, w.call(va, 0, &st))
			}
			return
		case isa.Jump:
			if balanced && w.leaves(in.Imm, &st) {
				b.good = true
				b.calls = append(b.calls, w.call(va, in.Imm, &st))
			} else {
				w.visit(in.Imm, st, i)
			}
			return
		case isa.JumpIf:
			if balanced && w.leaves(in.Imm, &st) {
				b.good = true
			} else {
				w.visit(in.Imm, st, i)
			}
			w.visit(va+uint64(in.Len), st, i)
			return
		case isa.Call, isa.CallInd:
			b.calls = append(b.calls, w.call(va, in.Imm, &st))
			for r := range st.regs {
				if a.Saved>>r&1 == 0 {
					st.regs[r] = value{}
				}
			}
			w.visit(va+uint64(in.Len), st, i)
			return
		}
		if in.Op == isa.Store {
			if st.get(in.Src).base != entered+base(a.SP) {
				b.stores = append(b.stores, va)
			} else if i := slices.Index(a.Args[:], in.Val); i >= 0 && st.get(in.Val) == (value{entered + base(in.Val), 0}) {
				b.homed |= 1 << i
			}
		}
		st.apply(in, a)
		va += uint64(in.Len)
	}
}

// leaves tells whether a jump to va, made with the stack as it was at entry, is
// a call in the place of a return: to another function, or from the end of
// one that has taken down its frame.
func (w *walk) leaves(va uint64, st *state) bool {
	return st.framed || va != w.entry && w.im.isStart(va)
}

func (w *walk) call(at, target uint64, st *state) call {
	c := call{at: at, target: target}
	for i, r := range w.im.arch.Args {
		c.args[i] = st.regs[r]
	}
	return c
}

// apply is the effect of in on the registers.
func (st *state) apply(in isa.Inst, a *isa.Arch) {
	src := st.get(in.Src)
	switch in.Op {
	case isa.Const:
		st.set(in.Dst, value{number, in.Imm})
	case isa.Add:
		st.set(in.Dst, value{src.base, src.off + in.Imm})
	case isa.Load:
		if in.Imm != 0 {
			st.set(in.Src, value{src.base, src.off + in.Imm})
		}
		v := value{}
		if src.base == entered+base(a.SP) {
			v.base = spilled
		}
		st.set(in.Dst, v)
		st.set(in.Dst2, v)
		return
	case isa.Store:
		if in.Imm != 0 {
			st.set(in.Src, value{src.base, src.off + in.Imm})
		}
		st.set(in.Dst, value{})
	default:
		st.set(in.Dst, value{})
	}
	st.set(in.Dst2, value{})
}

// spread marks the blocks from which a good one can be reached.
func (w *walk) spread() {
	var todo []int
	for i := range w.blocks {
		if w.blocks[i].good {
			todo = append(todo, i)
		}
	}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, j := range w.blocks[i].from {
			if !w.blocks[j].good {
				w.blocks[j].good = true
				todo = append(todo, j)
			}
		}
	}
}

// functionAt returns the function that the instruction at va belongs to, or nil.
// It is that of a start before va from which control flow gets there. Where a
// nearer start does so too, it is in the middle of the function: bytes that
// look like a call of it.
func (im *image) functionAt(va uint64) (found *function) {
	s := im.code(va)
	if s == nil {
		return nil
	}
	tries := maxTries
	for at := va; at-s.va < s.size && va-at < window && tries > 0 && im.work < maxWork; at -= im.arch.Step {
		if im.work++; !im.isStart(at) {
			continue
		}
		tries--
		if f := im.walk(at); f != nil && f.holds(va) {
			found = f
			tries = min(tries, moreTries)
		}
	}
	return found
}
