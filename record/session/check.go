package session

import (
	"errors"
	"io"

	"github.com/spf13/pflag"
)

type checkOptions struct {
	pids []int
	exe  string
}

func (o *checkOptions) flags() *pflag.FlagSet {
	fs := pflag.NewFlagSet("check", pflag.ContinueOnError)
	fs.SortFlags = false
	fs.SetInterspersed(false)
	fs.SetOutput(io.Discard)
	fs.VarP(pids{&o.pids}, "pid", "p", "check the processes `PID[,PID...]`")
	fs.StringVar(&o.exe, "exe", "", "check the executable `PATH`")
	return fs
}

// CheckFlags returns check's flags, for help.
func CheckFlags() *pflag.FlagSet { return new(checkOptions).flags() }

// flagError is the error for flags of command that could not be read.
func flagError(command string, err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	return usageError(err.Error(), "ssltape help "+command+" lists the flags")
}
