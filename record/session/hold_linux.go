package session

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// hold stops process pid until the function that it returns is called, as a
// debugger does it: its parent, which may be a shell with job control, does not
// see that (ptrace(2), PTRACE_SEIZE). It is for programs that the kernel does
// not hold, and does its best: one that cannot be stopped runs on.
func hold(pid int) (release func()) {
	held, done := make(chan struct{}), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the thread is the tracer
		defer runtime.UnlockOSThread()
		traced := seize(pid)
		close(held)
		<-done
		if traced {
			unix.PtraceDetach(pid)
		}
	}()
	<-held
	return func() { close(done) }
}

// seize stops process pid as its debugger and reports whether it did. A
// process that ends meanwhile, or has a debugger, is not ours to stop.
func seize(pid int) bool {
	if unix.PtraceSeize(pid) != nil {
		return false
	}
	if unix.PtraceInterrupt(pid) != nil {
		unix.PtraceDetach(pid)
		return false
	}
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &status, unix.WALL, nil)
		if err == unix.EINTR {
			continue
		}
		return err == nil && status.Stopped()
	}
}
