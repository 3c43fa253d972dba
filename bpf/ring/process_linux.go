//go:build amd64 || arm64

package ring

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// command is the first argument by which this program, started as a child of
// itself, empties a ring buffer.
const command = "empty-ring-buffer"

// File descriptors that the process is given.
const (
	firstFD  = 3
	socketFD = firstFD + iota - 1
	ringFD
	fileFD
)

// What the process tells.
const (
	toldBlock = iota
	toldUrgent
	toldMark
	toldEnd
)

// A message is what the process tells; an urgent event follows it.
type message struct {
	kind, size  uint32
	slot, clock int64
}

// maxUrgent bounds the size of an urgent event.
const maxUrgent = 16 << 10

// What the process is asked for.
const (
	askFree = iota
	askMark
	askStop
)

type request struct {
	kind, _ uint32
	slot    int64
}

const (
	// period is how long an event may wait in the ring buffer, unless the kernel
	// is told to wake the reader.
	period = 5 * time.Millisecond
	// enough is what is not left in the ring buffer for a larger block while
	// nobody waits for it.
	enough = BlockSize / 4
	// keep bounds the bytes of free slots of the file that keep their memory.
	keep = 64 << 20
	// memory is with how many bytes of its own the process collects its garbage.
	memory = 64 << 20
)

// The process does its work while the program is being initialised, so that it
// is there soon, and returns where this is another one.
func init() {
	if len(os.Args) != 6 || os.Args[1] != command {
		return
	}
	size, e1 := strconv.Atoi(os.Args[2])
	limit, e2 := strconv.Atoi(os.Args[3])
	kind, e3 := strconv.Atoi(os.Args[4])
	urgent, e4 := strconv.ParseUint(os.Args[5], 10, 32)
	b, err := openBuffer(ringFD, size)
	if err := errors.Join(err, e1, e2, e3, e4); err != nil {
		return // somebody has typed it
	}
	debug.SetGCPercent(-1) // next to nothing is allocated
	debug.SetMemoryLimit(memory)
	runtime.GOMAXPROCS(1)
	goFirst()
	p := &process{buffer: b, limit: limit, kind: kind, urgent: uint32(urgent), sizes: map[int64]int{}}
	if err := p.run(); err != nil {
		fmt.Fprintf(os.Stderr, "ssltape: reader of the ring buffer: %v\n", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// goFirst has the threads of this process run whenever there is something to do:
// before all others, also those of other sessions and groups (sched(7)), or where
// that is refused before the other processes of the user, if that is not. They
// never do more than copy what is there, and always wait after that.
func goFirst() {
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, task := range tasks {
		if id, err := strconv.Atoi(task.Name()); err == nil {
			attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}
			if unix.SchedSetAttr(id, &attr, 0) != nil {
				_ = unix.Setpriority(unix.PRIO_PROCESS, id, -20)
			}
		}
	}
}

// A process moves what is in the ring buffer to the file.
type process struct {
	*buffer
	limit  int
	kind   int
	urgent uint32 // bits

	slots   int64         // that the file has had
	ready   []int64       // those that nothing is in
	empty   []int64       // likewise, and without memory
	sizes   map[int64]int // of what is in the others
	waiting int           // the sum of sizes

	marks    []uintptr // positions in the ring buffer that were asked for
	untold   [][]byte  // what the socket had no room for
	stopping bool
	ended    bool // it is told that there is nothing more
}

// run returns nil when nobody is there any more to ask. It does not return before
// that: what is asked for and not read when this process ends would have the other
// end of the socket forget what it has not read either.
func (p *process) run() error {
	wake, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	// Edge-triggered, it does not return at once because something was left. What
	// comes from the socket can wait, but for its end, which no bit asks for.
	for fd, bits := range map[int]uint32{ringFD: unix.EPOLLIN | unix.EPOLLET, socketFD: 0} {
		if err := unix.EpollCtl(wake, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: bits}); err != nil {
			return err
		}
	}
	var events [1]unix.EpollEvent
	for {
		if gone := p.ask(); gone {
			return nil
		}
		if err := errors.Join(p.tellRest(), p.move(), p.finish()); err != nil {
			return err
		}
		_, _ = unix.EpollWait(wake, events[:], int(period/time.Millisecond)) // at worst it was interrupted
	}
}

// finish tells, once, that all was told, if that is so.
func (p *process) finish() error {
	if !p.stopping || p.ended || len(p.marks) > 0 || p.left() > 0 {
		return nil
	}
	p.ended = true
	return p.tell(message{kind: toldEnd}, nil)
}

// ask reads what the process is asked for. It reports whether nobody is there any
// more.
func (p *process) ask() (gone bool) {
	for {
		var q request
		n, _, err := unix.Recvfrom(socketFD, unsafe.Slice((*byte)(unsafe.Pointer(&q)), unsafe.Sizeof(q)), unix.MSG_DONTWAIT)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
			return false
		case err != nil || n == 0:
			return true
		}
		switch q.kind {
		case askFree:
			p.release(q.slot)
		case askMark:
			p.marks = append(p.marks, p.end())
		case askStop:
			p.stopping = true
		}
	}
}

// move moves what is complete in the ring buffer, if it is worth it.
func (p *process) move() error {
	for p.waiting < p.limit {
		full, err := p.scan(p.seen)
		if err != nil {
			return err
		}
		content := p.scanned()
		atWork := len(p.sizes) > 1 // else who takes blocks has nothing to do, or the last one
		if len(content) == 0 || !full && atWork && len(content) < enough && !p.stopping && len(p.marks) == 0 {
			break
		}
		if err := p.store(content); err != nil {
			return err
		}
		p.free()
	}
	for len(p.marks) > 0 && p.passed(p.marks[0]) {
		p.marks = p.marks[1:]
		if err := p.tell(message{kind: toldMark}, nil); err != nil {
			return err
		}
	}
	return nil
}

// seen tells at once of an event that is urgent.
func (p *process) seen(event []byte) error {
	if p.kind >= len(event) || event[p.kind] > 31 || p.urgent&(1<<event[p.kind]) == 0 {
		return nil
	}
	return p.tell(message{kind: toldUrgent}, event[:min(len(event), maxUrgent)])
}

// store puts a block into the file and tells of it.
func (p *process) store(content []byte) error {
	slot := p.slot()
	if _, err := unix.Pwrite(fileFD, content, slot*BlockSize); err != nil {
		return fmt.Errorf("write what waits: %w", err)
	}
	p.sizes[slot] = len(content)
	p.waiting += len(content)
	return p.tell(message{kind: toldBlock, size: uint32(len(content)), slot: slot, clock: Clock()}, nil)
}

// tell sends m and what follows it, or keeps it where the recorder has not read
// what it was told before: nothing may keep this process from the ring buffer.
func (p *process) tell(m message, event []byte) error {
	head := unsafe.Slice((*byte)(unsafe.Pointer(&m)), unsafe.Sizeof(m))
	if len(p.untold) == 0 {
		if sent, err := p.send(head, event); sent || err != nil {
			return err
		}
	}
	p.untold = append(p.untold, slices.Concat(head, event))
	return nil
}

// tellRest sends what the socket has room for now.
func (p *process) tellRest() error {
	for len(p.untold) > 0 {
		if sent, err := p.send(p.untold[0], nil); !sent {
			return err
		}
		p.untold = p.untold[1:]
	}
	return nil
}

// send sends a message in two pieces, if the socket has room for it.
func (p *process) send(head, event []byte) (sent bool, err error) {
	_, err = unix.SendmsgBuffers(socketFD, [][]byte{head, event}, nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	switch err {
	case nil:
		return true, nil
	case unix.EAGAIN, unix.EINTR:
		return false, nil
	}
	return false, fmt.Errorf("tell the recorder: %w", err)
}

// slot returns one that nothing is in.
func (p *process) slot() int64 {
	for _, free := range []*[]int64{&p.ready, &p.empty} {
		if n := len(*free); n > 0 {
			slot := (*free)[n-1]
			*free = (*free)[:n-1]
			return slot
		}
	}
	p.slots++
	return p.slots - 1
}

// release frees a slot.
func (p *process) release(slot int64) {
	p.waiting -= p.sizes[slot]
	delete(p.sizes, slot)
	const hole = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	if len(p.ready) < keep/BlockSize {
		p.ready = append(p.ready, slot)
	} else if unix.Fallocate(fileFD, hole, slot*BlockSize, BlockSize) == nil {
		p.empty = append(p.empty, slot)
	}
}
