//go:build amd64 || arm64

package ring

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
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
	kind, size uint32
	slot       int64 // or the number of a mark
	from       int64 // position in the ring buffer of the block
	clock      int64
}

// maxUrgent bounds the size of an urgent event.
const maxUrgent = 16 << 10

// What the process is asked for.
const (
	askFree = iota
	askMark
	askStop
	askDealt
)

type request struct {
	kind, size uint32 // of the block
	slot       int64  // or the number of a mark
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
	// plenty is what may wait where these do not matter.
	plenty = 4 * keep
	// memory is with how many bytes of its own the process collects its garbage.
	memory = 64 << 20
)

// The process does its work while the program is being initialised, so that it
// is there soon, and returns where this is another one.
func init() {
	if len(os.Args) != 8 || os.Args[1] != command {
		return
	}
	var args [6]int
	var errs [len(args) + 1]error
	for i := range args {
		args[i], errs[i] = strconv.Atoi(os.Args[i+2])
	}
	p := &process{limit: args[1], kind: args[2], urgent: uint32(args[3]), older: args[4], sizes: map[int64]int{},
		courtesy: newCourtesy(args[5], args[1])}
	p.buffer, errs[len(args)] = openBuffer(ringFD, args[0])
	if errors.Join(errs[:]...) != nil {
		return // somebody has typed it
	}
	debug.SetGCPercent(-1) // next to nothing is allocated
	debug.SetMemoryLimit(memory)
	runtime.GOMAXPROCS(1)
	// Who ends all processes of a service or of a session (systemd.kill(5)) asks
	// the recorder, too, which ends this one when it has what there is.
	signal.Ignore(unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2)
	goFirst()
	// Not here: this goroutine has its thread to itself, and another thread would
	// have to let it go on each time that Go's scheduler has been at it.
	done := make(chan error)
	go func() { done <- errors.Join(p.growing(), p.run()) }()
	if err := <-done; err != nil {
		fmt.Fprintln(os.Stderr, err)
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

	slots    int64         // that the file has had
	most     int64         // that it may have
	ready    []int64       // those that nothing is in
	empty    []int64       // likewise, and without memory
	sizes    map[int64]int // of what is in the others
	waiting  int           // the sum of sizes
	older    int           // bytes that wait since before this process was there
	courtesy *courtesy

	marks    []mark
	untold   [][]byte // what the socket had no room for
	stopping bool
	ended    bool // it is told that there is nothing more
}

// A mark is a position in the ring buffer that was asked for.
type mark struct {
	number   int64
	position uintptr
}

// growing gets the file ready to grow behind what a process before this one has
// left in it. How long the files of the user may be says nothing of it, but only
// where that can be changed (setrlimit(2)).
func (p *process) growing() error {
	most := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if unix.Setrlimit(unix.RLIMIT_FSIZE, &most) != nil && unix.Getrlimit(unix.RLIMIT_FSIZE, &most) == nil {
		most.Cur = most.Max
		_ = unix.Setrlimit(unix.RLIMIT_FSIZE, &most)
	}
	if p.most = int64(min(most.Cur/BlockSize, math.MaxInt64)); p.most == 0 {
		return errors.New("what waits needs files of 1 MiB, which are not allowed (ulimit -f)")
	}
	var file unix.Stat_t
	if err := unix.Fstat(fileFD, &file); err != nil {
		return fmt.Errorf("size of what waits: %w", err)
	}
	p.slots = (file.Size + BlockSize - 1) / BlockSize
	return nil
}

// run returns nil when nobody is there any more to ask. It does not return before
// that: who has told all may be asked for something yet.
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
	for {
		if gone := p.ask(); gone {
			return nil
		}
		more, err := p.move()
		if err := errors.Join(p.tellRest(), err, p.finish()); err != nil {
			return err
		}
		p.courtesy.review(p.waiting+p.older, p.stopping || len(p.marks) > 0)
		if !more {
			wait(wake, int(period/time.Millisecond))
		}
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
		n, err := receive(socketFD, unsafe.Slice((*byte)(unsafe.Pointer(&q)), unsafe.Sizeof(q)))
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
			return false
		case err != nil || n == 0:
			return true
		}
		switch q.kind {
		case askFree:
			p.release(q)
		case askMark:
			p.marks = append(p.marks, mark{q.slot, p.end()})
		case askStop:
			p.stopping = true
		case askDealt:
			p.courtesy.dealt()
		}
	}
}

// move moves a block of what is complete in the ring buffer, if it is worth it, and
// reports whether there is another one. Before that is moved what was freed
// meanwhile should be known: memory that was used before is much cheaper.
func (p *process) move() (more bool, err error) {
	if p.waiting+p.older < p.limit {
		full, err := p.scan(p.seen)
		if err != nil {
			return false, err
		}
		content := p.scanned()
		atWork := len(p.sizes) > 1 // else who takes blocks has nothing to do, or the last one
		if len(content) > 0 && (full || !atWork || len(content) >= enough || p.stopping || len(p.marks) > 0) {
			if more, err = p.store(content); err != nil {
				return false, err
			}
		}
		if more {
			p.free()
		}
	}
	for len(p.marks) > 0 && p.passed(p.marks[0].position) {
		number := p.marks[0].number
		p.marks = p.marks[1:]
		if err := p.tell(message{kind: toldMark, slot: number}, nil); err != nil {
			return false, err
		}
	}
	return more, nil
}

// seen tells at once of an event that is urgent.
func (p *process) seen(event []byte) error {
	if p.kind >= len(event) || event[p.kind] > 31 || p.urgent&(1<<event[p.kind]) == 0 {
		return nil
	}
	p.courtesy.owed++
	return p.tell(message{kind: toldUrgent}, event[:min(len(event), maxUrgent)])
}

// store puts a block into the file and tells of it. Where the file has no room
// that is tried again when some of what is in it is not needed any more.
func (p *process) store(content []byte) (stored bool, err error) {
	slot, ok := p.slot()
	if !ok {
		return false, nil
	}
	n, err := write(fileFD, content, slot*BlockSize)
	if err == nil && n < len(content) {
		err = unix.ENOSPC
	}
	if err != nil {
		p.empty = append(p.empty, slot)
		if p.waiting+p.older > 0 {
			return false, nil
		}
		return false, fmt.Errorf("write what waits: %w", err)
	}
	p.sizes[slot] = len(content)
	p.waiting += len(content)
	p.courtesy.put(len(content))
	return true, p.tell(message{kind: toldBlock, size: uint32(len(content)), slot: slot, from: int64(p.from), clock: Clock()}, nil)
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
	switch err = send(socketFD, head, event); err {
	case nil:
		return true, nil
	case unix.EAGAIN, unix.EINTR:
		return false, nil
	}
	return false, fmt.Errorf("tell the recorder: %w", err)
}

// slot returns one that nothing is in, if there may be one.
func (p *process) slot() (slot int64, ok bool) {
	for _, free := range []*[]int64{&p.ready, &p.empty} {
		if n := len(*free); n > 0 {
			slot := (*free)[n-1]
			*free = (*free)[:n-1]
			return slot, true
		}
	}
	if p.slots >= p.most {
		return 0, false
	}
	p.slots++
	return p.slots - 1, true
}

// release frees the slot that q is about.
func (p *process) release(q request) {
	if size, mine := p.sizes[q.slot]; mine {
		p.waiting -= size
		delete(p.sizes, q.slot)
		p.courtesy.taken()
	} else {
		p.older = max(0, p.older-int(q.size))
	}
	const hole = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	if p.keeps() {
		p.ready = append(p.ready, q.slot)
	} else if unix.Fallocate(fileFD, hole, q.slot*BlockSize, BlockSize) == nil {
		p.empty = append(p.empty, q.slot)
	}
}

// keeps reports whether a slot that is free from now on keeps its memory, most of which
// the next block in it may leave unused. Where little may wait, all slots have no more
// than that together.
func (p *process) keeps() bool {
	return len(p.ready) < keep/BlockSize && (p.limit >= plenty || (len(p.ready)+len(p.sizes))*BlockSize < p.limit)
}
