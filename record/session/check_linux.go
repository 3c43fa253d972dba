package session

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ssltape/bpf"
	"ssltape/bpf/locate"
	"ssltape/record/session/program"
	"ssltape/record/view"
	"ssltape/replay"
)

// Check is the check command: it says on stdout whether this machine can
// record, and what of a process, an executable or a command. Its error is a
// [replay.Error] with code 1 where something cannot be recorded.
func Check(args []string, stdout io.Writer) error {
	o := &checkOptions{}
	flags := o.flags()
	if err := flags.Parse(args); err != nil {
		return flagError("check", err)
	}
	c := &checker{w: stdout, seen: map[string]bool{}}
	c.machine()
	switch rest := flags.Args(); {
	case len(o.pids) > 0 && (o.exe != "" || len(rest) > 0), o.exe != "" && len(rest) > 0:
		return usageError("more than one thing to check", "name a process, an executable or a command")
	case len(o.pids) > 0:
		for _, pid := range o.pids {
			c.process(pid)
		}
	case o.exe != "":
		c.command(o.exe)
	case len(rest) > 0:
		path, err := program.LookPath(rest[0])
		if err != nil {
			return notFound(rest[0], replay.ExitFailure)
		}
		c.command(path)
	default:
		for _, lib := range program.Libraries() {
			c.file(lib, "")
		}
	}
	return c.verdict()
}

// A checker prints what it finds and remembers what stands in the way.
type checker struct {
	w         io.Writer
	obstacles []string
	hint      string
	hooked    []string        // stacks that are recorded
	refused   []string        // stacks that are not
	seen      map[string]bool // files that have been looked at
	later     bool            // TLS may come with what is loaded or started
}

func (c *checker) say(what, format string, args ...any) {
	fmt.Fprintf(c.w, "%-13s %s\n", what+":", view.Escape(fmt.Sprintf(format, args...)))
}

func (c *checker) refuse(hint, format string, args ...any) {
	c.obstacles = append(c.obstacles, view.Escape(fmt.Sprintf(format, args...)))
	if c.hint == "" {
		c.hint = hint
	}
}

// verdict says what will and what will not be recorded. Its error says why
// nothing will be.
func (c *checker) verdict() error {
	if len(c.refused) > 0 {
		c.say("not recorded", "what goes through %s", strings.Join(c.refused, ", "))
	}
	if len(c.obstacles) > 0 {
		return &replay.Error{Code: replay.ExitFailure, Err: errors.New("not recordable: " + c.obstacles[0]), Hint: c.hint}
	}
	if len(c.hooked) > 0 {
		c.say("recorded", "HTTP/1, HTTP/2 and WebSocket through %s, sent and received, as client and as server", strings.Join(c.hooked, ", "))
		c.say("not recorded", "HTTP/3 (QUIC), and connections without TLS")
	}
	if c.hint != "" {
		c.say("hint", "%s", c.hint)
	}
	if len(c.hooked) == 0 && c.later {
		fmt.Fprintln(c.w, "recordable, when TLS is loaded or started")
		return nil
	}
	fmt.Fprintln(c.w, "recordable")
	return nil
}

// machine checks the kernel and the rights of the user.
func (c *checker) machine() {
	var u unix.Utsname
	unix.Uname(&u)
	c.say("kernel", "Linux %s %s", unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:]))
	err := bpf.Supported()
	if err == nil {
		c.say("recording", "allowed")
		return
	}
	c.say("recording", "%v", err)
	e := new(bpf.SupportError)
	errors.As(err, &e)
	c.refuse(e.Hint, "%v", err)
}

// process checks what a running process has mapped.
func (c *checker) process(pid int) {
	p, err := bpf.ReadProcess(pid)
	if err != nil {
		c.refuse("ps -e lists the processes", "process %d: no such process", pid)
		return
	}
	exe := process(p).exe()
	c.say("process", "%d %s %s", pid, p.Comm, exe)
	if exe == "" && ours(pid) {
		c.refuse("ps -e lists the processes", "process %d has no program: it has ended, or is a part of the kernel", pid)
		return
	}
	if !ours(pid) {
		c.refuse("run it with sudo: file capabilities are for one's own processes", "process %d belongs to another user", pid)
		return // nor may its files be read
	}
	files, err := mappedFiles(pid)
	if err != nil {
		c.refuse("run it as root", "process %d: %v", pid, err)
		return
	}
	before := len(c.hooked)
	for _, f := range files {
		c.file(f, displayPath(pid, f))
	}
	if len(c.hooked) > before {
		c.say("note", "connections that are open already are recorded from where they are")
		return
	}
	if len(c.refused) == 0 && mayCome(pid, true) {
		c.later = true
		c.say("note", "no TLS library is loaded now; what it loads or starts is hooked when it does")
		return
	}
	if len(c.refused) == 0 {
		c.refuse("name the process that speaks TLS: ps -ef shows whose child it is",
			"process %d has no TLS library, and cannot load one", pid)
		return
	}
	c.refuse(c.hint, "process %d uses %s", pid, strings.Join(c.refused, ", "))
}

// command checks what running the file at path leads to.
func (c *checker) command(path string) {
	if _, err := os.Stat(path); err != nil {
		c.refuse("give the path of a program", "%v", err)
		return
	}
	var elfs []string
	for _, s := range program.Resolve(path) {
		via := ""
		if s.Why != "" {
			via = " (" + s.Why + ")"
		}
		c.say("program", "%s%s", s.Path, via)
		elfs = append(elfs, s.Path)
	}
	for _, path := range elfs {
		c.file(path, "")
		libs, err := program.Needed(path)
		if len(elfs) == 1 && err != nil {
			c.refuse("give the path of a program", "%s: %v", path, err)
		}
		for _, lib := range libs {
			c.file(lib, "")
		}
	}
	switch name := filepath.Base(path); {
	case len(c.hooked) > 0 || len(c.obstacles) > 0:
	case len(c.refused) > 0:
		c.refuse(c.hint, "%s uses %s", name, strings.Join(c.refused, ", "))
	default:
		c.later = true
		c.say("note", "%s has no TLS of its own; what it loads or starts is hooked when it does", name)
	}
}

// file explains the TLS stacks of the file at path, called name in what is
// printed, or by its own path where that is "".
func (c *checker) file(path, name string) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil && c.seen[real] {
		return
	}
	c.seen[real] = true
	if name == "" {
		name = cmp.Or(real, path)
	}
	a, err := bpf.Inspect(path)
	for _, s := range a.Stacks {
		title := strings.TrimSpace(s.Name + " " + s.Version)
		if len(s.Functions) == 0 {
			c.say("tls", "%s in %s: %s", title, name, s.Refused)
			c.unhookable(s.Name, title)
			continue
		}
		c.say("tls", "%s in %s", title, name)
		for _, f := range s.Functions {
			fmt.Fprintf(c.w, "%14s%-18s at %#-10x %s\n", "", view.Escape(f.Name), f.Addr, view.Escape(f.How))
		}
		if !slices.Contains(c.hooked, title) {
			c.hooked = append(c.hooked, title)
		}
	}
	if err != nil && !errors.Is(err, bpf.ErrNoTLS) || len(a.Stacks) == 0 && program.IsTLSLibrary(path) {
		c.say("tls", "%s: %v", name, err)
	}
	if r := runtimeOf(name); r != nil {
		c.say("tls", "%s in %s: %s", r.stack, name, r.says)
		if r.refused {
			c.unhookable(r.stack, r.stack)
		}
	}
}

// unhookable notes a stack that is not recorded, and the way out.
func (c *checker) unhookable(stack, title string) {
	if !slices.Contains(c.refused, title) {
		c.refused = append(c.refused, title)
	}
	if c.hint == "" {
		c.hint = wayOut(stack)
	}
}

// wayOut is what to do about a stack that cannot be recorded.
func wayOut(stack string) string {
	const proxy = "let it go through a proxy that decrypts, such as mitmproxy (HTTPS_PROXY)"
	switch stack {
	case string(locate.Rustls):
		return "a build with its symbols (strip = false and no lto in Cargo.toml), or with OpenSSL (native-tls), can be recorded; or " + proxy
	case string(locate.Go):
		return "build it with Go 1.18 or later; or " + proxy
	case jsse:
		return "run it with netty-tcnative or Conscrypt, which are BoringSSL; or " + proxy
	case string(locate.GnuTLS), string(locate.MbedTLS), string(locate.LibreSSL):
		return "a build with its symbols, or with the shared library, can be recorded; or " + proxy
	}
	return "a build with its symbols can be recorded; or " + proxy
}

const jsse = "Java's JSSE"

// A managed is a language runtime, known by a file, whose TLS is not in a file
// or is in another one.
type managed struct {
	file        string // beginning of its name
	stack, says string
	refused     bool
}

var runtimes = []managed{
	{"libjvm.so", jsse, "it is compiled while it runs, and has no functions to hook", true},
	{"beam.smp", "Erlang's ssl", "it is compiled while it runs, and has no functions to hook", true},
	{"libcoreclr.so", ".NET", "its TLS is OpenSSL's libssl, which it loads for the first connection, and which is recorded", false},
	{"libmono", "Mono", "its TLS is BoringSSL in libmono-btls-shared.so, which it loads for the first connection", false},
}

// runtimeOf returns the runtime that a file belongs to, or nil.
func runtimeOf(name string) *managed {
	for i, r := range runtimes {
		if strings.HasPrefix(filepath.Base(name), r.file) {
			return &runtimes[i]
		}
	}
	return nil
}

// displayPath is the path as process pid sees it of a file found by
// mappedFiles.
func displayPath(pid int, file string) string {
	if p, ok := strings.CutPrefix(file, fmt.Sprintf("/proc/%d/root", pid)); ok {
		return p
	}
	if p, err := os.Readlink(file); err == nil {
		return p
	}
	return file
}
