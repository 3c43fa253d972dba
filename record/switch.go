package record

import (
	"bytes"
	"strings"
)

// A peekReason says why the next bytes of a direction may be those of the
// message being read or those of the next one.
type peekReason uint8

const (
	peekNoBody   peekReason = iota // the status allows no body, the fields announce one
	peekHead                       // the request was not seen and may have been HEAD
	peekExpected                   // the client waits for 100 (RFC 9110, section 10.1.1)
	peekLonger                     // there was a larger Content-Length too
)

// peek decides whether p belongs to the message being read.
func (s *half) peek(p []byte) ([]byte, bool) {
	all := s.join(p)
	v := isOther
	if s.peeking != peekExpected {
		v = startsResponse(all)
	} else if s.p.answered {
		next := bytes.TrimLeft(all, "\r\n")
		v = judgeRequest(next)
		if i := bytes.IndexByte(next, '\n'); v == isRequest && !isStrictRequest(next[:i]) {
			v = isOther
		}
	}
	if v == undecided {
		return s.wait(all)
	}
	rest := s.took(all, 0)
	s.resolve(v != isOther)
	return rest, true
}

// startsResponse tells whether p starts with a version, after empty lines.
func startsResponse(p []byte) verdict {
	p = bytes.TrimLeft(p, "\r\n")
	n := min(len(p), len("HTTP/"))
	switch {
	case !strings.EqualFold(string(p[:n]), "HTTP/"[:n]):
		return isOther
	case n < len("HTTP/"):
		return undecided
	}
	return isResponse
}

// resolve ends a peek: the message is over, or its body begins.
func (s *half) resolve(over bool) {
	switch {
	case over && s.peeking == peekNoBody && s.p.Response.Status < 200:
		s.interim()
	case over && s.peeking == peekExpected:
		if s.p.answered {
			s.note(bodyNotSent)
			s.finish()
			return
		}
		s.beginBody()
	case over:
		s.finish()
	case s.peeking == peekLonger:
		f := &s.framing
		s.left, s.state = f.longer-f.length, bodyState
		f.length = f.longer
	case s.peeking == peekNoBody:
		s.note(bodyNotAllowed)
		s.p.answered = true
		s.beginBody()
	default:
		s.beginBody()
	}
}

// likelyOver is what a peek comes to where the next bytes cannot tell.
func (s *half) likelyOver() bool {
	if s.peeking == peekExpected {
		return s.p.answered
	}
	return s.peeking != peekHead || s.m.BodySize > 0
}

// switchTo ends the response, and HTTP on the connection.
func (s *half) switchTo(p *pair) {
	c, proto := s.h.connection, protoTunnel
	if p.Response.Status == 101 {
		proto = upgradeName(p.Response.Header.Get("Upgrade"))
	}
	p.answered = true
	s.finish()
	s.h.next = func() {
		if proto == protoTunnel {
			c.become(proto, &opening{connection: c})
			return
		}
		c.become(proto, opaque{c})
	}
}

// upgradeName names the protocol of an Upgrade field (RFC 9110, section 7.8).
func upgradeName(v string) string {
	switch v = strings.ToLower(strings.TrimSpace(v)); v {
	case "websocket":
		return protoWebSocket
	case "h2c":
		return protoHTTP2
	}
	return protoUnknown
}

// handOver makes the next parser the one of the connection and tells it what
// followed HTTP: what the client sent before it had the answer, and rest.
func (h *http1) handOver(rest event) {
	if h.req.p != nil {
		h.req.over(ErrCut)
	}
	h.drop(h.open, ErrCut)
	h.req.lose()
	h.resp.lose()
	h.next()
	for _, e := range h.held {
		e.tell(h.parser)
	}
	if len(rest.data) > 0 {
		h.parser.data(rest.dir, rest.time, rest.data)
	}
	h.held, h.switching = nil, nil
}

// hold keeps e, which follows a request that may end HTTP on the connection.
func (h *http1) hold(e event) {
	h.held = append(h.held, e)
	h.heldSize += len(e.data)
}

// release goes on with what was held once it is clear that HTTP goes on, or
// when too much is held.
func (h *http1) release() {
	if h.req.state != holdState || h.next != nil {
		return
	}
	if p := h.switching; p != nil && !p.answered && !p.respOver && h.heldSize <= maxHead {
		return
	}
	held := h.held
	h.held, h.heldSize, h.switching, h.req.state = nil, 0, nil, startState
	h.releasing = true
	for _, e := range held {
		e.tell(h)
	}
	h.releasing = false
}
