// Command demo starts the server of package sessiontest and runs a command
// against it, with SSLTAPE_DEMO_URL and SSLTAPE_DEMO_CERT in its environment.
// `make demo` uses it.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"ssltape/record/session/sessiontest"
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
	}
	os.Exit(code)
}

// run returns the exit code of the command in args.
func run(args []string) (int, error) {
	if len(args) == 0 {
		return 2, errors.New("usage: demo COMMAND [ARG...]")
	}
	dir, err := os.MkdirTemp("", "ssltape-demo-*")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	s, err := sessiontest.Start(dir)
	if err != nil {
		return 1, err
	}
	defer s.Close()
	s.Pause = 120 * time.Millisecond // slow enough to watch
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "SSLTAPE_DEMO_URL="+s.URL, "SSLTAPE_DEMO_CERT="+s.CertFile)
	err = cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}
