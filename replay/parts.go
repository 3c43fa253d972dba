package replay

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"ssltape/record"
)

// maxHAR is how long a HAR file becomes before the recording goes on in another
// one: a text of 512 MiB is too long for V8, so that Chrome shows nothing of the
// file and no error either. What is above it is for an entry that turns out
// longer than was to be seen.
const maxHAR = 450_000_000

// parts are the files of an output that has to be split.
type parts struct {
	limit int64    // length at which the next file is begun
	begun bool     // the present file has an exchange
	more  []string // the files after the first one
	said  bool     // the user knows
}

// Paths returns the names of the files that o writes to: the one it was made
// for, then those in which it went on. Those are called NAME-2.har and so on.
// No number is used for which there is a file.
func (o *Output) Paths() []string { return append([]string{o.path}, o.more...) }

// split begins the next file where x would make the present one too long.
func (o *Output) split(x *record.Exchange) error {
	if o.len == nil || !x.Done() {
		return nil
	}
	full := o.begun && o.len()+entrySize(x) > o.limit
	o.begun = true
	if !full {
		return nil
	}
	if !o.regular() {
		o.notice("output %s: more than %d MB, which Chrome does not open", o.path, o.limit/1e6)
		return nil
	}
	err := o.wrap(o.close())
	o.back.ended()
	if err = errors.Join(err, o.file.Close()); err != nil {
		return err
	}
	path, f, err := o.nextFile()
	if err != nil {
		return o.wrap(err)
	}
	o.notice("output %s: is as long as Chrome can open; it goes on in %s", o.path, path)
	o.file, o.back, o.more = f, newWriteback(f), append(o.more, path)
	return o.begin(f)
}

// entrySize returns about how long the entry of x will be.
func entrySize(x *record.Exchange) int64 {
	n := int64(4096)
	for _, m := range []*record.Message{&x.Request.Message, &x.Response.Message} {
		size := m.Body.Len() * 3 / 2 // base64, or what JSON escapes
		if m.Header.Has("Content-Encoding") && !m.Decoded {
			size *= 8
		}
		n += 2*m.HeadSize + size
	}
	for _, e := range x.Response.Events {
		n += int64(len(e.Data))*3/2 + 100
	}
	for _, w := range x.WebSocket {
		n += int64(len(w.Data))*3/2 + 100
	}
	return n
}

// regular reports whether o writes to a file beside which others can be.
func (o *Output) regular() bool {
	if o.file == nil {
		return false
	}
	st, err := o.file.Stat()
	return err == nil && st.Mode().IsRegular()
}

// nextFile creates the file of the next number that no file has: what the user
// did not name is not overwritten, and a symbolic link not followed.
func (o *Output) nextFile() (string, *os.File, error) {
	stem, ending := o.path, ""
	for _, e := range o.endings {
		if strings.HasSuffix(strings.ToLower(o.path), e) {
			stem, ending = o.path[:len(o.path)-len(e)], o.path[len(o.path)-len(e):]
		}
	}
	for n := len(o.more) + 2; ; n++ {
		path := fmt.Sprintf("%s-%d%s", stem, n, ending)
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err == nil {
			err = giveToCaller(f)
		}
		return path, f, err
	}
}

// notice tells the user once.
func (o *Output) notice(format string, args ...any) {
	if o.opts.Notice != nil && !o.said {
		o.opts.Notice(fmt.Sprintf(format, args...))
	}
	o.said = true
}
