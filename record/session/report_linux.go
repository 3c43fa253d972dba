package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"ssltape/bpf"
	"ssltape/record/view"
	"ssltape/replay"
)

// A status is stderr with a line at its bottom that shows how far a recording
// has come. The line is there only on a terminal to which nothing else writes:
// no command, and no live view.
type status struct {
	w io.Writer

	mu    sync.Mutex
	shown int // columns that the line takes now
}

func (s *status) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	return s.w.Write(p)
}

// clear takes the line away; mu is held.
func (s *status) clear() {
	if s.shown > 0 {
		fmt.Fprintf(s.w, "\r%*s\r", s.shown, "")
		s.shown = 0
	}
}

// show puts line, which may be empty, in the place of the last one, cut to the terminal's width of
// this moment: what is longer would scroll.
func (s *status) show(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if line == "" {
		s.clear()
		return
	}
	width := 80
	if f, ok := s.w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			width = n
		}
	}
	line = strings.TrimRight(view.Fit(line, width-1), " ") // the last column may wrap
	fmt.Fprintf(s.w, "\r%s", view.Fit(line, min(max(s.shown, utf8.RuneCountInString(line)), width-1)))
	s.shown = utf8.RuneCountInString(line)
}

// showStatus shows the status line until ctx is done.
func (r *recorder) showStatus(ctx context.Context) {
	if r.o.Quiet || r.o.Print || !isTerminal(r.stderr.w) {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		r.stderr.show(r.progress())
		select {
		case <-ctx.Done():
			r.stderr.Write(nil)
			return
		case <-tick.C:
		}
	}
}

// progress returns the status line, if there is to be one: not while a command has
// the terminal. It is called once a second. Once the probes are stopped it waits for
// nobody: an output may.
func (r *recorder) progress() string {
	select {
	case <-r.stopped:
	default:
		if r.cmd == nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.counters()
		}
	}
	if r.ended.Load() || r.cmd != nil && len(r.exited) == 0 {
		return ""
	}
	if r.writing++; r.cmd != nil && r.writing == 1 { // it may be done at once
		return ""
	}
	twice := " twice"
	if r.interrupts.Load() > 0 {
		twice = ""
	}
	return fmt.Sprintf("writing what was recorded: %s left (Ctrl-C%s drops it)", bytesText(int64(r.waiting(r.probe.Loss()))), twice)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// counters returns one line on how far the recording has come.
func (r *recorder) counters() string {
	s := r.asm.Stats()
	loss, dropped := r.loss()
	paths := ""
	for _, f := range r.out.files() {
		paths += "  " + view.Escape(f.path)
	}
	return fmt.Sprintf("%s  %s  %s, %d open, %s, %s lost%s", time.Since(r.start).Round(time.Second), r.recorded(),
		view.Plural(s.Done, "exchange"), s.Open, bytesText(int64(loss.Passed)), bytesText(int64(loss.Bytes()+dropped)), paths)
}

// recorded names the processes that are recorded now.
func (r *recorder) recorded() string {
	pids := slices.Collect(maps.Keys(r.alive))
	if r.cmd != nil {
		pids = []int{r.cmd.pid()}
	}
	switch {
	case len(pids) == 1:
		p, _ := bpf.ReadProcess(pids[0])
		return fmt.Sprintf("%s[%d]", view.Escape(p.Comm), pids[0])
	case r.alive != nil:
		return view.Plural(len(pids), "process")
	case r.o.All:
		return "all processes"
	}
	names := slices.Clone(r.o.Comm)
	if r.o.Exe != "" {
		names = append(names, filepath.Base(r.o.Exe))
	}
	return view.Escape(strings.Join(names, ","))
}

// finish prints what was recorded and returns the exit code: that of the
// command, code, where nothing is wrong. cause is why the recording ended early,
// or nil.
func (r *recorder) finish(code int, cause error) (int, error) {
	if !r.o.Quiet {
		r.summary()
	}
	switch {
	case errors.Is(cause, errNoOutput) && !r.out.failed(): // stdout was closed
		return code, nil
	case cause != nil && !errors.Is(cause, errNoOutput):
		return 0, &replay.Error{Code: replay.ExitFailure, Err: cause}
	case r.out.failed():
		return replay.ExitFailure, nil // said when it happened
	}
	loss, dropped := r.loss()
	cut := r.asm.Stats().Cut
	if r.o.Strict && (loss.Bytes()+dropped+loss.Unseen+loss.Ahead > 0 || cut > 0) {
		text := fmt.Sprintf("%s lost, %s cut", bytesText(int64(loss.Bytes()+dropped)), bytesText(cut))
		if loss.Unseen > 0 {
			text += fmt.Sprintf(", %s lost without a trace", view.Plural(int(loss.Unseen), "call"))
		}
		if loss.Ahead > 0 {
			text += fmt.Sprintf(", %s overtaken by answers", view.Plural(int(loss.Ahead), "write"))
		}
		return 0, &replay.Error{Code: replay.ExitLoss, Err: errors.New(text), Hint: "a larger --buffer or --max-body keeps more"}
	}
	return code, nil
}

// summary prints the totals on stderr: what there is, what is missing and why,
// and how to look at it.
func (r *recorder) summary() {
	s := r.asm.Stats()
	loss, dropped := r.loss()
	var b strings.Builder
	fmt.Fprintf(&b, "ssltape: %s", view.Plural(s.Done, "exchange"))
	if s.Incomplete > 0 {
		fmt.Fprintf(&b, " (%d incomplete)", s.Incomplete)
	}
	if r.o.Filtered {
		fmt.Fprintf(&b, ", %d matching", r.out.matched)
	}
	fmt.Fprintf(&b, ", %s, %s in %s\n", view.Plural(r.connections(), "connection"), bytesText(int64(loss.Passed)), r.took.Round(100*time.Millisecond))
	if text := r.others(); text != "" {
		fmt.Fprintf(&b, "ssltape: not HTTP, kept in pcapng only: %s\n", text)
	}
	if loss.Bytes() > 0 {
		fmt.Fprintf(&b, "ssltape: %s lost: %s\n", bytesText(int64(loss.Bytes())), causes(loss))
	}
	if dropped > 0 && r.dropped.Load() {
		fmt.Fprintf(&b, "ssltape: %s not waited for\n", bytesText(int64(dropped)))
	} else if dropped > 0 {
		fmt.Fprintf(&b, "ssltape: %s lost on the way from the kernel\n", bytesText(int64(dropped)))
	}
	if loss.Unseen > 0 {
		fmt.Fprintf(&b, "ssltape: lost without a trace: %s\n", view.Plural(int(loss.Unseen), "call"))
	}
	if loss.Ahead > 0 {
		fmt.Fprintf(&b, "ssltape: answers may stand before what they answer: %s took too long\n", view.Plural(int(loss.Ahead), "write"))
	}
	if s.Cut > 0 {
		fmt.Fprintf(&b, "ssltape: %s of bodies beyond --max-body cut\n", bytesText(s.Cut))
	}
	if r.connections() == 0 && loss.Passed == 0 && loss.Unseen == 0 && !r.out.failed() {
		b.WriteString(r.silence())
	}
	told := false // how to replay one of them
	for _, f := range r.out.files() {
		switch {
		case f.gone:
			fmt.Fprintf(&b, "ssltape: %s is no longer there: it was removed or renamed meanwhile", view.Escape(f.path))
		case f.early:
			fmt.Fprintf(&b, "ssltape: wrote %s, which ends early", view.Escape(f.path))
		case f.replays && !told:
			told = true
			fmt.Fprintf(&b, "ssltape: wrote %s   (ssltape replay %[1]s)", view.Escape(f.path))
		default:
			fmt.Fprintf(&b, "ssltape: wrote %s", view.Escape(f.path))
		}
		b.WriteByte('\n')
	}
	io.WriteString(r.stderr, b.String())
}

// silence says why nothing may have been seen.
func (r *recorder) silence() string {
	var b strings.Builder
	b.WriteString("ssltape: no TLS traffic was seen" + r.obstacle() + "\n")
	for _, err := range r.hooks.failures() {
		fmt.Fprintf(&b, "ssltape: %v\n", err)
	}
	if r.cmd != nil {
		fmt.Fprintf(&b, "hint: ssltape check %s says what can be recorded of it\n", r.o.Command[0])
	}
	return b.String()
}

// obstacle says why nothing of the command could be seen, where that is known.
func (r *recorder) obstacle() string {
	if r.cmd == nil {
		return ""
	}
	c := &checker{w: io.Discard, seen: map[string]bool{}}
	c.command(r.cmd.launch.Path)
	switch {
	case len(c.obstacles) > 0:
		return ": " + c.obstacles[0]
	case len(c.hooked) == 0:
		return ": " + view.Escape(filepath.Base(r.cmd.launch.Path)) + " has no TLS of its own"
	}
	return ""
}

// causes says why bytes were lost.
func causes(l bpf.Loss) string {
	var parts []string
	for _, c := range []struct {
		bytes uint64
		text  string
	}{
		{l.RingBytes, "ring buffer full (a larger --buffer helps)"},
		{l.FaultBytes, "memory of the process not readable"},
		{l.TableBytes, "too many connections or threads at once"},
		{l.LongBytes, "more than 16 MiB in one call"},
	} {
		if c.bytes > 0 {
			parts = append(parts, bytesText(int64(c.bytes))+" "+c.text)
		}
	}
	return strings.Join(parts, ", ")
}

// connections returns the number of connections seen.
func (r *recorder) connections() int {
	n := 0
	for _, c := range r.asm.Stats().Conns {
		n += c
	}
	return n
}

// others names the connections that spoke what is not understood, with their
// number.
func (r *recorder) others() string {
	var parts []string
	for name, n := range r.asm.Stats().Conns {
		if !slices.Contains([]string{"HTTP/1", "HTTP/2", "WebSocket"}, name) {
			parts = append(parts, fmt.Sprintf("%s (%s)", name, view.Plural(n, "connection")))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// bytesText returns n in the largest unit that it fills.
func bytesText(n int64) string {
	f, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if f < 1024 {
			break
		}
		f, unit = f/1024, u
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}
