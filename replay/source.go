package replay

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"

	"ssltape/har"
	"ssltape/pcapng"
	"ssltape/record"
	"ssltape/record/assembly"
	"ssltape/record/wire"
	"ssltape/replay/archive"
)

// A Source is a stored recording. It can be read once, from start to end.
type Source struct {
	Format  string         // "har", "jsonl", "pcapng" or "pcap"
	Conns   map[string]int // after Copy, where bytes are stored: connections by what they speak
	Capture pcapng.Stats   // after Copy, of pcapng and pcap

	// Processes is told what the recording says of processes, as it is read. May
	// be nil.
	Processes record.ProcessWriter

	count  int   // exchanges, after Copy, where bytes are stored
	beside fs.FS // the folder that it is in; may be nil

	// One of the two is set, by what the format stores.
	chunks    iter.Seq2[record.Chunk, error]
	exchanges iter.Seq2[*record.Exchange, error]
}

// An input is a format that can be read.
type input struct {
	name string
	is   func(start []byte) bool // start is up to sniffSize bytes, without BOM and white space
	open func(r *bufio.Reader, s *Source)
}

func inputs() []input {
	return []input{
		{"pcapng", magic("\x0a\x0d\x0d\x0a"), openCapture},
		{"pcap", magic("\xa1\xb2\xc3\xd4", "\xd4\xc3\xb2\xa1", "\xa1\xb2\x3c\x4d", "\x4d\x3c\xb2\xa1", "\xa1\xb2\xcd\x34", "\x34\xcd\xb2\xa1"), openCapture},
		{"jsonl", isLines, func(r *bufio.Reader, s *Source) { s.exchanges = har.ReadLinesWith(r, s) }},
		{"har", magic("{"), func(r *bufio.Reader, s *Source) {
			s.exchanges = har.ReadWith(r, har.ReadOptions{Processes: s, Beside: s.beside})
		}},
	}
}

func openCapture(r *bufio.Reader, s *Source) {
	s.chunks = pcapng.ReadWith(r, pcapng.ReadOptions{Processes: s, Stats: &s.Capture})
}

// Open returns the recording in r, whose format it tells by the first bytes,
// those of the content where it is compressed. It reads no further
// than it must; the rest of r is read by the methods of the Source. An r that
// is no recording is an [*Error].
func Open(r io.Reader) (*Source, error) { return open(r, nil) }

// openFile is [Open] for the file f, which may also be a zip file with a
// recording in it. The folder beside is what f stands in; it may be nil.
func openFile(f *os.File, beside fs.FS) (*Source, error) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return open(f, beside)
	}
	var start [len(zipMagic)]byte
	if _, err := f.ReadAt(start[:], 0); err != nil || string(start[:]) != zipMagic {
		return open(f, beside)
	}
	recording, beside, err := archive.Open(f, info.Size())
	if err != nil {
		return nil, &Error{ExitTarget, fmt.Errorf("a zip archive: %w", err), hintUnzip}
	}
	return open(recording, beside)
}

func open(r io.Reader, beside fs.FS) (*Source, error) {
	b, start, err := decode(r)
	if err != nil {
		return nil, err
	}
	if rest, ok := padding(start); ok { // a HAR file as JavaScript
		b.Discard(len(start) - len(rest))
		start = rest
	}
	for _, in := range inputs() {
		if in.is(start) || in.is(trimJSON(start)) {
			s := &Source{Format: in.name, beside: beside}
			in.open(b, s)
			return s, nil
		}
	}
	return nil, notCapture(start)
}

// padding returns what comes after the name of a function and its parenthesis
// (JSONP) in start.
func padding(start []byte) (rest []byte, ok bool) {
	rest = bytes.TrimLeft(trimJSON(start), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$.")
	if len(rest) < 2 || rest[0] != '(' || len(rest) == len(start) {
		return start, false
	}
	rest = trimJSON(rest[1:])
	return rest, bytes.HasPrefix(rest, []byte("{"))
}

// trimJSON removes what may come before JSON: a BOM and white space.
func trimJSON(b []byte) []byte {
	return bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n")
}

func magic(prefixes ...string) func([]byte) bool {
	return func(start []byte) bool {
		for _, p := range prefixes {
			if bytes.HasPrefix(start, []byte(p)) {
				return true
			}
		}
		return false
	}
}

// isLines tells JSON Lines from HAR: each line says its type first.
func isLines(start []byte) bool {
	rest, ok := bytes.CutPrefix(start, []byte("{"))
	return ok && bytes.HasPrefix(trimJSON(rest), []byte(`"type"`))
}

// WriteProcess implements [record.ProcessWriter] for the readers of formats.
func (s *Source) WriteProcess(p *record.ProcessEvent) error {
	if s.Processes == nil {
		return nil
	}
	return s.Processes.WriteProcess(p)
}

// Bytes reports whether s stores bytes rather than exchanges, so that they can
// be copied as they are.
func (s *Source) Bytes() bool { return s.chunks != nil }

// Exchanges passes every exchange of s to w. A recording that ends early is
// passed on as far as it goes, before the error is returned.
func (s *Source) Exchanges(w record.ExchangeWriter) error { return s.Copy(nil, w) }

// Chunks passes every chunk of s to w. Where s stores exchanges, they are made
// of those (package wire).
func (s *Source) Chunks(w record.ChunkWriter) error { return s.Copy(w, nil) }

// Copy passes s to both of chunks and exchanges in one go; either may be nil.
// The exchanges that a chunk makes grow are passed on before the chunk.
func (s *Source) Copy(chunks record.ChunkWriter, exchanges record.ExchangeWriter) error {
	if s.exchanges != nil {
		var tee record.ExchangeTee
		if chunks != nil {
			tee = append(tee, wire.NewWriter(chunks))
		}
		if exchanges != nil {
			tee = append(tee, exchanges)
		}
		return copyExchanges(s.exchanges, tee)
	}
	if exchanges == nil {
		return record.Copy(s.chunks, chunks)
	}
	a := assembly.New(exchanges, assembly.Options{})
	tee := record.ChunkTee{a}
	if chunks != nil {
		tee = append(tee, chunks)
	}
	err := errors.Join(record.Copy(s.chunks, tee), a.Close())
	stats := a.Stats()
	s.Conns, s.count = stats.Conns, stats.Done+stats.Incomplete
	return err
}

// copyExchanges passes each exchange of src to w; src releases them.
func copyExchanges(src iter.Seq2[*record.Exchange, error], w record.ExchangeWriter) error {
	for x, err := range src {
		if err != nil {
			return err
		}
		if err := w.WriteExchange(x); err != nil {
			return err
		}
	}
	return nil
}
