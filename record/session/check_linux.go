package session

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ssltape/bpf"
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
	c := &checker{w: stdout}
	c.machine()
	switch rest := flags.Args(); {
	case len(o.pids) > 0 && (o.exe != "" || len(rest) > 0), o.exe != "" && len(rest) > 0:
		return usageError("more than one thing to check", "name a process, an executable or a command")
	case len(o.pids) > 0:
		for _, pid := range o.pids {
			c.process(pid)
		}
	case o.exe != "":
		c.program(o.exe)
	case len(rest) > 0:
		path, err := lookPath(rest[0])
		if err != nil {
			return &replay.Error{Code: 1, Err: fmt.Errorf("%s: command not found", rest[0]), Hint: "give its path, or look at PATH"}
		}
		c.program(path)
	default:
		c.libraries()
	}
	if len(c.obstacles) > 0 {
		return &replay.Error{Code: 1, Err: errors.New("not recordable: " + c.obstacles[0]), Hint: c.hint}
	}
	fmt.Fprintln(stdout, "recordable")
	return nil
}

// A checker prints what it finds and remembers what stands in the way.
type checker struct {
	w         io.Writer
	obstacles []string
	hint      string
}

func (c *checker) say(what, format string, args ...any) {
	fmt.Fprintf(c.w, "%-9s %s\n", what+":", view.Escape(fmt.Sprintf(format, args...)))
}

func (c *checker) refuse(hint, format string, args ...any) {
	c.obstacles = append(c.obstacles, view.Escape(fmt.Sprintf(format, args...)))
	if c.hint == "" {
		c.hint = hint
	}
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

// libraries lists the TLS libraries that programs here load by name.
func (c *checker) libraries() {
	for _, lib := range systemLibraries() {
		c.file(lib, lib)
	}
}

// process checks what a running process has mapped.
func (c *checker) process(pid int) {
	p, err := readProcess(pid)
	if err != nil {
		c.refuse("ps -e lists the processes", "process %d: no such process", pid)
		return
	}
	c.say("process", "%d %s %s", pid, p.comm, p.exe)
	files, err := mappedFiles(pid)
	if err != nil {
		c.refuse("run it as root", "process %d: %v", pid, err)
		return
	}
	found := 0
	for _, f := range files {
		if c.file(f, displayPath(pid, f)) {
			found++
		}
	}
	if found == 0 {
		c.refuse(noTLSHint, "process %d has no TLS library that is covered", pid)
	}
}

const noTLSHint = "covered are OpenSSL, BoringSSL, GnuTLS and Go's crypto/tls; " +
	"a library that is loaded later is found when the process is recorded from its start"

// program checks an executable or a script, and the libraries that it may load.
func (c *checker) program(path string) {
	elf := interpreter(path)
	if elf != path {
		c.say("script", "%s runs in %s", path, elf)
	}
	if _, err := os.Stat(elf); err != nil {
		c.refuse("give the path of a program", "%v", err)
		return
	}
	if c.file(elf, elf) {
		return
	}
	needed, err := neededTLS(elf)
	if err != nil {
		c.refuse("give the path of a program", "%s: %v", elf, err)
		return
	}
	found := 0
	for _, lib := range needed {
		if c.file(lib, lib) {
			found++
		}
	}
	if found == 0 {
		c.say("note", "%s links no TLS library by itself; one that it loads or that its children use is recorded when they do", filepath.Base(elf))
	}
}

// file inspects the file at path, called name in what is printed, and reports
// whether it has TLS functions that can be hooked.
func (c *checker) file(path, name string) bool {
	a, err := bpf.Inspect(path)
	switch {
	case err == nil:
		var fs []string
		for _, f := range a.Functions {
			fs = append(fs, fmt.Sprintf("%s (%s)", f.Name, f.How))
		}
		c.say("tls", "%s: %s: %s", name, a.Library, strings.Join(fs, ", "))
		return true
	case isTLSLibrary(name):
		c.say("tls", "%s: not covered: %v", name, reason(err))
	}
	return false
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

// reason is what err says without the name of the file, which stands before it.
func reason(err error) error {
	if errors.Is(err, bpf.ErrNoTLS) {
		return bpf.ErrNoTLS
	}
	return err
}
