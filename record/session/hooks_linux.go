package session

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"ssltape/bpf"
	"ssltape/record/session/program"
	"ssltape/replay"
)

// hooks attaches probes to files, to each one once.
type hooks struct {
	probe  *bpf.Probe
	ready  chan struct{}   // closed when probe is there
	over   <-chan struct{} // closed when nothing more is to be hooked
	logf   func(string, ...any)
	shells bool // tell of the lines that are typed into bash

	mu       sync.Mutex
	tried    map[fileID]*attempt
	attached []bpf.Attachment
	missed   []error // files with TLS functions that could not be hooked
}

// A fileID tells files apart, and a file from what it was before it changed:
// the number of one that is removed is soon used again.
type fileID struct {
	dev, ino uint64
	changed  syscall.Timespec
}

// newHooks returns hooks without a probe. What they look for again and again ends
// when over is closed.
func newHooks(shells bool, over <-chan struct{}, logf func(string, ...any)) *hooks {
	return &hooks{shells: shells, ready: make(chan struct{}), over: over, logf: logf, tried: map[fileID]*attempt{}}
}

// use sets the probe, which may have called start before.
func (h *hooks) use(p *bpf.Probe) {
	h.probe = p
	close(h.ready)
}

// attach hooks the file at path as hook does, and makes it known to the kernel, so
// that nobody is held for it.
func (h *hooks) attach(path string) error {
	fresh, err := h.hook(path)
	if fresh && !errors.Is(err, os.ErrNotExist) {
		h.probe.Know(path)
	}
	return err
}

// hook hooks the file at path where it has TLS functions; a file that was
// tried before, which is not fresh, is left alone.
func (h *hooks) hook(path string) (fresh bool, err error) {
	id, err := identify(path)
	if err != nil {
		return false, err
	}
	h.mu.Lock()
	a := h.tried[id]
	if a != nil {
		h.mu.Unlock()
		<-a.done
		return false, a.err
	}
	a = &attempt{done: make(chan struct{})}
	h.tried[id] = a
	h.mu.Unlock()
	defer close(a.done)
	found, err := h.probe.Attach(path) // takes a while: others are not to wait for the lock
	a.err = err
	h.attachShell(path)
	h.attachLoader(path)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err == nil:
		h.attached = append(h.attached, found)
		h.logf("attached to %s: %s", found.Path, found.Library)
	case errors.Is(err, os.ErrNotExist): // the process has ended; another one may run the file
		delete(h.tried, id)
	case !errors.Is(err, bpf.ErrNoTLS):
		h.missed = append(h.missed, err)
		h.logf("%v", err)
	}
	return true, err
}

// attachShell hooks where the file at path reads lines, if it is bash or the
// library that some builds of bash read lines with.
func (h *hooks) attachShell(path string) {
	name := path
	if target, err := os.Readlink(path); err == nil {
		name = target
	}
	if !h.shells || !isBash(name) && !program.IsNamed(name, readlineLibrary) {
		return
	}
	if err := h.probe.AttachShell(path); err != nil && !errors.Is(err, bpf.ErrNoShell) {
		h.logf("%v", err)
	}
}

// readlineLibrary is the beginning of the file name of the library that some
// builds of bash read lines with.
const readlineLibrary = "libreadline.so"

// attachSystem hooks what programs that are started here load by name: the
// loader maps it after the start, and it may be used at once.
func (h *hooks) attachSystem() {
	paths := append(program.Libraries(), program.Loaders()...)
	if h.shells {
		paths = append(paths, program.LibrariesNamed(readlineLibrary)...)
	}
	h.attachAll(paths)
}

// attachLoader makes the libraries known that the dynamic loader at path loads,
// if it is one.
func (h *hooks) attachLoader(path string) {
	name := path
	if target, err := os.Readlink(path); err == nil {
		name = target
	}
	if base := filepath.Base(name); !strings.HasPrefix(base, "ld-") && !strings.HasPrefix(base, "ld.so") {
		return
	}
	if err := h.probe.AttachLoader(path); err != nil {
		h.logf("%v", err)
	}
}

// isBash reports whether the executable at path is bash: others read lines with
// its library too.
func isBash(path string) bool { return program.IsNamed(path, "bash") }

// An attempt is one to hook a file, which may be under way.
type attempt struct {
	done chan struct{} // closed when it has ended
	err  error         // its outcome, from then on
}

// must hooks a file that the user has named.
func (h *hooks) must(path string) error {
	err := h.attach(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return &replay.Error{Code: replay.ExitFailure, Err: err, Hint: "--lib names a TLS library or a static binary"}
	case err != nil:
		return &replay.Error{Code: replay.ExitTarget, Err: err, Hint: "ssltape check --exe " + path + " says why"}
	}
	return nil
}

// attachAll hooks those of the files at paths that have TLS functions, some at
// once: each is searched, which takes a while.
func (h *hooks) attachAll(paths []string) {
	const most = 4
	var all sync.WaitGroup
	slots := make(chan struct{}, most)
	for _, p := range paths {
		slots <- struct{}{}
		all.Go(func() {
			h.attach(p) // what fails is in missed
			<-slots
		})
	}
	all.Wait()
}

// scan hooks what process pid has mapped. It reports whether pid is still
// there.
func (h *hooks) scan(pid int) bool {
	files, err := mappedFiles(pid)
	if err != nil {
		return false
	}
	// Its executable may be that of another program by now, whose start is to be told:
	// who runs it may load from elsewhere.
	h.hook(files[0])
	h.attachAll(files[1:])
	return true
}

// start hooks a program, or a library, that is new, which waits for that: it is
// held already, or a program is stopped now as well as that can be done. It does not wait: many
// programs may start at once.
func (h *hooks) start(p bpf.Program) {
	go func() {
		<-h.ready
		release := func() {}
		if !p.Held && !p.Loaded {
			release = hold(p.PID)
		}
		known := h.scan(p.PID) // its executable and the loader
		h.attachAll(willLoad(p.PID))
		h.probe.Release(p, known)
		release()
	}()
}

// watch hooks what the program that process pid has just become loads, in its
// first moments and later: the loader maps libraries after the exec, and a
// program may load one at any time.
func (h *hooks) watch(pid int) {
	go func() {
		for _, d := range []time.Duration{2, 10, 50, 200} {
			if !h.sleep(d * time.Millisecond) {
				return
			}
			h.scan(pid)
		}
		h.follow(pid)
	}()
}

// rescan is how often a process is looked at for libraries that it has loaded.
const rescan = time.Second

// follow hooks what process pid loads until it ends.
func (h *hooks) follow(pid int) {
	for h.scan(pid) && h.sleep(rescan) {
	}
}

// sleep waits for d, and reports whether there is anything to do after that.
func (h *hooks) sleep(d time.Duration) bool {
	select {
	case <-h.over:
		return false
	case <-time.After(d):
		return true
	}
}

func identify(path string) (fileID, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return fileID{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return fileID{st.Dev, st.Ino, st.Ctim}, nil
}

// count returns the number of files that are hooked.
func (h *hooks) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.attached)
}

// failures returns why files with TLS functions could not be hooked.
func (h *hooks) failures() []error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.missed
}
