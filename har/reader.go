package har

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"regexp"
	"slices"

	"ssltape/har/lax"
	"ssltape/record"
)

// ErrFormat says that a file is not a HAR file, or that one of JSON Lines is
// not ours. An error that wraps it says what else the file looks like.
var ErrFormat = errors.New("not an HTTP archive")

// A kind is what else JSON may be.
type kind struct {
	keys []string // of the outermost object, all of them
	name string
}

func kinds() []kind {
	return []kind{
		{[]string{"constants", "events"}, "a net-export log of Chrome: save a HAR in the Network panel of DevTools instead"},
		{[]string{"request", "response"}, "a single entry of a HAR: it belongs in the list log.entries"},
		{[]string{"entries"}, "the inside of a HAR: it belongs in an object called log"},
		{[]string{"openapi"}, "a description of an API (OpenAPI)"},
		{[]string{"swagger"}, "a description of an API (Swagger)"},
		{[]string{"info", "item"}, "a collection of Postman"},
		{[]string{"_type", "resources"}, "an export of Insomnia"},
		{[]string{"traceEvents"}, "a performance trace of Chrome"},
		{[]string{"lighthouseVersion"}, "a report of Lighthouse"},
	}
}

// unlike says what an object with keys is that is no HAR file.
func unlike(keys []string) error {
	for _, k := range kinds() {
		if !slices.ContainsFunc(k.keys, func(key string) bool { return !slices.Contains(keys, key) }) {
			return fmt.Errorf("%w; it looks like %s", ErrFormat, k.name)
		}
	}
	switch {
	case slices.Contains(keys, "log"):
		return fmt.Errorf("%w: its log has no list of entries", ErrFormat)
	case len(keys) == 0:
		return fmt.Errorf("%w: an empty object", ErrFormat)
	}
	return fmt.Errorf("%w: an object without log; it has %.100q", ErrFormat, keys[:min(len(keys), 5)])
}

// A TruncatedError says that a file ends or is broken in the middle.
type TruncatedError struct {
	Entries int   // how many were read before
	Err     error // what is wrong there
}

// Error says how much was read.
func (e *TruncatedError) Error() string {
	return fmt.Sprintf("file is cut off or broken after %d entries: %v", e.Entries, e.Err)
}

// Unwrap returns what ended the reading.
func (e *TruncatedError) Unwrap() error { return e.Err }

// Read returns the exchanges in the HAR file r, which may be compressed with
// gzip. It holds one entry at a time. The bodies of an exchange are released
// once the loop goes on, unless it is kept ([record.Exchange.Keep]).
//
// The last error it yields is [ErrFormat], a [*TruncatedError] after the
// entries that are whole, or one of r.
func Read(r io.Reader) iter.Seq2[*record.Exchange, error] { return ReadWith(r, ReadOptions{}) }

// ReadOptions say what else than exchanges is read.
type ReadOptions struct {
	// Processes is told the events of processes in the file, when they are come
	// to; where we wrote it that is after the exchanges. An error of it ends the
	// reading. May be nil.
	Processes record.ProcessWriter

	// Beside is the folder of the file, of which bodies are taken that Playwright
	// puts there. Where it is nil they are left out.
	Beside fs.FS
}

// ReadWith is [Read] with options.
func ReadWith(r io.Reader, o ReadOptions) iter.Seq2[*record.Exchange, error] {
	return func(yield func(*record.Exchange, error) bool) {
		in, err := uncompressed(r)
		if err != nil {
			yield(nil, fmt.Errorf("read HAR: %w", err))
			return
		}
		hr := newReader(in, o.Processes, yield)
		hr.decoder.beside = o.Beside
		if err := hr.file(); err != nil && !errors.Is(err, errStop) {
			yield(nil, fmt.Errorf("read HAR: %w", err))
		}
	}
}

// uncompressed removes compression and a byte order mark.
func uncompressed(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := b.Peek(2); string(magic) == "\x1f\x8b" {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, err
		}
		b = bufio.NewReaderSize(z, 64<<10)
	}
	if bom, _ := b.Peek(3); string(bom) == "\uFEFF" {
		b.Discard(3)
	}
	return b, nil
}

// maxEntry bounds the JSON text of an entry, which is read as a whole.
const maxEntry = 1 << 30

// A reader walks through the values of a file, since the keys of its objects
// may come in any order.
type reader struct {
	in      *lax.Reader
	news    record.ProcessWriter // may be nil
	yield   func(*record.Exchange, error) bool
	decoder decoder
	count   int  // exchanges so far
	entries bool // the list was there
}

func newReader(in io.Reader, news record.ProcessWriter, yield func(*record.Exchange, error) bool) *reader {
	return &reader{in: lax.NewReader(in, maxEntry), news: news, yield: yield}
}

var errStop = errors.New("stop")

func (r *reader) file() error {
	var keys []string
	err := r.object(func(key string) error {
		if len(keys) < maxKeys {
			keys = append(keys, key)
		}
		if key != "log" {
			return r.in.Skip()
		}
		return r.object(func(key string) error {
			switch {
			case key == "entries":
				return r.list()
			case key == "_processes" && r.news != nil:
				return r.processes()
			}
			return r.in.Skip()
		})
	})
	if !r.entries && (err == nil || isSyntax(err) && len(keys) > 0) {
		err = unlike(keys)
	}
	return r.broken(err, r.entries)
}

// maxKeys is how many keys of an object are looked at to say what it is.
const maxKeys = 50

// broken returns what to say of err: where it is of the JSON text, that the
// file is cut off, or that it is another file if nothing of ours was begun.
func (r *reader) broken(err error, begun bool) error {
	switch {
	case !isSyntax(err):
		return err
	case begun:
		return &TruncatedError{r.count, err}
	case errors.Is(err, ErrFormat):
		return err
	}
	return ErrFormat
}

// isSyntax reports whether err is of the JSON text, not of reading it.
func isSyntax(err error) bool {
	return errors.As(err, new(*lax.SyntaxError)) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, ErrFormat) || errors.Is(err, lax.ErrTooLong)
}

// object calls member after each key of the object that comes next.
func (r *reader) object(member func(key string) error) error {
	if c, err := r.in.Peek(); err != nil || c != '{' {
		return cmp.Or(err, ErrFormat)
	}
	return r.in.Object(member)
}

// list yields the entries of the list that comes next.
func (r *reader) list() error {
	if c, err := r.in.Peek(); err != nil || c != '[' {
		return cmp.Or(err, ErrFormat)
	}
	r.entries = true
	return r.in.List(func() error {
		var e entry
		if err := r.in.Decode(&e); err != nil {
			return err
		}
		return r.exchange(&e)
	})
}

// exchange yields the exchange of e.
func (r *reader) exchange(e *entry) error {
	x, err := r.decoder.exchange(e)
	if err != nil {
		return err
	}
	if x.ID == 0 && !x.Request.Seen() && !x.Response.Seen() && e.Started == "" {
		return nil // nothing that is an exchange
	}
	r.count++
	if x.ID == 0 {
		x.ID = uint64(r.count)
	}
	more := r.yield(x, nil)
	if !x.Kept() {
		err = x.Release()
	}
	if !more {
		return errStop
	}
	return err
}

// attach gives e what Playwright has put into files beside the HAR
// (recordHar's content: 'attach', which is what it does in a zip file). What
// is not there, or is another file than its name says, is left out.
func (d *decoder) attach(e *entry) {
	if d.beside == nil {
		return
	}
	if p := e.Request.PostData; p != nil {
		d.attachText(&p.bodyText)
	}
	d.attachText(&e.Response.Content.bodyText)
	if name := e.Response.Content.File; framesName.MatchString(name) && e.Response.Status == 101 {
		in := lax.NewReader(bytes.NewReader(d.file(name)), maxEntry)
		for m := new(webSocketMessage); in.Decode(m) == nil; m = new(webSocketMessage) {
			e.WebSocket = append(e.WebSocket, *m)
		}
	}
}

// Playwright calls a body by its SHA-1, and the frames of a WebSocket by a
// number of its own.
var (
	bodyName   = regexp.MustCompile(`^([0-9a-f]{40})\.\w+$`)
	framesName = regexp.MustCompile(`^[0-9a-f]{32}\.jsonl$`)
)

// attachText gives b its file. As that is called by what is in it, a HAR of
// somebody else cannot take other files of the reader for its bodies.
func (d *decoder) attachText(b *bodyText) {
	name := bodyName.FindStringSubmatch(b.File)
	if name == nil || b.Text != nil && len(b.Text.json) > 0 {
		return
	}
	data := d.file(b.File)
	if sum := sha1.Sum(data); data != nil && hex.EncodeToString(sum[:]) == name[1] {
		b.Text, b.Encoding = &text{data, true}, ""
	}
}

// file returns what is in the file called name beside the HAR, or nil.
func (d *decoder) file(name string) []byte {
	info, err := fs.Stat(d.beside, name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxEntry {
		return nil
	}
	data, err := fs.ReadFile(d.beside, name)
	if err != nil {
		return nil
	}
	return data
}
