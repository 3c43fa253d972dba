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
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
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

// restarts is how often another process takes the place of one that was killed.
const restarts = 10

// A Reader is the process that empties a ring buffer. Next is for one goroutine,
// Load and Free for another; the rest may be called at any time.
//
// Where the process is killed, as a kernel short of memory does it, another one
// goes on with what is in the ring buffer. Both ends of the socket stay with the
// Reader, so that what one has told, and was asked for and did not read, is there
// for the next.
type Reader struct {
	o      Options
	socket *os.File
	files  [3]*os.File // the descriptors of the process, from firstFD on
	gone   chan struct{}
	buf    [int(unsafe.Sizeof(message{})) + maxUrgent]byte
	next   int64 // position in the ring buffer behind the blocks that were told
	polite int   // this process, where it may be made to wait for others, or 0
	closed sync.Once

	mu       sync.Mutex
	cmd      *exec.Cmd
	stderr   *bytes.Buffer // of cmd
	err      error         // why there is no process
	stopping bool
	closing  bool
	waiting  int   // bytes of blocks that were told and not freed
	asked    int64 // marks
	answered int64 // likewise
}

// A Block is a piece of the ring buffer that waits.
type Block struct {
	Size  int   // of it in bytes
	Clock int64 // what to add to the kernel's time for ns since the epoch
	slot  int64
	known int // bytes that a block before it holds, too
}

// News is what a [Reader] tells: one of these.
type News struct {
	Block  *Block
	Urgent []byte // an event, which will be in a block, too; valid until the next call
	Marked int    // so many calls of [Reader.Mark] ago all has been told that was in the ring buffer then
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
	r := &Reader{o: o, gone: make(chan struct{})}
	if usual() {
		r.polite = os.Getpid()
	}
	memory, err := unix.MemfdCreate("ssltape queue", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	r.files[fileFD-firstFD] = os.NewFile(uintptr(memory), "queue")
	if fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, firstFD); err != nil {
		return nil, errors.Join(err, r.closeFiles())
	}
	r.files[ringFD-firstFD] = os.NewFile(uintptr(fd), "")
	// Messages keep their bounds; the end here does not block, for the poller of Go.
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(err, r.closeFiles())
	}
	r.files[socketFD-firstFD] = os.NewFile(uintptr(pair[1]), "")
	_ = unix.SetNonblock(pair[0], true)
	r.socket = os.NewFile(uintptr(goesFirst(pair[0])), "reader")
	if err := r.spawn(); err != nil {
		return nil, errors.Join(err, r.socket.Close(), r.closeFiles())
	}
	go r.keep()
	return r, nil
}

func (r *Reader) closeFiles() error {
	var errs []error
	for _, f := range r.files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// spawn starts the process; mu is held, or nobody else has r yet.
func (r *Reader) spawn() error {
	urgent := uint32(0)
	for _, kind := range r.o.Urgent {
		urgent |= 1 << kind
	}
	cmd := exec.Command("/proc/self/exe", command)
	cmd.Args[0] = "ssltape"
	for _, arg := range []int{r.o.Size, r.o.Limit, r.o.Kind, int(urgent), r.waiting, r.polite} {
		cmd.Args = append(cmd.Args, strconv.Itoa(arg))
	}
	cmd.ExtraFiles = r.files[:]
	r.stderr = new(bytes.Buffer)
	cmd.Stderr = r.stderr
	// The terminal's signals, and those for the recorder's group, are not for it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Dir = "/"
	// No signal is needed to stop a goroutine for another: there is none.
	cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1")
	if err := cmd.Start(); err != nil {
		return err
	}
	r.cmd = cmd
	return nil
}

// keep has another process go on where one was killed, until r is closed or that
// does not help.
func (r *Reader) keep() {
	defer close(r.gone)
	for n := 0; ; n++ {
		err := r.cmd.Wait()
		r.mu.Lock()
		status, _ := r.cmd.ProcessState.Sys().(syscall.WaitStatus)
		switch {
		case r.closing:
			r.mu.Unlock()
			return
		case !status.Signaled():
			line, _, _ := strings.Cut(r.stderr.String(), "\n")
			err = errors.New(cmp.Or(line, fmt.Sprint(err)))
		case n < restarts:
			err = r.spawn()
		}
		answered, asked, stopping := r.answered, r.asked, r.stopping
		r.err = err
		r.mu.Unlock()
		if err != nil {
			r.endSocket()
			return
		}
		for number := answered + 1; number <= asked; number++ {
			r.tell(request{kind: askMark, slot: number})
		}
		if stopping {
			r.tell(request{kind: askStop})
		}
	}
}

// endSocket has Next come to an end after what it has not read yet: what was
// asked for and not read would have the kernel take that back.
func (r *Reader) endSocket() {
	far := r.files[socketFD-firstFD]
	unread := make([]byte, unsafe.Sizeof(request{}))
	for {
		n, _, err := unix.Recvfrom(int(far.Fd()), unread, unix.MSG_DONTWAIT)
		if err != unix.EINTR && n <= 0 {
			break
		}
	}
	_ = unix.Shutdown(int(far.Fd()), unix.SHUT_RDWR)
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
// [Reader.Stop], and another one when the process is gone and no other takes its
// place. It blocks until there is something to return.
func (r *Reader) Next() (News, error) {
	for {
		n, err := r.socket.Read(r.buf[:])
		if err == nil && n < int(unsafe.Sizeof(message{})) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			return News{}, fmt.Errorf("the reader of the ring buffer is gone: %w", cmp.Or(r.err, err))
		}
		m := (*message)(unsafe.Pointer(&r.buf))
		switch m.kind {
		case toldUrgent:
			return News{Urgent: r.buf[unsafe.Sizeof(*m):n]}, nil
		case toldEnd:
			return News{}, io.EOF
		case toldMark:
			if n := r.answer(m.slot); n > 0 {
				return News{Marked: n}, nil
			}
		case toldBlock:
			if b := r.block(m); b.known < b.Size {
				return News{Block: b}, nil
			} else {
				r.Free(b)
			}
		}
	}
}

// answer returns how many marks are answered with that of the given number: those
// before it, too, which somebody may have been killed over.
func (r *Reader) answer(number int64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := max(0, number-r.answered)
	r.answered += n
	return int(n)
}

// block returns the block that m tells of. Who was killed before the kernel might
// write over what a block was made of has left that to the next one.
func (r *Reader) block(m *message) *Block {
	b := &Block{Size: int(m.size), Clock: m.clock, slot: m.slot}
	b.known = int(min(max(0, r.next-m.from), int64(b.Size)))
	r.next = m.from + int64(b.Size)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting += b.Size
	return b
}

// Load reads b into p, which has room for BlockSize bytes, and returns it. It
// can be walked with [Event].
func (r *Reader) Load(b *Block, p []byte) ([]byte, error) {
	p = p[:b.Size-b.known]
	if _, err := r.files[fileFD-firstFD].ReadAt(p, b.slot*BlockSize+int64(b.known)); err != nil {
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
func (r *Reader) Free(b *Block) {
	r.mu.Lock()
	r.waiting -= b.Size
	r.mu.Unlock()
	r.tell(request{kind: askFree, size: uint32(b.Size), slot: b.slot})
}

// Mark asks for news when all has been told that the ring buffer holds now. It
// must not be called by two goroutines at once.
func (r *Reader) Mark() {
	r.mu.Lock()
	r.asked++
	number := r.asked
	r.mu.Unlock()
	r.tell(request{kind: askMark, slot: number})
}

// Dealt says that an urgent event was dealt with: until then this process is not
// kept from running for others. It is called once for each of them.
func (r *Reader) Dealt() { r.tell(request{kind: askDealt}) }

// Stop asks for an end as soon as the ring buffer is empty.
func (r *Reader) Stop() {
	r.mu.Lock()
	r.stopping = true
	r.mu.Unlock()
	r.tell(request{kind: askStop})
}

// tell sends q. Where that fails nobody is there any more, which Next says.
func (r *Reader) tell(q request) {
	_, _ = r.socket.Write(unsafe.Slice((*byte)(unsafe.Pointer(&q)), unsafe.Sizeof(q)))
}

// Close ends the process and frees what waits. Next and Load return errors then.
func (r *Reader) Close() (err error) {
	r.closed.Do(func() {
		r.mu.Lock()
		r.closing = true
		_ = r.cmd.Process.Kill() // it may have come to its end
		r.mu.Unlock()
		err = r.socket.Close()
		<-r.gone
		err = errors.Join(err, r.closeFiles())
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
