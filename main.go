// Command ssltape records what programs say over TLS, in plain text, and
// replays it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/pflag"

	"ssltape/record/filter"
	"ssltape/record/session"
	"ssltape/record/view"
	"ssltape/replay"
	"ssltape/replay/manual"
)

// version is what `ssltape version` prints, and the day of it what the manual
// says; releases set them with -ldflags.
var version, released = "0.1.0", "2026-11-25"

const usage = `Usage:
    ssltape record [flags] [--] COMMAND [ARG...]     run a command and record it
    ssltape record [flags] -p PID[,PID...] | -c NAME | --exe PATH | --all
    ssltape replay [flags] FILE|- [FILTER...]        list, show, convert a recording
    ssltape check  [-p PID | --exe PATH | COMMAND]   can this be recorded, and if not why
    ssltape version [--json] | completion SHELL | man | help [COMMAND|TOPIC]

Examples:
    ssltape record -- curl -s https://example.com/   # to curl-DATE-TIME.har
    ssltape record -o s.har -o s.pcapng -- claude    # for DevTools and for Wireshark
    ssltape record -p 4242                           # show live what a process says
    ssltape record -p 4242 -w - | wireshark -k -i -
    ssltape replay s.har                             # list the exchanges
    ssltape replay -V full -i 3 s.har                # show one of them
    ssltape replay -V chat s.har is:llm              # talks with language models
    ssltape replay s.pcapng -o s.har                 # convert
    ssltape replay s.har -o s.html                   # a page to look at, or to attach to a bug report
`

// exitCodes is what the README says of them, too.
const exitCodes = `0   ended normally; with a COMMAND, its own exit code, or 128 and the number of
    its signal
1   failure; check: not recordable
2   usage
3   no privilege, or the kernel is too old
4   the target has no TLS that can be hooked; replay: not a recording
5   --strict, and something was lost or cut
125 126 127   with a COMMAND: nothing was recorded, not executable, not found
`

// A command is a row of the table of commands.
type command struct {
	name, short string
	flags       func() *pflag.FlagSet // nil where it has none
	run         func(context.Context, []string, streams) error
}

type streams struct {
	in       io.Reader
	out, err io.Writer
}

func commands() []command {
	return []command{
		{"record", "record what a program says over TLS", session.RecordFlags, func(ctx context.Context, args []string, s streams) error {
			return session.Record(ctx, args, version, s.out, s.err)
		}},
		{"replay", "list, show and convert a recording", replay.Flags, func(ctx context.Context, args []string, s streams) error {
			return replay.Run(ctx, args, version, replay.Streams{In: s.in, Out: s.out, Err: s.err})
		}},
		{"check", "say whether something can be recorded here", session.CheckFlags, func(_ context.Context, args []string, s streams) error {
			return session.Check(args, s.out)
		}},
		{"version", "print the version", nil, func(_ context.Context, args []string, s streams) error { return printVersion(args, s.out) }},
		{"completion", "print the completions for a shell: bash, zsh or fish", nil, func(_ context.Context, args []string, s streams) error {
			return completion(args, s.out)
		}},
		{"man", "print the manual page", nil, func(_ context.Context, args []string, s streams) error {
			if len(args) > 0 {
				return &replay.Error{Code: replay.ExitUsage, Err: fmt.Errorf("man: %s: it takes no arguments", args[0]), Hint: "ssltape man | man -l -"}
			}
			return manual.Man(s.out, program())
		}},
		{session.ShimCommand, "", nil, func(context.Context, []string, streams) error { return session.Shim() }},
	}
}

func main() {
	os.Exit(run(context.Background(), os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// run is the program without its process: it returns the exit code.
func run(ctx context.Context, args []string, s streams) int {
	if len(args) == 0 {
		fmt.Fprint(s.err, usage)
		return replay.ExitUsage
	}
	name, args := args[0], args[1:]
	switch name {
	case "help", "--help", "-h":
		return help(args, s)
	case "--version":
		name = "version"
	}
	for _, c := range commands() {
		if c.name != name {
			continue
		}
		err := c.run(ctx, args, s)
		if errors.Is(err, pflag.ErrHelp) {
			return help([]string{name}, s)
		}
		return report(err, s.err)
	}
	return report(&replay.Error{Code: replay.ExitUsage, Err: fmt.Errorf("%s: unknown command", name), Hint: "ssltape help lists them"}, s.err)
}

// report prints err and returns the exit code for it. Names of files and what
// is wrong in a recording are in it, which may be hostile.
func report(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	code, hint := replay.ExitFailure, ""
	if e := new(replay.Error); errors.As(err, &e) {
		code, hint = e.Code, e.Hint
		if e.Err == nil { // the exit code of the recorded command
			return code
		}
	}
	fmt.Fprintf(stderr, "ssltape: %s\n", view.EscapeText(err.Error()))
	if hint != "" {
		fmt.Fprintf(stderr, "hint: %s\n", view.EscapeText(hint))
	}
	return code
}

// topics are what help has to say beside the commands.
func topics() []manual.Topic {
	var views strings.Builder
	for _, v := range view.All() {
		fmt.Fprintf(&views, "    %-9s %s\n", v.Name, v.Usage)
	}
	return []manual.Topic{
		{Name: "filters", Short: "filters", Text: filter.Help},
		{Name: "views", Short: "views", Text: "ssltape replay -V VIEW, and ssltape record -V VIEW, which shows as it comes:\n\n" + views.String()},
		{Name: "exit-codes", Short: "exit status", Text: exitCodes},
	}
}

// help prints the usage, the flags of one command, or a topic.
func help(args []string, s streams) int {
	if len(args) == 0 {
		fmt.Fprint(s.out, usage+"\nHelp on: record, replay, check, filters, views, exit-codes\n")
		return 0
	}
	if len(args) > 1 {
		return report(&replay.Error{Code: replay.ExitUsage, Err: fmt.Errorf("help: %s: it takes one command or topic", args[1]), Hint: "ssltape help " + args[0]}, s.err)
	}
	for _, c := range commands() {
		switch {
		case c.name != args[0] || c.short == "":
		case c.flags == nil:
			fmt.Fprintf(s.out, "ssltape %s: %s\n", c.name, c.short)
			return 0
		default:
			fmt.Fprintf(s.out, "Usage:\n%s\nFlags:\n%s", usageOf(c.name), flagUsages(c.flags()))
			return 0
		}
	}
	for _, t := range topics() {
		if strings.TrimSuffix(args[0], "s") == strings.TrimSuffix(t.Name, "s") {
			fmt.Fprint(s.out, t.Text)
			return 0
		}
	}
	return report(&replay.Error{Code: replay.ExitUsage, Err: fmt.Errorf("%s: no help on that", args[0]), Hint: "ssltape help lists the commands and topics"}, s.err)
}

// flagUsages describes the flags of fs. That a switch takes a value goes
// without saying.
func flagUsages(fs *pflag.FlagSet) string {
	const value = "[=true|false]"
	return strings.ReplaceAll(fs.FlagUsages(), value, strings.Repeat(" ", len(value)))
}

// program is what the manual and the completions are made of.
func program() manual.Manual {
	p := manual.Manual{Name: "ssltape", Version: version, Date: released, Short: "record and replay what programs say over TLS", Usage: usage, Topics: topics()}
	var views, about []string
	for _, v := range view.All() {
		views = append(views, v.Name)
	}
	for _, t := range p.Topics {
		about = append(about, t.Name)
	}
	known := map[string][]string{"view": views, "output": replay.Formats(), "filter": filter.Words()}
	operands := map[string]manual.Command{
		"record":     {Kind: manual.Program, Known: known},
		"replay":     {Kind: manual.File, Known: known, Words: filter.Words()},
		"check":      {Kind: manual.Program},
		"completion": {Words: manual.Shells},
	}
	for _, c := range commands() {
		if c.short == "" { // not for people
			continue
		}
		m := operands[c.name]
		m.Name, m.Short = c.name, c.short
		if c.flags != nil {
			m.Flags = c.flags()
			about = append(about, c.name)
		}
		p.Commands = append(p.Commands, m)
	}
	p.Commands = append(p.Commands, manual.Command{Name: "help", Short: "say how a command is used, or explain a topic", Words: about})
	return p
}

func completion(args []string, stdout io.Writer) error {
	shell := strings.Join(args, " ")
	if err := manual.Completion(stdout, program(), shell); err != nil {
		return &replay.Error{Code: replay.ExitUsage, Err: err, Hint: "ssltape completion bash > /etc/bash_completion.d/ssltape"}
	}
	return nil
}

// usageOf returns the lines of the usage that are about command name.
func usageOf(name string) string {
	var b strings.Builder
	for line := range strings.Lines(usage) {
		if strings.HasPrefix(line, "    ssltape "+name+" ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func printVersion(args []string, stdout io.Writer) error {
	switch {
	case len(args) == 0:
		fmt.Fprintf(stdout, "ssltape %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return nil
	case len(args) == 1 && args[0] == "--json":
		return json.NewEncoder(stdout).Encode(map[string]string{
			"version": version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
	}
	return &replay.Error{Code: replay.ExitUsage, Err: fmt.Errorf("version: %s is not one of its flags", args[0]), Hint: "ssltape version [--json]"}
}
