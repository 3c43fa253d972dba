package manual

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func program() Program {
	fs := pflag.NewFlagSet("play", pflag.ContinueOnError)
	fs.StringP("output", "o", "", "write to `FILE`: it's [optional]")
	fs.Bool("loud", false, "make noise")
	return Program{Name: "tape", Version: "1.2", Short: "a test", Usage: "Usage:\n    tape play 'x'\n.dot\n",
		Commands: []Command{{Name: "play", Short: "play it's tune", Flags: fs}, {Name: "stop", Short: "stop"}}}
}

func TestMan(t *testing.T) {
	var b strings.Builder
	if err := Man(&b, program()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{".TH TAPE 1", `\fB\-o, \-\-output\fR \fIFILE\fR`, "\n\\&.dot\n", ".SH STOP\nstop\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// The shells that are there accept what is made for them.
func TestCompletion(t *testing.T) {
	for _, shell := range Shells {
		var b strings.Builder
		if err := Completion(&b, program(), shell); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"play", "stop", "output", "loud"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: no %q", shell, want)
			}
		}
		if _, err := exec.LookPath(shell); err != nil {
			t.Logf("%s is not installed", shell)
			continue
		}
		cmd := exec.Command(shell, "-n")
		cmd.Stdin = strings.NewReader(b.String())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
	if err := Completion(&strings.Builder{}, program(), "tcsh"); err == nil {
		t.Error("tcsh is no error")
	}
}

// bash completes a command and its flags.
func TestBash(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("bash is not installed")
	}
	var b strings.Builder
	if err := Completion(&b, program(), "bash"); err != nil {
		t.Fatal(err)
	}
	for words, want := range map[string]string{"tape pl": "play", "tape play --ou": "--output"} {
		f := strings.Fields(words)
		script := b.String() + "\nCOMP_WORDS=(" + words + "); COMP_CWORD=" + string('0'+rune(len(f)-1)) + "; _tape; echo ${COMPREPLY[*]}"
		out, err := exec.Command("bash", "-c", script).Output()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%q completes to %q, %v; want %q", words, out, err, want)
		}
	}
}
