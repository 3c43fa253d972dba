package session

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"ssltape/bpf"
	"ssltape/replay"
)

// watch stops the recording on signals, at the time limit and at the end of
// ctx, and shows the status meanwhile. The function that it returns ends it.
func (r *recorder) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	// A closed stdout is an error of the live view, not the end of the process.
	// Ignored, the signal would be ignored by the command too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	var limit <-chan time.Time
	if r.o.Time > 0 {
		limit = time.After(r.o.Time)
	}
	var done sync.WaitGroup
	done.Go(func() { r.showStatus(ctx) })
	done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				r.stop()
				return
			case <-limit:
				go r.stop()
			case s := <-signals:
				if s == syscall.SIGUSR1 || s == syscall.SIGUSR2 {
					go r.signal(s.(syscall.Signal)) // it waits for outputs
				} else {
					r.signal(s.(syscall.Signal))
				}
			}
		}
	})
	return func() {
		cancel() // signals stay caught: they are not to cut off the totals
		done.Wait()
	}
}

// signal does what the command line contract says of signal s.
func (r *recorder) signal(s syscall.Signal) {
	running := r.cmd != nil && len(r.exited) == 0 // else there is no command to end
	switch {
	case s == syscall.SIGUSR1:
		r.mu.Lock()
		fmt.Fprintln(r.stderr, r.counters())
		r.mu.Unlock()
	case s == syscall.SIGUSR2:
		r.mu.Lock()
		if !r.ended.Load() {
			r.out.flush()
		}
		r.mu.Unlock()
	case running && r.insists(s) < leave:
		if s != syscall.SIGINT && s != syscall.SIGQUIT { // which the terminal has sent to the command too
			r.cmd.cmd.Process.Signal(s)
		}
	case running:
		select {
		case r.exited <- replay.ExitSignal + int(s):
		default: // it has just ended
		}
		go r.stop()
	case r.interrupts.Add(1) == 1:
		go r.stop()
	default: // wait for nothing: not for what is still in the ring
		r.drop()
	}
}

// leave is how many signals in a row leave behind a command that goes on all the same.
const leave = 3

// insists returns how many signals s have come in a row while the command runs. To it
// Ctrl-C may mean no end, as in an interpreter or a pager, which somebody types often
// and goes on: those in a row are half a second apart at most.
func (r *recorder) insists(s syscall.Signal) int32 {
	now := time.Now()
	if s != r.asked || s == syscall.SIGINT && now.Sub(r.askedAt) > time.Second/2 {
		r.interrupts.Store(0)
	}
	r.asked, r.askedAt = s, now
	return r.interrupts.Add(1)
}

// drop drops what the probes have not handed over yet.
func (r *recorder) drop() {
	r.dropped.Store(true)
	err := r.probe.Drop()
	r.out.giveUp() // then: who waited for an output would go on with what there is
	r.stop()
	if err != nil {
		r.logf("drop: %v", err)
	}
}

// waiting returns how many bytes the probes have and have not handed over, of those
// that l counts.
func (r *recorder) waiting(l bpf.Loss) uint64 {
	return l.Captured - min(l.Captured, r.delivered.Load())
}

// missing returns how many bytes there were beyond those that l counts as lost, of
// which nothing came before the recording ended, or only when it was too late.
func (r *recorder) missing(l bpf.Loss) uint64 {
	holes := uint64(r.asm.Stats().Lost)
	return max(r.waiting(l), holes-min(holes, l.Bytes()))
}

// loss returns the kernel's counters, and how many bytes were dropped, once that is
// known, if anything was there to take them.
func (r *recorder) loss() (l bpf.Loss, dropped uint64) {
	l = r.probe.Loss()
	if r.ended.Load() && !r.untaken {
		dropped = r.missing(l)
	}
	return l, dropped
}
