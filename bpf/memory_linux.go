package bpf

import (
	"math/bits"
	"os"

	"ssltape/bpf/memory"
)

const (
	// minQueue is what may wait where that is not too much of the memory.
	minQueue = 256 << 20
	// leastQueue is what may wait in any case.
	leastQueue = 4 << 20
)

// queueLimit bounds what waits for a consumer that is slower than the recorded
// processes: a sixteenth of the memory that there is, or up to a quarter of what is
// left of it where that is little. Beyond it the ring buffer fills up and the kernel
// counts what is lost.
func queueLimit(usable int) int {
	return max(min(minQueue, (usable-memory.Own)/4), usable/16, leastQueue)
}

// bufferSize returns the size of a ring buffer: what is wanted, rounded up, or where
// that is 0 what is usual, and less where that is too much of the memory.
func bufferSize(wanted, memory int) int {
	if wanted > 0 {
		return max(os.Getpagesize(), 1<<bits.Len(uint(wanted-1)))
	}
	size := defaultBuffer
	for size > leastBuffer && size > memory/16 {
		size /= 2
	}
	return size
}

// UsableMemory is [memory.Usable].
func UsableMemory() int { return memory.Usable() }
