//go:build amd64 || arm64

package bpf

import (
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

// Generating takes clang and llvm-strip, and libbpf's headers in the default
// include path (Debian: clang llvm libbpf-dev). Building takes none of these,
// since what is generated is committed; it does not depend on the folder.
//
//go:generate go tool bpf2go -tags linux -target amd64,arm64 -type head -type start -type exec -type loaded_event -type line -type address_event -type name_event -type file_id -type stopped -type pattern tls tls.c -- -O2 -Wall -Werror

// A Probe records TLS connections. Its methods may be called from several
// goroutines at once.
type Probe struct {
	objs    tlsObjects
	progs   map[call]*ebpf.Program
	multi   bool // the kernel has uprobe_multi (6.6)
	cookies bool // the kernel has attach cookies (5.15)
	nested  bool // this is not the first pid namespace
	ring    *ringbuf.Reader
	queue   *queue
	cursor  *cursor
	fresh   func(Program)
	idle    func()
	events  sync.Mutex // held by the iterator of Events

	stopping atomic.Bool
	drained  chan struct{} // closed when drain has returned

	mu sync.Mutex
	// cilium/ebpf detaches a link that is garbage collected, without a word.
	links     []link.Link
	stopped   bool // links are closed, and none is to follow
	attached  map[fileID]Attachment
	libraries []string            // names of what is attached; cookies count from 1
	procs     map[uint32]*process // by tgid
}

// A fileID tells files apart whatever path they are reached by.
type fileID struct{ dev, ino uint64 }

// Open loads the programs into the kernel. It records nothing until a process
// is added (unless o.All) and a file is attached. Its error is that of
// [Supported] where this machine cannot record.
func Open(o Options) (*Probe, error) {
	if err := Supported(); err != nil {
		return nil, err
	}
	p := &Probe{
		queue: newQueue(), drained: make(chan struct{}),
		attached: map[fileID]Attachment{}, procs: map[uint32]*process{}, fresh: o.Fresh, idle: o.Idle,
	}
	p.cursor = newCursor(p)
	if err := p.load(o); err != nil {
		return nil, errors.Join(explain(err), p.objs.Close())
	}
	ring, err := ringbuf.NewReader(p.objs.Events)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open ring buffer: %w", err), p.objs.Close())
	}
	p.ring = ring
	go p.drain()
	if err := errors.Join(p.ignoreSelf(), p.await(o.Comm), p.followProcesses()); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.followSockets()
	return p, nil
}

// load loads programs and maps as o wants them.
func (p *Probe) load(o Options) error {
	// Kernels before 5.11 charge maps to RLIMIT_MEMLOCK. Later ones neither
	// need it raised nor may allow it, so that only loading tells.
	_ = rlimit.RemoveMemlock()
	size := defaultBuffer
	if o.Buffer > 0 {
		size = max(os.Getpagesize(), 1<<bits.Len(uint(o.Buffer-1)))
	}
	spec, err := loadTls()
	if err != nil {
		return fmt.Errorf("read programs: %w", err)
	}
	spec.Maps["events"].MaxEntries = uint32(size)
	for name, n := range o.entries {
		spec.Maps[name].MaxEntries = n
	}
	var ns unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &ns); err != nil {
		return fmt.Errorf("find pid namespace: %w", err)
	}
	if unix.Geteuid() != 0 {
		// With file capabilities /proc/self belongs to root, and probing the
		// kernel needs what is in it. Who may trace this process does not
		// change: that takes the same capabilities (commoncap).
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("open /proc/self: %w", err)
		}
	}
	p.multi = features.HaveBPFLinkUprobeMulti() == nil
	p.cookies = features.HaveProgramHelper(ebpf.Kprobe, asm.FnGetAttachCookie) == nil
	p.nested = ns.Ino != initialPIDNamespace
	for name, value := range map[string]any{
		"watermark": uint64(size) / 4, "pidns": uint32(ns.Ino), "all": o.All, "follow": o.Follow,
		"holds": o.Fresh != nil, "awaits": o.Await || len(o.Comm) > 0, "patterns_len": uint32(len(o.Comm)),
		"uid": uint32(unix.Geteuid()), "cookies": p.cookies, "nested": p.nested,
	} {
		if err := spec.Variables[name].Set(value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	for _, prog := range spec.Programs {
		if strings.HasPrefix(prog.SectionName, "uprobe/") && p.multi {
			prog.AttachType = ebpf.AttachTraceUprobeMulti
		}
	}
	if err := spec.LoadAndAssign(&p.objs, nil); err != nil {
		return fmt.Errorf("load programs: %w", err)
	}
	p.progs = map[call]*ebpf.Program{
		callRead: p.objs.TlsRead, callWrite: p.objs.TlsWrite,
		callReadEx: p.objs.TlsReadEx, callWriteEx: p.objs.TlsWriteEx, callWriteEx2: p.objs.TlsWriteEx2,
		callReadInner: p.objs.TlsReadInner, callRecv: p.objs.TlsRecv, callHandshake: p.objs.TlsHandshake, callHandshake0: p.objs.TlsHandshake0, callFree: p.objs.TlsFree, callClear: p.objs.TlsClear,
		callCtrl:   p.objs.TlsCtrl,
		callGoRead: p.objs.GoRead, callGoWrite: p.objs.GoWrite, callGoClose: p.objs.GoClose,
	}
	return nil
}

// followProcesses attaches the programs that keep the set of processes.
func (p *Probe) followProcesses() error {
	for name, prog := range map[string]*ebpf.Program{
		"sched_process_fork": p.objs.ProcessFork,
		"sched_process_exec": p.objs.ProcessExec,
		"sched_process_exit": p.objs.ProcessExit,
	} {
		l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: name, Program: prog})
		if err != nil {
			return fmt.Errorf("trace %s: %w", name, err)
		}
		p.links = append(p.links, l)
	}
	return nil
}

// followSockets attaches the programs that learn addresses: from tracepoints
// of Linux 6.3, else from kprobes. Where there are neither, addresses stay
// unknown and nothing else changes.
func (p *Probe) followSockets() {
	var links []link.Link
	keep := func(l link.Link, err error) bool {
		if err == nil {
			links = append(links, l)
		}
		return err == nil
	}
	tracepoint := func(name string, prog *ebpf.Program) bool {
		return keep(link.AttachRawTracepoint(link.RawTracepointOptions{Name: name, Program: prog}))
	}
	ok := tracepoint("sock_send_length", p.objs.SocketSend) && tracepoint("sock_recv_length", p.objs.SocketRecv) ||
		keep(link.Kprobe("tcp_sendmsg", p.objs.TcpSend, nil)) &&
			keep(link.Kretprobe("tcp_recvmsg", p.objs.TcpReceived, nil)) &&
			keep(link.Kprobe("tcp_recvmsg", p.objs.TcpReceive, nil))
	if !ok {
		_ = closeAll(links) // half of them would prove nothing
		return
	}
	p.links = append(p.links, links...)
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
	at := map[*ebpf.Program][]uint64{}
	order := []*ebpf.Program{p.objs.TlsReturn, p.objs.GoReturn}
	for _, s := range sites {
		if len(s.returns) > 0 {
			at[p.objs.GoReturn] = append(at[p.objs.GoReturn], s.returns...)
		} else if s.call.returns() {
			at[p.objs.TlsReturn] = append(at[p.objs.TlsReturn], s.Offset)
		}
		prog := p.progs[s.call]
		if at[prog] == nil {
			order = append(order, prog)
		}
		at[prog] = append(at[prog], s.Offset)
	}
	cookie := uint64(len(p.libraries)) | uint64(flags)<<32
	var links []link.Link
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

// hook attaches prog at the given places of ex.
func (p *Probe) hook(ex *link.Executable, prog *ebpf.Program, offsets []uint64, cookie uint64) ([]link.Link, error) {
	returns := prog == p.objs.TlsReturn || prog == p.objs.ShellLine
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
	resumeAll(p.objs.Held, 0) // whoever waits for them may not come to it any more
	p.stopping.Store(true)
	return err
}

// Loss returns the kernel's counters.
func (p *Probe) Loss() Loss {
	var cpus []tlsLoss
	var zero uint32
	var sum Loss
	if err := p.objs.Losses.Lookup(&zero, &cpus); err != nil {
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
	return errors.Join(err, p.ring.Close(), p.objs.Close())
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
