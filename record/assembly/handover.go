package assembly

import (
	"slices"
	"strings"

	"ssltape/record"
)

// mayHold holds what follows a request that may end HTTP on the connection,
// until it is answered (RFC 9110, sections 7.8 and 9.3.6).
func (h *http1) mayHold(p *pair) {
	if !p.respOver && !p.answered && (p.Request.Method == "CONNECT" || p.Request.Header.Has("Upgrade")) {
		h.switching, h.req.state = p, holdState
	}
}

// hold keeps e, which follows a request that may end HTTP on the connection.
func (h *http1) hold(e event) {
	h.held = hold(h.held, e)
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

// switchTo ends the response, and HTTP/1 on the connection.
func (s *half) switchTo(p *pair) {
	h, c, proto := s.h, s.h.connection, protoTunnel
	if p.Response.Status == 101 {
		proto = upgradeName(p.Response.Header.Get("Upgrade"))
	}
	p.answered = true
	switch proto {
	case protoWebSocket:
		s.leave(p)
		h.next = func() { c.become(proto, newWebSocket(c, &p.Exchange, h.reqs, func() { c.emit(&p.Exchange) })) }
	case protoHTTP2:
		s.leave(p)
		h.next = func() { c.become(proto, upgradeHTTP2(c, &p.Exchange, h.reqs)) }
	case protoTunnel:
		s.finish()
		h.next = func() { c.become(proto, &opening{connection: c}) }
	default:
		s.finish()
		h.next = func() { c.become(proto, opaque{c}) }
	}
}

// leave leaves p, which has an answer, to the next parser.
func (s *half) leave(p *pair) {
	h := s.h
	h.open = slices.DeleteFunc(h.open, func(q *pair) bool { return q == p })
	s.p, s.m, s.grew, s.state = nil, nil, false, startState
	if h.req.p == p {
		h.req.p, h.req.m = nil, nil
	}
	h.emit(&p.Exchange)
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
		h.req.over(record.ErrCut)
	}
	h.drop(h.open, record.ErrCut)
	h.req.lose()
	h.next()
	for _, e := range h.held {
		e.tell(h.parser)
	}
	if len(rest.data) > 0 {
		h.parser.data(rest.dir, rest.time, rest.data)
	}
	h.held, h.switching = nil, nil
}
