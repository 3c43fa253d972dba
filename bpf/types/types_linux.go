// Package types has the types of the kernel that runs, by which programs are
// fitted to it.
//
// Reading them takes a good part of the start of a recording, and another
// processor may do it while the rest of the program is initialised: see package
// shim, which is early for the same reason.
package types

import (
	"os"

	"github.com/cilium/ebpf/btf"
)

// Kernel has the types of the kernel and of its modules. Who asks it for them
// while they are being read waits.
var Kernel = btf.NewCache()

// recordCommand is the first argument of a process that needs them.
const recordCommand = "record"

func init() {
	if len(os.Args) > 1 && os.Args[1] == recordCommand {
		go read()
	}
}

// read reads the types and makes the graph of those that programs use, which is
// most of the work: almost all can be reached from a task. Who needs them gets
// the error.
func read() {
	if kernel, err := Kernel.Kernel(); err == nil {
		_, _ = kernel.AnyTypesByName("task_struct")
	}
}
