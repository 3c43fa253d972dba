package manual

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Shells are the shells that Completion knows.
var Shells = []string{"bash", "zsh", "fish"}

// Completion writes what makes a shell complete the commands of p, their flags
// and operands. The error names the shells where shell is none of them.
func Completion(w io.Writer, p Manual, shell string) error {
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

// bash makes a function of what the word before the present one may be
// followed by. To bash, : and = are words of their own.
func bash(p Manual) string {
	var commands []string
	var values, words strings.Builder
	for _, c := range p.Commands {
		commands = append(commands, c.Name)
		all := []string{}
		if c.Flags != nil {
			c.Flags.VisitAll(func(f *pflag.Flag) {
				all = append(all, "--"+f.Name)
				pattern := quote(c.Name + " --" + f.Name)
				if f.Shorthand != "" {
					all = append(all, "-"+f.Shorthand)
					pattern += "|" + quote(c.Name+" -"+f.Shorthand)
				}
				if takesValue(f) {
					files := "-f"
					if c.values(f) != nil && f.Name != "output" { // a format is followed by a file
						files = ""
					}
					fmt.Fprintf(&values, "\t%s) values=%s files=%s ;;\n", pattern, quote(strings.Join(c.values(f), " ")), files)
				}
			})
		}
		files := map[Operand]string{File: "-f", Program: "-c"}[c.Kind]
		fmt.Fprintf(&words, "\t%s) words=%s operands=%s files=%s ;;\n", c.Name, quote(strings.Join(all, " ")), quote(strings.Join(c.Words, " ")), quote(files))
		of := keyed(append(slices.Clone(c.Words), slices.Concat(slices.Collect(maps.Values(c.Known))...)...))
		for _, key := range slices.Sorted(maps.Keys(of)) {
			fmt.Fprintf(&values, "\t%s) values=%s files= ;;\n", quote(c.Name+" "+key+":"), quote(strings.Join(of[key], " ")))
		}
	}
	return fmt.Sprintf(`# bash completion for %[1]s
_%[1]s() {
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
	local words= operands= files= values=
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		COMPREPLY=($(compgen -W %[2]s -- "$current"))
		return
	fi
	case $current in
	=) current= ;;
	:) current= before=$before: ;;
	*) case $before in
		=) before=${COMP_WORDS[COMP_CWORD-2]} ;;
		:) before=${COMP_WORDS[COMP_CWORD-2]}: ;;
		esac ;;
	esac
	case "$command $before" in
%[3]s	*) case $command in
%[4]s		esac
		case $current in
		-*) operands=$words files= ;;
		esac
		values=$operands ;;
	esac
	[ -z "$values" ] || COMPREPLY=($(compgen -W "$values" -- "$current"))
	case "${COMPREPLY[*]}" in
	*:) compopt -o nospace 2>/dev/null ;;
	esac
	[ -z "$files" ] || COMPREPLY+=($(compgen $files -- "$current"))
}
complete -o filenames -F _%[1]s %[1]s
`, p.Name, quote(strings.Join(commands, " ")), values.String(), words.String())
}

// keyed returns the values of words of the form key:value, by key, each once.
func keyed(words []string) map[string][]string {
	m := map[string][]string{}
	for _, w := range words {
		if key, value, ok := strings.Cut(w, ":"); ok && value != "" && !slices.Contains(m[key], value) {
			m[key] = append(m[key], value)
		}
	}
	return m
}

func zsh(p Manual) string {
	var commands, cases strings.Builder
	for _, c := range p.Commands {
		fmt.Fprintf(&commands, " %s", quote(c.Name+":"+c.Short))
		fmt.Fprintf(&cases, "\t%s) _arguments -S", c.Name) // -S: -- stands before a command
		if c.Flags != nil {
			c.Flags.VisitAll(func(f *pflag.Flag) { cases.WriteString(" \\\n\t\t" + zshFlag(&c, f)) })
		}
		switch c.Kind {
		case File:
			cases.WriteString(" \\\n\t\t'1:file:_files'")
		case Program:
			cases.WriteString(" \\\n\t\t'1:command:_command_names -e' \\\n\t\t'*::arguments:_normal'")
		}
		if len(c.Words) > 0 {
			cases.WriteString(" \\\n\t\t" + quote("*:word:"+zshWords(c.Words)))
		}
		cases.WriteString(" ;;\n")
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
if [ "$funcstack[1]" = _%[1]s ]; then
	_%[1]s "$@"
else
	compdef _%[1]s %[1]s
fi
`, p.Name, commands.String(), cases.String())
}

// zshWords completes words. Where some end with a colon one types on after it.
func zshWords(words []string) string {
	list := strings.ReplaceAll(strings.Join(words, " "), ":", `\:`)
	if slices.ContainsFunc(words, func(w string) bool { return strings.HasSuffix(w, ":") }) {
		return "compadd -S '' -- " + list
	}
	return "(" + list + ")"
}

// zshFlag is a flag as _arguments wants it.
func zshFlag(c *Command, f *pflag.Flag) string {
	value, usage := pflag.UnquoteUsage(f)
	plain := strings.NewReplacer("[", "(", "]", ")", ":", ",")
	tail := "[" + plain.Replace(usage) + "]"
	if takesValue(f) {
		tail += ":" + plain.Replace(value)
		if list := c.values(f); list != nil {
			tail += ":" + zshWords(list)
		} else {
			tail += ":_files"
		}
	}
	if f.Shorthand == "" {
		return quote("*--" + f.Name + tail)
	}
	return fmt.Sprintf("'*'{-%s,--%s}%s", f.Shorthand, f.Name, quote(tail))
}

func fish(p Manual) string {
	var b strings.Builder
	for _, c := range p.Commands {
		fmt.Fprintf(&b, "complete -c %s -n __fish_use_subcommand -f -a %s -d %s\n", p.Name, c.Name, quote(c.Short))
		when := fmt.Sprintf("complete -c %s -n %s", p.Name, quote("__fish_seen_subcommand_from "+c.Name))
		switch {
		case c.Kind == Program:
			fmt.Fprintf(&b, "%s -a '(__fish_complete_command)'\n", when)
		case c.Kind == Nothing:
			fmt.Fprintf(&b, "%s -f\n", when)
		}
		if len(c.Words) > 0 {
			fmt.Fprintf(&b, "%s -a %s\n", when, quote(strings.Join(c.Words, " ")))
		}
		if c.Flags == nil {
			continue
		}
		c.Flags.VisitAll(func(f *pflag.Flag) {
			_, usage := pflag.UnquoteUsage(f)
			fmt.Fprintf(&b, "%s -l %s", when, f.Name)
			if f.Shorthand != "" {
				fmt.Fprintf(&b, " -s %s", f.Shorthand)
			}
			switch list := c.values(f); {
			case list != nil:
				fmt.Fprintf(&b, " -x -a %s", quote(strings.Join(list, " ")))
			case takesValue(f):
				b.WriteString(" -r")
			}
			fmt.Fprintf(&b, " -d %s\n", quote(usage))
		})
	}
	return b.String()
}

// quote is s as one word of a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
