// Package bpf records the plaintext of TLS connections on this machine through
// uprobes on the functions of TLS libraries. It is the one package that talks
// to the kernel.
//
// A [Probe] is told which processes to record ([Probe.AddProcess]) and which
// files hold TLS functions ([Probe.Attach]); the two are independent, since a
// process may load a library at any time and a library serves many processes.
// What it records comes out of [Probe.Events].
//
// The kernel side is tls.c. It decides there, where nothing is lost, to which
// connection and position in the stream a piece of data belongs, so that a
// piece that could not be delivered leaves a hole of known length.
package bpf

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"ssltape/bpf/tlslib"
	"ssltape/record"
)

// Options says what a [Probe] records and how much it buffers.
type Options struct {
	Buffer int  // bytes of the ring buffer, rounded up to a power of two; 0 is 64 MiB, or less where memory is short
	All    bool // every process that is visible from here, but this one
	Follow bool // what recorded processes fork, too
	// Comm are patterns, as of path.Match, of names of programs: a process that
	// becomes one of them is recorded from then on. At most 16.
	Comm []string
	// Await says that there will be calls of [Probe.Await].
	Await bool
	// Fresh, if not nil, is called when a recorded process runs a program that
	// is not known ([Probe.Know]), so that it can be hooked. Where that does no
	// harm the process is held meanwhile: see [Program]. The call must return
	// soon, since all events wait for it.
	Fresh func(Program)
	// Idle, if not nil, is called by the goroutine that ranges over
	// [Probe.Events], each time before it waits for more.
	Idle func()

	entries map[string]uint32 // of tables, to have them full in tests
	queue   int               // bytes that may wait for who ranges over Events; likewise
	old     bool              // do with what Linux 5.10 can do with uprobes; likewise
}

// defaultBuffer takes what one core can write while the reader is away for a
// tenth of a second, or goes to memory that nobody has used before, which takes virtual
// machines longer than it takes to fill the buffer; leastBuffer is what is left of
// it where memory is short.
const (
	defaultBuffer = 64 << 20
	leastBuffer   = 1 << 20
)

// An Event is one step of a recording: a chunk of a connection or, where
// Process is not nil, news of a recorded process.
type Event struct {
	Chunk   record.Chunk // Data is valid until the next event
	Process *ProcessEvent
}

// A ProcessKind says what a process did.
type ProcessKind uint8

const (
	Started ProcessKind = iota // by fork, or seen for the first time
	Exec                       // runs another program from now on
	Exited
	Refused // has become a program with more rights than this process has, and is not recorded any more
	Typed   // a line was typed into it, a shell: see [Probe.AttachShell]
)

// String returns the name of k.
func (k ProcessKind) String() string {
	return [...]string{"started", "exec", "exited", "refused", "typed"}[k]
}

// A Process is a process, as it was at the time of an event.
type Process struct {
	PID, PPID int // in this process's pid namespace; PPID is 0 where unknown
	Comm      string
	Exe       string // path of the executable as the process sees it, "" where unknown
}

// ReadProcess returns what /proc/PID/stat says of a process that runs, which is all
// but Exe.
func ReadProcess(pid int) (Process, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	stat, err := os.ReadFile(path)
	if err != nil {
		return Process{}, err
	}
	// PID (COMM) STATE PPID ...; COMM may hold parentheses and blanks (proc(5)).
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return Process{}, fmt.Errorf("%s: unexpected form", path)
	}
	p := Process{PID: pid, Comm: string(stat[open+1 : end])}
	if rest := bytes.Fields(stat[end+1:]); len(rest) > 1 {
		p.PPID, _ = strconv.Atoi(string(rest[1]))
	}
	return p, nil
}

// A ProcessEvent is news of a recorded process.
type ProcessEvent struct {
	Kind ProcessKind
	Process
	Args   []string // of Exec and Refused; cut after the first 4 KiB
	Status int      // of Exited: as of wait(2), -1 where unknown
	Line   string   // of Typed: cut after the first 4095 bytes
	Time   time.Time
}

// What [Inspect] and [Probe.Attach] find in a file.
type (
	Function   = tlslib.Function
	Stack      = tlslib.Stack
	Attachment = tlslib.Attachment
)

// Inspect finds the TLS stacks of the ELF file at path, a library or an
// executable, and their functions. Its error wraps [ErrNoTLS] where none can be
// hooked; the Attachment then has those that are known by name.
func Inspect(path string) (Attachment, error) { return tlslib.Inspect(path) }

// Loss counts what passed through the recorded connections and was not
// delivered, by cause. Passed = Captured + the bytes of all causes.
type Loss struct {
	Passed, Captured        uint64 // bytes
	RingEvents, RingBytes   uint64 // no room in the ring buffer
	FaultEvents, FaultBytes uint64 // memory of the process not readable
	TableEvents, TableBytes uint64 // too many connections, threads or processes
	LongEvents, LongBytes   uint64 // more than 16 MiB in one call
	// Unseen is the number of calls of which not even the length is known, so
	// that what they passed is in none of the others; also of writes that had not
	// returned when their process ended, but for those of Go of up to 16 KiB that were
	// answered, which are captured.
	Unseen uint64
	// Ahead is the number of writes that did not return while more than 16 MiB
	// were read: some of that may stand before what it is the answer to, of which
	// nothing is missing.
	Ahead uint64
}

// Bytes returns the number of bytes lost.
func (l Loss) Bytes() uint64 { return l.RingBytes + l.FaultBytes + l.TableBytes + l.LongBytes }

// Reasons why this machine, or this user, cannot record; the errors of
// [Supported] and [Open] wrap one of them.
var (
	ErrSystem    = errors.New("recording needs Linux")
	ErrKernel    = errors.New("the kernel cannot record")
	ErrProcess   = errors.New("this process cannot record")
	ErrPrivilege = errors.New("no privilege to record")
)

// ErrNoShell is what a file is refused with into which no lines are typed.
var ErrNoShell = errors.New("no readline function")

// ErrNoTLS is what a file without TLS functions that can be hooked is refused
// with.
var ErrNoTLS = tlslib.ErrNoTLS

// A SupportError says why recording is not possible.
type SupportError struct {
	Kind   error  // ErrSystem, ErrKernel, ErrProcess or ErrPrivilege
	Reason string // what exactly is missing
	Hint   string // the way out, "" where there is none
}

// Error says what is missing.
func (e *SupportError) Error() string { return fmt.Sprintf("%v: %s", e.Kind, e.Reason) }

// Unwrap returns e.Kind.
func (e *SupportError) Unwrap() error { return e.Kind }
