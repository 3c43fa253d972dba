package har

import (
	"bytes"
	"encoding/json"
	"io"

	"ssltape/record"
)

// spillSize is the length from which on a part of an entry is written before
// the rest of it is known.
const spillSize = 64 << 10

// A coder encodes entries, with memory that does not depend on the size of
// their bodies.
type coder struct {
	req, res []byte       // a chunk of each body
	meta     bytes.Buffer // the entry without the bodies
	buf      []byte       // for who has no buffer of its own
}

// A spill takes what a buffer holds, which ends within a string of which at
// least more bytes are to come, and returns the buffer to go on with.
type spill func(b []byte, more int64) ([]byte, error)

// encode appends the JSON of x's entry to b. A long one goes to spill, with
// what b held before, but for its end.
func (c *coder) encode(b []byte, x *record.Exchange, pageRef string, spill spill) ([]byte, error) {
	if c.req == nil {
		c.req, c.res = make([]byte, chunkSize), make([]byte, chunkSize)
	}
	req, err := survey(&x.Request.Message, c.req)
	if err != nil {
		return nil, err
	}
	res, err := survey(&x.Response.Message, c.res)
	if err != nil {
		return nil, err
	}
	e := newEntry(x, &req, &res)
	e.PageRef = pageRef
	c.meta.Reset()
	enc := json.NewEncoder(&c.meta)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, err
	}
	if e.Request.PostData != nil && e.Request.PostData.Text != nil {
		if b, err = c.body(b, &req, c.req, spill); err != nil {
			return b, err
		}
	}
	if e.Response.Content.Text != nil {
		if b, err = c.body(b, &res, c.res, spill); err != nil {
			return b, err
		}
	}
	return append(b, bytes.TrimSuffix(c.meta.Bytes(), []byte("\n"))...), nil
}

// body encodes what comes before the next placeholder, and p in place of it.
func (c *coder) body(b []byte, p *payload, chunk []byte, spill spill) ([]byte, error) {
	before, _, _ := bytes.Cut(c.meta.Bytes(), []byte(placeholder))
	c.meta.Next(len(before) + len(placeholder))
	b, err := p.appendTo(append(append(b, before...), `"text":"`...), chunk, spill)
	return append(b, '"'), err
}

// WriteEntry writes the entry of x to w, as one line of JSON without an end of
// line. A large one is written in parts.
func WriteEntry(w io.Writer, x *record.Exchange) error {
	var c coder
	return c.writeTo(w, x)
}

func (c *coder) writeTo(w io.Writer, x *record.Exchange) error {
	var err error
	c.buf, err = c.encode(c.buf[:0], x, "", writeTo(w))
	if err == nil {
		_, err = w.Write(c.buf)
	}
	return err
}

// writeTo returns a spill that writes to w.
func writeTo(w io.Writer) spill {
	return func(b []byte, _ int64) ([]byte, error) {
		_, err := w.Write(b)
		return b[:0], err
	}
}
