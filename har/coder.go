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
	before   []byte       // what comes before an entry
	buf      []byte       // what was not spilled yet
}

// encode returns the JSON of x's entry, of which it may have passed the parts
// before to spill. What it returns is valid until the next call.
func (c *coder) encode(x *record.Exchange, pageRef string, spill func(p []byte, more int64) error) ([]byte, error) {
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
	c.buf = append(c.buf[:0], c.before...)
	reuse := func(b []byte, more int64) ([]byte, error) { return b[:0], spill(b, more) }
	if e.Request.PostData != nil && e.Request.PostData.Text != nil {
		if err := c.body(&req, c.req, reuse); err != nil {
			return nil, err
		}
	}
	if e.Response.Content.Text != nil {
		if err := c.body(&res, c.res, reuse); err != nil {
			return nil, err
		}
	}
	c.buf = append(c.buf, bytes.TrimSuffix(c.meta.Bytes(), []byte("\n"))...)
	return c.buf, nil
}

// body encodes what comes before the next placeholder, and p in place of it.
func (c *coder) body(p *payload, chunk []byte, spill func([]byte, int64) ([]byte, error)) error {
	before, _, _ := bytes.Cut(c.meta.Bytes(), []byte(placeholder))
	c.buf = append(c.buf, before...)
	c.meta.Next(len(before) + len(placeholder))
	c.buf = append(c.buf, `"text":"`...)
	var err error
	c.buf, err = p.appendTo(c.buf, chunk, spill)
	c.buf = append(c.buf, '"')
	return err
}

// WriteEntry writes the entry of x to w, as one line of JSON without an end of
// line. A large one is written in parts.
func WriteEntry(w io.Writer, x *record.Exchange) error {
	var c coder
	return c.writeTo(w, x)
}

func (c *coder) writeTo(w io.Writer, x *record.Exchange) error {
	write := func(p []byte, _ int64) error {
		_, err := w.Write(p)
		return err
	}
	rest, err := c.encode(x, "", write)
	if err != nil {
		return err
	}
	return write(rest, 0)
}
