// Package session is the recorder: it finds the processes to record, attaches
// the probes, and passes what they see to files and to the live view. It
// records on Linux only; elsewhere its commands say so.
package session

import (
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"ssltape/pcapng"
	"ssltape/record/filter"
	"ssltape/record/redact"
	"ssltape/replay"
)

// Options says what to record and where to.
type Options struct {
	PIDs    []int
	Comm    []string // names or globs of group leaders
	Exe     string   // every process of this executable
	All     bool
	Libs    []string // TLS libraries or static binaries to hook too
	Follow  bool     // children of the targets too
	Command []string

	Outputs   []string // [FORMAT:]FILE each
	Print     bool     // show live on stdout
	View      string   // "" for the live view
	Filter    filter.Filter
	Filtered  bool // Filter leaves something out
	Redact    redact.Profile
	Framing   pcapng.Framing
	MaxBody   int64 // bytes of a body that are kept; 0 no limit
	Time      time.Duration
	Count     int   // exchanges; 0 no limit
	MaxSize   int64 // bytes captured; 0 no limit
	Buffer    int64 // bytes of the ring buffer; 0: as many as there is memory for
	Strict    bool
	User      string
	ReadyFile string
	Quiet     bool
	Verbose   bool
	Color     string
	JSON      bool
	Version   string // of this program, for the files

	NoExec     bool // leave out process events
	NoReadline bool // leave out lines typed into bash
}

// ParseOptions reads the command line of record. An error is a
// [replay.Error], or [pflag.ErrHelp] where help was asked for.
func ParseOptions(args []string) (*Options, error) {
	o := &Options{}
	fs := o.flags()
	if err := fs.Parse(args); err != nil {
		// Where the flags end is known only by a "--"; without one nothing
		// tells that there is a command.
		if i := slices.Index(args, "--"); i >= 0 {
			o.Command = args[i+1:]
		}
		return o, flagError("record", err)
	}
	o.Command = fs.Args()
	pcapng, _ := fs.GetStringArray("write")
	for _, path := range pcapng {
		o.Outputs = append(o.Outputs, "pcapng:"+path)
	}
	filters, _ := fs.GetStringArray("filter")
	var err error
	if o.Filter, err = filter.Parse(filters...); err != nil {
		return o, usageError(err.Error(), "ssltape help filters; as in host:api.example.com status:4xx,5xx -path:/health")
	}
	o.Filtered = len(filters) > 0
	return o, o.check(fs)
}

func (o *Options) flags() *pflag.FlagSet {
	fs := pflag.NewFlagSet("record", pflag.ContinueOnError)
	fs.SortFlags = false
	fs.SetInterspersed(false) // what follows the command is the command's
	fs.SetOutput(io.Discard)
	fs.VarP(pids{&o.PIDs}, "pid", "p", "record the processes `PID[,PID...]`")
	fs.StringSliceVarP(&o.Comm, "comm", "c", nil, "record processes called `NAME` (a glob), also those that start later")
	fs.StringVar(&o.Exe, "exe", "", "record every process of the executable `PATH`")
	fs.BoolVar(&o.All, "all", false, "record every process")
	fs.StringArrayVar(&o.Libs, "lib", nil, "hook the TLS library or static binary `PATH` too")
	fs.BoolVar(&o.Follow, "follow", true, "record children of the targets too")
	fs.StringArrayVarP(&o.Outputs, "output", "o", nil, "write `[FORMAT:]FILE`: .har .har.gz .pcapng .jsonl .txt; repeatable")
	fs.StringArrayP("write", "w", nil, "write pcapng to `FILE`, same as -o pcapng:FILE")
	fs.Var(&o.Framing, "framing", "of pcapng files: `plain|tls`; tls is for Wireshark alone, with https URLs at the real port")
	fs.BoolVar(&o.Print, "print", false, "show live on stdout; on when there is no -o and no COMMAND")
	fs.StringVarP(&o.View, "view", "V", "", "live view `NAME`: one of the views of replay")
	fs.StringArrayP("filter", "F", nil, "keep only exchanges that match `EXPR` (see ssltape help filters), in every output")
	o.Redact = redact.Secrets
	fs.Var(&o.Redact, "redact", "replace secrets: `secrets|strict|none`")
	o.MaxBody = 64 << 20
	fs.VarP(size{&o.MaxBody}, "max-body", "s", "keep at most `SIZE` of a body; 0 no limit")
	fs.DurationVarP(&o.Time, "time", "t", 0, "stop after `DURATION`")
	fs.IntVarP(&o.Count, "count", "n", 0, "stop after `N` exchanges")
	fs.Var(size{&o.MaxSize}, "max-size", "stop after `SIZE` of captured data; 0 no limit")
	o.Buffer = 16 << 20
	fs.Var(size{&o.Buffer}, "buffer", "`SIZE` of the ring buffer; less where memory is short, unless it is given")
	fs.BoolVarP(&o.NoExec, "no-exec", "E", false, "leave out process events")
	fs.BoolVarP(&o.NoReadline, "no-readline", "B", false, "leave out lines typed into bash")
	fs.BoolVar(&o.Strict, "strict", false, "exit 5 when anything was lost or cut")
	fs.StringVar(&o.User, "user", "", "run the command as user `NAME`")
	fs.StringVar(&o.ReadyFile, "ready-file", "", "create `PATH` when all probes are attached")
	fs.BoolVarP(&o.Quiet, "quiet", "q", false, "print nothing but errors on stderr")
	fs.BoolVarP(&o.Verbose, "verbose", "v", false, "say what is attached")
	fs.StringVar(&o.Color, "color", "auto", "colour: `auto|always|never`")
	fs.BoolVar(&o.JSON, "json", false, "show live as JSON Lines")
	return fs
}

// RecordFlags returns record's flags, for help.
func RecordFlags() *pflag.FlagSet { return new(Options).flags() }

// check refuses what does not go together, before a file is touched.
func (o *Options) check(fs *pflag.FlagSet) error {
	targets := len(o.PIDs) > 0 || len(o.Comm) > 0 || o.Exe != "" || o.All
	switch {
	case !targets && len(o.Command) == 0:
		return usageError("no target", "name one: -- COMMAND, -p PID, -c NAME, --exe PATH, or --all for every process")
	case targets && len(o.Command) > 0:
		return usageError(fmt.Sprintf("both a process and a command (%s)", o.Command[0]), "record a running process or start a command, not both")
	case o.User != "" && len(o.Command) == 0:
		return usageError("--user without a command", "it says who runs COMMAND")
	case !slices.Contains([]string{"auto", "always", "never"}, o.Color):
		return usageError("--color "+o.Color+": unknown", "one of auto, always, never")
	case o.Buffer < 4096 || o.Buffer > 1<<30:
		return usageError("--buffer out of range", "4KiB to 1GiB")
	case o.Time < 0 || o.Count < 0:
		return usageError("--time and --count must not be negative", "leave them out for no limit")
	case o.Quiet && o.Verbose:
		return usageError("both --quiet and --verbose", "leave one of them out")
	case o.JSON && o.View != "":
		return usageError("both --json and --view", "--json is a view of its own")
	}
	for _, pattern := range o.Comm {
		if _, err := path.Match(pattern, ""); err != nil {
			return usageError(fmt.Sprintf("-c %s: not a pattern", pattern), "as in -c node or -c 'python*'; \\ takes the meaning from a character")
		}
	}
	stdout, packets := 0, false
	named := map[string]bool{}
	for _, arg := range o.Outputs {
		format, name, err := replay.ParseOutput(arg)
		if err != nil {
			return err
		}
		packets = packets || format == "pcapng"
		if name = filepath.Clean(name); name == "-" {
			stdout++
		} else if named[name] {
			return usageError(fmt.Sprintf("output %s is wanted twice", name), "give one of them another name")
		}
		named[name] = true
	}
	if fs.Changed("framing") && !packets {
		return usageError("--framing without a pcapng file", "-w FILE writes one")
	}
	if stdout > 1 || stdout == 1 && (o.Print || o.JSON) {
		return usageError("stdout is wanted twice", "give one of them a file")
	}
	if !fs.Changed("buffer") {
		o.Buffer = 0
	}
	if !fs.Changed("print") {
		o.Print = o.JSON || o.View != "" || len(o.Outputs) == 0 && len(o.Command) == 0
	}
	return nil
}

func usageError(text, hint string) error {
	return &replay.Error{Code: replay.ExitUsage, Err: errors.New(text), Hint: hint}
}

// pids is the value of a flag that names processes: 42 or 42,43.
type pids struct{ list *[]int }

func (v pids) String() string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(*v.list), " ", ","), "[]")
}
func (v pids) Type() string { return "pids" }
func (v pids) Set(s string) error {
	for text := range strings.SplitSeq(s, ",") {
		pid, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
		if err != nil || pid <= 0 {
			return fmt.Errorf("%q is no process id; ps -e lists them", text)
		}
		*v.list = append(*v.list, int(pid))
	}
	return nil
}

// size is the value of a flag that is a number of bytes, as filters have them.
type size struct{ n *int64 }

func (v size) String() string {
	if *v.n > 0 && *v.n%(1<<20) == 0 {
		return strconv.FormatInt(*v.n>>20, 10) + "MiB"
	}
	return strconv.FormatInt(*v.n, 10)
}
func (v size) Type() string { return "size" }
func (v size) Set(s string) error {
	n, err := filter.Size(s)
	switch {
	case err != nil || n < 0:
		return fmt.Errorf("%q is not a size such as 65536, 64k (64000) or 16MiB", s)
	case n > 1<<62:
		return fmt.Errorf("%q is too large", s)
	}
	*v.n = int64(n)
	return nil
}
