package har

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"ssltape/record"
)

// Options say what a file tells of itself.
type Options struct {
	Version   string // of ssltape
	Comment   string // what else there is to say
	Redaction string // profile of redaction that ran, such as "secrets"
	Batch     bool   // entries may wait for each other: see [Writer.Flush]
}

const (
	// maxPages bounds the JSON of the pages of a file, of which the last one
	// takes all further processes: they have room where a file begins.
	maxPages = 2800
	// maxBatch is how many bytes of entries wait for each other, and maxWait how
	// long, at most, while further ones come.
	maxBatch = 128 << 10
	maxWait  = 10 * time.Millisecond
	// maxTitle bounds the title of a page, and maxComment the comment of a file.
	maxTitle, maxComment = 80, 400
)

// A Writer is a [record.ExchangeWriter] that writes a HAR file: an entry for
// each exchange that is done, in the order in which they are.
//
// A regular file is a whole HAR file at every moment, so that a program that is
// killed leaves the entries of all exchanges before, or with Options.Batch of
// all but those of the last milliseconds: see package jsonlist. The
// space for an entry is taken before anything is overwritten: a full disk does
// not spoil the file. Anything that is not a regular file gets its end with
// Close.
//
// Bodies are streamed: memory does not grow with their size nor with the
// number of exchanges. There is a page for each process. A Writer is not safe
// for use by several goroutines at once.
type Writer struct {
	out    output
	coder  coder
	batch  []byte    // entries that are not in the file yet, with commas between
	ends   []int     // of the entries in batch
	since  time.Time // the first of them waits
	opts   Options
	about  about
	told   bool // the file says what about does
	pageOf map[process]string
	room   int // for the JSON of further pages
	totals totals
	err    error // the first error of out, which ends the file

	processes []byte // events, with commas between
	early     int    // length of the first of them, which a file has before its end
	events    int
}

// An about is what a file tells of itself.
type about struct {
	fixed
	rest
}

// A fixed is what is known from the beginning, and a rest what is not.
type fixed struct {
	Version   string  `json:"version"`
	Creator   creator `json:"creator"`
	Redaction string  `json:"_redaction,omitempty"`
}

type rest struct {
	Pages     []page          `json:"pages"`
	Processes json.RawMessage `json:"_processes,omitempty"`
	Comment   string          `json:"comment"`
}

// head returns the JSON up to the list of entries, which comes last.
func (a *about) head() []byte { return begin(a) }

// begin returns the JSON of a log that begins with the members of v.
func begin(v any) []byte {
	return bytes.TrimSuffix(append([]byte(`{"log":`), mustMarshal(v)...), []byte("}"))
}

// late returns the JSON of the processes, after the list of entries.
func (a *about) late() []byte {
	return append([]byte(`,"_processes":`), a.Processes...)
}

// list sets the processes to the events that text holds, with commas between.
func (a *about) list(text []byte) {
	if a.Processes = nil; len(text) > 0 {
		a.Processes = append(append([]byte("["), text...), ']')
	}
}

// totals are what the comment of a file sums up.
type totals struct {
	Exchanges  int   `json:"exchanges"`
	Incomplete int   `json:"incomplete"`
	Lost       int64 `json:"lost"` // bytes
	Cut        int64 `json:"cut"`  // bytes
}

func (t *totals) add(x *record.Exchange) {
	t.Exchanges++
	if x.Err != nil {
		t.Incomplete++
	}
	t.Lost += x.Request.LostBytes() + x.Response.LostBytes()
	t.Cut += x.Request.Cut + x.Response.Cut
}

// WriteLoss implements [record.LossWriter].
func (w *Writer) WriteLoss(bytes int64) { w.totals.lose(bytes) }

// lose notes how many bytes are missing in all, which entries may not tell.
func (t *totals) lose(bytes int64) { t.Lost = max(t.Lost, bytes) }

func (t *totals) String() string {
	s := fmt.Sprintf("%d exchanges", t.Exchanges)
	if t.Incomplete > 0 {
		s += fmt.Sprintf(", %d of them incomplete", t.Incomplete)
	}
	if t.Lost > 0 {
		s += fmt.Sprintf(", %d bytes lost", t.Lost)
	}
	if t.Cut > 0 {
		s += fmt.Sprintf(", %d bytes of bodies not kept", t.Cut)
	}
	return s
}

// NewWriter returns a Writer that writes to w, and begins the file. Where w is
// an [os.File] or has the methods of one, and can seek and be truncated, it is
// cut off at its present position and written in place from there. One that
// was opened for appending by another program, such as standard output after
// the shell's >>, must be passed without its methods.
func NewWriter(w io.Writer, o Options) (*Writer, error) {
	hw := &Writer{opts: o, pageOf: map[process]string{}, room: maxPages}
	hw.about = about{fixed{"1.2", creator{"ssltape", o.Version}, o.Redaction}, rest{Pages: []page{}}}
	hw.comment("not ended in order")
	var err error
	if f, at, ok := asFile(w); ok {
		hw.out, err = newInPlace(f, at, &hw.about)
	} else {
		hw.out, err = newSequential(w, &hw.about)
	}
	if err != nil {
		return nil, fmt.Errorf("write HAR: %w", err)
	}
	return hw, nil
}

// WriteExchange implements [record.ExchangeWriter]. After an error of the file
// it returns that error again each time, and the file holds the entries before.
func (w *Writer) WriteExchange(x *record.Exchange) error {
	if w.err != nil || !x.Done() {
		return w.err
	}
	ref := w.page(x)
	err := w.tell()
	if err == nil {
		err = w.entry(x, ref)
	}
	if err == nil {
		w.totals.add(x)
	}
	return w.fail(err)
}

// fail ends the file where err is one of it.
func (w *Writer) fail(err error) error {
	if err != nil {
		w.err = fmt.Errorf("write HAR: %w", w.out.abort(err))
	}
	return w.err
}

// entry adds the entry of x to the batch, and writes the batch if it is to be
// written now.
func (w *Writer) entry(x *record.Exchange, ref string) error {
	spilled := false
	spill := func(b []byte, more int64) ([]byte, error) {
		part := b
		if before := w.before(); before > 0 { // those entries are whole
			if err := w.out.commit(b[:before], w.ends); err != nil {
				return b, err
			}
			part = b[before+len(separator):]
		}
		w.ends, spilled = w.ends[:0], true
		return b[:0], w.out.spill(part, more)
	}
	if len(w.ends) > 0 {
		w.batch = append(w.batch, separator...)
	} else if w.opts.Batch {
		w.since = time.Now()
	}
	b, err := w.coder.encode(w.batch, x, ref, spill)
	w.batch, w.ends = b, append(w.ends, len(b))
	if err == nil && (!w.opts.Batch || spilled || len(b) >= maxBatch || time.Since(w.since) > maxWait) {
		err = w.commit()
	}
	return err
}

// separator stands between two entries.
const separator = ",\n"

// before returns the length of the whole entries in the batch.
func (w *Writer) before() int {
	if n := len(w.ends); n > 0 {
		return w.ends[n-1]
	}
	return 0
}

// commit writes the batch.
func (w *Writer) commit() error {
	if len(w.ends) == 0 {
		return nil
	}
	err := w.out.commit(w.batch, w.ends)
	w.batch, w.ends = w.batch[:0], w.ends[:0]
	return err
}

// Flush writes the entries that wait for others: with Options.Batch these are
// at most 128 KiB, and while exchanges come in those of the last 10 ms. Who has
// no further exchange for the moment calls it.
func (w *Writer) Flush() error {
	if w.err != nil {
		return w.err
	}
	return w.fail(w.commit())
}

// Close ends the file. It does not close what w writes to. Where
// WriteExchange failed, it returns that error.
func (w *Writer) Close() error {
	if w.Flush() == nil {
		state := w.totals.String()
		if omitted := w.events - maxProcesses; omitted > 0 {
			state += fmt.Sprintf("; %d further events of processes left out", omitted)
		}
		w.comment(state)
		w.about.list(w.processes)
		if err := w.out.finish(&w.about); err != nil {
			w.err = fmt.Errorf("write HAR: %w", err)
		}
	}
	return w.err
}

// page returns the id of the page of x's process.
func (w *Writer) page(x *record.Exchange) string {
	var key process
	if x.Conn != nil {
		key = process{PID: integer(x.Conn.PID), Comm: asUTF8(x.Conn.Comm)}
	}
	if id, ok := w.pageOf[key]; ok {
		return id
	}
	p := page{
		Started: formatTime(started(x)),
		ID:      "page_" + strconv.Itoa(len(w.about.Pages)+1),
		Title:   clip(fmt.Sprintf("%s (pid %d)", key.Comm, key.PID), maxTitle),
		Timings: pageTimings{-1, -1},
	}
	if key == (process{}) {
		p.Title = "unknown process"
	}
	other := p
	other.Title = "other processes"
	switch need := len(mustMarshal(p)) + 1; {
	case w.room == 0:
		return w.about.Pages[len(w.about.Pages)-1].ID
	case need+len(mustMarshal(other)) > w.room:
		p, w.room = other, 0
	default:
		w.room -= need
		w.pageOf[key] = p.ID
	}
	w.about.Pages = append(w.about.Pages, p)
	w.told = false
	return p.ID
}

// tell has the file say what about does.
func (w *Writer) tell() error {
	if w.told {
		return nil
	}
	w.told = true
	w.about.list(w.processes[:w.early])
	return w.out.tell(&w.about)
}

// comment sets the comment of the file, of which state is the first part.
func (w *Writer) comment(state string) {
	parts := []string{state}
	if w.opts.Redaction != "" {
		parts = append(parts, "redaction: "+w.opts.Redaction)
	}
	if w.opts.Comment != "" {
		parts = append(parts, w.opts.Comment)
	}
	w.about.Comment = clip(strings.Join(parts, "; "), maxComment)
}

// clip returns s, or as much of its beginning as is n bytes long.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
