//go:build amd64 || arm64

package bpf

import (
	"io"
	"time"
	"unsafe"

	"ssltape/bpf/object"
	"ssltape/bpf/ring"
)

// startReader starts what empties the ring buffer.
func (p *Probe) startReader(o Options) (err error) {
	events := p.table(object.TlsMapEvents)
	p.queue = newQueue(o.queue)
	p.reader, err = ring.Start(events.FD(), ring.Options{Size: int(events.MaxEntries()), Limit: p.queue.limit,
		Kind: int(unsafe.Offsetof(object.TlsHead{}.Kind)), Urgent: []byte{kindExec, kindLoad}})
	if err == nil {
		calmMonitor()
		p.workers.Go(p.receive)
		p.workers.Go(p.watchLosses)
	}
	return err
}

// receive puts what comes out of the ring buffer into the queue, until p is
// stopped and it is empty.
func (p *Probe) receive() {
	defer close(p.drained)
	for {
		news, err := p.reader.Next()
		switch {
		case err == io.EOF:
			p.queue.finish(nil)
			return
		case err != nil:
			p.queue.finish(err)
			return
		case news.Block != nil:
			p.queue.put(block{Block: news.Block, lossy: p.Loss().RingEvents > 0})
		case news.Marked > 0:
			for range news.Marked {
				p.queue.put(block{lossy: true, after: <-p.snapshots})
			}
		case !p.examine(news.Urgent):
			p.reader.Dealt()
		}
	}
}

// lossPeriod is how often is looked whether something was lost.
const lossPeriod = 50 * time.Millisecond

// watchLosses has the consumer look at the kernel's tables each time that events
// were lost, after it has seen all events before that, until p is stopped. The
// last look comes after all events.
func (p *Probe) watchLosses() {
	tick := time.NewTicker(lossPeriod)
	defer tick.Stop()
	for lost, stopping := uint64(0), false; !stopping; {
		select {
		case <-tick.C:
		case <-p.stop:
			stopping = true
		case <-p.drained: // it is gone
			return
		}
		if seen := p.Loss().RingEvents; seen != lost {
			lost = seen
			select {
			case p.snapshots <- p.snapshot():
				p.reader.Mark()
			case <-p.drained:
				return
			}
		}
	}
	p.reader.Stop()
}

// load makes b the current block.
func (c *cursor) load(b *block) (err error) {
	c.block, c.next, c.lossy, c.events = b, 0, b.lossy, nil
	if b.Block != nil {
		c.clock = b.Clock
		c.events, err = c.p.reader.Load(b.Block, c.memory)
	}
	return err
}

// readAddresses reads the addresses that the current block tells, ahead of its
// other events: for a server that uses the socket itself, what it sends proves the
// address, which comes after what it has written, with which the first exchange
// ends.
func (c *cursor) readAddresses() {
	clear(c.early)
	for at := 0; at < len(c.events); {
		var event []byte
		event, at = ring.Event(c.events, at)
		if h := view[object.TlsHead](event); h == nil || h.Kind != kindAddress {
			continue
		}
		e := view[object.TlsAddressEvent](event)
		if e == nil {
			continue
		}
		key := keyOf(&e.Head)
		if pr := c.known(key.tgid); pr != nil && pr.conns[key] != nil {
			pr.conns[key].setAddress(&e.Address)
		} else {
			c.early[key] = e.Address
		}
	}
}

// readEvents passes on the events of the current block that are left.
func (c *cursor) readEvents() {
	for c.next < len(c.events) && !c.left {
		event, next := ring.Event(c.events, c.next)
		c.event(event)
		c.next = next
	}
	if !c.left {
		c.blocks++
		c.releaseOld()
	}
}

// readBlock passes on what the current block has.
func (c *cursor) readBlock() {
	c.readEvents()
	if c.left {
		return
	}
	b := c.block
	if b.after != nil {
		c.recover(b.after)
	}
	if b.Block != nil {
		c.p.reader.Free(b.Block)
	}
	c.p.queue.recycle(b)
	c.block = nil
}
