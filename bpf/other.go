//go:build !linux || (!amd64 && !arm64)

package bpf

import (
	"errors"
	"io"
	"iter"
	"runtime"
)

// A Probe records TLS connections. There is none on this system.
type Probe struct{}

// Supported returns an [ErrSystem].
func Supported() error {
	return &SupportError{Kind: ErrSystem, Reason: "on amd64 or arm64; this is " + runtime.GOOS + "/" + runtime.GOARCH}
}

// Open returns the error of [Supported].
func Open(Options) (*Probe, error) { return nil, Supported() }

// AddProcess does nothing here.
func (p *Probe) AddProcess(int) error { return Supported() }

// DropProcess does nothing here.
func (p *Probe) DropProcess(int) {}

// Attach does nothing here.
func (p *Probe) Attach(string) (Attachment, error) { return Attachment{}, Supported() }

// AttachShell does nothing here.
func (p *Probe) AttachShell(string) error { return Supported() }

// A Program does not occur here.
type Program struct {
	PID          int
	Held, Loaded bool
}

// Release does nothing here.
func (p *Probe) Release(Program, bool) {}

// Know does nothing here.
func (p *Probe) Know(string) {}

// Await does nothing here.
func (p *Probe) Await(string) error { return Supported() }

// ErrNoLoader does not occur here.
var ErrNoLoader = errors.New("no dynamic loader")

// AttachLoader does nothing here.
func (p *Probe) AttachLoader(string) error { return Supported() }

// Guard does nothing here.
func (p *Probe) Guard() (io.Closer, error) { return nil, Supported() }

// Events ends at once.
func (p *Probe) Events() iter.Seq2[Event, error] { return func(func(Event, error) bool) {} }

// Stop does nothing here.
func (p *Probe) Stop() error { return nil }

// Loss returns nothing here.
func (p *Probe) Loss() Loss { return Loss{} }

// Drop does nothing here.
func (p *Probe) Drop() error { return nil }

// Close does nothing here.
func (p *Probe) Close() error { return nil }
