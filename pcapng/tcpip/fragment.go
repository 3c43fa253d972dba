package tcpip

import "net/netip"

// A fragment says which part of a datagram a packet has.
type fragment struct {
	id   uint32
	off  int
	more bool // it is not the last
}

type fragmentKey struct {
	src, dst netip.Addr
	proto    byte
	id       uint32
}

// A partial is a datagram of which fragments are missing.
type partial struct {
	data []byte
	have []span // in order, not touching
	size int    // of the whole, -1 while the last fragment is missing
}

type span struct{ from, to int }

// maxPartials limits the datagrams that wait for fragments: 16 MiB at most.
const maxPartials = 256

// add adds a fragment and returns the datagram if it is whole.
func (d *Decoder) add(g datagram, f fragment) (datagram, bool) {
	end := f.off + len(g.data)
	if g.missing > 0 || end > 65535 || len(g.data) == 0 {
		return g, false
	}
	key := fragmentKey{g.src, g.dst, g.proto, f.id}
	p := d.partial[key]
	if p == nil {
		if d.partial == nil {
			d.partial = map[fragmentKey]*partial{}
		}
		if len(d.order) == maxPartials {
			delete(d.partial, d.order[0])
			d.order = append(d.order[:0], d.order[1:]...)
		}
		p = &partial{size: -1}
		d.partial[key], d.order = p, append(d.order, key)
	}
	if len(p.data) < end {
		p.data = append(p.data, make([]byte, end-len(p.data))...)
	}
	copy(p.data[f.off:], g.data)
	p.have = addSpan(p.have, span{f.off, end})
	if !f.more {
		p.size = end
	}
	if len(p.have) != 1 || p.have[0] != (span{0, p.size}) {
		return g, false
	}
	delete(d.partial, key)
	for i, k := range d.order {
		if k == key {
			d.order = append(d.order[:i], d.order[i+1:]...)
			break
		}
	}
	g.data = p.data
	return g, true
}

// addSpan adds s to spans, which stay in order and apart.
func addSpan(spans []span, s span) []span {
	out := spans[:0:0]
	for _, x := range spans {
		switch {
		case x.to < s.from:
			out = append(out, x)
		case s.to < x.from:
			out = append(out, s)
			s = x
		default:
			s = span{min(s.from, x.from), max(s.to, x.to)}
		}
	}
	return append(out, s)
}
