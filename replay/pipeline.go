package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/term"

	"ssltape/record"
	"ssltape/record/filter"
	"ssltape/record/redact"
	"ssltape/record/view"
)

// A pipeline is where a recording goes: either outputs or a view.
type pipeline struct {
	bytes   bool // an output gets bytes as they are
	outputs []*Output
	view    view.View
	heads   bool // the view wants no more of an exchange
}

// selects reports whether o leaves out or reorders exchanges, so that the
// bytes around them cannot be passed on as they are.
func (o *options) selects() bool {
	return len(o.IDs) > 0 || len(o.Filters) > 0 || o.Sort != "" || o.Reverse
}

// replay passes src through what o selects to what shows or stores it.
func (o *options) replay(ctx context.Context, src *Source, name string, stdout io.Writer) error {
	p, err := o.pipeline(src, name, stdout)
	if err != nil {
		return err
	}
	var exchanges record.ExchangeTee
	var chunks record.ChunkTee
	for _, out := range p.outputs {
		exchanges, chunks = append(exchanges, out), append(chunks, out)
	}
	if p.view != nil {
		exchanges = append(exchanges, p.view)
	}
	end := &guard{ctx: ctx, chunks: redact.Chunks(chunks, o.Redact), exchanges: redact.Exchanges(exchanges, o.Redact),
		processes: exchanges, redact: o.Redact}
	src.Processes = end
	matched := &counter{w: end}
	var first record.ExchangeWriter = matched
	if p.heads {
		first = headWriter{first}
	}
	if o.Realtime {
		first = &pacer{ctx: ctx, w: first, speed: o.Speed, open: map[*record.Exchange]bool{}}
	}
	var sorted *sorter
	if o.Sort != "" || o.Reverse {
		sorted = &sorter{w: first, by: o.Sort, reverse: o.Reverse}
		first = sorted
	}
	all := &counter{w: filter.Exchanges(first, func(x *record.Exchange) filter.Verdict {
		if len(o.IDs) > 0 && !o.IDs.has(x.ID) {
			return filter.No
		}
		return o.filter(x)
	})}
	if p.bytes {
		err = errors.Join(src.Copy(end, all), end.chunks.Close())
	} else {
		err = src.Copy(nil, all)
	}
	if sorted != nil {
		err = errors.Join(err, sorted.Close())
	}
	if err == nil && end.err == nil && matched.done == 0 {
		o.noteNone(src, name, all.done)
	}
	return p.finish(name, end, all.done, err)
}

// A counter counts the exchanges that are done, on their way to w.
type counter struct {
	w    record.ExchangeWriter
	done int
}

// WriteExchange implements [record.ExchangeWriter].
func (c *counter) WriteExchange(x *record.Exchange) error {
	if x.Done() {
		c.done++
	}
	return c.w.WriteExchange(x)
}

// noteNone says why there is nothing to show of the read exchanges of src,
// where [Source.leftOut] does not.
func (o *options) noteNone(src *Source, name string, read int) {
	switch {
	case read > 0:
		o.notice(fmt.Sprintf("%s: none of its exchanges (%d) matches", name, read))
	case !src.Bytes():
		o.notice(name + ": no exchanges in it")
	}
}

// pipeline makes the outputs, or the view, that o asks for.
func (o *options) pipeline(src *Source, name string, stdout io.Writer) (*pipeline, error) {
	p := new(pipeline)
	whole := src.Bytes() && !o.selects()
	text := view.Options{Side: view.Side(o.Side), Encoded: o.NoDecode}
	width, isTerminal := terminal(stdout)
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
		opts := OutputOptions{
			Version: o.version, Framing: o.Framing, Comment: "from " + name, FromExchanges: !whole, Text: text, Stdout: stdout, Terminal: isTerminal, Notice: o.notice}
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
		p.bytes = p.bytes || whole && out.bytes
	}
	if len(p.outputs) > 0 {
		return p, nil
	}
	text.Width, text.Terminal = width, isTerminal
	text.Color = o.Color == "always" || o.Color == "auto" && text.Terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	v, err := view.New(o.View, stdout, text)
	if err != nil {
		return nil, usage(err, "ssltape help replay lists them")
	}
	p.view = v
	p.heads = slices.ContainsFunc(view.All(), func(i view.Info) bool { return i.Name == o.View && i.Heads })
	return p, nil
}

// A headWriter passes on exchanges that are done, without their bodies: those
// need not be searched for secrets if nobody looks at them.
type headWriter struct{ w record.ExchangeWriter }

// WriteExchange implements [record.ExchangeWriter].
func (h headWriter) WriteExchange(x *record.Exchange) error {
	if !x.Done() {
		return nil
	}
	return h.w.WriteExchange(view.Heads(x))
}

// finish closes what p writes to. err is what ended the input or, where end
// knows of it, the output.
//
// An input of which nothing could be read has its own exit code and leaves no
// output. One that breaks off was shown up to there; that is a failure.
func (p *pipeline) finish(name string, end *guard, read int, err error) error {
	nothing := err != nil && read == 0 && !end.told
	var ends []error
	for _, out := range p.outputs {
		if nothing {
			ends = append(ends, out.Discard())
		} else {
			ends = append(ends, out.Close())
		}
	}
	if p.view != nil && !nothing {
		ends = append(ends, p.view.Close())
	}
	switch {
	case end.err != nil:
		return end.err
	case nothing:
		return about(name, &Error{ExitTarget, err, ""})
	case err != nil:
		return about(name, &Error{ExitFailure, err, fmt.Sprintf("what came before that was read: %d done", read)})
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

// A guard stands before what shows or stores a recording: it counts, tells
// errors of theirs from those of the input, and ends when ctx does.
type guard struct {
	ctx       context.Context
	chunks    *redact.ChunkWriter
	exchanges record.ExchangeWriter
	processes record.ProcessWriter
	redact    redact.Profile
	told      bool  // there was something to tell of processes
	err       error // the first of chunks or exchanges
}

// WriteChunk implements [record.ChunkWriter].
func (g *guard) WriteChunk(c record.Chunk) error {
	return g.check(g.chunks.WriteChunk(c))
}

// WriteExchange implements [record.ExchangeWriter].
func (g *guard) WriteExchange(x *record.Exchange) error {
	return g.check(g.exchanges.WriteExchange(x))
}

// WriteProcess implements [record.ProcessWriter].
func (g *guard) WriteProcess(p *record.ProcessEvent) error {
	g.told = true
	return g.check(g.processes.WriteProcess(redact.Process(p, g.redact)))
}

func (g *guard) check(err error) error {
	if err == nil {
		err = g.ctx.Err()
	}
	if g.err == nil {
		g.err = err
	}
	return err
}

// A sorter holds exchanges back until Close and then passes them on in order.
type sorter struct {
	w       record.ExchangeWriter
	by      string // "" as they came, or "time", "size", "duration"
	reverse bool
	held    []*record.Exchange
}

// WriteExchange implements [record.ExchangeWriter].
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
			return cmp.Compare(b.Response.BodySize, a.Response.BodySize)
		case "duration":
			return cmp.Compare(b.Duration(), a.Duration())
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
