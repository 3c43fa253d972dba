package session

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"ssltape/record"
	"ssltape/record/filter"
	"ssltape/record/redact"
	"ssltape/record/view"
	"ssltape/replay"
)

// outputs are the files of a recording and its live view, behind one
// redaction. One that fails is left as it is, said so at once, and the others
// go on.
type outputs struct {
	all       []*output
	bytes     bool               // some of them take chunks
	contents  bool               // some take exchanges with what is in them
	chunks    record.ChunkWriter // nil where none does
	exchanges record.ExchangeWriter
	matched   int // exchanges that were wanted
	redact    redact.Profile
	stderr    io.Writer
	stdout    *waiting   // nil where writing to it does not wait for anybody
	pipes     []*os.File // what else is written to may wait for its reader
}

// An output is one file or the live view.
type output struct {
	record.ChunkWriter    // nil where exchanges are all that it takes
	record.ExchangeWriter // nil likewise
	flush, close          func() error
	idle                  func() error    // nil where there is nothing to do
	paths                 func() []string // of the files; nil for the live view
	replays               bool            // replay reads them
	err                   error           // why it has stopped
}

// newOutputs creates the files that o asks for and the live view.
func newOutputs(o *Options, stdout, stderr io.Writer) (*outputs, error) {
	out := &outputs{stderr: stderr, redact: o.Redact}
	files, err := o.targets()
	if err != nil {
		return nil, err
	}
	if f, ok := stdout.(*os.File); ok {
		if st, err := f.Stat(); err == nil && !st.Mode().IsRegular() {
			out.stdout = newWaiting(f)
		}
	}
	opts := replay.OutputOptions{Version: o.Version, Redaction: o.Redact.String(), Comment: o.comment(), Stdout: out.writer(stdout), Terminal: isTerminal(stdout), Framing: o.Framing, Live: true,
		Notice:        func(text string) { fmt.Fprintf(stderr, "ssltape: %s\n", view.Escape(text)) },
		FromExchanges: o.Filtered} // the bytes of what is left out must not be in a file
	for _, f := range files {
		opts.File = f.open
		w, err := replay.NewOutput(f.format, f.path, opts)
		if err == nil {
			err = w.Create()
		}
		if err != nil {
			return nil, errors.Join(err, out.remove())
		}
		a := &output{ExchangeWriter: w, flush: w.Flush, close: w.Close, idle: w.Idle, replays: w.Replays()}
		if f.path != "-" {
			a.paths = w.Paths
		}
		if pipe := w.Pipe(); pipe != nil {
			out.pipes = append(out.pipes, pipe)
		}
		if w.TakesChunks() {
			a.ChunkWriter, out.bytes = w, true
		}
		out.all = append(out.all, a)
	}
	if o.Print {
		v, err := o.liveView(stdout, out.writer(stdout))
		if err != nil {
			return nil, errors.Join(err, out.remove())
		}
		out.all = append(out.all, v)
	}
	if o.Redact == redact.None && !o.Quiet {
		fmt.Fprintln(stderr, "ssltape: --redact none: passwords, keys and cookies are recorded as they are sent")
	}
	if out.bytes {
		out.chunks = redact.Chunks(chunkOutputs{out}, o.Redact)
	}
	out.exchanges = filter.Exchanges(counter{out.exchangeWriter(), &out.matched}, o.Filter)
	return out, nil
}

// A counter counts the exchanges that it passes on, once they are done.
type counter struct {
	record.ExchangeWriter
	n *int
}

// WriteExchange implements [record.ExchangeWriter].
func (c counter) WriteExchange(x *record.Exchange) error {
	if x.Done() {
		*c.n++
	}
	return c.ExchangeWriter.WriteExchange(x)
}

// exchangeWriter returns what passes exchanges on to the outputs. Those that
// take chunks have the contents from there and learn of numbers only, so that
// nothing is redacted for them; but Strict makes other connections.
func (out *outputs) exchangeWriter() record.ExchangeWriter {
	takesChunks := func(o *output) bool { return o.ChunkWriter != nil }
	contents := func(o *output) bool { return !takesChunks(o) }
	out.contents = slices.ContainsFunc(out.all, contents)
	switch {
	case !out.bytes || out.redact == redact.Strict:
		return redact.Exchanges(exchangeOutputs{out, func(*output) bool { return true }}, out.redact)
	case !out.contents:
		return exchangeOutputs{out, takesChunks}
	}
	return record.ExchangeTee{exchangeOutputs{out, takesChunks}, redact.Exchanges(exchangeOutputs{out, contents}, out.redact)}
}

// A file is what one -o asks for.
type file struct {
	format, path string
	open         *os.File // nil where it is yet to be created
}

// targets returns the files to write: those of -o, else one named after the
// command where the live view is not all that is wanted.
func (o *Options) targets() ([]file, error) {
	var files []file
	for _, arg := range o.Outputs {
		format, path, err := replay.ParseOutput(arg)
		if err != nil {
			return nil, err
		}
		files = append(files, file{format: format, path: path})
	}
	if len(files) > 0 || len(o.Command) == 0 || o.Print {
		return files, nil
	}
	f, err := newFile(filepath.Base(o.Command[0]), time.Now())
	if err != nil {
		return nil, err
	}
	return []file{{"har", f.Name(), f}}, nil
}

// newFile creates an empty file that nobody has yet, called after the program
// and the time. An existing file or a symbolic link is never used.
func newFile(program string, t time.Time) (*os.File, error) {
	stem := view.Escape(program) + "-" + t.Format("20060102-150405")
	for i := range 100 {
		name := stem + ".har"
		if i > 0 {
			name = fmt.Sprintf("%s-%d.har", stem, i)
		}
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, os.ErrExist) {
			return nil, &replay.Error{Code: replay.ExitFailure, Err: err, Hint: "-o names a file elsewhere"}
		}
	}
	return nil, &replay.Error{Code: replay.ExitFailure, Err: fmt.Errorf("%s.har: exists, and so do 99 others of that name", stem), Hint: "-o names a file"}
}

// comment says in a file where it comes from.
func (o *Options) comment() string {
	switch {
	case len(o.Command) > 0: // arguments may hold secrets
		return "recorded from the command " + filepath.Base(o.Command[0])
	case o.All:
		return "recorded from all processes"
	}
	var parts []string
	for _, pid := range o.PIDs {
		parts = append(parts, fmt.Sprint("process ", pid))
	}
	for _, c := range o.Comm {
		parts = append(parts, "processes called "+c)
	}
	if o.Exe != "" {
		parts = append(parts, "processes of "+o.Exe)
	}
	return "recorded from " + strings.Join(parts, ", ")
}

// liveView returns what shows exchanges on stdout as they unfold. It writes them
// to w, which is stdout in the end.
func (o *Options) liveView(stdout, w io.Writer) (*output, error) {
	if o.JSON {
		w, err := replay.NewOutput("jsonl", "-", replay.OutputOptions{Version: o.Version, Redaction: o.Redact.String(), Stdout: w, Terminal: isTerminal(stdout)})
		if err != nil {
			return nil, err
		}
		return &output{ExchangeWriter: w, flush: w.Flush, close: w.Close}, nil
	}
	name := o.View
	if name == "" {
		name = "live"
	}
	opts := view.Options{Color: o.Color == "always"}
	if f, ok := stdout.(*os.File); ok && isTerminal(f) {
		opts.Terminal = true
		opts.Color = o.Color != "never" && (opts.Color || os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
		opts.Measure = func() int { // it may be made wider while it is recorded
			width, _, _ := term.GetSize(int(f.Fd()))
			return width
		}
		opts.Width = opts.Measure()
	}
	v, err := view.New(name, w, opts)
	if err != nil {
		return nil, usageError(err.Error(), "ssltape help replay lists the views")
	}
	return &output{ExchangeWriter: v, close: v.Close}, nil
}

// A waiting writes to a pipe or a terminal, which may take for ever: until who
// waits for it gives up.
type waiting struct {
	to      chan []byte
	done    chan error
	gaveUp  chan struct{}
	giveUps sync.Once
}

// errGaveUp says that what is written has not been read.
var errGaveUp = errors.New("standard output: what follows was not waited for, since nobody reads it")

func newWaiting(f io.Writer) *waiting {
	w := &waiting{to: make(chan []byte), done: make(chan error, 1), gaveUp: make(chan struct{})}
	go func() {
		for p := range w.to {
			_, err := f.Write(p)
			w.done <- err
		}
	}()
	return w
}

// Write writes p. After giveUp p may be read yet, when it has returned.
func (w *waiting) Write(p []byte) (int, error) {
	select {
	case w.to <- p:
	case <-w.gaveUp:
		return 0, errGaveUp
	}
	select {
	case err := <-w.done:
		return len(p), err
	case <-w.gaveUp:
		return 0, errGaveUp
	}
}

// writer returns what to write to for stdout.
func (out *outputs) writer(stdout io.Writer) io.Writer {
	if out.stdout == nil {
		return stdout
	}
	return out.stdout
}

// giveUp ends the writes that nobody reads.
func (out *outputs) giveUp() {
	for _, f := range out.pipes {
		f.SetWriteDeadline(time.Now()) // an error says that it does not wait
	}
	if w := out.stdout; w != nil {
		w.giveUps.Do(func() { close(w.gaveUp) })
	}
}

// chunkOutputs and exchangeOutputs pass on what comes out of the redaction.
type chunkOutputs struct{ *outputs }

func (w chunkOutputs) WriteChunk(c record.Chunk) error {
	return w.each(func(o *output) error {
		if o.ChunkWriter == nil {
			return nil
		}
		return o.WriteChunk(c)
	})
}

type exchangeOutputs struct {
	*outputs
	which func(*output) bool
}

func (w exchangeOutputs) WriteExchange(x *record.Exchange) error {
	return w.each(func(o *output) error {
		if !w.which(o) {
			return nil
		}
		return o.WriteExchange(x)
	})
}

// WriteProcess passes on news of a process to the outputs that take them.
func (out *outputs) WriteProcess(e *record.ProcessEvent) error {
	e = redact.Process(e, out.redact)
	return out.each(func(o *output) error {
		if w, ok := o.ExchangeWriter.(record.ProcessWriter); ok {
			return w.WriteProcess(e)
		}
		return nil
	})
}

// lost tells the outputs that take it how much is missing in all.
func (out *outputs) lost(bytes int64) {
	for _, o := range out.all {
		if w, ok := o.ExchangeWriter.(record.LossWriter); ok {
			w.WriteLoss(bytes)
		}
	}
}

// errNoOutput ends a recording that nothing takes any more.
var errNoOutput = errors.New("no output is left to record to")

// each calls f for the outputs that still work. It fails when none is left.
func (out *outputs) each(f func(*output) error) error {
	working := 0
	for _, o := range out.all {
		if o.err != nil {
			continue
		}
		if o.err = f(o); o.err == nil {
			working++
		} else if !isClosedPipe(o.err) {
			fmt.Fprintf(out.stderr, "ssltape: %s\n", view.Escape(o.err.Error()))
		}
	}
	if working == 0 {
		return errNoOutput
	}
	return nil
}

// isClosedPipe reports whether err says that nobody reads stdout any more,
// which is how `| head` ends a recording.
func isClosedPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }

// flush makes what was recorded so far readable.
func (out *outputs) flush() {
	out.each(func(o *output) error {
		if o.flush == nil {
			return nil
		}
		return o.flush()
	})
}

// idle is flush where that costs little.
func (out *outputs) idle() {
	out.each(func(o *output) error {
		if o.idle == nil {
			return nil
		}
		return o.idle()
	})
}

// close ends all files. Why one failed was said, or is now.
func (out *outputs) close() {
	if c, ok := out.chunks.(io.Closer); ok {
		c.Close() // an error of the outputs behind it was said
	}
	for _, o := range out.all {
		err := o.close()
		if o.err == nil && err != nil && !isClosedPipe(err) {
			fmt.Fprintf(out.stderr, "ssltape: %s\n", view.Escape(err.Error()))
		}
		if o.err == nil {
			o.err = err
		}
	}
}

// remove takes away the files of a recording that did not begin; not what is
// no file, such as a device, a pipe or a link.
func (out *outputs) remove() error {
	var errs []error
	for _, o := range out.all {
		errs = append(errs, o.close())
		if o.paths != nil {
			for _, path := range o.paths() {
				if st, err := os.Lstat(path); err == nil && st.Mode().IsRegular() {
					errs = append(errs, os.Remove(path))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// failed reports whether a file could not be written; a reader of stdout that
// went away is no failure.
func (out *outputs) failed() bool {
	for _, o := range out.all {
		if o.err != nil && !isClosedPipe(o.err) {
			return true
		}
	}
	return false
}

// A written is a file with what there is to say of it.
type written struct {
	path    string
	replays bool // replay reads it
	early   bool // it could not be written to its end
	gone    bool // somebody removed or renamed it
}

// files returns the files that there are.
func (out *outputs) files() []written {
	var files []written
	for _, o := range out.all {
		if o.paths == nil {
			continue
		}
		paths := o.paths()
		for i, path := range paths {
			_, err := os.Lstat(path)
			early := o.err != nil && i == len(paths)-1 // those before it were ended well
			files = append(files, written{path, o.replays, early, errors.Is(err, os.ErrNotExist)})
		}
	}
	return files
}
