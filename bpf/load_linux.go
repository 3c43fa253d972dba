//go:build amd64 || arm64

package bpf

import (
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"ssltape/bpf/types"
)

// Generating takes clang and llvm-strip, and libbpf's headers in the default
// include path (Debian: clang llvm libbpf-dev). Building takes none of these,
// since what is generated is committed; it does not depend on the folder.
//
//go:generate go tool bpf2go -tags linux -target amd64,arm64 -type head -type start -type exec -type loaded_event -type line -type address -type address_event -type name_event -type file_id -type pattern tls tls.c -- -O2 -Wall -Werror

// objects are the programs and tables of tls.c. Each is made in the kernel when
// it is first needed: the kernel takes a while to verify a program, and most
// recordings need few of them. Its methods may be called from several goroutines
// at once.
type objects struct {
	spec     *ebpf.CollectionSpec
	types    *btf.Cache        // of the kernel
	old      map[string]string // programs that stand for others on this kernel
	multi    bool              // the kernel has uprobe_multi (6.6)
	sessions bool              // a program may be at both ends of a function (6.13)
	cookies  bool              // the kernel has attach cookies (5.15)
	nested   bool              // this is not the first pid namespace

	mu       sync.Mutex
	tables   map[string]*ebpf.Map
	programs map[string]func() (*ebpf.Program, error)
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
	spec, err := loadTls()
	if err != nil {
		return nil, fmt.Errorf("read programs: %w", err)
	}
	k := &objects{
		spec: spec, types: types.Kernel, tables: map[string]*ebpf.Map{}, programs: map[string]func() (*ebpf.Program, error){},
		multi:   features.HaveBPFLinkUprobeMulti() == nil,
		cookies: features.HaveProgramHelper(ebpf.Kprobe, asm.FnGetAttachCookie) == nil,
	}
	if features.HaveProgramHelper(ebpf.Kprobe, asm.FnLoop) != nil {
		k.old = map[string]string{tlsProgTlsReturn: tlsProgTlsReturnOld, tlsProgGoReturn: tlsProgGoReturnOld}
	}
	for _, prog := range spec.Programs {
		if strings.HasPrefix(prog.SectionName, "uprobe/") && k.multi {
			prog.AttachType = ebpf.AttachTraceUprobeMulti
		}
	}
	k.sessions = k.multi && kernelIs(6, 13)
	spec.Programs[tlsProgTlsCall].AttachType = attachSession
	return k, k.configure(o)
}

// configure sets the sizes of tables and the constants.
func (k *objects) configure(o Options) error {
	size := defaultBuffer
	if o.Buffer > 0 {
		size = max(os.Getpagesize(), 1<<bits.Len(uint(o.Buffer-1)))
	}
	k.spec.Maps[tlsMapEvents].MaxEntries = uint32(size)
	k.spec.Maps[tlsMapEvents].Value = nil // a ring buffer has no types, which the kernel says when it is made already
	if kernelIs(6, 1) {
		// Entries are made as they are needed, which saves a start most of its
		// time. Before that, an interrupted program could not allocate safely.
		for _, name := range []string{tlsMapProcesses, tlsMapThreads, tlsMapConns, tlsMapEnds} {
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
		tlsVarWatermark: uint64(size) / 4, tlsVarPidns: ns, tlsVarAll: o.All, tlsVarFollow: o.Follow,
		tlsVarHolds: o.Fresh != nil, tlsVarAwaits: o.Await || len(o.Comm) > 0, tlsVarPatternsLen: uint32(len(o.Comm)),
		tlsVarUid: uint32(unix.Geteuid()), tlsVarCookies: k.cookies, tlsVarNested: k.nested,
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
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.tables[name]
}

// makeTables makes those of the tables that are not there yet.
func (k *objects) makeTables(names ...string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	missing := &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{}, Types: k.spec.Types, ByteOrder: k.spec.ByteOrder}
	for _, name := range names {
		if k.tables[name] == nil {
			missing.Maps[name] = k.spec.Maps[name]
		}
		if name == constants && missing.Maps[name] != nil {
			missing.Variables = k.spec.Variables
		}
	}
	if len(missing.Maps) == 0 {
		return nil
	}
	made, err := ebpf.NewCollectionWithOptions(missing, ebpf.CollectionOptions{Cache: k.types})
	if err != nil {
		return fmt.Errorf("make tables: %w", err)
	}
	defer made.Close()
	for name := range missing.Maps {
		k.tables[name] = made.DetachMap(name)
	}
	return nil
}

// program returns a program, which is loaded into the kernel by the first call.
func (k *objects) program(name string) (*ebpf.Program, error) {
	if old := k.old[name]; old != "" {
		name = old
	}
	k.mu.Lock()
	load := k.programs[name]
	if load == nil {
		load = sync.OnceValues(func() (*ebpf.Program, error) { return k.load(name) })
		k.programs[name] = load
	}
	k.mu.Unlock()
	return load()
}

func (k *objects) load(name string) (*ebpf.Program, error) {
	prog := k.spec.Programs[name].Copy()
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
	tables := map[string]*ebpf.Map{}
	for name := range one.Maps {
		tables[name] = k.table(name)
	}
	loaded, err := ebpf.NewCollectionWithOptions(one, ebpf.CollectionOptions{MapReplacements: tables, Cache: k.types})
	if err != nil {
		return nil, explain(fmt.Errorf("load programs: %w", err))
	}
	defer loaded.Close()
	return loaded.DetachProgram(name), nil
}

// Close frees all objects. Programs that are being loaded are waited for.
func (k *objects) Close() error {
	k.mu.Lock()
	programs := slices.Collect(maps.Values(k.programs))
	k.mu.Unlock()
	var errs []error
	for _, load := range programs {
		if p, err := load(); err == nil {
			errs = append(errs, p.Close())
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range k.tables {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}
