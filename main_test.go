package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"ssltape/bpf"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ssltape": func() {
			os.Exit(run(context.Background(), os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
		},
	})
}

// The transcripts in testdata/script are what a person types and sees.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE") != "",
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Condition:     condition,
		Setup: func(env *testscript.Env) error {
			here, err := os.Getwd()
			env.Setenv("TESTDATA", here+"/testdata")
			env.Setenv("TZ", "UTC")
			env.Setenv("HOME", env.WorkDir) // where the cache is
			env.Setenv("ESC", "\x1b")
			return err
		},
	})
}

// exits runs a program that must exit with a code: exits CODE PROGRAM [ARG...].
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// condition knows whether this machine records. In CI it has to.
func condition(name string) (bool, error) {
	if name != "records" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	err := bpf.Supported()
	if err != nil && os.Getenv("CI") == "true" {
		return false, err
	}
	return err == nil, nil
}

// floors says how far up each package of the program stands. A package imports
// only what stands below it, or what it is nested in.
var floors = map[string]int{
	"record": 0,
	"bpf":    1, "har": 1, "pcapng": 1,
	"replay":         2,
	"record/session": 3,
	"":               4, // main
}

// outside says which packages may use a module, by the first part of its path.
var outside = map[string][]string{
	"github.com/cilium/ebpf":             {"bpf", "record/session", ""},
	"github.com/google/gopacket":         {"pcapng", "replay", "record/session", ""},
	"github.com/spf13/pflag":             {"replay", "record/session", ""},
	"github.com/ianlancetaylor/demangle": {"bpf", "record/session", ""}, // the names of Rust's functions
	"github.com/andybalholm/brotli":      nil,                           // nil: everywhere
	"github.com/klauspost/compress":      nil,
	"github.com/ulikunitz/xz":            nil,
	"golang.org/x/":                      nil,
}

// floor returns the place of a package: that of the longest entry of floors
// that it is or is nested in.
func floor(pkg string) string {
	best := ""
	for name := range floors {
		if name != "" && (pkg == name || strings.HasPrefix(pkg, name+"/")) && len(name) > len(best) {
			best = name
		}
	}
	return best
}

// pure reports whether a package imports nothing of ours but what is nested in
// it or beside it and is pure, too: such a one may be nested in the package that
// uses it.
func pure(pkg string, list map[string][]string) bool {
	return !slices.ContainsFunc(list[pkg], func(imp string) bool {
		there, ours := strings.CutPrefix(imp, "ssltape/")
		return ours && !(strings.HasPrefix(there, path.Dir(pkg)+"/") && pure(there, list))
	})
}

func TestFloors(t *testing.T) {
	list := goList(t, "{{.ImportPath}} {{join .Imports \" \"}}", "./...")
	for pkg, imports := range list {
		here := floor(pkg)
		for _, imp := range imports {
			there, ours := strings.CutPrefix(imp, "ssltape/")
			if !ours {
				continue
			}
			if up := floors[floor(there)] - floors[here]; up > 0 || up == 0 && floor(there) != here {
				t.Errorf("%s imports %s, which does not stand below it", pkg, imp)
			}
			if strings.HasPrefix(there, pkg+"/") && pkg != "" && !pure(there, list) {
				t.Errorf("%s imports %s, which is nested in it", pkg, imp)
			}
		}
	}
}

// A capture must open where there is no kernel to ask, so only bpf and what
// records stand on the kernel's library.
func TestModules(t *testing.T) {
	for pkg, deps := range goList(t, "{{.ImportPath}} {{join .Deps \" \"}}", "./...") {
		for _, dep := range deps {
			if !strings.Contains(strings.Split(dep, "/")[0], ".") || strings.HasPrefix(dep, "vendor/") {
				continue // the standard library, or ours
			}
			module := ""
			for m := range outside {
				if strings.HasPrefix(dep, m) {
					module = m
				}
			}
			users, known := outside[module]
			if !known {
				t.Errorf("%s depends on %s, of a module that has no place here", pkg, dep)
			} else if users != nil && !slices.Contains(users, floor(pkg)) {
				t.Errorf("%s depends on %s", pkg, dep)
			}
		}
	}
}

// goList returns the fields that format gives for each package, by the first,
// which is a path in this module.
func goList(t *testing.T, format, pattern string) map[string][]string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command("go", "list", "-f", format, pattern)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	list := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		list[strings.TrimPrefix(strings.TrimPrefix(f[0], "ssltape"), "/")] = f[1:]
	}
	if len(list) < 5 {
		t.Fatalf("go list found %d packages", len(list))
	}
	return list
}

// Each `$ ssltape` line in a console block of the README prints what stands
// below it. UPDATE=1 writes what it prints now.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TZ", "UTC")
	time.Local = time.UTC
	const open, end = "```console\n$ ssltape ", "```\n"
	var updated strings.Builder
	rest, transcripts := string(text), 0
	for {
		before, block, found := strings.Cut(rest, open)
		updated.WriteString(before)
		if !found {
			break
		}
		block, rest, _ = strings.Cut(block, end)
		command, want, _ := strings.Cut(block, "\n")
		var stdout, stderr strings.Builder
		if code := run(t.Context(), strings.Fields(command), streams{strings.NewReader(""), &stdout, &stderr}); code != 0 {
			t.Errorf("ssltape %s: exit code %d: %s", command, code, stderr.String())
		}
		if got := stdout.String(); got != want && os.Getenv("UPDATE") == "" {
			t.Errorf("ssltape %s printed\n%s\nwant\n%s", command, got, want)
		}
		updated.WriteString(open + command + "\n" + stdout.String() + end)
		transcripts++
	}
	if transcripts < 3 {
		t.Errorf("the README has %d transcripts", transcripts)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("README.md", []byte(updated.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
