// Package shim is the child of the recorder that becomes the command to record
// once the probes are attached.
//
// It does so while the program is still being initialised. Package layers of
// gopacket fills tables of megabytes then, which takes as long as all else that
// the recorder does before the command may run, and competes with it. Of the
// packages whose imports are initialised the one with the least import path is
// next (Go specification, "Program initialization"), and layers waits for package
// net, hence for vendor/golang.org/x/net: what is called ssltape/ and imports
// little comes before that. A test holds it.
package shim

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"syscall"
)

// Command is the first argument by which this program, started as a child of
// itself, is the shim.
const Command = "exec-when-attached"

// FD is the file descriptor that the shim reads its [Launch] from, as JSON to the
// end of file.
const FD = 3

// A Launch is what the shim becomes.
type Launch struct {
	Path   string
	Args   []string
	Env    []string
	UID    int // -1 to stay who we are
	GID    int
	Groups []int
}

// Errors of [Err].
var (
	ErrNoPipe    = errors.New(Command + " is not a command to type")
	ErrAbandoned = errors.New("the recorder is gone, and said why")
)

// An IdentityError says that the user of a launch could not be taken on.
type IdentityError struct{ Err error }

// Error says what went wrong.
func (e *IdentityError) Error() string { return "become another user: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *IdentityError) Unwrap() error { return e.Err }

var (
	launch Launch
	failed error
)

func init() {
	if len(os.Args) == 2 && os.Args[1] == Command {
		failed = become()
	}
}

// Err returns what this process was to become, as far as it is known, and why it
// did not. An error of execve(2) is a [syscall.Errno].
func Err() (Launch, error) { return launch, failed }

// become does not return where all goes well.
func become() error {
	pipe := os.NewFile(FD, "launch")
	syscall.CloseOnExec(FD)
	text, err := io.ReadAll(pipe)
	if err != nil {
		return ErrNoPipe
	}
	if len(text) == 0 {
		return ErrAbandoned
	}
	if err := json.Unmarshal(text, &launch); err != nil {
		return err
	}
	if err := launch.identify(); err != nil {
		return &IdentityError{err}
	}
	return syscall.Exec(launch.Path, launch.Args, launch.Env)
}

// identify gives up root for the user of l.
func (l *Launch) identify() error {
	if l.UID < 0 {
		return nil
	}
	return errors.Join(syscall.Setgroups(l.Groups), syscall.Setgid(l.GID), syscall.Setuid(l.UID))
}
