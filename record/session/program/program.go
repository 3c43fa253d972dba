// Package program finds the ELF files that a command runs: through scripts and
// their interpreters, npm packages and the programs in them, and the modules
// and libraries that are loaded. It reads files, and needs no process.
package program

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Step is a file on the way from a command to the ELF files that it runs.
type Step struct {
	Path string
	Why  string // how the one before leads here, such as "interpreter"; "" for the command
}

// maxSteps bounds how far is looked; the kernel follows four scripts.
const maxSteps = 12

// LookPath is [exec.LookPath] with an absolute result, which may also be in the
// current folder.
func LookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrDot) {
		err = nil
	}
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// Resolve returns the file at path and those that running it leads to, as far
// as files tell: the interpreter of a script, what a shell script hands over to
// with exec, the programs of the npm package that a script belongs to, and what
// programs such as git start. Those that are ELF files come last, in order.
func Resolve(path string) []Step {
	var scripts, elfs []Step
	seen := map[string]bool{}
	for todo := []Step{{Path: path}}; len(todo) > 0 && len(seen) < maxSteps; todo = todo[1:] {
		s := todo[0]
		if seen[s.Path] {
			continue
		}
		seen[s.Path] = true
		text := head(s.Path, maxScript)
		if !bytes.HasPrefix(text, []byte("#!")) {
			elfs = append(elfs, s)
			todo = append(todo, helpers(s.Path)...)
			continue
		}
		scripts = append(scripts, s)
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		todo = append(todo, interpreter(string(line[2:]))...)
		if isShell(string(line)) {
			todo = append(todo, execs(string(rest))...)
		}
		todo = append(todo, packaged(s.Path)...)
	}
	return append(scripts, elfs...)
}

// Files returns the paths of the ELF files that the command at path runs.
func Files(path string) (files []string) {
	for _, s := range Resolve(path) {
		if bytes.HasPrefix(head(s.Path, 4), []byte("\x7fELF")) {
			files = append(files, s.Path)
		}
	}
	return files
}

// maxScript is how much of a script is read.
const maxScript = 64 << 10

// head returns the first n bytes of a file, or fewer, or nothing.
func head(path string, n int64) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() { // a FIFO would have us wait
		return nil
	}
	b, _ := io.ReadAll(io.LimitReader(f, n))
	return b
}

// interpreter returns what the text after #! names, through env(1) too.
func interpreter(line string) []Step {
	words := strings.Fields(line)
	if len(words) == 0 {
		return nil
	}
	if filepath.Base(words[0]) != "env" {
		return []Step{{words[0], "interpreter"}}
	}
	if found, err := LookPath(envCommand(words[1:])); err == nil {
		return []Step{{found, "interpreter, by env"}}
	}
	return []Step{{words[0], "interpreter"}}
}

// envCommand returns the command among the arguments of env(1), or "".
func envCommand(args []string) string {
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "-u", a == "--unset", a == "-C", a == "--chdir":
			i++
		case strings.HasPrefix(a, "--split-string="):
			args[i] = strings.TrimPrefix(a, "--split-string=")
			i--
		case strings.HasPrefix(a, "-"), strings.Contains(a, "="):
		default:
			return a
		}
	}
	return ""
}

func isShell(line string) bool {
	return slices.ContainsFunc(strings.Fields(line), func(w string) bool {
		return slices.Contains([]string{"sh", "bash", "dash", "ash", "zsh", "ksh"}, filepath.Base(strings.TrimPrefix(w, "#!")))
	})
}

// assignment is a line of a shell script that sets a variable.
var assignment = regexp.MustCompile(`^\s*([A-Za-z_]\w*)=["']?([^"'` + "`" + `\s;&|]*)["']?\s*$`)

// execs returns the programs that a shell script hands over to, as far as their
// names are written down or made of variables that are. Others are known when
// they start.
func execs(script string) (steps []Step) {
	vars := map[string]string{}
	value := func(name string) string {
		if v, ok := vars[name]; ok {
			return v
		}
		return "$" + name // which no file is called
	}
	for line := range strings.Lines(script) {
		if m := assignment.FindStringSubmatch(line); m != nil {
			vars[m[1]] = os.Expand(m[2], value)
			continue
		}
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "exec" {
			continue
		}
		name := os.Expand(strings.Trim(words[1], `"'`), value)
		if found, err := LookPath(name); err == nil && !strings.ContainsAny(name, "$`<>&") {
			steps = append(steps, Step{found, "by exec"})
		}
	}
	return steps
}

// helped says which files a program starts or loads for TLS, as patterns of
// paths from the folder above the one of the program.
var helped = map[string][]string{
	"git":     {"lib/git-core/git-remote-http", "libexec/git-core/git-remote-http"},
	"apt":     {"lib/apt/methods/http"},
	"apt-get": {"lib/apt/methods/http"},
	"python":  {"lib/python3*/lib-dynload/_ssl.*.so"},
	"perl":    {"lib/*/perl5/*/auto/Net/SSLeay/SSLeay.so"},
	"ruby":    {"lib/*/ruby/*/openssl.so", "lib/ruby/*/*/openssl.so"},
	"php":     {"lib/php/*/openssl.so"},
	"java":    {"lib/server/libjvm.so"},
}

// helpers returns the files of helped for the program at path.
func helpers(path string) (steps []Step) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil
	}
	for _, pattern := range helped[strings.TrimRight(filepath.Base(real), "0123456789.")] {
		found, _ := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(real)), pattern))
		if len(found) > 0 {
			steps = append(steps, Step{found[0], "which it starts or loads"})
		}
	}
	return steps
}
