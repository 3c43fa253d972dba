package har

import (
	"bytes"
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
// "event" are the server-sent events of an exchange, as soon as they come; of
// type "lost" the bytes that were not seen of one, before it; of type
// "exchange" the number of an exchange that is done and its entry in a HAR file,
// which has all of that again. One of type "end" with the totals comes last.
//
//	{"type":"event","id":1,"time":1767323045.778,"eventName":"a","eventId":"","data":"…"}
//	{"type":"lost","id":1,"side":"response","offset":7,"length":100}
//	{"type":"exchange","id":1,"entry":{"startedDateTime":…}}
//	{"type":"end","exchanges":1,"incomplete":0,"lost":100,"cut":0}
type LinesWriter struct {
	w      io.Writer
	coder  coder
	line   []byte
	opts   Options
	totals totals
	told   map[uint64]int // events that are written of exchanges that are not done, by ID
	err    error
}

// NewLinesWriter returns a LinesWriter that writes to w, each line as soon as
// there is one.
func NewLinesWriter(w io.Writer, o Options) *LinesWriter {
	return &LinesWriter{w: &wholeLines{w: w}, opts: o, told: map[uint64]int{}}
}

// A wholeLines is a Writer that takes the beginning of a line back, where it can,
// when the disk is full.
type wholeLines struct {
	w    io.Writer
	part int64 // bytes of a line that is not whole
}

func (l *wholeLines) Write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	l.part += int64(n)
	if err != nil || bytes.HasSuffix(p, []byte("\n")) {
		if i := bytes.LastIndexByte(p[:n], '\n'); i >= 0 {
			l.part = int64(n - i - 1)
		}
	}
	if err != nil {
		record.TakeBack(l.w, l.part)
	}
	return n, err
}

// WriteExchange implements [record.ExchangeWriter]. After an error of the
// underlying writer it returns that error again each time.
func (w *LinesWriter) WriteExchange(x *record.Exchange) error {
	if w.err != nil {
		return w.err
	}
	err := w.events(x)
	if err == nil && x.Done() {
		err = w.exchange(x)
	}
	if err != nil {
		w.err = fmt.Errorf("write JSON Lines: %w", err)
	}
	return w.err
}

// events writes the events of x that are new.
func (w *LinesWriter) events(x *record.Exchange) error {
	all := x.Response.Events
	for i := min(w.told[x.ID], len(all)); i < len(all); i++ {
		if err := w.object(struct {
			Type string `json:"type"`
			ID   uint64 `json:"id"`
			event
		}{"event", x.ID, newEvent(&all[i])}); err != nil {
			return err
		}
	}
	if x.Done() {
		delete(w.told, x.ID)
	} else if len(all) > 0 {
		w.told[x.ID] = len(all)
	}
	return nil
}

// exchange writes what is to be said of x when it is done.
func (w *LinesWriter) exchange(x *record.Exchange) error {
	w.totals.add(x)
	for _, l := range allLosses(x) {
		if err := w.object(struct {
			Type string `json:"type"`
			ID   uint64 `json:"id"`
			lost
		}{"lost", x.ID, l}); err != nil {
			return err
		}
	}
	line := append(w.line[:0], `{"type":"exchange","id":`...)
	line = append(strconv.AppendUint(line, x.ID, 10), `,"entry":`...)
	line, err := w.coder.encode(line, x, "", writeTo(w.w))
	w.line = line
	if err != nil {
		return err
	}
	return w.write(append(line, "}\n"...))
}

// WriteLoss implements [record.LossWriter].
func (w *LinesWriter) WriteLoss(bytes int64) { w.totals.lose(bytes) }

// object writes v as a line.
func (w *LinesWriter) object(v any) error {
	line, err := marshal(v)
	if err != nil {
		return err
	}
	return w.write(append(line, '\n'))
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
		var line struct {
			Type  string `json:"type"`
			Entry *entry `json:"entry"`
			processEvent
		}
		err := r.in.Decode(&line)
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
