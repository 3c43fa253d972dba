package session

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"ssltape/bpf"
	"ssltape/bpf/symtab"
	"ssltape/record/session/program"
	"ssltape/record/view"
	"ssltape/replay"
)

// A process is what /proc says of a running process: all but Exe, which exe reads.
type process bpf.Process

// processes returns the processes that run now; those that end meanwhile are
// left out.
func processes() ([]process, error) {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var ps []process
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		if p, err := bpf.ReadProcess(pid); err == nil {
			ps = append(ps, process(p))
		}
	}
	return ps, nil
}

// ours reports whether we may record process pid: with file capabilities
// instead of root only those of the same user, although the kernel would let
// us record all.
func ours(pid int) bool {
	if os.Geteuid() == 0 {
		return true
	}
	var st syscall.Stat_t
	err := syscall.Stat(fmt.Sprintf("/proc/%d", pid), &st)
	return err == nil && int(st.Uid) == os.Geteuid()
}

// named reports whether p is called as one of patterns says.
func (p process) named(patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, _ := path.Match(pattern, p.Comm)
		return ok
	})
}

// runs reports whether p runs the executable at path, which has no links in it,
// as p or we see it.
func (p process) runs(path string) bool {
	return path != "" && strings.TrimSuffix(p.exe(), " (deleted)") == path
}

// exe returns the path of the executable, "" where it cannot be read, as for a
// kernel thread.
func (p process) exe() string {
	exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.PID))
	return exe
}

// executable returns the real name of the file at path, as /proc has it. One
// that is not here may be in another mount namespace.
func executable(path string) string {
	if path == "" {
		return ""
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if real, err := filepath.Abs(path); err == nil {
		path = real
	}
	return path
}

// canRun says why no process can ever run the file at path.
func canRun(path string) error {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		err = errors.Unwrap(err) // without the name
	case !st.Mode().IsRegular():
		err = errors.New("is no program")
	case st.Mode()&0o111 == 0:
		err = errors.New("not executable")
	default:
		return nil
	}
	return &replay.Error{Code: replay.ExitFailure, Err: fmt.Errorf("--exe %s: %w", path, err), Hint: "give the path of a program; -c takes its name"}
}

// descendants returns the pids in roots and those of all their children.
func descendants(ps []process, roots []int) []int {
	children := map[int][]int{}
	for _, p := range ps {
		children[p.PPID] = append(children[p.PPID], p.PID)
	}
	seen := map[int]bool{}
	var all []int
	for queue := roots; len(queue) > 0; queue = queue[1:] {
		pid := queue[0]
		if seen[pid] {
			continue
		}
		seen[pid] = true
		all = append(all, pid)
		queue = append(queue, children[pid]...)
	}
	return all
}

// mappedFiles returns paths under which the ELF files that process pid has
// mapped for execution can be opened from here: through /proc/PID/root, since
// the process may see other files than we do, and through /proc/PID/exe for
// its executable, which may be deleted.
func mappedFiles(pid int) ([]string, error) {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	exe := fmt.Sprintf("/proc/%d/exe", pid)
	exePath, _ := os.Readlink(exe)
	root, _ := os.Readlink(fmt.Sprintf("/proc/%d/root", pid)) // names begin with it (chroot(2))
	files, seen := []string{exe}, map[string]bool{exePath: true}
	s := bufio.NewScanner(maps)
	for s.Scan() {
		// address perms offset dev inode pathname; the path may hold spaces
		f := strings.Fields(s.Text())
		if len(f) < 6 || !strings.Contains(f[1], "x") || f[5][0] != '/' {
			continue
		}
		name := s.Text()[strings.IndexByte(s.Text(), '/'):]
		if seen[name] {
			continue
		}
		seen[name] = true
		if strings.HasSuffix(name, " (deleted)") { // only the mapping still leads to it
			files = append(files, fmt.Sprintf("/proc/%d/map_files/%s", pid, f[0]))
		} else {
			files = append(files, fmt.Sprintf("/proc/%d/root%s", pid, belowRoot(name, root)))
		}
	}
	return files, s.Err()
}

// belowRoot returns the name that a file has for who has the given root folder.
func belowRoot(name, root string) string {
	if below, ok := strings.CutPrefix(name, root); ok && strings.HasPrefix(below, "/") {
		return below
	}
	return name
}

// Functions of libc by which a process comes to more code than it has.
var (
	loading  = []string{"dlopen", "dlmopen"}
	starting = []string{"fork", "vfork", "execve", "execv", "execvp", "posix_spawn", "posix_spawnp", "system", "popen"}
)

// mayCome reports whether process pid may yet load a TLS library, or with
// children start a program that does: whether what it has mapped, other than
// libc and the loader themselves, imports a function that does so.
func mayCome(pid int, children bool) bool {
	functions := loading
	if children {
		functions = slices.Concat(loading, starting)
	}
	files, _ := mappedFiles(pid)
	return slices.ContainsFunc(files, func(path string) bool {
		return !program.IsNamed(path, "libc.so", "libc-", "ld-", "ld.so") && imports(path, functions)
	})
}

// imports reports whether the ELF file at path imports one of functions.
func imports(path string, functions []string) (does bool) {
	defer func() { // debug/elf does not promise to survive every file
		if recover() != nil {
			does = false
		}
	}()
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return symtab.Imports(f, functions...)
}

// targetRunning adds processes that run already, and what later ones will load.
func (r *recorder) targetRunning() error {
	ps, err := processes()
	if err != nil {
		return err
	}
	exe := executable(r.o.Exe)
	roots, waits, err := r.roots(ps, exe)
	if err != nil {
		return err
	}
	if exe != "" {
		if !slices.ContainsFunc(ps, func(p process) bool { return p.runs(exe) }) {
			if err := canRun(r.o.Exe); err != nil {
				return err
			}
		}
		r.await(r.o.Exe)
	}
	if !waits {
		r.alive = map[int]bool{}
	}
	pids, err := r.addAll(ps, roots)
	if err != nil {
		return err
	}
	if waits = waits || slices.ContainsFunc(pids, func(pid int) bool { return mayCome(pid, r.o.Follow) }); waits {
		if r.hooks.count() == 0 && len(r.o.PIDs) > 0 && !r.o.Quiet {
			fmt.Fprintf(r.stderr, "ssltape: process %d has no TLS library yet; one that it loads is recorded\n", roots[0])
		}
		r.hooks.attachSystem()
	} else if r.hooks.count() == 0 {
		return noTLS(roots)
	}
	if !r.o.All { // where each process would cost a look at its memory map a second
		for _, pid := range pids {
			go r.hooks.follow(pid)
		}
	}
	return nil
}

// addAll records roots and, where that is wanted, all of their descendants, ps
// being those that run. It returns what it has looked at.
func (r *recorder) addAll(ps []process, roots []int) (pids []int, err error) {
	seen := map[int]bool{}
	for more := true; more; {
		found := roots
		if r.o.Follow {
			found = descendants(ps, roots)
		}
		more = false
		for _, pid := range found {
			if seen[pid] {
				continue
			}
			seen[pid], more = true, r.o.Follow
			pids = append(pids, pid)
			if !r.o.All {
				// A process may have ended since it was listed.
				if err := r.add(pid); err != nil && !errors.Is(err, syscall.ESRCH) && !errors.Is(err, fs.ErrPermission) {
					return nil, err
				}
			}
			r.hooks.scan(pid)
		}
		if more { // what was started before its parent was recorded
			if ps, err = processes(); err != nil {
				return nil, err
			}
		}
	}
	return pids, nil
}

// roots returns the processes that the flags name, those of the executable exe
// among them, and whether more may come.
func (r *recorder) roots(ps []process, exe string) (pids []int, waits bool, err error) {
	running := map[int]bool{}
	for _, p := range ps {
		running[p.PID] = true
		switch wanted := p.PID != os.Getpid() && (r.o.All || p.named(r.o.Comm) || p.runs(exe)); {
		case wanted && ours(p.PID):
			pids = append(pids, p.PID)
		case wanted:
			r.refuse(p.PID, p.Comm)
		}
	}
	for _, pid := range r.o.PIDs {
		if !running[pid] {
			return nil, false, &replay.Error{Code: replay.ExitFailure, Err: fmt.Errorf("process %d: no such process", pid), Hint: "ps -e lists the processes"}
		}
		if !ours(pid) {
			return nil, false, &replay.Error{Code: replay.ExitPrivilege, Err: fmt.Errorf("process %d: belongs to another user", pid),
				Hint: "run with sudo: file capabilities are for one's own processes"}
		}
		pids = append(pids, pid)
	}
	return pids, r.o.All || len(r.o.Comm) > 0 || r.o.Exe != "", nil
}

// await records the processes that run the file at path later, which may be
// another file by then.
func (r *recorder) await(path string) {
	look := func() {
		if err := r.probe.Await(path); err != nil {
			r.logf("%v", err)
		}
	}
	look()
	go func() {
		for r.hooks.sleep(rescan) {
			look()
		}
	}()
}

// add records process pid, unless it belongs to another user. That is looked
// at when it is recorded already, since it may become another program at any
// time; from then on the kernel looks.
func (r *recorder) add(pid int) error {
	if err := r.probe.AddProcess(pid); err != nil {
		return err
	}
	if ours(pid) {
		if r.alive != nil {
			r.alive[pid] = true
		}
		return nil
	}
	r.probe.DropProcess(pid)
	p, err := bpf.ReadProcess(pid)
	if err != nil {
		return syscall.ESRCH
	}
	r.refuse(pid, p.Comm)
	return fs.ErrPermission
}

// live keeps account of the recorded processes. Where no more can come, the
// recording ends with the last one.
func (r *recorder) live(p *bpf.ProcessEvent) {
	if r.alive == nil {
		return
	}
	switch p.Kind {
	case bpf.Started:
		r.alive[p.PID] = true
	case bpf.Exited, bpf.Refused:
		delete(r.alive, p.PID)
	}
	if len(r.alive) == 0 {
		go r.stop()
	}
}

// refuse says that a process is not recorded, once for a program.
func (r *recorder) refuse(pid int, comm string) {
	if r.refused[comm] || r.o.Quiet {
		return
	}
	if r.refused == nil {
		r.refused = map[string]bool{}
	}
	r.refused[comm] = true
	fmt.Fprintf(r.stderr, "ssltape: process %d (%s): belongs to another user, not recorded\n", pid, view.Escape(comm))
}

func noTLS(pids []int) error {
	return &replay.Error{Code: replay.ExitTarget, Err: fmt.Errorf("process %d: no TLS library that can be hooked", pids[0]),
		Hint: fmt.Sprintf("ssltape check -p %d says why", pids[0])}
}

// libraryPath returns the folders that environ has its libraries looked up in
// (ld.so(8)).
func libraryPath(environ []string) []string {
	for _, kv := range environ {
		if list, ok := strings.CutPrefix(kv, "LD_LIBRARY_PATH="); ok {
			return strings.FieldsFunc(list, func(r rune) bool { return r == ':' || r == ';' })
		}
	}
	return nil
}

// willLoad returns the TLS libraries that process pid, which has just become
// another program, is about to load, or may load where it sees other files than
// we do.
func willLoad(pid int) []string {
	root := fmt.Sprintf("/proc/%d/root", pid)
	ours, err := os.Stat("/")
	its, err2 := os.Stat(root)
	if err != nil || err2 != nil {
		return nil
	}
	if !os.SameFile(ours, its) {
		return program.LibrariesIn(root)
	}
	environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	libs, _ := program.Needed(fmt.Sprintf("/proc/%d/exe", pid), libraryPath(strings.Split(string(environ), "\x00"))...)
	return libs
}
