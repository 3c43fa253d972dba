package replay

import (
	"context"
	"time"

	"ssltape/record"
)

// A pacer passes on what it gets at the pace at which it was recorded, times
// speed. Files of exchanges have a stream all at once: it is passed on event by
// event.
type pacer struct {
	ctx    context.Context
	w      record.ExchangeWriter
	speed  float64
	open   map[*record.Exchange]bool // those that grew before they were done
	began  time.Time                 // when the first growth was passed on
	origin time.Time                 // when that was recorded
}

// WriteExchange implements [record.ExchangeWriter]. It blocks until it is time
// for what x has grown by, or the context ends.
func (p *pacer) WriteExchange(x *record.Exchange) error {
	if !x.Done() {
		p.open[x] = true
	} else if !p.open[x] && len(x.Response.Events)+len(x.WebSocket) > 1 {
		if x = p.part(x); x == nil {
			return p.ctx.Err()
		}
	}
	if err := p.wait(x.Start().Add(x.Duration())); err != nil {
		return err
	}
	if x.Done() {
		delete(p.open, x)
	}
	return p.w.WriteExchange(x)
}

// part passes on a copy of x as it grew event by event, and returns that copy
// grown to all of x, or nil where the context or the writer ended it.
func (p *pacer) part(x *record.Exchange) *record.Exchange {
	y := *x
	y.Err, y.Response.Done = nil, false
	grow := func(t time.Time) bool {
		return p.wait(t) == nil && p.w.WriteExchange(&y) == nil
	}
	y.Response.Events, y.WebSocket = nil, nil
	ok := grow(x.Response.Start)
	for i := 0; ok && i < len(x.Response.Events); i++ {
		y.Response.Events = x.Response.Events[:i+1]
		ok = grow(x.Response.Events[i].Time)
	}
	for i := 0; ok && i < len(x.WebSocket); i++ {
		y.WebSocket = x.WebSocket[:i+1]
		ok = grow(x.WebSocket[i].Time)
	}
	if !ok {
		return nil
	}
	y.Err, y.Response.Done = x.Err, x.Response.Done
	return &y
}

// wait blocks until it is time for what was recorded at a time. What has none
// is due at once.
func (p *pacer) wait(at time.Time) error {
	if at.IsZero() {
		return p.ctx.Err()
	}
	if p.began.IsZero() {
		p.began, p.origin = time.Now(), at
	}
	due := p.began.Add(time.Duration(float64(at.Sub(p.origin)) / p.speed))
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return p.ctx.Err()
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}
