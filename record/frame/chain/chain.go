// Package chain finds frames of HTTP/2 and of WebSockets in a direction of
// which the framing was lost: bytes are missing, or the recording began in the
// middle.
package chain

// maxChains is how many possible beginnings a Finder follows at once.
const maxChains = 64

// A Finder looks for frames. One header is little evidence, so it believes in
// frames that follow one another. Which it finds depends on the bytes only, not
// on how they are cut.
type Finder struct {
	read   func(p []byte) evidence // of the frame that p, which is not empty, starts with
	starts *[256]bool              // the bytes that frames start with
	need   int                     // sum of the scores in a chain
	early  int                     // the same where the chain starts with the direction, 0 for need
	weak   int                     // the same where all frames of the chain are weak
	pos    int                     // where to look on
	seen   int                     // how much it took to get there
	chains []chain
	moved  bool // position 0 is not the start of the direction
}

// An evidence is what the bytes at some position are taken for.
type evidence struct {
	size  int  // of the frame
	seen  int  // bytes that were looked at
	score int  // how much they tell, which may be nothing, notFrame or needMore
	weak  bool // other protocols have many of its like
}

const (
	notFrame = -1
	needMore = -2
)

type chain struct {
	start, next, score int
	firm               bool // not all of its frames are weak
}

// Find returns where the first chain of frames that tells enough starts in p,
// and where the evidence for it ends; start is -1 where there is none. The
// next call is with p and more; what Keep has no use for may be taken from its
// start, which Drop is told.
func (f *Finder) Find(p []byte) (start, end int) {
	for f.pos < len(p) {
		if f.pos = f.nextStart(p); f.pos == len(p) {
			break
		}
		e := f.read(p[f.pos:])
		if e.score == needMore {
			break
		}
		f.seen = max(f.seen, f.pos+e.seen)
		c := f.follow(f.pos, e)
		if c.score >= f.need && (c.firm || c.score >= f.weak) || f.early > 0 && !f.moved && c.start == 0 && c.score >= f.early {
			return c.start, f.seen
		}
		f.pos++
	}
	return -1, 0
}

// FromStart says that p starts with the direction, so that frames there need less
// evidence.
func (f *Finder) FromStart() { f.early = webSocketEarly }

// nextStart returns the next position at which a frame may start, or one has to
// since it would continue a chain.
func (f *Finder) nextStart(p []byte) int {
	end := len(p)
	for _, c := range f.chains {
		end = min(end, c.next)
	}
	for i := f.pos; i < end; i++ {
		if f.starts[p[i]] {
			return i
		}
	}
	return end
}

// follow adds the frame at i to the chains and returns the one that it is in.
func (f *Finder) follow(i int, e evidence) chain {
	kept := f.chains[:0]
	best := chain{start: i}
	for _, c := range f.chains {
		if c.next != i {
			kept = append(kept, c)
		} else if c.score > best.score {
			best = c
		}
	}
	f.chains = kept
	if e.score < 0 || e.score == 0 && !best.firm {
		return chain{}
	}
	best.next, best.score, best.firm = i+e.size, best.score+e.score, best.firm || !e.weak
	if len(f.chains) < maxChains {
		f.chains = append(f.chains, best)
	}
	return best
}

// Keep returns how many bytes at the start of p Find has no use for any more.
func (f *Finder) Keep() int {
	first := f.pos
	for _, c := range f.chains {
		first = min(first, c.start)
	}
	return first
}

// Drop says that n bytes at the start of p are gone.
func (f *Finder) Drop(n int) {
	f.moved = f.moved || n > 0
	f.pos -= n
	f.seen -= n
	for i := range f.chains {
		f.chains[i].start -= n
		f.chains[i].next -= n
	}
}
