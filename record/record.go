// Package record is the model of a recording: what TLS connections carried,
// byte by byte as [Chunk]s and message by message as [Exchange]s.
//
// A source of chunks (the kernel, a pcapng file) feeds [ChunkWriter]s. The
// ChunkWriter that makes exchanges out of chunks and feeds [ExchangeWriter]s is
// in package assembly. Everything that consumes a recording is one of the two;
// filters, redaction and limits are wrappers around them.
//
// Nothing here knows of the kernel or of a file format, and nothing does I/O
// but [Body], which keeps large bodies in temporary files, and [TakeBack].
package record

import (
	"errors"
	"io"
	"iter"
	"net/netip"
	"time"
)

// A Dir is a direction of a connection, seen from the recorded process.
type Dir uint8

const (
	Out Dir = iota // written by the process
	In             // read by the process
)

// Peer returns the other direction.
func (d Dir) Peer() Dir { return 1 - d }

// String returns "out" or "in".
func (d Dir) String() string {
	if d == Out {
		return "out"
	}
	return "in"
}

// An End says whether and how a direction of a connection came to its end.
type End uint8

const (
	EndNone  End = iota // more may follow
	EndClean            // closed in order: close_notify, or the process itself ended what it writes
	EndCut              // reset, killed, freed before the peer's close_notify, or the recording stopped
)

// A Conn is one TLS connection of one process. A reused SSL pointer is a new
// Conn. Two chunks are of the same connection if and only if their Conn
// pointers are equal.
//
// The source sets the fields before it passes on the first chunk. Local,
// Remote, ServerName and Handshake may become known later; the source then sets them
// between two calls of WriteChunk, never during one.
type Conn struct {
	ID            uint64 // unique within a recording, from 1
	PID           int
	Comm          string         // name of the process (not of its thread)
	Exe           string         // path of its executable
	Library       string         // what the bytes were seen in, such as "libssl.so.3"
	Local, Remote netip.AddrPort // zero where unknown
	ServerName    string         // SNI, "" where unknown
	Handshake     time.Duration  // how long that of TLS took, 0 where unknown
	Plain         bool           // the connection had no TLS: a capture of plaintext TCP
}

// A Chunk is a run of bytes that one direction of a connection carried.
//
// Off is the position of Data[0] in that direction's stream. A chunk that
// starts past the end of the one before it says that the bytes between were
// lost; there is no other marker. A chunk without data that ends a direction
// carries the stream's final length in Off, so that a loss at the very end
// shows too.
type Chunk struct {
	Conn *Conn
	Dir  Dir
	Off  int64
	Time time.Time
	Data []byte // valid until the call it was passed to returns
	End  End    // anything but EndNone: nothing follows in this direction
}

// A ChunkWriter consumes a recording byte by byte. Chunks of one direction of
// one connection come in order of Off; a chunk that starts before the end of
// the one before it repeats bytes that were seen.
type ChunkWriter interface {
	WriteChunk(Chunk) error
}

// An ExchangeWriter consumes a recording message by message.
//
// WriteExchange is called each time x has grown, always with the same x, and
// a last time when x.Done(). A writer that wants whole exchanges waits for
// Done; one that shows them as they unfold remembers how much it has shown.
// The caller owns x: its bodies are released after the call in which x.Done()
// returns (see [Exchange.Keep]).
type ExchangeWriter interface {
	WriteExchange(x *Exchange) error
}

// Copy passes every chunk of src to each of dst, in order. It stops at the
// first error of src or dst and returns it.
func Copy(src iter.Seq2[Chunk, error], dst ...ChunkWriter) error {
	w := ChunkTee(dst)
	for c, err := range src {
		if err != nil {
			return err
		}
		if err := w.WriteChunk(c); err != nil {
			return err
		}
	}
	return nil
}

// A ChunkTee is a ChunkWriter that passes each chunk to all of its parts, also
// when one of them fails, and returns their errors joined.
type ChunkTee []ChunkWriter

// WriteChunk implements [ChunkWriter].
func (t ChunkTee) WriteChunk(c Chunk) error {
	var errs []error
	for _, w := range t {
		if err := w.WriteChunk(c); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// An ExchangeTee is an ExchangeWriter that passes each exchange to all of its
// parts, also when one of them fails, and returns their errors joined.
type ExchangeTee []ExchangeWriter

// WriteExchange implements [ExchangeWriter].
func (t ExchangeTee) WriteExchange(x *Exchange) error {
	var errs []error
	for _, w := range t {
		if err := w.WriteExchange(x); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// WriteProcess implements [ProcessWriter]: parts that are none are left out.
func (t ExchangeTee) WriteProcess(p *ProcessEvent) error {
	var errs []error
	for _, w := range t {
		if w, ok := w.(ProcessWriter); ok {
			errs = append(errs, w.WriteProcess(p))
		}
	}
	return errors.Join(errs...)
}

// TakeBack removes the last n bytes that were written to w, if that is a file: the
// beginning of what a full disk had no room for. What is there stays, whatever
// comes of it.
func TakeBack(w io.Writer, n int64) {
	f, ok := w.(interface {
		io.Seeker
		Truncate(size int64) error
	})
	if !ok || n == 0 {
		return
	}
	if end, err := f.Seek(0, io.SeekCurrent); err == nil {
		f.Truncate(end - n)
	}
}
