package llm

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
	"strings"
)

// A History remembers what exchanges said, as hashes, so that of a
// conversation that is sent again with every request only what is new need be
// shown. The zero History is empty and ready to use.
type History struct {
	seed  maphash.Seed
	said  map[uint64]uint64 // hash of a system prompt, of tools, or of messages up to one, to the number of an exchange
	begun bool
}

// maxHistory bounds what is remembered; with more, all is forgotten.
const maxHistory = 1 << 20

// Known is how much of a chat was said before, and in which exchanges; 0 is none.
type Known struct {
	Messages int    // so many of the first ones
	In       uint64 // the exchange that had the last of them, as a message or as its answer
	System   uint64
	Tools    uint64
}

// Add remembers c, of the exchange with the number id, and returns what of it
// was known. Thinking does not count: clients leave it out, as they like.
func (h *History) Add(id uint64, c *Chat) Known {
	if !h.begun || len(h.said) > maxHistory {
		*h = History{maphash.MakeSeed(), map[uint64]uint64{}, true}
	}
	if c.Counts { // the question itself is still to come
		id = 0
	}
	var k Known
	k.System = h.meet(id, h.hash(0, Message{"system", c.System}))
	k.Tools = h.meet(id, h.hash(1, Message{"tools", []Part{{Kind: Text, Text: strings.Join(c.Tools, "\n")}}}))
	chain := uint64(2)
	for i, m := range c.Messages {
		chain = h.hash(chain, m)
		if before := h.meet(id, chain); before != 0 && k.Messages == i {
			k.Messages, k.In = i+1, before
		}
	}
	if len(c.Answer.Parts) > 0 {
		h.meet(id, h.hash(chain, c.Answer))
	}
	return k
}

// meet returns the exchange that had what hashes to sum, and remembers id where
// none had, unless it is 0.
func (h *History) meet(id, sum uint64) uint64 {
	before, ok := h.said[sum]
	if !ok && id != 0 {
		h.said[sum] = id
	}
	return before
}

// hash returns the hash of what hashes to before, followed by m.
func (h *History) hash(before uint64, m Message) uint64 {
	role := m.Role
	if role == "model" { // as an answer's is called when it is sent back to Gemini
		role = "assistant"
	}
	var s strings.Builder
	for _, p := range m.Parts {
		switch p.Kind {
		case Thinking:
		case Text:
			s.WriteString(strings.TrimSpace(p.Text))
		case ToolUse:
			s.WriteString("\x00" + p.Name + "\x00" + p.ID + "\x00" + canonical(p.Text))
		default:
			s.WriteString("\x00" + string(p.Kind) + p.Name + "\x00" + p.ID + "\x00" + p.Text)
		}
	}
	return maphash.Comparable(h.seed, [3]any{before, role, s.String()})
}

// canonical returns JSON without white space; what is none, as it is. Clients
// write the input of a tool anew.
func canonical(text string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(text)) != nil {
		return text
	}
	return b.String()
}
