// Package replay opens recordings of any format, shows them and writes them
// in other formats. It is the command `ssltape replay`, and has what the
// recorder needs of it: [Output], where a recording goes, and [Error], how a
// command says what went wrong.
package replay

// An Error is an error with what a command makes of it.
type Error struct {
	Code int    // exit code
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

// Exit codes of replay.
const (
	exitFailure    = 1 // also an input of which only a part could be read
	exitUsage      = 2
	exitUnreadable = 4
	exitSignal     = 128 // and the number of the signal that ended it
)
