//go:build linux && (amd64 || arm64)

package bpf

import (
	"errors"
	"math"
	"os"
	"strings"
	"testing"
)

// What waits leaves most of the memory to others.
func TestQueueLimit(t *testing.T) {
	for memory, want := range map[int]int{24 << 30: 1536 << 20, 2 << 30: 256 << 20, 200 << 20: 42 << 20, 48 << 20: 4 << 20, 10 << 20: 4 << 20} {
		if got := queueLimit(memory); got != want {
			t.Errorf("%d of %d bytes may wait, want %d", got, memory, want)
		}
	}
}

// The ring buffer is no large part of the memory, unless that is asked for.
func TestBufferSize(t *testing.T) {
	for _, c := range []struct{ wanted, memory, want int }{
		{0, 24 << 30, 64 << 20}, {0, 1 << 30, 64 << 20}, {0, 1<<30 - 1, 32 << 20}, {0, 48 << 20, 2 << 20}, {0, 8 << 20, 1 << 20},
		{8 << 20, 48 << 20, 8 << 20}, {5000, 24 << 30, 8192}, {1, 24 << 30, os.Getpagesize()},
	} {
		if got := bufferSize(c.wanted, c.memory); got != c.want {
			t.Errorf("wanted %d of %d: %d, want %d", c.wanted, c.memory, got, c.want)
		}
	}
}

// Where the kernel would kill who records, the way out is said instead.
func TestEnoughMemory(t *testing.T) {
	for memory, want := range map[int]string{
		math.MaxInt: "", 40 << 20: "", 32 << 20: "no more than 32 may be used", 9_000_000: "no more than 8 may be used",
	} {
		err := enoughMemory(memory)
		if e := new(SupportError); errors.As(err, &e) != (want != "") || err != nil && (!strings.Contains(err.Error(), want) || e.Hint == "") {
			t.Errorf("%d bytes: error %v, want %q", memory, err, want)
		}
	}
}
