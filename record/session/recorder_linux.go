package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"ssltape/bpf"
	"ssltape/record"
	"ssltape/record/assembly"
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
	r := &recorder{o: o, stdout: stdout, stderr: &status{w: stderr}}
	code, err := r.run(ctx)
	if err != nil {
		return commandCode(o, err)
	}
	if code != 0 {
		return &replay.Error{Code: code}
	}
	return nil
}

// commandCode turns the exit codes that say why nothing was recorded into the
// one that stands for them where the code belongs to a command: 125, as of
// env(1) and timeout(1). That something was lost is said in any case.
func commandCode(o *Options, err error) error {
	e := new(replay.Error)
	if o == nil || len(o.Command) == 0 || !errors.As(err, &e) || e.Code == 5 || e.Code >= 125 {
		return err
	}
	return &replay.Error{Code: 125, Err: e.Err, Hint: e.Hint}
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
	exited   chan int // the exit code of the command

	alive   map[int]bool    // processes that are recorded; nil where others may come, or the command tells
	refused map[string]bool // programs of which refuse has said it

	ended      bool          // the files are; under mu
	interrupts int           // signals that asked to stop
	start      time.Time     // when the probes were attached
	took       time.Duration // from then until they were stopped
	delivered  uint64        // bytes that the probes have handed over; under mu
	final      *bpf.Loss     // counters at the moment from which nothing was waited for; under mu

	mu sync.Mutex // held while an event is passed on, and by who looks at counters
}

// run records and returns the exit code.
func (r *recorder) run(ctx context.Context) (int, error) {
	// One more than there are processors: who empties the ring buffer then need
	// not wait for one that the garbage collector or the consumer is on.
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
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
	stop := r.watch(ctx)
	err = r.copy()
	r.took = time.Since(r.start)
	if e := r.end(); err == nil {
		err = e
	}
	code := 0
	if r.exited != nil {
		code = <-r.exited
	}
	stop()
	return r.finish(code, err)
}

// end ends open exchanges and all files.
func (r *recorder) end() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.asm.Close()
	r.out.close()
	r.ended = true
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
		return &replay.Error{Code: 3, Err: errors.New("--all: processes of other users need root"), Hint: "run with sudo, or name the processes"}
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
	r.hooks = newHooks(!r.o.NoReadline, r.logf)
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
			return &replay.Error{Code: 1, Err: err, Hint: "--ready-file names a file to create"}
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
		r.delivered += uint64(len(e.Chunk.Data))
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

// watch stops the recording on signals, at the time limit and at the end of
// ctx, and shows the status meanwhile. The function that it returns ends it.
func (r *recorder) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	// A closed stdout is an error of the live view, not the end of the process.
	// Ignored, the signal would be ignored by the command too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	var limit <-chan time.Time
	if r.o.Time > 0 {
		limit = time.After(r.o.Time)
	}
	var done sync.WaitGroup
	done.Go(func() { r.showStatus(ctx) })
	done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				r.stop()
				return
			case <-limit:
				go r.stop()
			case s := <-signals:
				if s == syscall.SIGUSR1 || s == syscall.SIGUSR2 {
					go r.signal(s.(syscall.Signal)) // it waits for outputs
				} else {
					r.signal(s.(syscall.Signal))
				}
			}
		}
	})
	return func() {
		cancel() // signals stay caught: they are not to cut off the totals
		done.Wait()
	}
}

// signal does what the command line contract says of signal s.
func (r *recorder) signal(s syscall.Signal) {
	running := r.cmd != nil && len(r.exited) == 0 // else there is no command to end
	switch {
	case s == syscall.SIGUSR1:
		r.mu.Lock()
		fmt.Fprintln(r.stderr, r.counters())
		r.mu.Unlock()
	case s == syscall.SIGUSR2:
		r.mu.Lock()
		if !r.ended {
			r.out.flush()
		}
		r.mu.Unlock()
	case running && r.interrupts == 0:
		r.interrupts++
		if s != syscall.SIGINT { // which the terminal has sent to the command too
			r.cmd.cmd.Process.Signal(s)
		}
	case r.interrupts == 0 || running && r.interrupts == 1:
		r.interrupts++
		go r.stop()
	default: // wait for nothing: not for what is still in the ring, and not for the command
		r.drop()
		select {
		case r.exited <- 128 + int(s):
		default: // there is none, or it has ended
		}
	}
}

// drop closes the probes with what they have not handed over yet.
func (r *recorder) drop() {
	r.out.giveUp()
	r.stop()
	loss := r.probe.Loss()
	r.probe.Close()
	r.mu.Lock() // last: a slow output may hold it
	defer r.mu.Unlock()
	if r.final == nil {
		r.final = &loss
	}
}

// loss returns the kernel's counters, and how many bytes were dropped.
func (r *recorder) loss() (l bpf.Loss, dropped uint64) {
	if r.final == nil {
		return r.probe.Loss(), 0
	}
	return *r.final, r.final.Captured - min(r.final.Captured, r.delivered)
}

func (r *recorder) logf(format string, args ...any) {
	if r.o.Verbose {
		fmt.Fprintf(r.stderr, "ssltape: "+format+"\n", args...)
	}
}

// privilege adds the exit code and the way out to why nothing can be recorded.
func privilege(err error) error {
	hint := "ssltape check says more"
	if e := new(bpf.SupportError); errors.As(err, &e) && e.Hint != "" {
		hint = e.Hint
	}
	return &replay.Error{Code: 3, Err: err, Hint: hint}
}
