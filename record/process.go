package record

import "time"

// A ProcessEvent is news of a recorded process.
type ProcessEvent struct {
	Time      time.Time
	Kind      ProcessKind
	PID, PPID int // PPID is 0 where it is unknown
	Comm      string
	Exe       string   // path of the executable, "" where it is unknown
	Args      []string // of Exec
	Status    int      // of Exit: the exit code, or 128 and the number of the signal that ended it
	Line      string   // of Line
}

// A ProcessKind says what happened to a process.
type ProcessKind string

// The kinds of events.
const (
	Exec ProcessKind = "exec" // it runs another program from now on
	Exit ProcessKind = "exit"
	Line ProcessKind = "line" // a line was typed into it, a shell
)

// A LossWriter is told, before its end, how many bytes a recording has lost as a
// whole: those of exchanges, and those of which is not known what they belong to.
// It is optional, as a [ProcessWriter] is.
type LossWriter interface {
	WriteLoss(bytes int64)
}

// A ProcessWriter takes news of processes. It is optional: an ExchangeWriter
// that has a place for them implements it.
type ProcessWriter interface {
	WriteProcess(*ProcessEvent) error
}
