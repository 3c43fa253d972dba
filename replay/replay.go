// Package replay opens recordings of any format, shows them and writes them
// in other formats. It is the command `ssltape replay`, and has what the
// recorder needs of it: [Output], where a recording goes, and [Error], how a
// command says what went wrong.
package replay

// An Error is an error with what a command makes of it.
type Error struct {
	Code int    // one of the exit codes below, or that of the recorded command
	Err  error  // nil where there is nothing to print
	Hint string // the way out, or ""
}

// Error returns the object and the cause; Hint is not in it.
func (e *Error) Error() string {
	if e.Err == nil {
		return "no error"
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// The exit codes of all commands.
const (
	ExitFailure       = 1 // also: not recordable; an input of which only a part could be read
	ExitUsage         = 2
	ExitPrivilege     = 3   // or the kernel, or the system, cannot record
	ExitTarget        = 4   // nothing in it can be hooked; or it is no recording
	ExitLoss          = 5   // something is missing, which --strict forbids
	ExitNotRecorded   = 125 // this and those below: the commands that record runs
	ExitNotExecutable = 126
	ExitNotFound      = 127
	ExitSignal        = 128 // and the number of the signal that ended it
)
