//go:build amd64 || arm64

package bpf

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

// pollPeriod is how long an event may wait in the ring buffer, unless there
// are many: then the kernel wakes the reader.
const pollPeriod = 5 * time.Millisecond

// drain moves events from the ring buffer to the queue until p is stopped.
func (p *Probe) drain() {
	defer close(p.drained)
	p.queue.finish(p.fill())
}

func (p *Probe) fill() error {
	var rec ringbuf.Record
	var pending *snapshot
	lost := uint64(0)
	b := p.queue.empty()
	p.ring.SetDeadline(time.Now().Add(pollPeriod))
	for {
		if cap(b.buf)-len(b.buf) < maxSample {
			b.clock, b.lossy = clock(), p.Loss().RingEvents > 0
			p.queue.put(b)
			b = p.queue.empty()
		}
		rec.RawSample = b.buf[len(b.buf):]
		stopping := p.stopping.Load()
		err := p.ring.ReadInto(&rec)
		if err == nil {
			b.buf = b.buf[:len(b.buf)+len(rec.RawSample)]
			b.ends = append(b.ends, len(b.buf))
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("read ring buffer: %w", err)
		}
		seen := p.Loss().RingEvents
		if pending != nil || len(b.ends) > 0 {
			b.clock, b.after, b.lossy = clock(), pending, seen > 0
			pending = nil
			p.queue.put(b)
			b = p.queue.empty()
		}
		if seen != lost {
			lost, pending = seen, p.snapshot()
		} else if stopping {
			return nil
		}
		p.ring.SetDeadline(time.Now().Add(pollPeriod))
	}
}

// monotonic returns the kernel's time, which is that of events.
func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

// clock returns what to add to the kernel's time to have ns since the epoch.
// The difference changes when the machine is suspended or its clock set.
func clock() int64 {
	before := monotonic()
	now := time.Now().UnixNano()
	return now - before/2 - monotonic()/2
}
