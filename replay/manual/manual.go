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
	Short string         // what it does, in a few words
	Flags *pflag.FlagSet // nil where it has none
}

// A Program is what the manual is about.
type Program struct {
	Name, Version string
	Short         string
	Usage         string // synopsis and examples, as help prints them
	Commands      []Command
}

// Man writes the manual page in the language of man(7).
func Man(w io.Writer, p Program) error {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"%s %s\"\n.SH NAME\n%s \\- %s\n", strings.ToUpper(p.Name), p.Name, roff(p.Version), p.Name, roff(p.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.nf\n%s.fi\n", roff(p.Usage))
	for _, c := range p.Commands {
		fmt.Fprintf(&b, ".SH %s\n%s\n", strings.ToUpper(c.Name), roff(c.Short))
		if c.Flags == nil {
			continue
		}
		c.Flags.VisitAll(func(f *pflag.Flag) {
			value, usage := pflag.UnquoteUsage(f)
			fmt.Fprintf(&b, ".TP\n\\fB%s\\fR", roff(names(f)))
			if value != "" {
				fmt.Fprintf(&b, " \\fI%s\\fR", roff(value))
			}
			fmt.Fprintf(&b, "\n%s\n", roff(usage))
			if d := f.DefValue; d != "" && d != "false" && d != "[]" && d != "0" && d != "0s" {
				fmt.Fprintf(&b, "Default: %s.\n", roff(d))
			}
		})
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// roff escapes what is special in a manual page.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
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

// Shells are the shells that Completion knows.
var Shells = []string{"bash", "zsh", "fish"}

// Completion writes what makes a shell complete the commands and flags of p.
// The error names the shells where shell is none of them.
func Completion(w io.Writer, p Program, shell string) error {
	var text string
	switch shell {
	case "bash":
		text = bash(p)
	case "zsh":
		text = zsh(p)
	case "fish":
		text = fish(p)
	default:
		return fmt.Errorf("no completion for %q: choose %s", shell, strings.Join(Shells, ", "))
	}
	_, err := io.WriteString(w, text)
	return err
}

// flagWords returns all spellings of c's flags.
func flagWords(c Command) []string {
	var words []string
	if c.Flags == nil {
		return nil
	}
	c.Flags.VisitAll(func(f *pflag.Flag) {
		words = append(words, "--"+f.Name)
		if f.Shorthand != "" {
			words = append(words, "-"+f.Shorthand)
		}
	})
	return words
}

func bash(p Program) string {
	var commands []string
	var cases strings.Builder
	for _, c := range p.Commands {
		commands = append(commands, c.Name)
		if words := flagWords(c); words != nil {
			fmt.Fprintf(&cases, "\t%s) words=%q ;;\n", c.Name, strings.Join(words, " "))
		}
	}
	return fmt.Sprintf(`# bash completion for %[1]s
_%[1]s() {
	local words= current=${COMP_WORDS[COMP_CWORD]}
	if [ "$COMP_CWORD" -eq 1 ]; then
		COMPREPLY=($(compgen -W %[2]q -- "$current"))
		return
	fi
	case ${COMP_WORDS[1]} in
%[3]s	esac
	case $current in
	-*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
	*) COMPREPLY=($(compgen -f -- "$current")) ;;
	esac
}
complete -o filenames -F _%[1]s %[1]s
`, p.Name, strings.Join(commands, " "), cases.String())
}

func zsh(p Program) string {
	var commands, cases strings.Builder
	for _, c := range p.Commands {
		fmt.Fprintf(&commands, " %s", quote(c.Name+":"+c.Short))
		fmt.Fprintf(&cases, "\t%s) _arguments", c.Name)
		if c.Flags != nil {
			c.Flags.VisitAll(func(f *pflag.Flag) { cases.WriteString(" \\\n\t\t" + zshFlag(f)) })
		}
		cases.WriteString(" \\\n\t\t'*:file:_files' ;;\n")
	}
	return fmt.Sprintf(`#compdef %[1]s
_%[1]s() {
	if (( CURRENT == 2 )); then
		local -a commands=(%[2]s)
		_describe command commands
		return
	fi
	local command=$words[2]
	shift words
	(( CURRENT-- ))
	case $command in
%[3]s	esac
}
compdef _%[1]s %[1]s
`, p.Name, commands.String(), cases.String())
}

// zshFlag is a flag as _arguments wants it.
func zshFlag(f *pflag.Flag) string {
	value, usage := pflag.UnquoteUsage(f)
	usage = strings.NewReplacer("[", "(", "]", ")", ":", ",").Replace(usage)
	tail := "[" + usage + "]"
	if value != "" {
		tail += ":" + strings.NewReplacer(":", " ", "[", "", "]", "").Replace(value) + ":_files"
	}
	if f.Shorthand == "" {
		return quote("--" + f.Name + tail)
	}
	return fmt.Sprintf("'(-%s --%s)'{-%s,--%s}%s", f.Shorthand, f.Name, f.Shorthand, f.Name, quote(tail))
}

func fish(p Program) string {
	var b strings.Builder
	for _, c := range p.Commands {
		fmt.Fprintf(&b, "complete -c %s -n __fish_use_subcommand -f -a %s -d %s\n", p.Name, c.Name, quote(c.Short))
		if c.Flags == nil {
			continue
		}
		c.Flags.VisitAll(func(f *pflag.Flag) {
			value, usage := pflag.UnquoteUsage(f)
			fmt.Fprintf(&b, "complete -c %s -n '__fish_seen_subcommand_from %s' -l %s", p.Name, c.Name, f.Name)
			if f.Shorthand != "" {
				fmt.Fprintf(&b, " -s %s", f.Shorthand)
			}
			if value != "" {
				b.WriteString(" -r")
			}
			fmt.Fprintf(&b, " -d %s\n", quote(usage))
		})
	}
	return b.String()
}

// quote is s as one word of a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
