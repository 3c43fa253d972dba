package view

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"

	"ssltape/record"
	"ssltape/record/wire"
)

// body writes the body of one side, the response unless told otherwise, and
// nothing else. Of one that cannot be decoded to its end it writes the start;
// Close then returns why.
type body struct {
	*printer
	errs []error
}

func newBody(p *printer) View { return &body{printer: p} }

// maxErrors is how many errors of bodies are kept.
const maxErrors = 10

// WriteExchange implements [record.ExchangeWriter].
func (v *body) WriteExchange(x *record.Exchange) error {
	if !x.Done() {
		return nil
	}
	m := &x.Response.Message
	if v.Side == Request {
		m = &x.Request.Message
	}
	r, err := open(m, v.Encoded)
	if err == nil {
		err = errors.Join(v.show(m, r), r.Close())
	}
	if err != nil && len(v.errs) < maxErrors {
		v.errs = append(v.errs, fmt.Errorf("exchange %d: body: %w", x.ID, err))
	}
	return v.Flush()
}

// Close returns the errors of the bodies.
func (v *body) Close() error { return errors.Join(append(v.errs, v.Flush())...) }

// show copies r, the body of m: as it is, but to a terminal JSON is indented, and
// what is no text is only described.
func (v *body) show(m *record.Message, r io.Reader) error {
	if !v.Terminal {
		return v.pass(r)
	}
	b := bufio.NewReaderSize(r, 512)
	if start, _ := b.Peek(512); !isText(start) {
		v.printf("[%d bytes of %s: send them to a file or a pipe, or see -V hex]\n", m.Body.Len(), Escape(orDash(m.MediaType())))
		return nil
	}
	if !isJSON(m) || v.Encoded || m.Body.Len() > maxIndent {
		return v.pass(b)
	}
	e := &escaper{w: v.Writer}
	err := errors.Join(indentJSON(e, b), e.Close())
	v.WriteByte('\n')
	return err
}

// pass copies r: escaped to a terminal, as it is elsewhere.
func (p *printer) pass(r io.Reader) error {
	if !p.Terminal {
		// Not by ReadFrom, which would keep an error of r for one of ours.
		_, err := io.Copy(struct{ io.Writer }{p.Writer}, r)
		return err
	}
	e := &escaper{w: p.Writer}
	_, err := io.Copy(e, r)
	return errors.Join(err, e.Close())
}

// raw writes messages as they were sent, but for the transfer coding of
// their bodies, which a recording does not keep.
type raw struct{ *printer }

func newRaw(p *printer) View { return &raw{p} }

// WriteExchange implements [record.ExchangeWriter].
func (v *raw) WriteExchange(x *record.Exchange) error {
	if !x.Done() {
		return nil
	}
	for _, m := range v.messages(x) {
		if err := v.pass(m.bytes); err != nil {
			return fmt.Errorf("exchange %d: %s: %w", x.ID, m.side, err)
		}
	}
	return v.Flush()
}

// hexdump shows what raw writes as hex dumps.
type hexdump struct{ *printer }

func newHex(p *printer) View { return &hexdump{p} }

// WriteExchange implements [record.ExchangeWriter].
func (v *hexdump) WriteExchange(x *record.Exchange) error {
	if !x.Done() {
		return nil
	}
	v.WriteString(v.start(x) + "\n")
	for _, m := range v.messages(x) {
		v.WriteString(v.paint(bold, string(m.side)) + "\n")
		d := hex.Dumper(v.Writer)
		_, err := io.Copy(d, m.bytes)
		if err := errors.Join(err, d.Close()); err != nil {
			return fmt.Errorf("exchange %d: %s: %w", x.ID, m.side, err)
		}
	}
	v.WriteByte('\n')
	return v.Flush()
}

// A message is the head and the body of a side.
type message struct {
	side  Side
	bytes io.Reader
}

// messages returns the sides of x that are to be shown.
func (p *printer) messages(x *record.Exchange) []message {
	var ms []message
	if p.Side != Response {
		ms = append(ms, message{Request, io.MultiReader(bytes.NewReader(wire.RequestHead(&x.Request)), x.Request.Body.Reader())})
	}
	if p.Side != Request {
		ms = append(ms, message{Response, io.MultiReader(bytes.NewReader(wire.ResponseHead(&x.Response)), x.Response.Body.Reader())})
	}
	return ms
}

// open returns a reader of the body of m, without its content coding unless
// encoded is set.
func open(m *record.Message, encoded bool) (io.ReadCloser, error) {
	if encoded {
		return io.NopCloser(m.Body.Reader()), nil
	}
	return m.Decode()
}

func itoa(n int) string { return strconv.Itoa(n) }

// count returns n in digits.
func count(n int64) string { return strconv.FormatInt(n, 10) }
