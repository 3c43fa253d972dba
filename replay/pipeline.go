package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/term"

	"ssltape/record"
	"ssltape/record/redact"
	"ssltape/record/view"
)

// A pipeline is where a recording goes: either outputs or a view.
type pipeline struct {
	bytes   bool // bytes are passed on as they are
	outputs []*Output
	view    view.View
}

// selects reports whether o leaves out or reorders exchanges, so that the
// bytes around them cannot be passed on as they are.
func (o *options) selects() bool {
	return len(o.IDs) > 0 || o.Sort != "" || o.Reverse
}

// replay passes src through what o selects to what shows or stores it.
func (o *options) replay(ctx context.Context, src *Source, name string, stdout io.Writer) error {
	p, err := o.pipeline(src, name, stdout)
	if err != nil {
		return err
	}
	var tee record.ExchangeTee
	var chunks record.ChunkTee
	for _, out := range p.outputs {
		tee, chunks = append(tee, out), append(chunks, out)
	}
	if p.view != nil {
		tee = append(tee, p.view)
	}
	c := &counter{w: redact.Exchanges(tee, o.Redact)}
	var exchanges record.ExchangeWriter = c
	var sorted *sorter
	if o.Sort != "" || o.Reverse {
		sorted = &sorter{w: exchanges, by: o.Sort, reverse: o.Reverse}
		exchanges = sorted
	}
	exchanges = &selector{ctx: ctx, w: exchanges, ids: o.IDs}
	if p.bytes {
		redacted := redact.Chunks(chunks, o.Redact)
		err = errors.Join(src.Copy(redacted, exchanges), redacted.Close())
	} else {
		err = src.Copy(nil, exchanges)
	}
	if sorted != nil {
		err = errors.Join(err, sorted.Close())
	}
	return p.finish(name, c.n, err)
}

// pipeline makes the outputs, or the view, that o asks for.
func (o *options) pipeline(src *Source, name string, stdout io.Writer) (*pipeline, error) {
	p := &pipeline{bytes: src.Bytes() && !o.selects()}
	text := view.Options{Side: view.Side(o.Side), Encoded: o.NoDecode}
	args := o.Outputs
	if o.JSON {
		args = []string{"jsonl:-"}
	}
	for _, arg := range args {
		format, path, err := ParseOutput(arg)
		if err != nil {
			return nil, err
		}
		if path != "-" && sameFile(path, name) {
			return nil, usage(fmt.Errorf("output %s: is the input", path), "write to another file, then rename it")
		}
		opts := OutputOptions{Comment: "from " + name, FromExchanges: !p.bytes, Text: text, Stdout: stdout}
		if o.Redact != redact.None {
			opts.Redaction = o.Redact.String()
		}
		if o.viewSet {
			opts.View = o.View
		}
		out, err := NewOutput(format, path, opts)
		if err != nil {
			return nil, err
		}
		p.outputs = append(p.outputs, out)
	}
	if len(p.outputs) > 0 {
		return p, nil
	}
	text.Width, text.Terminal = terminal(stdout)
	text.Color = o.Color == "always" || o.Color == "auto" && text.Terminal && os.Getenv("NO_COLOR") == ""
	v, err := view.New(o.View, stdout, text)
	if err != nil {
		return nil, usage(err, "ssltape help replay lists them")
	}
	p.view = v
	return p, nil
}

// finish closes what p writes to. n exchanges were passed on before err.
func (p *pipeline) finish(name string, n int, err error) error {
	var ends []error
	for _, out := range p.outputs {
		if err != nil && n == 0 { // what cannot be read makes no file
			ends = append(ends, out.Discard())
		} else {
			ends = append(ends, out.Close())
		}
	}
	if p.view != nil {
		ends = append(ends, p.view.Close())
	}
	if err != nil && n == 0 {
		return about(name, &Error{exitUnreadable, err, ""})
	}
	if err != nil {
		return about(name, &Error{exitFailure, fmt.Errorf("%w; all before that was shown", err), ""})
	}
	return errors.Join(ends...)
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// terminal returns the width of the terminal that w is, and whether it is one.
func terminal(w io.Writer) (width int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		width = 80
	}
	return width, true
}

// A counter counts the exchanges that it passes on.
type counter struct {
	w record.ExchangeWriter
	n int // done ones
}

func (c *counter) WriteExchange(x *record.Exchange) error {
	if x.Done() {
		c.n++
	}
	return c.w.WriteExchange(x)
}

// A selector passes on the exchanges with the numbers ids, all if there are
// none, until ctx is done.
type selector struct {
	ctx context.Context
	w   record.ExchangeWriter
	ids ids
}

func (s *selector) WriteExchange(x *record.Exchange) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if len(s.ids) > 0 && !s.ids.has(x.ID) {
		return nil
	}
	return s.w.WriteExchange(x)
}

// A sorter holds exchanges back until Close and then passes them on in order.
type sorter struct {
	w       record.ExchangeWriter
	by      string // "" as they came, or "time", "size", "duration"
	reverse bool
	held    []*record.Exchange
}

func (s *sorter) WriteExchange(x *record.Exchange) error {
	if x.Done() {
		x.Keep()
		s.held = append(s.held, x)
	}
	return nil
}

// Close passes on and releases what was held back. The largest and the longest
// come first, as does the earliest.
func (s *sorter) Close() error {
	slices.SortStableFunc(s.held, func(a, b *record.Exchange) int {
		switch s.by {
		case "time":
			return a.Start().Compare(b.Start())
		case "size":
			return compare(b.Response.BodySize, a.Response.BodySize)
		case "duration":
			return compare(b.Duration(), a.Duration())
		}
		return 0
	})
	if s.reverse {
		slices.Reverse(s.held)
	}
	var errs []error
	for _, x := range s.held {
		errs = append(errs, s.w.WriteExchange(x), x.Release())
	}
	s.held = nil
	return errors.Join(errs...)
}

func compare[T int64 | time.Duration](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
