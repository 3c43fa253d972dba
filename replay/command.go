package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"ssltape/pcapng"
	"ssltape/record/filter"
	"ssltape/record/redact"
	"ssltape/record/view"
)

// options are what the command line of replay says.
type options struct {
	View     string
	IDs      ids
	Filters  []string
	Outputs  []string
	Redact   redact.Profile
	Framing  pcapng.Framing
	Side     string
	NoDecode bool
	Sort     string
	Reverse  bool
	Realtime bool
	Speed    float64
	JSON     bool
	Color    string

	viewSet bool // on the command line
	file    string
	filter  filter.Filter
	notice  func(string)
	version string // of ssltape
}

func (o *options) flags() *pflag.FlagSet {
	fs := pflag.NewFlagSet("replay", pflag.ContinueOnError)
	fs.SortFlags = false
	fs.Usage = func() {}
	o.Redact = redact.Secrets
	fs.StringVarP(&o.View, "view", "V", "list", "how to show it: "+viewNames())
	fs.VarP(&o.IDs, "id", "i", "only exchanges with these numbers: `3,7-9`")
	fs.StringArrayVarP(&o.Filters, "filter", "F", nil, "only exchanges that match `EXPR` (see ssltape help filters); words after FILE are such, too")
	fs.StringArrayVarP(&o.Outputs, "output", "o", nil, "write to `[FORMAT:]FILE` instead of showing; can be repeated")
	fs.Var(&o.Redact, "redact", "take out secrets: `secrets|strict|none`")
	fs.Var(&o.Framing, "framing", "of pcapng files: `plain|tls`; tls is for Wireshark alone, with https URLs at the real port")
	fs.StringVar(&o.Side, "side", "", "show only `request|response`")
	fs.BoolVar(&o.NoDecode, "no-decode", false, "show bodies with their content coding")
	fs.StringVar(&o.Sort, "sort", "", "order by `time|size|duration`")
	fs.BoolVar(&o.Reverse, "reverse", false, "the other way round")
	fs.BoolVar(&o.Realtime, "realtime", false, "as fast as it was recorded")
	fs.Float64Var(&o.Speed, "speed", 1, "`FACTOR` of the recorded speed; implies --realtime")
	fs.BoolVar(&o.JSON, "json", false, "JSON Lines on stdout")
	fs.StringVar(&o.Color, "color", "auto", "colour: `auto|always|never`")
	return fs
}

// Flags returns the flags of replay, for help.
func Flags() *pflag.FlagSet { return new(options).flags() }

func viewNames() string {
	s := "`NAME`"
	for i, v := range view.All() {
		sep := ", "
		if i == 0 {
			sep = " of "
		}
		s += sep + v.Name
	}
	return s
}

// Streams are what a command reads and writes besides files.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Run is the command replay: it opens the recording that args name and shows
// it, or writes it to other files, which name version as that of ssltape. Its
// errors are [*Error]s, or pflag.ErrHelp.
func Run(ctx context.Context, args []string, version string, std Streams) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	o.version = version
	src, name, closeFile, err := o.source(std.In)
	if err != nil {
		return err
	}
	defer closeFile()
	if o.Redact == redact.None {
		fmt.Fprintln(std.Err, "ssltape: --redact none: secrets are shown as they were recorded")
	}
	o.notice = func(text string) { fmt.Fprintf(std.Err, "ssltape: %s\n", view.Escape(text)) }
	ctx, release := untilSignal(ctx)
	defer release()
	err = o.replay(ctx, src, name, std.Out)
	switch {
	case errors.Is(err, syscall.EPIPE): // who reads has seen enough
		return nil
	case ctx.Err() != nil:
		e := &Error{ExitSignal + int(syscall.SIGINT), nil, ""}
		errors.As(context.Cause(ctx), &e)
		return e
	}
	if e := new(Error); !errors.As(err, &e) || e.Code != ExitTarget {
		src.leftOut(name, std.Err)
	}
	return err
}

// source opens the recording that o names, and returns what to call it in
// messages.
func (o *options) source(stdin io.Reader) (src *Source, name string, closeFile func(), err error) {
	if o.file == "-" {
		if src, err = Open(stdin); err != nil {
			return nil, "", nil, about("stdin", err)
		}
		return src, "stdin", func() {}, nil
	}
	f, err := os.Open(o.file)
	if err != nil {
		return nil, "", nil, &Error{ExitTarget, err, "name a recording, or - for stdin"}
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		f.Close()
		return nil, "", nil, &Error{ExitTarget, fmt.Errorf("%s: is a folder", o.file), "name a recording in it"}
	}
	closeFile = func() { f.Close() }
	var beside fs.FS
	if root, err := os.OpenRoot(filepath.Dir(o.file)); err == nil {
		beside, closeFile = root.FS(), func() { f.Close(); root.Close() }
	}
	if src, err = openFile(f, beside); err != nil {
		closeFile()
		return nil, "", nil, about(o.file, err)
	}
	return src, o.file, closeFile, nil
}

// untilSignal returns a context that an interrupt ends, so that files are
// finished; the next one ends the process. The context's cause is the [Error] to
// end with. That nobody reads stdout any more is
// an error of a write from then on, not the end of the process.
func untilSignal(ctx context.Context) (context.Context, func()) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, cancel := context.WithCancelCause(ctx)
	came := make(chan os.Signal, 1)
	signal.Notify(came, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer signal.Stop(came)
		select {
		case s := <-came:
			cancel(&Error{ExitSignal + int(s.(syscall.Signal)), nil, ""})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// parse reads the command line and refuses what does not go together.
func parse(args []string) (*options, error) {
	o := new(options)
	fs := o.flags()
	if err := fs.Parse(negations(args)); errors.Is(err, pflag.ErrHelp) {
		return nil, err
	} else if err != nil {
		return nil, usage(err, "ssltape help replay lists the flags")
	}
	if fs.NArg() == 0 {
		return nil, usage(errors.New("replay: no file"), "ssltape replay FILE, or - for stdin")
	}
	o.file, o.viewSet = fs.Arg(0), fs.Changed("view")
	o.Realtime = o.Realtime || fs.Changed("speed")
	for name, allowed := range map[string][]string{
		"side": {"request", "response"}, "sort": {"time", "size", "duration"}, "color": {"auto", "always", "never"},
	} {
		if v := fs.Lookup(name).Value.String(); fs.Changed(name) && !slices.Contains(allowed, v) {
			return nil, usage(fmt.Errorf("--%s %s: unknown", name, v), "one of "+strings.Join(allowed, ", "))
		}
	}
	switch {
	case o.JSON && (fs.Changed("view") || len(o.Outputs) > 0):
		return nil, usage(errors.New("--json and --view or --output"), "--json is a way to show; -o jsonl:FILE writes the same to a file")
	case fs.Changed("view") && len(o.Outputs) > 0 && !o.writesText():
		return nil, usage(errors.New("--view and --output"), "-o writes instead of showing; a view goes into a file by -o txt:FILE")
	case !(o.Speed > 0):
		return nil, usage(fmt.Errorf("--speed %v: not above 0", o.Speed), "2 is twice as fast, 0.5 half as fast")
	case o.Realtime && (o.Sort != "" || o.Reverse):
		return nil, usage(errors.New("--realtime and an order of its own"), "leave out --sort and --reverse")
	}
	o.Filters = append(o.Filters, fs.Args()[1:]...)
	var err error
	if o.filter, err = filter.Parse(o.Filters...); err != nil {
		return nil, usage(err, "ssltape help filters; such as host:example.com status:4xx,5xx time:>2s is:sse 'not path:/health'")
	}
	return o, nil
}

// negations returns args with -key:value written as "not key:value", so that
// a filter is not taken for flags.
func negations(args []string) []string {
	out := slices.Clone(args)
	for i, a := range out {
		if rest, ok := strings.CutPrefix(a, "-"); ok && filter.IsTerm(rest) {
			out[i] = "not " + rest
		}
	}
	return out
}

func usage(err error, hint string) error { return &Error{ExitUsage, err, hint} }

// about says of which object err is.
func about(name string, err error) error {
	e := new(Error)
	if errors.As(err, &e) {
		return &Error{e.Code, fmt.Errorf("%s: %w", name, err), e.Hint}
	}
	return fmt.Errorf("%s: %w", name, err)
}

func (o *options) writesText() bool {
	for _, arg := range o.Outputs {
		if format, _, err := ParseOutput(arg); err == nil && format == "txt" {
			return true
		}
	}
	return false
}
