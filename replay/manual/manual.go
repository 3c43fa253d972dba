// Package manual makes the manual page and the shell completions of the
// program out of its commands and their flags, so that they cannot differ.
package manual

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// A Command is a command of the program.
type Command struct {
	Name  string
	Short string              // what it does, in a few words
	Flags *pflag.FlagSet      // nil where it has none
	Kind  Operand             // what its first operand is
	Words []string            // what operands can be, beside that
	Known map[string][]string // the values of flags, by name, where their usage does not list them as a|b|c
}

// An Operand is what stands after the flags of a command.
type Operand int

// The kinds of operands.
const (
	Nothing Operand = iota // but Words
	File                   // a file, then Words
	Program                // a program and its arguments
)

// A Topic is a chapter of the manual that is about no command.
type Topic struct {
	Name, Short string
	Text        string
}

// A Manual is what there is to say of a program.
type Manual struct {
	Name, Version string
	Date          string // of Version, 2006-01-02
	Short         string
	Usage         string // synopsis and examples, as help prints them
	Commands      []Command
	Topics        []Topic
}

// Man writes the manual page in the language of man(7).
func Man(w io.Writer, p Manual) error {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 %s \"%s %s\" \"User Commands\"\n.SH NAME\n%s \\- %s\n", strings.ToUpper(p.Name), p.Date, p.Name, roff(p.Version), p.Name, roff(p.Short))
	synopsis, examples, _ := strings.Cut(p.Usage, "\nExamples:\n")
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.nf\n%s.fi\n", roff(unindent(strings.TrimPrefix(synopsis, "Usage:\n"))))
	for _, c := range p.Commands {
		fmt.Fprintf(&b, ".SH %s\n%s\n", strings.ToUpper(c.Name), roff(sentence(c.Short)))
		if c.Flags == nil {
			continue
		}
		c.Flags.VisitAll(func(f *pflag.Flag) {
			value, usage := pflag.UnquoteUsage(f)
			fmt.Fprintf(&b, ".TP\n\\fB%s\\fR", roff(names(f)))
			if takesValue(f) {
				fmt.Fprintf(&b, " \\fI%s\\fR", roff(value))
			}
			fmt.Fprintf(&b, "\n%s\n", roff(filled(sentence(usage))))
			if d := f.DefValue; d != "" && d != "false" && d != "[]" && d != "0" && d != "0s" {
				fmt.Fprintf(&b, "Default: %s.\n", roff(d))
			}
		})
	}
	for _, t := range p.Topics {
		fmt.Fprintf(&b, ".SH %s\n.nf\n%s.fi\n", roff(strings.ToUpper(t.Short)), roff(t.Text))
	}
	if examples != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s.fi\n", roff(unindent(examples)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// sentence makes a sentence of what flags and commands say of themselves.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + strings.TrimRight(s[1:], ".") + "."
}

// filled breaks text into lines that editors of manual pages like.
func filled(s string) string {
	const width = 72
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(s) {
		switch {
		case i == 0:
		case column+len(word) > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
		}
		b.WriteString(word)
		column += len(word) + 1
	}
	return b.String()
}

// unindent removes four spaces before each line.
func unindent(s string) string {
	return strings.TrimPrefix(strings.ReplaceAll("\n"+s, "\n    ", "\n"), "\n")
}

// roff escapes what is special in a manual page. Lines without text would be
// taken for mistakes.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, "→", `\(->`, "…", `\&...`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
		if l == "" && i < len(lines)-1 {
			lines[i] = ".sp"
		}
	}
	return strings.Join(lines, "\n")
}

func names(f *pflag.Flag) string {
	if f.Shorthand == "" {
		return "--" + f.Name
	}
	return "-" + f.Shorthand + ", --" + f.Name
}

// takesValue reports whether f is no switch.
func takesValue(f *pflag.Flag) bool { return f.NoOptDefVal == "" && f.Value.Type() != "bool" }

// values returns what f can be set to, as far as that is known.
func (c *Command) values(f *pflag.Flag) []string {
	if known := c.Known[f.Name]; known != nil || !takesValue(f) {
		return known
	}
	if name, _ := pflag.UnquoteUsage(f); strings.Contains(name, "|") {
		return strings.Split(name, "|")
	}
	return nil
}
