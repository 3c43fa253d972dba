//go:build amd64 || arm64

package ring

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls of the process are made without a word to Go's scheduler. It
// would have another thread look for work during each of them, and the two wake
// each other up: on virtual machines ten times as dear as the calls, and done
// before the processes that are recorded may run. There is no other work, so that
// nothing waits for a thread that is in the kernel.

// wait returns when there is something to read from the epoll fd, or after ms. It
// may return before that.
func wait(fd, ms int) {
	var event unix.EpollEvent
	_, _, _ = unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(&event)), 1, uintptr(ms), 0, 0)
}

// receive reads a message from a socket, without waiting for one.
func receive(fd int, p []byte) (n int, err error) {
	return outcome(unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0))
}

// send sends a message in two pieces, without waiting for room.
func send(fd int, head, rest []byte) error {
	pieces := [...]unix.Iovec{{Base: unsafe.SliceData(head)}, {Base: unsafe.SliceData(rest)}}
	pieces[0].SetLen(len(head))
	pieces[1].SetLen(len(rest))
	m := unix.Msghdr{Iov: &pieces[0]}
	m.SetIovlen(len(pieces))
	_, err := outcome(unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&m)), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT))
	return err
}

// write writes p into a file at an offset. It may write less.
func write(fd int, p []byte, off int64) (n int, err error) {
	return outcome(unix.RawSyscall6(unix.SYS_PWRITE64, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), uintptr(off), 0, 0))
}

func outcome(n, _ uintptr, errno unix.Errno) (int, error) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
