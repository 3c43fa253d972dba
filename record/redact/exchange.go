package redact

import (
	"io"
	"slices"

	"ssltape/record"
)

// Exchanges returns a writer that hands to w a twin of each exchange, without
// what p takes out. The exchange itself is not touched. The twin is the same
// for the same exchange, grows as it does, and is released after the last call
// unless w called its Keep.
func Exchanges(w record.ExchangeWriter, p Profile) record.ExchangeWriter {
	if p == None {
		return w
	}
	return &exchanges{w: w, profile: p, twins: map[*record.Exchange]*twin{}}
}

type exchanges struct {
	w       record.ExchangeWriter
	profile Profile
	twins   map[*record.Exchange]*twin
}

// A twin is a redacted exchange and how far its source was read.
type twin struct {
	record.Exchange
}

// WriteExchange implements [record.ExchangeWriter].
func (e *exchanges) WriteExchange(x *record.Exchange) error {
	t := e.twins[x]
	if t == nil {
		t = new(twin)
		e.twins[x] = t
	}
	err := e.grow(t, x)
	if werr := e.w.WriteExchange(&t.Exchange); werr != nil {
		err = werr
	}
	if x.Done() {
		delete(e.twins, x)
		if !t.Kept() {
			if rerr := t.Release(); err == nil {
				err = rerr
			}
		}
	}
	return err
}

// grow makes t what x is by now.
func (e *exchanges) grow(t *twin, x *record.Exchange) error {
	t.ID, t.Conn, t.Server, t.Err = x.ID, x.Conn, x.Server, x.Err
	t.Anomalies = slices.Clone(x.Anomalies)
	t.Request.Method, t.Request.Target = x.Request.Method, x.Request.Target
	t.Response.Status, t.Response.Reason = x.Response.Status, x.Response.Reason
	t.Response.Events = slices.Clone(x.Response.Events)
	t.Response.Interim = slices.Clone(x.Response.Interim)
	for i := range t.Response.Interim {
		t.Response.Interim[i].Header = e.profile.fields(x.Response.Interim[i].Header)
	}
	if err := e.growMessage(&t.Request.Message, &x.Request.Message); err != nil {
		return err
	}
	return e.growMessage(&t.Response.Message, &x.Response.Message)
}

func (e *exchanges) growMessage(t, m *record.Message) error {
	body := t.Body
	*t = *m
	t.Body = body
	t.Header, t.Trailer = e.profile.fields(m.Header), e.profile.fields(m.Trailer)
	t.Lost, t.Marks = slices.Clone(m.Lost), slices.Clone(m.Marks)
	_, err := io.Copy(&t.Body, io.NewSectionReader(&m.Body, t.Body.Len(), m.Body.Len()-t.Body.Len()))
	return err
}
