//go:build amd64 || arm64

// Package ring empties a ring buffer of the kernel's (BPF_MAP_TYPE_RINGBUF) in a
// process of its own, so that nothing that the rest of the program does can keep
// it from that: no garbage collector, no thread that has to wait for a processor.
// What was in the ring buffer waits in a file that is nothing but memory of the
// kernel's (memfd_create(2)) until somebody takes it.
//
// That file is also cheap. Memory that a process has never used is slow to come
// by: on some virtual machines the first touch of a page costs 10 to 20 µs, as
// much as what is made of the bytes in it. A write to such a file and a read from
// it cost a twentieth of that.
package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// BlockSize bounds the bytes of a [Block].
const BlockSize = 1 << 20

// Options say how a ring buffer is emptied.
type Options struct {
	Size  int // of the ring buffer in bytes, which must be those of the map
	Limit int // bytes that may wait; with more the ring buffer is left to fill up
	// Events whose byte at the offset Kind is one of Urgent, which are below 32,
	// are told by themselves, too, as soon as they are there.
	Kind   int
	Urgent []byte
}

// A Reader is the process that empties a ring buffer. Next is for one goroutine,
// Load and Free for another; the rest may be called at any time.
type Reader struct {
	cmd     *exec.Cmd
	socket  *os.File
	file    *os.File
	closing sync.Once
	buf     [int(unsafe.Sizeof(message{})) + maxUrgent]byte
}

// A Block is a piece of the ring buffer that waits.
type Block struct {
	Size  int   // of it in bytes
	Clock int64 // what to add to the kernel's time for ns since the epoch
	slot  int64
}

// News is what a [Reader] tells: one of these.
type News struct {
	Block  *Block
	Urgent []byte // an event, which will be in a block, too; valid until the next call
	Marked bool   // all that was in the ring buffer when [Reader.Mark] was called has been told
}

// Start empties the ring buffer that fd is, of which there must be no other
// reader.
func Start(fd int, o Options) (*Reader, error) {
	r, err := start(fd, o)
	if err != nil {
		return nil, fmt.Errorf("start reader of the ring buffer: %w", err)
	}
	return r, nil
}

func start(fd int, o Options) (*Reader, error) {
	var files [3]*os.File // become the descriptors of the command
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	memory, err := unix.MemfdCreate("ssltape queue", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	r := &Reader{file: os.NewFile(uintptr(memory), "queue")}
	for i, fd := range map[int]int{ringFD: fd, fileFD: memory} {
		if fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, firstFD); err != nil {
			return nil, errors.Join(err, r.file.Close())
		}
		files[i-firstFD] = os.NewFile(uintptr(fd), "")
	}
	// Messages keep their bounds; the end here does not block, for the poller of Go.
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(err, r.file.Close())
	}
	files[socketFD-firstFD] = os.NewFile(uintptr(pair[1]), "")
	_ = unix.SetNonblock(pair[0], true)
	r.socket = os.NewFile(uintptr(goesFirst(pair[0])), "reader")

	urgent := uint32(0)
	for _, kind := range o.Urgent {
		urgent |= 1 << kind
	}
	r.cmd = exec.Command("/proc/self/exe", command, strconv.Itoa(o.Size), strconv.Itoa(o.Limit), strconv.Itoa(o.Kind), fmt.Sprint(urgent))
	r.cmd.ExtraFiles = files[:]
	// The terminal's signals, and those for the recorder's group, are not for it.
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	r.cmd.Dir = "/"
	if err := r.cmd.Start(); err != nil {
		return nil, errors.Join(err, r.file.Close(), r.socket.Close())
	}
	return r, nil
}

// goesFirst returns fd under a high number. Of a process that is killed the kernel
// closes the last files first, and what traces others takes it up to seconds each:
// the other end of fd is to see at once that nobody is there any more.
func goesFirst(fd int) int {
	const high = 900 // of 1024 that most processes may have
	if last, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, high); err == nil {
		_ = unix.Close(fd)
		return last
	}
	return fd
}

// Next returns what comes next. Its error is [io.EOF] when all was told after
// [Reader.Stop], and another one when the process is gone. It blocks until there
// is something to return.
func (r *Reader) Next() (News, error) {
	n, err := r.socket.Read(r.buf[:])
	if err == nil && n < int(unsafe.Sizeof(message{})) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return News{}, fmt.Errorf("the reader of the ring buffer is gone: %w", err)
	}
	m := (*message)(unsafe.Pointer(&r.buf))
	switch m.kind {
	case toldUrgent:
		return News{Urgent: r.buf[unsafe.Sizeof(*m):n]}, nil
	case toldMark:
		return News{Marked: true}, nil
	case toldEnd:
		return News{}, io.EOF
	}
	return News{Block: &Block{Size: int(m.size), Clock: m.clock, slot: m.slot}}, nil
}

// Load reads b into p, which has room for BlockSize bytes, and returns it. It
// can be walked with [Event].
func (r *Reader) Load(b *Block, p []byte) ([]byte, error) {
	p = p[:b.Size]
	if _, err := r.file.ReadAt(p, b.slot*BlockSize); err != nil {
		return nil, fmt.Errorf("read what waits: %w", err)
	}
	return p, nil
}

// Event returns the event at the offset at of what Load returned, and the offset
// of the next one. The event is nil where the kernel has taken it back.
func Event(p []byte, at int) (event []byte, next int) {
	head := binary.NativeEndian.Uint32(p[at:])
	size := int(head &^ (busy | discarded))
	at += headSize
	if head&discarded == 0 {
		event = p[at : at+size : at+size]
	}
	return event, at + align(size)
}

// Free says that b is not needed any more.
func (r *Reader) Free(b *Block) { r.tell(request{kind: askFree, slot: b.slot}) }

// Mark asks for news when all has been told that the ring buffer holds now.
func (r *Reader) Mark() { r.tell(request{kind: askMark}) }

// Stop asks for an end as soon as the ring buffer is empty.
func (r *Reader) Stop() { r.tell(request{kind: askStop}) }

// tell sends q. Where that fails the process is gone, which Next says.
func (r *Reader) tell(q request) {
	_, _ = r.socket.Write(unsafe.Slice((*byte)(unsafe.Pointer(&q)), unsafe.Sizeof(q)))
}

// Close ends the process and frees what waits. Next and Load return errors then.
func (r *Reader) Close() (err error) {
	r.closing.Do(func() {
		_ = r.cmd.Process.Kill() // it may have come to its end
		_ = r.cmd.Wait()
		err = errors.Join(r.socket.Close(), r.file.Close())
	})
	return err
}

// Clock returns what to add to the kernel's time (CLOCK_MONOTONIC) to have ns
// since the epoch. The difference changes when the machine is suspended or its
// clock set.
func Clock() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	before, now := ts.Nano(), time.Now().UnixNano()
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return now - before/2 - ts.Nano()/2
}
