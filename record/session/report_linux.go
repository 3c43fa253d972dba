package session

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"ssltape/bpf"
	"ssltape/record/view"
	"ssltape/replay"
)

// A status is the line at the bottom of the terminal that shows how far a
// recording has come. It is there only where nothing else writes to the
// terminal: no command, and no live view.
type status struct {
	r    *recorder
	tick <-chan time.Time // never ticks where the line is not shown
	stop func()
	long int // columns that the last line took
}

func newStatus(r *recorder) *status {
	s := &status{r: r, stop: func() {}}
	if r.cmd != nil || r.o.Quiet || r.o.Print || !isTerminal(r.stderr) {
		return s
	}
	t := time.NewTicker(time.Second)
	s.tick, s.stop = t.C, t.Stop
	return s
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (s *status) show() {
	s.r.mu.Lock()
	line := s.r.counters()
	s.r.mu.Unlock()
	fmt.Fprintf(s.r.stderr, "\r%-*s", s.long, line)
	s.long = len(line)
}

// clear takes the line away.
func (s *status) clear() {
	s.stop()
	if s.long > 0 {
		fmt.Fprintf(s.r.stderr, "\r%*s\r", s.long, "")
	}
}

// counters returns one line on how far the recording has come.
func (r *recorder) counters() string {
	s, loss := r.asm.Stats(), r.probe.Loss()
	paths := ""
	for _, f := range r.out.files() {
		paths += "  " + view.Escape(f.path)
	}
	return fmt.Sprintf("%s  %s, %d open, %s, %s lost%s", time.Since(r.start).Round(time.Second),
		plural(s.Done, "exchange"), s.Open, bytesText(int64(loss.Passed)), bytesText(int64(loss.Bytes())), paths)
}

// finish prints what was recorded and returns the exit code. cause is why the
// recording ended early, or nil.
func (r *recorder) finish(cause error) (int, error) {
	code := 0
	if r.exited != nil {
		code = <-r.exited
	}
	if !r.o.Quiet {
		r.summary()
	}
	switch {
	case errors.Is(cause, errNoOutput) && !r.out.failed(): // stdout was closed
		return code, nil
	case cause != nil && !errors.Is(cause, errNoOutput):
		return 0, &replay.Error{Code: 1, Err: cause}
	case r.out.failed():
		return 1, nil // said when it happened
	case r.o.Strict && (r.probe.Loss().Bytes() > 0 || r.probe.Loss().Unseen > 0 || r.asm.Stats().Cut > 0):
		return 0, &replay.Error{Code: 5, Err: fmt.Errorf("%s lost, %s cut", bytesText(int64(r.probe.Loss().Bytes())),
			bytesText(r.asm.Stats().Cut)), Hint: "a larger --buffer or --max-body keeps more"}
	}
	return code, nil
}

// summary prints the totals on stderr: what there is, what is missing and why,
// and how to look at it.
func (r *recorder) summary() {
	s, loss := r.asm.Stats(), r.probe.Loss()
	var b strings.Builder
	fmt.Fprintf(&b, "ssltape: %s", plural(s.Done, "exchange"))
	if s.Incomplete > 0 {
		fmt.Fprintf(&b, " (%d incomplete)", s.Incomplete)
	}
	fmt.Fprintf(&b, ", %s, %s in %s\n", plural(r.connections(), "connection"), bytesText(int64(loss.Passed)), time.Since(r.start).Round(100*time.Millisecond))
	if text := r.others(); text != "" {
		fmt.Fprintf(&b, "ssltape: not HTTP, kept in pcapng only: %s\n", text)
	}
	if loss.Bytes() > 0 {
		fmt.Fprintf(&b, "ssltape: %s lost: %s\n", bytesText(int64(loss.Bytes())), causes(loss))
	}
	if loss.Unseen > 0 {
		fmt.Fprintf(&b, "ssltape: lost without a trace: %s\n", plural(int(loss.Unseen), "call"))
	}
	if s.Cut > 0 {
		fmt.Fprintf(&b, "ssltape: %s of bodies beyond --max-body cut\n", bytesText(s.Cut))
	}
	if r.connections() == 0 {
		b.WriteString(r.silence())
	}
	for i, f := range r.out.files() {
		switch {
		case f.early:
			fmt.Fprintf(&b, "ssltape: wrote %s, which ends early", view.Escape(f.path))
		case i == 0:
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
	b.WriteString("ssltape: no TLS traffic was seen\n")
	for _, err := range r.hooks.failures() {
		fmt.Fprintf(&b, "ssltape: %v\n", err)
	}
	if r.cmd != nil {
		fmt.Fprintf(&b, "hint: ssltape check %s says what can be recorded of it\n", r.o.Command[0])
	}
	return b.String()
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
			parts = append(parts, fmt.Sprintf("%s (%s)", name, plural(n, "connection")))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
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
