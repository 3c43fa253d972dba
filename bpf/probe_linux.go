//go:build amd64 || arm64

package bpf

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

// A Probe records TLS connections. Its methods may be called from several
// goroutines at once.
type Probe struct {
	*objects
	ring   *ringbuf.Reader
	queue  *queue
	cursor *cursor
	fresh  func(Program)
	idle   func()
	events sync.Mutex // held by the iterator of Events

	stopping atomic.Bool
	drained  chan struct{} // closed when drain has returned

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
	if err := objs.makeTables(constants, tlsMapEvents, tlsMapProcesses, tlsMapWanted, tlsMapExamined, tlsMapHeld,
		tlsMapPatterns, tlsMapExecutables, tlsMapThreads, tlsMapConns, tlsMapEnds, tlsMapLosses); err != nil {
		return nil, errors.Join(explain(err), objs.Close())
	}
	ring, err := ringbuf.NewReader(objs.table(tlsMapEvents))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open ring buffer: %w", err), objs.Close())
	}
	p := &Probe{
		objects: objs, ring: ring,
		queue: newQueue(), drained: make(chan struct{}),
		attached: map[fileID]Attachment{}, procs: map[uint32]*process{}, fresh: o.Fresh, idle: o.Idle,
	}
	p.cursor = newCursor(p)
	go p.queue.warm(warmBlocks)
	go p.drain()
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
	for _, name := range []string{tlsProgTlsReturn, tlsProgTlsReadInner, tlsProgTlsWriteEx,
		tlsProgTlsHandshake, tlsProgTlsFree, tlsProgTlsClear, tlsProgTlsCtrl, tlsProgLoaderChanged} {
		_, _ = p.program(name) // who needs it gets the error
	}
}

// followProcesses attaches the programs that keep the set of processes.
func (p *Probe) followProcesses() error {
	for name, program := range map[string]string{
		"sched_process_fork": tlsProgProcessFork,
		"sched_process_exec": tlsProgProcessExec,
		"sched_process_exit": tlsProgProcessExit,
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
	if keep(p.tracepoint("sock_send_length", tlsProgSocketSend)) && keep(p.tracepoint("sock_recv_length", tlsProgSocketRecv)) ||
		keep(p.kprobe(link.Kprobe, "tcp_sendmsg", tlsProgTcpSend)) &&
			keep(p.kprobe(link.Kretprobe, "tcp_recvmsg", tlsProgTcpReceived)) &&
			keep(p.kprobe(link.Kprobe, "tcp_recvmsg", tlsProgTcpReceive)) {
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
	if !keep(p.tracepoint("sock_send_length", tlsProgGoUsesSock)) || !keep(p.tracepoint("sock_recv_length", tlsProgGoUsesSock)) {
		keep(p.kprobe(link.Kprobe, "tcp_sendmsg", tlsProgGoUsesTcp)) // each proves something by itself
		keep(p.kprobe(link.Kprobe, "tcp_recvmsg", tlsProgGoUsesTcp))
	}
	return links
}

// Attach hooks the TLS functions of the ELF file at path, a library or an
// executable, in all processes that use it now or later. A file that is
// attached already is left as it is. The error wraps [ErrNoTLS] where the file
// has no such functions.
func (p *Probe) Attach(path string) (Attachment, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return Attachment{}, fmt.Errorf("probe %s: %w", path, err)
	}
	id := fileID{st.Dev, st.Ino}
	attached := func() (a Attachment, ok bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		a, ok = p.attached[id]
		return a, ok
	}
	if a, ok := attached(); ok {
		return a, nil
	}
	a, sites, err := inspect(path, true) // takes long: events need the lock
	if err != nil {
		return a, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if a, ok := p.attached[id]; ok { // by somebody else, meanwhile
		return a, nil
	}
	p.libraries = append(p.libraries, a.Library) // before its first event
	links, err := p.attach(path, sites, a.flags)
	if err != nil {
		return a, errors.Join(err, closeAll(links))
	}
	p.keep(links)
	p.attached[id] = a
	return a, nil
}

// keep takes links that were attached, unless p was stopped meanwhile. p.mu is
// held.
func (p *Probe) keep(links []link.Link) {
	if p.stopped {
		_ = closeAll(links) // as Stop would have
		return
	}
	p.links = append(p.links, links...)
}

// attach hooks sites, returns before entries: a return without an entry is
// ignored, an entry without a return would be taken for a call around others.
func (p *Probe) attach(path string, sites []site, flags uint32) ([]link.Link, error) {
	ex, err := link.OpenExecutable(path)
	if err != nil {
		return nil, fmt.Errorf("probe %s: %w", path, err)
	}
	at := map[string][]uint64{}
	order := []string{tlsProgTlsReturn, tlsProgGoReturn, tlsProgRustReturn}
	for _, s := range sites {
		if len(s.returns) > 0 {
			at[tlsProgGoReturn] = append(at[tlsProgGoReturn], s.returns...)
		} else if s.call.returns() && s.call.isRust() {
			at[tlsProgRustReturn] = append(at[tlsProgRustReturn], s.Offset)
		} else if s.call.returns() {
			at[tlsProgTlsReturn] = append(at[tlsProgTlsReturn], s.Offset)
		}
		prog := string(s.call)
		if at[prog] == nil {
			order = append(order, prog)
		}
		at[prog] = append(at[prog], s.Offset)
	}
	cookie := uint64(len(p.libraries)) | uint64(flags)<<32
	var links []link.Link
	if len(at[tlsProgGoReturn]) > 0 {
		p.goSockets.Do(func() { p.keep(p.followGoSockets()) })
	}
	for _, prog := range order {
		if len(at[prog]) == 0 {
			continue
		}
		ls, err := p.hook(ex, prog, at[prog], cookie)
		links = append(links, ls...)
		if err != nil {
			return links, fmt.Errorf("probe %s: %w", path, err)
		}
	}
	return links, nil
}

// hook attaches a program at the given places of ex.
func (p *Probe) hook(ex *link.Executable, program string, offsets []uint64, cookie uint64) ([]link.Link, error) {
	prog, err := p.program(program)
	if err != nil {
		return nil, err
	}
	returns := program == tlsProgTlsReturn || program == tlsProgRustReturn || program == tlsProgShellLine
	if p.multi {
		attach := ex.UprobeMulti
		if returns {
			attach = ex.UretprobeMulti
		}
		l, err := attach(nil, prog, &link.UprobeMultiOptions{
			Addresses: offsets, Cookies: slices.Repeat([]uint64{cookie}, len(offsets)),
		})
		if err != nil {
			return nil, err
		}
		return []link.Link{l}, nil
	}
	if !p.cookies {
		cookie = 0
	}
	attach := ex.Uprobe
	if returns {
		attach = ex.Uretprobe
	}
	var links []link.Link
	for _, off := range offsets {
		l, err := attach("", prog, &link.UprobeOptions{Address: off, Cookie: cookie})
		if err != nil {
			return links, err
		}
		links = append(links, l)
	}
	return links, nil
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
	p.stopping.Store(true)
	return err
}

// Loss returns the kernel's counters.
func (p *Probe) Loss() Loss {
	var cpus []tlsLoss
	var zero uint32
	var sum Loss
	if err := p.table(tlsMapLosses).Lookup(&zero, &cpus); err != nil {
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

// Close stops p, drops what has not been read and frees what it holds.
func (p *Probe) Close() error {
	err := p.Stop()
	p.queue.close()
	<-p.drained
	return errors.Join(err, p.ring.Close(), p.objects.Close())
}

// closeAll closes links at once, since each waits for the kernel.
func closeAll(links []link.Link) error {
	errs := make([]error, len(links))
	var wg sync.WaitGroup
	for i, l := range links {
		wg.Go(func() { errs[i] = l.Close() })
	}
	wg.Wait()
	return errors.Join(errs...)
}
