package assembly

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ssltape/record"
	"ssltape/record/assembly/hpack"
	"ssltape/record/frame"
)

// reset reads RST_STREAM (RFC 9113, section 6.4).
func (s *http2Half) reset(id, code uint32) {
	if st := s.h.streams[id]; st != nil {
		if s.side() == requestSide {
			st.endWhole()
		}
		st.fail(fmt.Errorf("%s by the %s: %w", frame.ErrorName(code), s.side(), record.ErrReset))
	}
}

// endWhole ends a response that has all the body that its head says: a client need
// not wait for the frame that ends it.
func (st *stream) endWhole() {
	v, m := &st.sides[responseSide], &st.x.Response.Message
	n, exact, _ := parseLength(m.Header.Get("Content-Length"))
	if v.over || v.missing > 0 || st.tunnel != nil || !m.Seen() || !exact || m.BodySize != n {
		return
	}
	v.over, m.Done = true, !v.hit
	st.h.forget(st.id)
	st.grow()
}

// forget has what still comes of a stream that ended early be known as that.
func (h *http2) forget(id uint32) {
	h.gone = append(h.gone, id)
	h.gone = h.gone[max(0, len(h.gone)-maxGone):]
}

// maxDebug is how much is shown of what GOAWAY says to people.
const maxDebug = 200

// lastStream reads GOAWAY (RFC 9113, section 6.8).
func (s *http2Half) lastStream(payload []byte) {
	h := s.h
	last, code := binary.BigEndian.Uint32(payload)&^(1<<31), binary.BigEndian.Uint32(payload[4:])
	reason := fmt.Sprintf("GOAWAY %s by the %s", frame.ErrorName(code), s.side())
	if debug := payload[8:]; len(debug) > 0 {
		reason += fmt.Sprintf(", %q", debug[:min(len(debug), maxDebug)])
	}
	err := fmt.Errorf("%s: %w", reason, record.ErrReset)
	if code != 0 {
		h.goAway = err
	}
	if !h.known || s.side() == requestSide {
		return
	}
	for _, id := range h.ids() {
		if id%2 == 1 && id > last { // the client may send it again elsewhere
			h.streams[id].fail(err)
		}
	}
}

// ids returns the numbers of the streams in order.
func (h *http2) ids() []uint32 { return slices.Sorted(maps.Keys(h.streams)) }

// endStreams ends what can no longer end in order since the direction is over.
func (s *http2Half) endStreams(why error) {
	h := s.h
	cause := why
	switch {
	case h.goAway != nil:
		cause = h.goAway
	case why == nil:
		cause = record.ErrCut
	}
	s.ended = cause
	for _, id := range h.ids() {
		st := h.streams[id]
		if st.tunnel != nil {
			v := &st.sides[s.side()]
			if !v.over {
				v.over = true
				st.tunnel.end(s.dir, s.t, why)
				st.settle()
			}
			continue
		}
		if s.side() == responseSide {
			st.endWhole()
		}
		if s.side() == responseSide || !st.sides[requestSide].over {
			st.fail(cause)
		}
	}
}

// beginTunnel makes what follows on the stream something else than HTTP.
func (st *stream) beginTunnel(s *http2Half) {
	x, h := st.x, st.h
	over := st.sides[requestSide].over
	x.Request.Done = true
	st.sides = [2]streamSide{}
	if strings.EqualFold(x.Request.Pseudo.Get(":protocol"), "websocket") { // RFC 8441, section 5
		st.tunnel = newWebSocket(h.connection, x, h.client, st.grow)
	} else {
		x.Response.Done = true
		x.Err = st.err
		inner := &connection{Conn: h.Conn, a: h.a}
		inner.become(protoTunnel, &opening{connection: inner})
		st.tunnel = tunnel{inner}
	}
	if over {
		st.sides[requestSide].over = true
		st.tunnel.end(h.client, s.t, nil)
	}
}

// join tells who is the client of a connection that was joined in the middle,
// by the frames that were found in d, and by the numbers of ports.
func (h *http2) join(d record.Dir, frames []byte) {
	for len(frames) >= frame.HTTP2Size {
		f := frame.ParseHTTP2(frames)
		end := frame.HTTP2Size + f.Length
		if end > len(frames) {
			break
		}
		if f.Type == frame.Headers {
			block, _, _ := f.Fragment(frames[frame.HTTP2Size:end])
			switch request, response, _ := hpack.Inspect(block); {
			case request:
				h.setClient(d)
			case response:
				h.setClient(d.Peer())
			}
		}
		frames = frames[end:]
	}
	if !h.Local.IsValid() || !h.Remote.IsValid() {
		return
	}
	switch local, remote := h.Local.Port() < ephemeral, h.Remote.Port() < ephemeral; {
	case local && !remote:
		h.setClient(record.In)
	case remote && !local:
		h.setClient(record.Out)
	}
}

// ephemeral is the first port that systems choose for clients. No server is
// asked for one of those, as a rule.
const ephemeral = 32768

// orphan returns the stream of a DATA frame whose stream is not known, since it
// began before the recording or in what was lost, or nil where it is over.
func (s *http2Half) orphan(id uint32) *stream {
	h := s.h
	before, lost := s.joined && (h.first == 0 || id < h.first), s.lossy && id > h.newest
	if !h.known || !before && !lost || slices.Contains(h.gone, id) {
		return nil
	}
	st := h.open(id, nil)
	note(st.x, noRequest)
	st.lose(record.ErrLost)
	if s.side() == responseSide {
		st.x.Request.Done, st.sides[requestSide].over = true, true
	}
	return st
}

// upgradeHTTP2 returns the parser of what follows the 101 response to x: the
// real one comes on stream 1 (RFC 7540, section 3.2).
func upgradeHTTP2(c *connection, x *record.Exchange, client record.Dir) *http2 {
	h := newHTTP2(c, [2]bool{})
	h.setClient(client)
	r := &x.Response
	x.Response = record.Response{Interim: append(r.Interim, record.Interim{Status: r.Status, Reason: r.Reason, Header: r.Header, Time: r.End})}
	st := h.open(1, x)
	st.sides[requestSide].over = x.Request.Done
	return h
}

// A tunnel is the parser of a stream that carries a connection.
type tunnel struct{ *connection }

func (t tunnel) data(d record.Dir, at time.Time, p []byte) { t.parser.data(d, at, p) }
func (t tunnel) gap(d record.Dir, n int64)                 { t.parser.gap(d, n) }

func (t tunnel) end(d record.Dir, at time.Time, why error) {
	t.ended[d] = true
	t.parser.end(d, at, why)
}
