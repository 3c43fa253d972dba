//go:build amd64 || arm64

package bpf

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"ssltape/bpf/held"
	"ssltape/bpf/object"
)

// A Program is what a recorded process runs since a moment ago, and what is
// not known to have been looked at.
type Program struct {
	PID    int
	Held   bool // the process is stopped until [Probe.Release], before it runs an instruction of it
	Loaded bool // it is one or more libraries, of the program that runs already
	tgid   uint32
	files  []object.TlsFileId
}

// examine tells who waits for new programs of an event about one. It reports
// whether that is so: [Probe.Release] is called then.
func (p *Probe) examine(event []byte) bool {
	h := view[object.TlsHead](event)
	if h == nil || p.fresh == nil {
		return false
	}
	program := Program{PID: int(h.Pid), tgid: h.Tgid}
	switch h.Kind {
	case kindExec:
		e := view[object.TlsExec](event)
		if e == nil || e.Fresh == 0 {
			return false
		}
		program.Held, program.files = e.Held != 0, []object.TlsFileId{e.Program}
	case kindLoad:
		e := view[object.TlsLoadedEvent](event)
		if e == nil {
			return false
		}
		program.Held, program.Loaded = e.Held != 0, true
		program.files = slices.Clone(e.Loaded.Files[:min(int(e.Loaded.N), len(e.Loaded.Files))])
	default:
		return false
	}
	p.fresh(program)
	return true
}

// Release lets the process of a program run, if it is held: it was looked at. If
// known is set, the program is not new any more for whoever runs it, unless its
// file changes.
func (p *Probe) Release(program Program, known bool) {
	for _, file := range program.files {
		if known {
			_ = p.table(object.TlsMapExamined).Put(file, uint8(1)) // a table that is full forgets old ones
		}
	}
	if program.Held {
		p.held().Resume(program.tgid, program.PID)
	}
	p.reader.Dealt()
}

// Know says that the file at path need not be looked at when a process runs it.
func (p *Probe) Know(path string) {
	if id, err := identify(path); err == nil {
		_ = p.table(object.TlsMapExamined).Put(id, uint8(1))
	}
}

// Await records the processes that run the file at path from now on, until it
// changes.
func (p *Probe) Await(path string) error {
	id, err := identify(path)
	if err != nil {
		return err
	}
	if err := p.table(object.TlsMapExecutables).Put(id, uint8(1)); err != nil {
		return fmt.Errorf("wait for %s: %w", path, err)
	}
	return nil
}

func identify(path string) (id object.TlsFileId, err error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return id, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return object.TlsFileId{Ino: st.Ino, Sec: int64(st.Ctim.Sec), Nsec: int64(st.Ctim.Nsec)}, nil
}

// Guard starts a process that lets those run which p holds, should this process
// be killed or take too long. It owns nothing else of p. Close ends it, after
// [Probe.Stop].
func (p *Probe) Guard() (io.Closer, error) { return p.held().Guard() }

func (p *Probe) held() held.Table { return held.Table{Map: p.table(object.TlsMapHeld)} }

// await makes the kernel record what becomes a program called like one of the
// patterns, as of path.Match, byte by byte.
func (p *Probe) await(patterns []string) error {
	for i, text := range patterns {
		t, err := compilePattern(text)
		if err != nil {
			return err
		}
		if err := p.table(object.TlsMapPatterns).Put(uint32(i), t); err != nil {
			return fmt.Errorf("wait for %q: %w", text, err)
		}
	}
	return nil
}

// compilePattern returns the elements of a pattern as the kernel wants them.
func compilePattern(text string) (t object.TlsPattern, err error) {
	if _, err := path.Match(text, ""); err != nil {
		return t, fmt.Errorf("pattern %q: %w", text, err)
	}
	n, star := 0, false
	for text != "" {
		size := elementSize(text)
		element := text[:size]
		text = text[size:]
		if star && element == "*" {
			continue
		}
		if star = element == "*"; star {
			t.Stars |= 1 << n
		}
		for c := range t.Accepts {
			if ok, _ := path.Match(element, string([]byte{byte(c)})); ok || element == string([]byte{byte(c)}) && c >= 0x80 {
				t.Accepts[c] |= 1 << n
			}
		}
		if n++; n > 62 {
			return t, errors.New("pattern of more than 62 elements")
		}
	}
	t.End = 1 << n
	return t, nil
}

// elementSize returns the length of the first element of a valid pattern: a
// byte, an escaped one or a class.
func elementSize(text string) int {
	switch text[0] {
	case '\\':
		return 2
	case '[':
		for i := 1; ; i++ {
			if text[i] == '\\' {
				i++
			} else if text[i] == ']' {
				return i + 1
			}
		}
	}
	return 1
}
