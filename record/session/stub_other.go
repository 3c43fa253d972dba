//go:build !linux

package session

import (
	"context"
	"errors"
	"io"

	"ssltape/replay"
)

// ShimCommand is not used on this system.
const ShimCommand = "exec-when-attached"

func unsupported() error {
	return &replay.Error{Code: replay.ExitPrivilege, Err: errors.New("recording needs Linux; replay works here")}
}

// Record says that this system cannot record.
func Record(context.Context, []string, string, io.Writer, io.Writer) error { return unsupported() }

// Check says that this system cannot record.
func Check([]string, io.Writer) error { return unsupported() }

// Shim says that this system cannot record.
func Shim() error { return unsupported() }
