package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ssltape/bpf"
	"ssltape/record"
	"ssltape/record/assembly"
	"ssltape/record/view"
	"ssltape/replay"
)

// Record is the record command: it records what args ask for until it is told
// to stop or the command ends. The live view goes to stdout, all else to
// stderr. Its error is a [replay.Error] with the exit code; one without an Err
// carries the code of the recorded command.
func Record(ctx context.Context, args []string, version string, stdout, stderr io.Writer) error {
	o, err := ParseOptions(args)
	if err != nil {
		return commandCode(o, err)
	}
	o.Version = version
	r := &recorder{o: o, stdout: stdout, stderr: &status{w: stderr}, stopped: make(chan struct{})}
	code, err := r.run(ctx)
	if err != nil && !r.begun {
		return commandCode(o, err)
	}
	if err != nil {
		return err
	}
	if code != 0 {
		return &replay.Error{Code: code}
	}
	return nil
}

// commandCode turns the exit codes that say why nothing was recorded into the
// one that stands for them where the code belongs to a command: 125, as of
// env(1) and timeout(1).
func commandCode(o *Options, err error) error {
	e := &replay.Error{Err: err}
	if o == nil || len(o.Command) == 0 || errors.As(err, &e) && e.Code >= replay.ExitNotRecorded {
		return err
	}
	return &replay.Error{Code: replay.ExitNotRecorded, Err: e.Err, Hint: e.Hint}
}

// A recorder is one run of the record command.
type recorder struct {
	o      *Options
	stdout io.Writer
	stderr *status
	probe  *bpf.Probe
	hooks  *hooks
	guard  io.Closer // lets run what is held when the recorder is gone
	cmd    *command
	out    *outputs
	asm    *assembly.Assembler

	stopping sync.Once
	stopped  chan struct{} // closed when the probes are
	exited   chan int      // the exit code of the command

	alive   map[int]bool    // processes that are recorded; nil where others may come, or the command tells
	refused map[string]bool // programs of which refuse has said it

	begun      bool           // something may have been recorded
	ended      atomic.Bool    // the files are
	untaken    bool           // no output was left; set before ended
	interrupts atomic.Int32   // signals that asked to stop; of a command, in a row
	asked      syscall.Signal // the last of them while the command ran; used by watch
	askedAt    time.Time
	dropped    atomic.Bool   // somebody did not want to wait for what was left
	writing    int           // times that progress saw it: what was recorded, after the end of that
	start      time.Time     // when the probes were attached
	took       time.Duration // from then until they were stopped
	delivered  atomic.Uint64 // bytes that the probes have handed over

	mu sync.Mutex // held while an event is passed on, and by who looks at counters
}

// run records and returns the exit code.
func (r *recorder) run(ctx context.Context) (int, error) {
	// One more than there are processors: who empties the ring buffer then need
	// not wait for one that the garbage collector or the consumer is on.
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	r.spareMemory()
	if err := r.attach(); err != nil {
		return 0, err
	}
	defer r.endGuard() // last: it cares for what is held
	defer r.probe.Close()
	out, err := newOutputs(r.o, r.stdout, r.stderr)
	if err != nil {
		r.abandon()
		return 0, err
	}
	r.out = out
	r.asm = assembly.New(out.exchanges, assembly.Options{MaxBody: r.o.MaxBody, NoBodies: !out.contents})
	if err := r.begin(); err != nil {
		r.abandon()
		return 0, errors.Join(err, out.remove())
	}
	r.begun = true
	stop := r.watch(ctx)
	err = r.copy()
	r.untaken = errors.Is(err, errNoOutput)
	r.took = time.Since(r.start)
	r.stop() // where copy has failed; else it was
	if e := r.end(); err == nil {
		err = e
	}
	if len(r.exited) == 0 && err != nil && !errors.Is(err, errNoOutput) {
		fmt.Fprintf(r.stderr, "ssltape: %v; nothing more is recorded\n", err)
	}
	code := 0
	if r.exited != nil {
		code = <-r.exited
	}
	stop()
	return r.finish(code, err)
}

// spareMemory has little be used where there is little, as in a control group: the
// kernel kills whoever is there when it is used up, and so it is said where that may
// happen at once.
func (r *recorder) spareMemory() {
	const enough, plenty = 64 << 20, 256 << 20
	memory := bpf.UsableMemory()
	if memory < plenty {
		debug.SetMemoryLimit(int64(memory) / 3)
	}
	if memory < enough && !r.o.Quiet && bpf.Supported() == nil { // else it says why not
		fmt.Fprintf(r.stderr, "ssltape: no more than %s of memory may be used here; with less than %s the kernel may kill this, or what is recorded\n",
			bytesText(int64(memory)), bytesText(enough))
	}
}

// end ends open exchanges and all files.
func (r *recorder) end() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.asm.Close()
	if loss := r.probe.Loss(); !r.o.Filtered { // else it may be of what was not wanted
		r.out.lost(int64(loss.Bytes() + r.missing(loss)))
	}
	r.out.close()
	r.ended.Store(true)
	return err
}

// endGuard ends the guard, if there is one.
func (r *recorder) endGuard() {
	if r.guard != nil {
		r.guard.Close()
	}
}

func (r *recorder) abandon() {
	if r.cmd != nil {
		r.cmd.abandon()
	}
}

// attach opens the probes, finds the targets and hooks their TLS functions.
func (r *recorder) attach() (err error) {
	if err := bpf.Supported(); err != nil {
		return privilege(err)
	}
	if r.o.All && os.Geteuid() != 0 {
		return &replay.Error{Code: replay.ExitPrivilege, Err: errors.New("--all: processes of other users need root"), Hint: "run with sudo, or name the processes"}
	}
	if len(r.o.Command) > 0 { // first: it gets ready meanwhile
		if r.cmd, err = startCommand(r.o); err != nil {
			return err
		}
	}
	if err := r.open(); err != nil {
		r.abandon()
		return err
	}
	if err := r.target(); err != nil {
		r.abandon()
		r.probe.Close()
		r.endGuard()
		return err
	}
	return nil
}

// open opens the probes.
func (r *recorder) open() (err error) {
	r.hooks = newHooks(!r.o.NoReadline, r.stopped, r.logf)
	r.probe, err = bpf.Open(bpf.Options{Buffer: int(r.o.Buffer), All: r.o.All, Follow: r.o.Follow,
		Comm: r.o.Comm, Await: r.o.Exe != "", Fresh: r.hooks.start, Idle: r.idle})
	if err != nil {
		return privilege(err)
	}
	r.hooks.use(r.probe)
	if r.cmd == nil { // else nothing is held before the command runs
		if r.guard, err = r.probe.Guard(); err != nil {
			return errors.Join(err, r.probe.Close())
		}
	}
	return nil
}

// target adds the processes to record and the files that they run.
func (r *recorder) target() (err error) {
	for _, lib := range r.o.Libs {
		if err := r.hooks.must(lib); err != nil {
			return err
		}
	}
	if r.cmd != nil {
		if err := r.probe.AddProcess(r.cmd.pid()); err != nil {
			return err
		}
		r.hooks.attachAll(r.cmd.files())
		r.hooks.attachSystem()
		return nil
	}
	return r.targetRunning()
}

// begin says that the probes are attached and lets the command run.
func (r *recorder) begin() (err error) {
	r.start = time.Now()
	if r.o.ReadyFile != "" {
		if err := os.WriteFile(r.o.ReadyFile, nil, 0o644); err != nil {
			return &replay.Error{Code: replay.ExitFailure, Err: err, Hint: "--ready-file names a file to create"}
		}
	}
	if r.cmd == nil {
		if r.alive != nil && len(r.alive) == 0 { // they have ended since they were listed
			r.stop()
		}
		return nil
	}
	r.exited = make(chan int, 1)
	if err := r.cmd.release(); err != nil {
		return err
	}
	go func() {
		r.exited <- r.cmd.wait()
		r.stop()
	}()
	r.guard, err = r.probe.Guard()
	return err
}

// stop detaches the probes and lets copy come to its end, once.
func (r *recorder) stop() {
	r.stopping.Do(func() {
		defer close(r.stopped)
		if err := r.probe.Stop(); err != nil {
			r.logf("stop: %v", err)
		}
	})
}

// copy passes on what the probes see until they are stopped.
func (r *recorder) copy() error {
	for e, err := range r.probe.Events() {
		if err != nil {
			return err
		}
		if err := r.event(e); err != nil {
			r.stop() // all outputs failed: there is nothing to record for
			return err
		}
	}
	return nil
}

func (r *recorder) event(e bpf.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Process == nil {
		r.delivered.Add(uint64(len(e.Chunk.Data)))
	}
	if r.limitReached() { // what came after it is not wanted
		return nil
	}
	if e.Process != nil {
		return r.process(e.Process)
	}
	if err := r.asm.WriteChunk(e.Chunk); err != nil {
		return err
	}
	if r.out.chunks != nil { // second: the number of an exchange is in a comment on its first packet
		if err := r.out.chunks.WriteChunk(e.Chunk); err != nil {
			return err
		}
	}
	if r.limitReached() {
		go r.stop()
	}
	return nil
}

// idle has the files be up to date while nothing happens.
func (r *recorder) idle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out.idle()
}

func (r *recorder) limitReached() bool {
	if r.o.Count == 0 && r.o.MaxSize == 0 {
		return false
	}
	s := r.asm.Stats()
	return r.o.Count > 0 && s.Done >= r.o.Count || r.o.MaxSize > 0 && s.Bytes >= r.o.MaxSize
}

// process looks for TLS in a program that a recorded process has become, and
// passes on what has happened.
func (r *recorder) process(p *bpf.ProcessEvent) error {
	r.live(p)
	e := &record.ProcessEvent{Time: p.Time, PID: p.PID, PPID: p.PPID, Comm: p.Comm, Exe: p.Exe}
	switch p.Kind {
	case bpf.Refused:
		r.refuse(p.PID, p.Comm)
		e.Kind, e.Args = record.Exec, p.Args
	case bpf.Exec:
		r.hooks.watch(p.PID)
		e.Kind, e.Args = record.Exec, p.Args
	case bpf.Exited:
		e.Kind, e.Status = record.Exit, shellStatus(syscall.WaitStatus(p.Status))
	case bpf.Typed:
		if !isBash(p.Exe) {
			return nil
		}
		e.Kind, e.Line = record.Line, p.Line
		return r.out.WriteProcess(e)
	default:
		return nil
	}
	if r.o.NoExec {
		return nil
	}
	return r.out.WriteProcess(e)
}

func (r *recorder) logf(format string, args ...any) {
	if r.o.Verbose {
		fmt.Fprintf(r.stderr, "ssltape: %s\n", view.EscapeText(fmt.Sprintf(format, args...)))
	}
}

// privilege adds the exit code and the way out to why nothing can be recorded.
func privilege(err error) error {
	hint := "ssltape check says more"
	if e := new(bpf.SupportError); errors.As(err, &e) && e.Hint != "" {
		hint = e.Hint
	}
	return &replay.Error{Code: replay.ExitPrivilege, Err: err, Hint: hint}
}
