package har

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"

	"ssltape/record"
)

// A LinesWriter is a [record.ExchangeWriter] that writes JSON Lines: one
// object a line, the type of which is in its field "type". Those of type
// "exchange" have the number of an exchange that is done and its entry in a
// HAR file; one of type "end" with the totals comes last.
//
//	{"type":"exchange","id":1,"entry":{"startedDateTime":…}}
//	{"type":"end","exchanges":1,"incomplete":0,"lost":0,"cut":0}
type LinesWriter struct {
	w      io.Writer
	coder  coder
	opts   Options
	totals totals
	err    error
}

// NewLinesWriter returns a LinesWriter that writes to w, each line as soon as
// there is one.
func NewLinesWriter(w io.Writer, o Options) *LinesWriter {
	return &LinesWriter{w: w, opts: o}
}

// WriteExchange implements [record.ExchangeWriter]. After an error of the
// underlying writer it returns that error again each time.
func (w *LinesWriter) WriteExchange(x *record.Exchange) error {
	if w.err != nil || !x.Done() {
		return w.err
	}
	w.coder.before = append(w.coder.before[:0], `{"type":"exchange","id":`...)
	w.coder.before = strconv.AppendUint(w.coder.before, x.ID, 10)
	w.coder.before = append(w.coder.before, `,"entry":`...)
	line, err := w.coder.encode(x, "", func(p []byte, _ int64) error { return w.write(p) })
	if err == nil {
		err = w.write(append(line, "}\n"...))
	}
	if err != nil {
		w.err = fmt.Errorf("write JSON Lines: %w", err)
	}
	w.totals.add(x)
	return w.err
}

// Close writes the last line. It does not close what w writes to.
func (w *LinesWriter) Close() error {
	if w.err != nil {
		return w.err
	}
	line, err := json.Marshal(struct {
		Type string `json:"type"`
		totals
		Redaction string `json:"redaction,omitempty"`
		Comment   string `json:"comment,omitempty"`
		Version   string `json:"version,omitempty"`
	}{"end", w.totals, w.opts.Redaction, w.opts.Comment, w.opts.Version})
	if err == nil {
		err = w.write(append(line, '\n'))
	}
	if err != nil {
		w.err = fmt.Errorf("write JSON Lines: %w", err)
	}
	return w.err
}

func (w *LinesWriter) write(p []byte) error {
	_, err := w.w.Write(p)
	return err
}

// ReadLines returns the exchanges of the JSON Lines in r as [Read] does those
// of a HAR file. Lines of other types are passed over.
func ReadLines(r io.Reader) iter.Seq2[*record.Exchange, error] { return ReadLinesWith(r, nil) }

// ReadLinesWith is [ReadLines] that passes on to processes, in their order, the
// lines about processes. An error of processes ends it.
func ReadLinesWith(r io.Reader, processes record.ProcessWriter) iter.Seq2[*record.Exchange, error] {
	return func(yield func(*record.Exchange, error) bool) {
		in, err := uncompressed(r)
		if err == nil {
			err = newReader(in, processes, yield).lines()
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, fmt.Errorf("read JSON Lines: %w", err))
		}
	}
}

// lines yields the entries of the lines. The end of the file is an error where
// no line of type "end" was the last.
func (r *reader) lines() error {
	var last string
	for {
		r.in.left = maxEntry
		var line struct {
			Type  string `json:"type"`
			Entry *entry `json:"entry"`
			processEvent
		}
		err := lax(r.dec.Decode(&line))
		if errors.Is(err, io.EOF) && last == "end" {
			return nil
		}
		if err == nil && line.Type == "" {
			err = ErrFormat
		}
		if err != nil {
			return r.broken(err, last != "")
		}
		last = line.Type
		if line.Type == "process" {
			if err := r.process(&line.processEvent); err != nil {
				return err
			}
		}
		if line.Type != "exchange" || line.Entry == nil {
			continue
		}
		if err := r.exchange(line.Entry); err != nil {
			return err
		}
	}
}
