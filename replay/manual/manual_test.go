package manual

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func example() Manual {
	fs := pflag.NewFlagSet("play", pflag.ContinueOnError)
	fs.StringP("output", "o", "", "write to `FILE`: it's [optional]")
	fs.String("speed", "", "how `fast|slow`")
	fs.StringP("view", "V", "list", "one of the views")
	fs.StringP("filter", "F", "", "only `EXPR`")
	fs.Bool("loud", false, "make noise")
	return Manual{Name: "tape", Version: "1.2", Date: "2026-01-02", Short: "a test", Usage: "Usage:\n    tape play 'x'\n    .dot\n\nExamples:\n    tape play a-b\n",
		Commands: []Command{
			{Name: "play", Short: "play it's tune", Flags: fs, Kind: File, Words: []string{"host:", "is:sse", "is:llm"}, Known: map[string][]string{"view": {"list", "chat"}}},
			{Name: "run", Short: "run it", Flags: fs, Kind: Program, Known: map[string][]string{"filter": {"host:", "is:sse", "is:llm"}}}, {Name: "stop", Short: "stop", Words: []string{"now", "later"}}},
		Topics: []Topic{{"filter", "filters", "A term:\n\n    key:value\n"}}}
}

func TestMan(t *testing.T) {
	var b strings.Builder
	if err := Man(&b, example()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{".TH TAPE 1 2026-01-02 ", "\\fB\\-o, \\-\\-output\\fR \\fIFILE\\fR\nWrite to FILE: it\\(aqs [optional].\n", "\n\\&.dot\n", ".SH STOP\nStop.\n",
		".SH FILTERS\n.nf\nA term:\n.sp\n    key:value\n.fi\n", ".SH EXAMPLES\n.nf\ntape play a\\-b\n.fi\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// What mandoc has to say of the page is nothing.
func TestMandoc(t *testing.T) {
	var b strings.Builder
	if err := Man(&b, example()); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(need(t, "mandoc"), "-T", "lint", "-W", "all")
	cmd.Stdin = strings.NewReader(b.String())
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s\n%s", err, out, b.String())
	}
}

// need returns the path of a program. In CI it is there.
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return path
}

// script returns the completion for a shell, in a file.
func script(t *testing.T, shell string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tape."+shell)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Completion(f, example(), shell); err != nil {
		t.Fatal(err)
	}
	return path
}

// completed is what shells make of the start of a line.
var completed = map[string]string{
	"tape pl":                     "play",
	"tape play --ou":              "--output",
	"tape play --view ch":         "chat",
	"tape play -V l":              "list",
	"tape play --speed ":          "fast slow",
	"tape play manual_test.go ho": "host:",
	"tape play manual_te":         "manual_test.go",
	"tape stop l":                 "later",
	"tape run -F ho":              "host:",
}

func TestBash(t *testing.T) {
	bash, file := need(t, "bash"), script(t, "bash")
	check := func(words, want string) {
		t.Helper()
		// COMP_WORDS as readline makes them.
		const try = `source "$1"; line=$2; COMP_WORDBREAKS=$' \t\n"'"'"'><=;|&(:'
words=${line//:/ : }; words=${words//=/ = }; eval "COMP_WORDS=($words)"; [ "${line: -1}" != " " ] || COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _tape; echo "${COMPREPLY[*]}"`
		out, err := exec.Command(bash, "-c", try, "bash", file, words).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%q completes to %q, %v; want %q", words, out, err, want)
		}
	}
	for words, want := range completed {
		check(words, want)
	}
	check("tape play --view=c", "chat")
	check("tape play --view=", "list chat")
	check("tape play f is:s", "sse")
	check("tape play f is:", "sse llm")
	check("tape run -F is:s", "sse")
	check("tape run --filter=is:", "sse llm")
}

func TestFish(t *testing.T) {
	fish, file := need(t, "fish"), script(t, "fish")
	for words, want := range completed {
		cmd := exec.Command(fish, "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", file, words)
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		var got []string
		for line := range strings.Lines(string(out)) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			got = append(got, word)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q completes to %q, %v; want %q", words, got, err, want)
		}
	}
}

// zsh completes on a terminal only; here it reads what is made for it.
func TestZsh(t *testing.T) {
	zsh, file := need(t, "zsh"), script(t, "zsh")
	if out, err := exec.Command(zsh, "-f", "-c", "autoload -U compinit; compinit -D -u; source $1; [[ $_comps[tape] = _tape ]]", "zsh", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(file)
	for _, want := range []string{"run) _arguments -S ", `:EXPR:compadd -S '\'''\'' -- host\: is\:sse is\:llm'`, ":string:(list chat)'"} {
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("no %q, %v:\n%s", want, err, text)
		}
	}
}

func TestUnknownShell(t *testing.T) {
	if err := Completion(&strings.Builder{}, example(), "tcsh"); err == nil {
		t.Error("tcsh is no error")
	}
}
