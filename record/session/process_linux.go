package session

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// process is what /proc says of a running process.
type process struct {
	pid  int
	ppid int
	comm string // of the group leader
	exe  string // "" where it cannot be read, as for a kernel thread
}

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
		if p, err := readProcess(pid); err == nil {
			ps = append(ps, p)
		}
	}
	return ps, nil
}

// readProcess reads /proc/PID/stat, which has the name between the first
// parenthesis and the last one, whatever is in it (proc(5)).
func readProcess(pid int) (process, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, err
	}
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return process{}, fmt.Errorf("/proc/%d/stat: unexpected form", pid)
	}
	p := process{pid: pid, comm: string(stat[open+1 : end])}
	if f := bytes.Fields(stat[end+1:]); len(f) > 1 {
		p.ppid, _ = strconv.Atoi(string(f[1]))
	}
	p.exe, _ = os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return p, nil
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

// matches reports whether p is one that o asks for by name or executable.
func (p process) matches(o *Options) bool {
	for _, pattern := range o.Comm {
		if ok, _ := path.Match(pattern, p.comm); ok {
			return true
		}
	}
	return o.Exe != "" && strings.TrimSuffix(p.exe, " (deleted)") == o.Exe
}

// descendants returns the pids in roots and those of all their children.
func descendants(ps []process, roots []int) []int {
	children := map[int][]int{}
	for _, p := range ps {
		children[p.ppid] = append(children[p.ppid], p.pid)
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
			files = append(files, fmt.Sprintf("/proc/%d/root%s", pid, name))
		}
	}
	return files, s.Err()
}

// interpreter returns the program that runs the file at path: the one named
// after #! for a script, found through env(1) where that is used, else path
// itself. Scripts whose interpreter is a script are followed a few times, as
// the kernel does (execve(2)).
func interpreter(path string) string {
	for range 5 {
		head := make([]byte, 256)
		f, err := os.Open(path)
		if err != nil {
			return path
		}
		n, _ := f.Read(head)
		f.Close()
		line, _, _ := bytes.Cut(head[:n], []byte("\n"))
		script, ok := bytes.CutPrefix(line, []byte("#!"))
		words := strings.Fields(string(script))
		if !ok || len(words) == 0 {
			return path
		}
		path = words[0]
		if filepath.Base(path) == "env" && len(words) > 1 {
			for _, w := range words[1:] {
				if strings.HasPrefix(w, "-") || strings.Contains(w, "=") {
					continue
				}
				if found, err := lookPath(w); err == nil {
					path = found
				}
				break
			}
		}
	}
	return path
}
