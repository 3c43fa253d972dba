// Package view shows exchanges as text, each view in its own way.
//
// A view is a [record.ExchangeWriter]. The same views show a recording as it
// unfolds and one that was stored: a view that shows an exchange before it is
// done remembers how much it has shown, so that the text does not depend on
// how often it was told of growth.
//
// What was captured is not trusted. Control characters, and those that change
// the direction of text or take no room, are shown as escapes, whatever the
// output is; only the views of bytes (body, raw) pass bytes on as they are,
// and only where the output is not a terminal.
package view

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"ssltape/record"
)

// A View shows exchanges.
type View interface {
	record.ExchangeWriter

	// Close shows what can be said only at the end and passes on all text
	// to the writer of the view, which stays open.
	Close() error
}

// A Side is a half of an exchange.
type Side string

// The sides. A view whose Options have no side shows what suits it.
const (
	Request  Side = "request"
	Response Side = "response"
)

// Options are what views have in common. The zero Options suit a file.
type Options struct {
	Width    int            // columns of the terminal; 0: lines are as long as they need be
	Measure  func() int     // what Width is now, asked each time; may be nil
	Color    bool           // emphasise by ANSI escape sequences
	Terminal bool           // the output is a terminal: bytes of bodies are escaped, and by its locale what is not ASCII
	Side     Side           // show this half only; "" where both, or the usual one, are wanted
	Encoded  bool           // show bodies with their content coding
	Zone     *time.Location // of the times shown; nil means time.Local
}

// An Info describes a view.
type Info struct {
	Name  string
	Usage string // one line: what the view shows
	Heads bool   // it looks at nothing but heads, sizes, and times of events

	open func(*printer) View
}

// All returns the views in the order in which help lists them.
func All() []Info {
	const heads = true
	return []Info{
		{"list", "a line for each exchange; FLAGS: S events, W WebSocket, E error in the answer, T cut, L lost, I incomplete", heads, newList},
		{"live", "a line for each exchange, and the text of event streams as it arrives", false, newLive},
		{"summary", "what the recording is about, at the end", heads, newSummary},
		{"full", "heads and decoded bodies", false, newFull},
		{"headers", "heads", heads, newHeaders},
		{"body", "the decoded body of the response, byte for byte", false, newBody},
		{"events", "a block for each server-sent event, its JSON flattened", false, newEvents},
		{"chat", "talks with language models, as people read them", false, newChat},
		{"timeline", "when each exchange was, at the end", heads, newTimeline},
		{"stats", "counts and times by host and by model, at the end", false, newStats},
		{"curl", "a curl command for each request, which sends the same bytes", false, newCurl},
		{"raw", "heads as HTTP/1.1 has them, bodies without transfer coding; of a HAR without content coding too", false, newRaw},
		{"hex", "what raw shows, as a hex dump", false, newHex},
	}
}

// Heads returns a copy of x without bodies and the data of events and messages,
// which is as good as x to a view whose Info has Heads, and costs less to pass on. x stays
// the owner of all that the copy refers to.
func Heads(x *record.Exchange) *record.Exchange {
	h := *x
	h.Failed = failed(x)
	h.Request.Body, h.Response.Body = record.Body{}, record.Body{}
	h.Response.Events = make([]record.Event, len(x.Response.Events))
	for i, e := range x.Response.Events {
		h.Response.Events[i].Time = e.Time
	}
	h.WebSocket = make([]record.WebSocketMessage, len(x.WebSocket))
	for i, m := range x.WebSocket {
		m.Data = ""
		h.WebSocket[i] = m
	}
	return &h
}

// New returns the view called name, which writes to w. The error of an
// unknown name lists the names that there are.
func New(name string, w io.Writer, o Options) (View, error) {
	var names []string
	for _, v := range All() {
		if v.Name == name {
			return v.open(newPrinter(w, o)), nil
		}
		names = append(names, v.Name)
	}
	return nil, fmt.Errorf("view %q: unknown; there are %s", name, strings.Join(names, ", "))
}

// newPrinter returns a printer that writes to w.
func newPrinter(w io.Writer, o Options) *printer {
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if o.Terminal && !showsUTF8() {
		w = asASCII(w, goEscape)
	}
	return &printer{Writer: bufio.NewWriter(w), Options: o}
}

// width returns how many columns the terminal has, or 0.
func (p *printer) width() int {
	if p.Measure != nil {
		return p.Measure()
	}
	return p.Width
}
