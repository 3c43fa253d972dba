package har

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"ssltape/record"
)

// Options say what a file tells of itself.
type Options struct {
	Version   string // of ssltape
	Comment   string // what else there is to say
	Redaction string // profile of redaction that ran, such as "secrets"
}

// maxPages bounds the pages of a file, of which the last one takes all further
// processes. They are written anew after each entry.
const maxPages = 100

// A Writer is a [record.ExchangeWriter] that writes a HAR file: an entry for
// each exchange that is done, in the order in which they are.
//
// A regular file is a whole HAR file after each system call that writes to it,
// so that a program that is killed leaves the entries of all exchanges before.
// One window remains: the kernel copies a write page by page and stops between
// two pages for SIGKILL. Killed just there, in the microsecond or so that an
// entry of several pages takes, a program leaves a file without its end, which
// [Read] reads up to there. The space for an entry is taken before anything is
// overwritten: a full disk does not spoil the file. Anything that is not a
// regular file gets its end with Close.
//
// Bodies are streamed: memory does not grow with their size nor with the
// number of exchanges. The list of pages, one for each process, comes after
// the entries. A Writer is not safe for use by several goroutines at once.
type Writer struct {
	out    output
	coder  coder
	opts   Options
	pages  []page
	pageOf map[process]string
	totals totals
	err    error // the first error of out, which ends the file

	processes []byte // events, with commas between
	early     int    // length of the first maxProcesses of them
	events    int
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
	hw := &Writer{opts: o, pages: []page{}, pageOf: map[process]string{}}
	head, err := json.Marshal(struct {
		Version   string  `json:"version"`
		Creator   creator `json:"creator"`
		Redaction string  `json:"_redaction,omitempty"`
	}{"1.2", creator{"ssltape", o.Version}, o.Redaction})
	if err != nil {
		return nil, err
	}
	start := []byte(`{"log":` + strings.TrimSuffix(string(head), "}") + `,"entries":[`)
	if f, at, ok := asFile(w); ok {
		hw.out, err = newInPlace(f, at, start, hw.end(0))
	} else {
		hw.out, err = newSequential(w, start)
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
	rest, err := w.coder.encode(x, ref, w.out.spill)
	if err == nil {
		w.totals.add(x)
		err = w.out.commit(rest, w.end(w.early))
	}
	if err != nil {
		w.err = fmt.Errorf("write HAR: %w", errors.Join(err, w.out.abort()))
	}
	return w.err
}

// Close ends the file. It does not close what w writes to. Where
// WriteExchange failed, it returns that error.
func (w *Writer) Close() error {
	if w.err == nil {
		if err := w.out.finish(w.end(len(w.processes))); err != nil {
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
	if len(w.pages) == maxPages {
		return w.pages[maxPages-1].ID
	}
	p := page{
		Started: formatTime(started(x)),
		ID:      "page_" + strconv.Itoa(len(w.pages)+1),
		Title:   fmt.Sprintf("%s (pid %d)", key.Comm, key.PID),
		Timings: pageTimings{-1, -1},
	}
	switch {
	case len(w.pages) == maxPages-1:
		p.Title = "other processes"
	case key == process{}:
		p.Title = "unknown process"
	}
	w.pages = append(w.pages, p)
	w.pageOf[key] = p.ID
	return p.ID
}

// end returns what comes after the last entry, with the first n bytes of the
// events of processes.
func (w *Writer) end(n int) []byte {
	comment := []string{w.totals.String()}
	if w.opts.Redaction != "" {
		comment = append(comment, "redaction: "+w.opts.Redaction)
	}
	if w.opts.Comment != "" {
		comment = append(comment, w.opts.Comment)
	}
	if omitted := w.events - maxAllProcesses; omitted > 0 {
		comment = append(comment, fmt.Sprintf("%d further events of processes left out", omitted))
	}
	pages, err := json.Marshal(w.pages)
	text, err2 := json.Marshal(strings.Join(comment, "; "))
	if err = errors.Join(err, err2); err != nil { // strings and numbers always can be marshalled
		panic(err)
	}
	end := append([]byte("\n],\"pages\":"), pages...)
	if n > 0 {
		end = append(append(append(end, `,"_processes":[`...), w.processes[:n]...), ']')
	}
	return append(append(append(end, `,"comment":`...), text...), "}}\n"...)
}
