//go:build amd64 || arm64

package bpf

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"ssltape/bpf/object"
)

// objects are the programs and tables of tls.c. Each is made in the kernel when
// it is first needed: the kernel takes a while to verify a program, and most
// recordings need few of them. Its methods may be called from several goroutines
// at once.
type objects struct {
	spec     *ebpf.CollectionSpec
	types    *btf.Spec         // of the kernel, or nil: see object.Object
	old      map[string]string // programs that stand for others on this kernel
	multi    bool              // the kernel has uprobe_multi (6.6)
	sessions atomic.Bool       // a program may be at both ends of a function (6.13)
	session  ebpf.AttachType   // what that is asked for as
	cookies  bool              // the kernel has attach cookies (5.15)
	nested   bool              // this is not the first pid namespace

	tables   made[*ebpf.Map]
	programs made[*ebpf.Program]
}

// made are things by name, each of which is made once. The zero value is empty.
type made[T io.Closer] struct {
	mu     sync.Mutex
	byName map[string]func() (T, error)
	closed bool
}

// get returns the thing called name, which the first one to ask for it makes. Its
// error is os.ErrClosed where it came too late for that.
func (m *made[T]) get(name string, make func(string) (T, error)) (T, error) {
	m.mu.Lock()
	thing := m.byName[name]
	if thing == nil && m.closed {
		thing = func() (none T, err error) { return none, os.ErrClosed }
	} else if thing == nil {
		thing = sync.OnceValues(func() (T, error) { return make(name) })
		if m.byName == nil {
			m.byName = map[string]func() (T, error){}
		}
		m.byName[name] = thing
	}
	m.mu.Unlock()
	return thing()
}

// Close closes all that were made. Those that are being made are waited for.
func (m *made[T]) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	var errs []error
	for _, thing := range m.byName {
		if t, err := thing(); err == nil {
			errs = append(errs, t.Close())
		}
	}
	return errors.Join(errs...)
}

// constants is the name of the table of them.
const constants = ".rodata"

// newObjects prepares the objects as o wants them.
func newObjects(o Options) (*objects, error) {
	// Kernels before 5.11 charge maps to RLIMIT_MEMLOCK. Later ones neither
	// need it raised nor may allow it, so that only loading tells.
	_ = rlimit.RemoveMemlock()
	if unix.Geteuid() != 0 {
		// With file capabilities /proc/self belongs to root, and probing the
		// kernel needs what is in it. Who may trace this process does not
		// change: that takes the same capabilities (commoncap).
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
			return nil, fmt.Errorf("open /proc/self: %w", err)
		}
	}
	k := &objects{ // while the programs may still be being read
		session: attachSession,
		multi:   !o.old && features.HaveBPFLinkUprobeMulti() == nil,
		cookies: !o.old && features.HaveProgramHelper(ebpf.Kprobe, asm.FnGetAttachCookie) == nil,
	}
	read, err := object.Read()
	if err != nil {
		return nil, err
	}
	k.spec, k.types = read.Spec, read.Types
	if o.old || features.HaveProgramHelper(ebpf.Kprobe, asm.FnLoop) != nil {
		k.old = map[string]string{object.TlsProgTlsReturn: object.TlsProgTlsReturnOld, object.TlsProgGoReturn: object.TlsProgGoReturnOld,
			object.TlsProgLoaderChanged: object.TlsProgLoaderChangedOld}
	}
	for _, prog := range k.spec.Programs {
		if strings.HasPrefix(prog.SectionName, "uprobe/") && k.multi {
			prog.AttachType = ebpf.AttachTraceUprobeMulti
		}
	}
	k.sessions.Store(k.multi && kernelIs(6, 13)) // unless the kernel refuses it: see attach
	k.spec.Programs[object.TlsProgTlsCall].AttachType = attachSession
	return k, k.configure(o)
}

// configure sets the sizes of tables and the constants.
func (k *objects) configure(o Options) error {
	size := bufferSize(o.Buffer, UsableMemory())
	k.spec.Maps[object.TlsMapEvents].MaxEntries = uint32(size)
	k.spec.Maps[object.TlsMapEvents].Value = nil // a ring buffer has no types, which the kernel says when it is made already
	if kernelIs(6, 1) {
		// Entries are made as they are needed, which saves a start most of its
		// time. Before that, an interrupted program could not allocate safely.
		for _, name := range []string{object.TlsMapProcesses, object.TlsMapThreads, object.TlsMapConns, object.TlsMapEnds} {
			k.spec.Maps[name].Flags |= unix.BPF_F_NO_PREALLOC
		}
	}
	for name, n := range o.entries {
		k.spec.Maps[name].MaxEntries = n
	}
	ns, err := pidNamespace()
	if err != nil {
		return err
	}
	k.nested = ns != initialPIDNamespace
	for name, value := range map[string]any{
		object.TlsVarWatermark: uint64(size) / 4, object.TlsVarPidns: ns, object.TlsVarAll: o.All, object.TlsVarFollow: o.Follow,
		object.TlsVarHolds: o.Fresh != nil, object.TlsVarAwaits: o.Await || len(o.Comm) > 0, object.TlsVarPatternsLen: uint32(len(o.Comm)),
		object.TlsVarUid: uint32(unix.Geteuid()), object.TlsVarCookies: k.cookies, object.TlsVarNested: k.nested,
	} {
		if err := k.spec.Variables[name].Set(value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

// pidNamespace returns the inode of this process's pid namespace.
func pidNamespace() (uint32, error) {
	var ns unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &ns); err != nil {
		return 0, fmt.Errorf("find pid namespace: %w", err)
	}
	return uint32(ns.Ino), nil
}

// table returns a table that was made: see makeTables.
func (k *objects) table(name string) *ebpf.Map {
	m, _ := k.tables.get(name, k.makeTable)
	return m
}

// makeTables makes those of the tables that are not there yet, all at once: the
// kernel takes milliseconds for a large one. Its error is that of the first one that
// it does not make, for all have the same cause.
func (k *objects) makeTables(names ...string) error {
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { _, errs[i] = k.tables.get(name, k.makeTable) })
	}
	all.Wait()
	return cmp.Or(errs...)
}

func (k *objects) makeTable(name string) (*ebpf.Map, error) {
	one := &ebpf.CollectionSpec{
		Maps:  map[string]*ebpf.MapSpec{name: k.spec.Maps[name]},
		Types: k.spec.Types, ByteOrder: k.spec.ByteOrder,
	}
	if name == constants {
		one.Variables = k.spec.Variables
	}
	made, err := ebpf.NewCollection(one)
	if err != nil {
		return nil, fmt.Errorf("make table %s: %w", name, err)
	}
	defer made.Close()
	return made.DetachMap(name), nil
}

// program returns a program, which is loaded into the kernel by the first call.
func (k *objects) program(name string) (*ebpf.Program, error) {
	if old := k.old[name]; old != "" {
		name = old
	}
	return k.programs.get(name, k.load)
}

func (k *objects) load(name string) (*ebpf.Program, error) {
	prog := object.Program(k.spec, name)
	one := &ebpf.CollectionSpec{
		Programs: map[string]*ebpf.ProgramSpec{name: prog}, Maps: map[string]*ebpf.MapSpec{},
		Types: k.spec.Types, ByteOrder: k.spec.ByteOrder,
	}
	for _, ins := range prog.Instructions {
		if ins.IsLoadFromMap() && k.spec.Maps[ins.Reference()] != nil {
			one.Maps[ins.Reference()] = k.spec.Maps[ins.Reference()]
		}
	}
	if err := k.makeTables(slices.Collect(maps.Keys(one.Maps))...); err != nil {
		return nil, err
	}
	o := ebpf.CollectionOptions{
		MapReplacements: map[string]*ebpf.Map{}, Cache: object.Kernel,
		Programs: ebpf.ProgramOptions{KernelTypes: k.types},
	}
	for name := range one.Maps {
		o.MapReplacements[name] = k.table(name)
	}
	loaded, err := ebpf.NewCollectionWithOptions(one, o)
	if rejected := new(ebpf.VerifierError); errors.As(err, &rejected) && object.Lines(prog) == nil {
		loaded, err = ebpf.NewCollectionWithOptions(one, o)
	}
	if err != nil {
		return nil, explain(fmt.Errorf("load programs: %w", err))
	}
	defer loaded.Close()
	return loaded.DetachProgram(name), nil
}

// Close frees all objects. Programs that are being loaded are waited for.
func (k *objects) Close() error {
	return errors.Join(k.programs.Close(), k.tables.Close())
}
