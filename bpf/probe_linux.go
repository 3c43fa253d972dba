//go:build amd64 || arm64

package bpf

import (
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"ssltape/bpf/object"
	"ssltape/bpf/ring"
)

// A Probe records TLS connections. Its methods may be called from several
// goroutines at once.
type Probe struct {
	*objects
	reader *ring.Reader
	queue  *queue
	cursor *cursor
	fresh  func(Program)
	idle   func()
	events sync.Mutex // held by the iterator of Events

	ahead     atomic.Uint64 // Loss.Ahead
	rescued   atomic.Uint64 // bytes of writes that did not return: a part of Loss.Passed and Loss.Captured
	unended   atomic.Uint64 // such writes of which that is not known: a part of Loss.Unseen
	stopping  atomic.Bool
	stop      chan struct{}  // closed when it is
	workers   sync.WaitGroup // goroutines between the reader and the queue
	drained   chan struct{}  // closed when nothing more comes from the reader
	snapshots chan *snapshot // that are to be put where the reader says

	mu sync.Mutex
	// cilium/ebpf detaches a link that is garbage collected, without a word.
	links     []link.Link
	stopped   bool // links are closed, and none is to follow
	goSockets sync.Once
	attached  map[fileID]Attachment
	libraries []string            // names of what is attached; cookies count from 1
	procs     map[uint32]*process // by tgid
}

// A fileID tells files apart whatever path they are reached by.
type fileID struct{ dev, ino uint64 }

// Open makes the tables in the kernel and follows processes there. It records
// nothing until a process is added (unless o.All) and a file is attached. Its
// error is that of [Supported] where this machine cannot record.
func Open(o Options) (*Probe, error) {
	if err := Supported(); err != nil {
		return nil, err
	}
	objs, err := newObjects(o)
	if err != nil {
		return nil, err
	}
	if err := objs.makeTables(constants, object.TlsMapEvents, object.TlsMapProcesses, object.TlsMapWanted, object.TlsMapExamined, object.TlsMapHeld,
		object.TlsMapPatterns, object.TlsMapExecutables, object.TlsMapThreads, object.TlsMapConns, object.TlsMapEnds, object.TlsMapLosses); err != nil {
		return nil, errors.Join(explain(err), objs.Close())
	}
	p := &Probe{
		objects: objs, stop: make(chan struct{}), drained: make(chan struct{}), snapshots: make(chan *snapshot, 8),
		attached: map[fileID]Attachment{}, procs: map[uint32]*process{}, fresh: o.Fresh, idle: o.Idle,
	}
	if err := p.startReader(o); err != nil {
		return nil, errors.Join(err, objs.Close())
	}
	p.cursor = newCursor(p)
	go p.loadUsual()
	if err := errors.Join(p.ignoreSelf(), p.await(o.Comm), p.followProcesses()); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.links = append(p.links, p.followSockets()...)
	return p, nil
}

// loadUsual loads, before they are needed, the programs that most recordings
// need: those of OpenSSL.
func (p *Probe) loadUsual() {
	calls := []string{object.TlsProgTlsReturn, object.TlsProgTlsReadInner, object.TlsProgTlsWriteEx, object.TlsProgTlsHandshake}
	if p.sessions.Load() {
		calls = []string{object.TlsProgTlsCall}
	}
	if p.cookies {
		calls = append(calls, object.TlsProgLoaderChanged)
	}
	for _, name := range append(calls, object.TlsProgTlsFree, object.TlsProgTlsClear, object.TlsProgTlsCtrl) {
		_, _ = p.program(name) // who needs it gets the error
	}
}

// followProcesses attaches the programs that keep the set of processes.
func (p *Probe) followProcesses() error {
	for name, program := range map[string]string{
		"sched_process_fork": object.TlsProgProcessFork,
		"sched_process_exec": object.TlsProgProcessExec,
		"sched_process_exit": object.TlsProgProcessExit,
	} {
		l, err := p.tracepoint(name, program)
		if err != nil {
			return fmt.Errorf("trace %s: %w", name, err)
		}
		p.links = append(p.links, l)
	}
	return nil
}

// tracepoint attaches a program to a raw tracepoint.
func (p *Probe) tracepoint(name, program string) (link.Link, error) {
	prog, err := p.program(program)
	if err != nil {
		return nil, err
	}
	return link.AttachRawTracepoint(link.RawTracepointOptions{Name: name, Program: prog})
}

// kprobe attaches a program to the entry of a function of the kernel, or with
// [link.Kretprobe] to its return.
func (p *Probe) kprobe(attach func(string, *ebpf.Program, *link.KprobeOptions) (link.Link, error), name, program string) (link.Link, error) {
	prog, err := p.program(program)
	if err != nil {
		return nil, err
	}
	return attach(name, prog, nil)
}

// followSockets attaches the programs that learn addresses: from tracepoints
// of Linux 6.3, else from kprobes. Where there are neither, addresses stay
// unknown and nothing else changes.
func (p *Probe) followSockets() []link.Link {
	var links []link.Link
	keep := func(l link.Link, err error) bool {
		if err == nil {
			links = append(links, l)
		}
		return err == nil
	}
	if keep(p.tracepoint("sock_send_length", object.TlsProgSocketSend)) && keep(p.tracepoint("sock_recv_length", object.TlsProgSocketRecv)) ||
		keep(p.kprobe(link.Kprobe, "tcp_sendmsg", object.TlsProgTcpSend)) &&
			keep(p.kprobe(link.Kretprobe, "tcp_recvmsg", object.TlsProgTcpReceived)) &&
			keep(p.kprobe(link.Kprobe, "tcp_recvmsg", object.TlsProgTcpReceive)) {
		return links
	}
	_ = closeAll(links) // half of them would prove nothing
	return nil
}

// followGoSockets is followSockets for Go's connections.
func (p *Probe) followGoSockets() []link.Link {
	var links []link.Link
	keep := func(l link.Link, err error) bool {
		if err == nil {
			links = append(links, l)
		}
		return err == nil
	}
	if !keep(p.tracepoint("sock_send_length", object.TlsProgGoUsesSock)) || !keep(p.tracepoint("sock_recv_length", object.TlsProgGoUsesSock)) {
		keep(p.kprobe(link.Kprobe, "tcp_sendmsg", object.TlsProgGoUsesTcp)) // each proves something by itself
		keep(p.kprobe(link.Kprobe, "tcp_recvmsg", object.TlsProgGoUsesTcp))
	}
	return links
}

// Events returns what is recorded. It blocks between events, and ends after
// [Probe.Stop] once all that the kernel recorded has come. The iterator may be
// left and ranged over again, but not from two goroutines at once.
func (p *Probe) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		p.events.Lock()
		defer p.events.Unlock()
		p.cursor.run(yield)
	}
}

// Stop detaches p from what it records. [Probe.Events] then ends with what was
// recorded so far.
func (p *Probe) Stop() error {
	p.mu.Lock()
	links := p.links
	p.links = nil
	p.stopped = true
	p.mu.Unlock()
	err := closeAll(links)
	p.held().ResumeAll(0) // whoever waits for them may not come to it any more
	if !p.stopping.Swap(true) {
		close(p.stop)
	}
	return err
}

// Loss returns the kernel's counters.
func (p *Probe) Loss() Loss {
	var cpus []object.TlsLoss
	var zero uint32
	rescued := p.rescued.Load()
	sum := Loss{Passed: rescued, Captured: rescued, Ahead: p.ahead.Load(), Unseen: p.unended.Load()}
	if err := p.table(object.TlsMapLosses).Lookup(&zero, &cpus); err != nil {
		return sum // p is closed
	}
	for _, c := range cpus {
		sum.Passed += c.Passed
		sum.Captured += c.Captured
		sum.RingEvents += c.RingEvents
		sum.RingBytes += c.RingBytes
		sum.FaultEvents += c.FaultEvents
		sum.FaultBytes += c.FaultBytes
		sum.TableEvents += c.TableEvents
		sum.TableBytes += c.TableBytes
		sum.LongEvents += c.LongEvents
		sum.LongBytes += c.LongBytes
		sum.Unseen += c.Unseen
	}
	return sum
}

// missing returns how many bytes are lost of connections that are told of.
func (p *Probe) missing() uint64 {
	l := p.Loss()
	return l.Bytes() - l.TableBytes
}

// Drop stops p and drops what has not been read: [Probe.Events] ends with how far
// each connection has come.
func (p *Probe) Drop() error {
	p.queue.close() // first: Stop takes a while
	return errors.Join(p.Stop(), p.reader.Close())
}

// Close drops what has not been read and frees what p holds.
func (p *Probe) Close() error {
	err := p.Drop()
	p.workers.Wait()
	return errors.Join(err, p.objects.Close())
}
