package held

import (
	"os"
	"os/signal"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// newTable returns one that is empty.
func newTable(t *testing.T, entries uint32) Table {
	t.Helper()
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 4, ValueSize: 16, MaxEntries: entries})
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() { m.Close() })
	return Table{m}
}

// Who runs on because nobody has looked at it starts the next one at once: that is
// not held any more by then.
func TestResumeAll(t *testing.T) {
	const n = 4000 // so that it takes a while until all run
	table := newTable(t, n+1)
	for tgid := range uint32(n) {
		if err := table.Put(tgid+1, Entry{Pid: uint32(os.Getpid())}); err != nil {
			t.Fatal(err)
		}
	}
	runs := make(chan os.Signal, 1)
	signal.Notify(runs, unix.SIGCONT)
	defer signal.Stop(runs)
	held := make(chan error)
	go func() {
		<-runs
		var e Entry
		held <- table.Lookup(nobody, &e)
	}()
	table.ResumeAll(0)
	if err := <-held; err != nil {
		t.Errorf("when the first runs, others are held: %v", err)
	}
	var tgid uint32
	var e Entry
	for it := table.Iterate(); it.Next(&tgid, &e); {
		if tgid != nobody {
			t.Errorf("process %d is held", tgid)
		}
	}
	table.Resume(1, os.Getpid())
	if err := table.Lookup(nobody, &e); err == nil {
		t.Error("nobody is held any more, though somebody looks")
	}
}

// When the recorder is gone all run, and what starts later, too: the programs in the
// kernel that hold it may stay for longer than who cares for it.
func TestGone(t *testing.T) {
	table := newTable(t, 10)
	if err := table.Put(uint32(1), Entry{Pid: uint32(os.Getpid())}); err != nil {
		t.Fatal(err)
	}
	watch(strings.NewReader(""), table)
	var e Entry
	if table.Lookup(uint32(1), &e) == nil {
		t.Error("a process is held by nobody")
	}
	empty := newTable(t, 10)
	watch(strings.NewReader(""), empty)
	if err := empty.Lookup(nobody, &e); err != nil {
		t.Errorf("another one is held by nobody: %v", err)
	}
}
