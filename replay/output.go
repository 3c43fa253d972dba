package replay

import (
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"ssltape/har"
	"ssltape/har/report"
	"ssltape/pcapng"
	"ssltape/record"
	"ssltape/record/view"
	"ssltape/record/wire"
)

// A format is a way to store a recording.
type format struct {
	name    string
	endings []string // of names of files
	bytes   bool     // it stores chunks, not exchanges
	shown   bool     // it is for people: replay does not read it
	screen  screen   // nil where it is binary
	open    func(w io.Writer, o OutputOptions) (sink, error)
}

// A screen returns what writes to a terminal so that nothing acts on that.
type screen func(terminal io.Writer) io.Writer

// A sink is a format's writer of a file. Flush, idle and len may be nil.
type sink struct {
	chunks    record.ChunkWriter
	exchanges record.ExchangeWriter
	flush     func() error
	idle      func() error // flush, where it costs next to nothing
	close     func() error
	len       func() int64 // bytes of a file that has to be split; nil where it need not be
}

func formats() []format {
	asItIs := func(terminal io.Writer) io.Writer { return terminal } // views see to it themselves
	return []format{
		{"har", []string{".har", ".json"}, false, false, view.JSON, openHAR},
		{"har.gz", []string{".har.gz", ".json.gz"}, false, false, nil, openGzip},
		{"pcapng", []string{".pcapng"}, true, false, nil, openPcapng},
		{"jsonl", []string{".jsonl", ".ndjson"}, false, false, view.JSON, openLines},
		{"html", []string{".html", ".htm"}, false, true, view.JSON, openHTML}, // data is JSON there
		{"txt", []string{".txt"}, false, true, asItIs, openText},
	}
}

func openHAR(w io.Writer, o OutputOptions) (sink, error) {
	h, err := har.NewWriter(w, har.Options{Version: o.Version, Comment: o.Comment, Redaction: o.Redaction, Batch: o.Live})
	if err != nil {
		return sink{}, err
	}
	return sink{exchanges: h, flush: h.Flush, idle: h.Flush, close: h.Close, len: h.Len}, nil
}

func openGzip(w io.Writer, o OutputOptions) (sink, error) {
	z := gzip.NewWriter(w)
	h, err := openHAR(z, o)
	if err != nil {
		return sink{}, err
	}
	g := &gzipped{sink: h, z: z}
	return sink{exchanges: g, flush: g.flush, idle: g.idle, close: g.close, len: h.len}, nil
}

// A gzipped is a sink that compresses. What it was given is in the file a
// second later at most, if anything comes by then: each flush makes the file
// longer. An error of its file is that of all that follows: it is told once.
type gzipped struct {
	sink
	z       *gzip.Writer
	flushed time.Time
	waits   bool // something is not in the file yet
}

// flushEvery is how long what is compressed may wait.
const flushEvery = time.Second

// WriteExchange implements [record.ExchangeWriter].
func (g *gzipped) WriteExchange(x *record.Exchange) error {
	g.waits = g.waits || x.Done()
	return cmp.Or(g.exchanges.WriteExchange(x), g.idle())
}

// WriteProcess implements [record.ProcessWriter].
func (g *gzipped) WriteProcess(p *record.ProcessEvent) error {
	w, ok := g.exchanges.(record.ProcessWriter)
	if !ok {
		return nil
	}
	return w.WriteProcess(p)
}

// WriteLoss implements [record.LossWriter].
func (g *gzipped) WriteLoss(bytes int64) { writeLoss(g.exchanges, bytes) }

func writeLoss(w record.ExchangeWriter, bytes int64) {
	if w, ok := w.(record.LossWriter); ok {
		w.WriteLoss(bytes)
	}
}

func (g *gzipped) idle() error {
	if !g.waits || time.Since(g.flushed) < flushEvery {
		return nil
	}
	return g.flush()
}

func (g *gzipped) flush() error {
	g.waits, g.flushed = false, time.Now()
	return cmp.Or(g.sink.flush(), g.z.Flush())
}

func (g *gzipped) close() error { return cmp.Or(g.sink.close(), g.z.Close()) }

func openPcapng(w io.Writer, o OutputOptions) (sink, error) {
	p, err := pcapng.NewWriter(w, pcapng.Options{Version: o.Version, Comment: o.Comment, Redaction: o.Redaction, Framing: o.Framing})
	if err != nil {
		return sink{}, err
	}
	return sink{chunks: p, exchanges: p, flush: p.Flush, idle: p.Flush, close: p.Close}, nil
}

func openLines(w io.Writer, o OutputOptions) (sink, error) {
	l := har.NewLinesWriter(w, har.Options{Version: o.Version, Comment: o.Comment, Redaction: o.Redaction})
	return sink{exchanges: l, close: l.Close}, nil
}

func openHTML(w io.Writer, o OutputOptions) (sink, error) {
	p, err := report.NewWriter(w, report.Options{Version: o.Version, Comment: o.Comment, Redaction: o.Redaction})
	if err != nil {
		return sink{}, err
	}
	return sink{exchanges: p, close: p.Close}, nil
}

func openText(w io.Writer, o OutputOptions) (sink, error) {
	if o.View == "" {
		o.View = "full"
	}
	v, err := view.New(o.View, w, o.Text)
	if err != nil {
		return sink{}, err
	}
	return sink{exchanges: v, close: v.Close}, nil
}

// OutputOptions say what is written and what a file tells of itself.
type OutputOptions struct {
	Version       string // of ssltape
	Comment       string // what else there is to say, such as the command line
	Redaction     string // profile of the redaction that ran
	Live          bool   // Idle is called whenever nothing more is to be written for the moment
	FromExchanges bool   // only WriteExchange is called: make bytes out of exchanges where they are stored
	Framing       pcapng.Framing
	View          string       // of the format txt; "" means full
	Text          view.Options // of the format txt
	Stdout        io.Writer    // what the path "-" is
	Terminal      bool         // that is one
	File          *os.File     // what the path is, where it is created already and empty; the Output closes it
	Notice        func(string) // told what the user should know of the files; may be nil
}

// An Output stores a recording in one format. It is a [record.ChunkWriter] and
// a [record.ExchangeWriter]: it is to be given both, and takes what its format
// stores. A pcapng file says the number of an exchange where it is given the
// exchange before the chunks.
//
// The file is created when there is something to write, at the latest by
// Close, so that a command that comes to nothing leaves none. It can be read
// by its owner only, who is the caller of sudo where there is one. A file that
// was there is overwritten. A HAR file that becomes too long for its readers
// goes on in further files; see [Output.Paths].
type Output struct {
	path string
	opts OutputOptions
	format
	sink
	file *os.File
	back *writeback // of file
	made bool
	parts
}

// NewOutput returns an Output of the file at path, or of OutputOptions.Stdout
// for "-". It checks what can be checked without creating the file.
func NewOutput(name, path string, o OutputOptions) (*Output, error) {
	out := &Output{path: path, opts: o, parts: parts{limit: maxHAR}}
	for _, f := range formats() {
		if f.name == name {
			out.format = f
		}
	}
	if out.format.name == "" {
		return nil, &Error{ExitUsage, fmt.Errorf("output format %q: unknown", name), ""}
	}
	if path == "-" {
		if o.Terminal && out.screen == nil {
			return nil, &Error{ExitUsage, fmt.Errorf("output %s: is not for terminals", name), "write to a file, or to a program: | wireshark -k -i -"}
		}
		return out, nil
	}
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return nil, &Error{ExitFailure, fmt.Errorf("output %s: is a folder", path), "name a file in it"}
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return nil, &Error{ExitFailure, fmt.Errorf("output %s: %w", path, err), "create the folder " + filepath.Dir(path) + " first"}
	}
	return out, nil
}

// TakesChunks reports whether WriteChunk does anything.
func (o *Output) TakesChunks() bool { return o.bytes && !o.opts.FromExchanges }

// Replays reports whether what o writes can be read by [Open].
func (o *Output) Replays() bool { return !o.shown }

// WriteChunk implements [record.ChunkWriter].
func (o *Output) WriteChunk(c record.Chunk) error {
	if !o.TakesChunks() {
		return nil
	}
	if err := o.Create(); err != nil {
		return err
	}
	defer o.back.wrote()
	return o.wrap(o.chunks.WriteChunk(c))
}

// WriteExchange implements [record.ExchangeWriter].
func (o *Output) WriteExchange(x *record.Exchange) error {
	if err := o.Create(); err != nil {
		return err
	}
	if err := o.split(x); err != nil {
		return err
	}
	defer o.back.wrote()
	return o.wrap(o.exchanges.WriteExchange(x))
}

// WriteLoss implements [record.LossWriter], for formats that tell it. Pcapng has the
// holes themselves.
func (o *Output) WriteLoss(bytes int64) { writeLoss(o.sink.exchanges, bytes) }

// WriteProcess implements [record.ProcessWriter]. Formats that have no place for
// processes leave them out.
func (o *Output) WriteProcess(p *record.ProcessEvent) error {
	if err := o.Create(); err != nil {
		return err
	}
	for _, w := range []any{o.sink.exchanges, o.sink.chunks} { // one that takes both may be behind what makes bytes of exchanges
		if w, ok := w.(record.ProcessWriter); ok {
			return o.wrap(w.WriteProcess(p))
		}
	}
	return nil
}

// Flush makes what was written so far readable by others.
func (o *Output) Flush() error {
	if !o.made || o.flush == nil {
		return nil
	}
	return o.wrap(o.flush())
}

// Idle is Flush for those formats that are made for it.
func (o *Output) Idle() error {
	if !o.made || o.idle == nil {
		return nil
	}
	return o.wrap(o.idle())
}

// Close ends the file. Where nothing was written it is a recording of nothing.
// Who has reason not to leave a file calls Discard.
func (o *Output) Close() error {
	if err := o.Create(); err != nil {
		return err
	}
	err := o.wrap(o.close())
	if o.file != nil {
		err = errors.Join(err, o.file.Close())
	}
	return err
}

// Discard ends o without a file, if nothing was written; else it is Close.
func (o *Output) Discard() error {
	if !o.made {
		return nil
	}
	return o.Close()
}

func (o *Output) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("output %s: %w", o.path, err)
}

// Create creates the file now, if it was not yet, so that what stands in the
// way shows before there is anything to lose.
func (o *Output) Create() error {
	if o.made {
		return nil
	}
	w := o.opts.Stdout
	switch {
	case o.path == "-" && o.opts.Terminal:
		w = o.screen(w)
	case o.path != "-":
		f, err := o.create()
		if err != nil {
			return &Error{ExitFailure, fmt.Errorf("output: %w", err), ""}
		}
		o.file, w, o.back = f, f, newWriteback(f)
	}
	return o.begin(w)
}

// create returns the file to write. One that is open is not looked up by its
// path again: whoever may write to the folder could have put a link there.
func (o *Output) create() (*os.File, error) {
	if o.opts.File != nil {
		return o.opts.File, giveToCaller(o.opts.File)
	}
	return createPrivate(o.path)
}

// begin begins the file w.
func (o *Output) begin(w io.Writer) error {
	var err error
	if o.sink, err = o.open(w, o.opts); err != nil {
		return &Error{ExitFailure, errors.Join(o.wrap(err), o.unmake()), ""}
	}
	if o.bytes && o.opts.FromExchanges {
		o.exchanges = wire.NewWriter(o.chunks)
	}
	o.made = true
	return nil
}

// unmake takes away a file that could not be begun; not what is no file, such as
// a device or a link.
func (o *Output) unmake() error {
	if o.file == nil {
		return nil
	}
	err := o.file.Close()
	o.file = nil
	if st, e := os.Lstat(o.path); e == nil && st.Mode().IsRegular() {
		err = errors.Join(err, os.Remove(o.path))
	}
	return err
}

// Pipe returns the file of o where that is not a regular one, such as a pipe,
// the writes to which may wait for a reader until a deadline is set; else nil.
func (o *Output) Pipe() *os.File {
	if o.file == nil || o.regular() {
		return nil
	}
	return o.file
}

// createPrivate creates or empties the file at path, which then belongs to the
// caller of sudo, if there is one, and to nobody else. Devices and pipes are
// opened as they are.
func createPrivate(path string) (*os.File, error) {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		return openPipe(path)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && st.Mode().IsRegular() {
		err = errors.Join(f.Truncate(0), f.Chmod(0o600), giveToCaller(f))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// readerComes is how long the reader of a named pipe may take.
const readerComes = 10 * time.Second

// openPipe opens a pipe or a device for writing only: who could read a pipe
// would never be told that nobody else does any more.
func openPipe(path string) (*os.File, error) {
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		switch {
		case !errors.Is(err, syscall.ENXIO):
			return f, err
		case time.Since(start) > readerComes:
			return nil, fmt.Errorf("%s: nobody reads this pipe", path)
		}
	}
}

// giveToCaller makes the caller of sudo the owner of f.
func giveToCaller(f *os.File) error {
	uid, err := strconv.Atoi(os.Getenv("SUDO_UID"))
	if err != nil || os.Geteuid() != 0 {
		return nil
	}
	gid, err := strconv.Atoi(os.Getenv("SUDO_GID"))
	if err != nil {
		gid = -1
	}
	return f.Chown(uid, gid)
}
