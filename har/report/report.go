// Package report writes a recording as one HTML page that needs nothing else:
// no network, no server, no other file.
//
// The page holds each exchange as JSON in a script element that is data, not
// code, and its own script shows it. Captured bytes cannot become markup or
// code: every < of the data is written as an escape, the script sets text and
// never markup, and the page's Content-Security-Policy names the hash of the
// one script and the one style sheet that may act.
package report

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"strings"

	"ssltape/har"
	"ssltape/record"
	"ssltape/record/llm"
)

//go:embed page
var page embed.FS

// The style sheet and the script of the page. The parts of the script share one
// scope; a later part uses what is in those before it.
var (
	style  = part("page.css")
	script = "'use strict';(()=>{\n" + part("base.js") + part("filter.js") + part("chat.js") + part("detail.js") + part("list.js") + "})();\n"
)

func part(name string) string {
	b, err := page.ReadFile("page/" + name)
	if err != nil {
		panic(err) // it is in the program
	}
	return string(b)
}

// Options say what the page tells of itself.
type Options struct {
	Version   string // of ssltape
	Comment   string // such as where the recording comes from
	Redaction string // profile that ran, "" where none did
}

// A Writer is a [record.ExchangeWriter] that writes the page. It writes each
// exchange when that is done, and keeps nothing of it.
type Writer struct {
	w       io.Writer
	opts    Options
	history llm.History
	err     error
}

// NewWriter returns a Writer that writes to w, and begins the page.
func NewWriter(w io.Writer, o Options) (*Writer, error) {
	p := &Writer{w: w, opts: o}
	p.printf(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src '%s'; style-src '%s'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">
<title>%s</title>
<style>%s</style></head><body>
<noscript>This page needs JavaScript: its own, which is in it.</noscript>
`, hash(script), hash(style), html.EscapeString(p.title()), style)
	return p, p.err
}

func (p *Writer) title() string {
	if p.opts.Comment == "" {
		return "ssltape recording"
	}
	return "ssltape: " + p.opts.Comment
}

// hash is how a Content-Security-Policy names what it allows (CSP level 3,
// section 2.3.1).
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// summary is what the list shows of an exchange, and what the filter asks of it.
type summary struct {
	ID        uint64  `json:"id"`
	Start     int64   `json:"start"` // ms since the epoch
	Send      float64 `json:"send"`  // ms, as all that follow
	Wait      float64 `json:"wait"`
	Total     float64 `json:"total"`
	Conn      uint64  `json:"conn,omitempty"`
	PID       int     `json:"pid,omitempty"`
	Comm      string  `json:"comm"`
	Method    string  `json:"method"`
	URL       string  `json:"url"`
	Status    int     `json:"status"`
	Type      string  `json:"type"`
	Sent      int64   `json:"sent"` // bytes
	Received  int64   `json:"received"`
	Events    int     `json:"events"`
	WebSocket bool    `json:"websocket,omitempty"`
	Messages  int     `json:"messages,omitempty"` // of the WebSocket
	Error     string  `json:"err,omitempty"`      // why it is incomplete
	Lost      int64   `json:"lost,omitempty"`
	Cut       int64   `json:"cut,omitempty"`
	LLM       bool    `json:"llm,omitempty"`
	Model     string  `json:"model,omitempty"`
	Wrong     string  `json:"wrong,omitempty"`  // what went wrong in the talk with a model
	Failed    bool    `json:"failed,omitempty"` // it is what the provider said
}

func newSummary(x *record.Exchange) summary {
	req, resp := &x.Request, &x.Response
	s := summary{ID: x.ID, Start: x.Start().UnixMilli(), Total: ms(x.Duration()), Method: req.Method, URL: x.URL(), Status: resp.Status,
		Type: resp.MediaType(), Sent: req.BodySize, Received: resp.BodySize, Events: len(resp.Events), WebSocket: x.IsWebSocket(), Messages: len(x.WebSocket),
		Lost: req.LostBytes() + resp.LostBytes(), Cut: req.Cut + resp.Cut}
	if req.Seen() {
		s.Send = max(0, ms(req.End.Sub(req.Start)))
	}
	if req.Seen() && resp.Seen() {
		s.Wait = max(0, ms(resp.Start.Sub(req.End)))
	}
	if c := x.Conn; c != nil {
		s.Conn, s.PID, s.Comm = c.ID, c.PID, c.Comm
	}
	if x.Err != nil {
		s.Error = x.Err.Error()
	}
	return s
}

// chat is a talk with a model; of its messages the page has those that no
// exchange before had.
type chat struct {
	*llm.Chat
	Known      llm.Known
	Tokens     string  // for people
	FirstToken float64 `json:",omitempty"` // ms after the question
	Rate       float64 `json:",omitempty"` // tokens a second
}

func newChat(x *record.Exchange, c *llm.Chat, known llm.Known) *chat {
	talk := &chat{Chat: c, Known: known, Tokens: c.Usage.String()}
	if t, ok := llm.FirstToken(x); ok {
		talk.FirstToken = ms(t)
	}
	talk.Rate, _ = c.Rate(x)
	c.Messages = c.Messages[known.Messages:]
	return talk
}

// WriteExchange implements [record.ExchangeWriter].
func (p *Writer) WriteExchange(x *record.Exchange) error {
	if p.err != nil || !x.Done() {
		return p.err
	}
	s := newSummary(x)
	var talk *chat
	if c, ok := llm.Read(x); ok {
		talk = newChat(x, c, p.history.Add(x.ID, c))
		s.LLM, s.Model = true, c.Model
		s.Failed = c.Error != ""
		if s.Wrong = c.Error; s.Wrong == "" {
			s.Wrong = c.Broken
		}
	} else if s.Wrong = llm.Failure(x); s.Wrong != "" {
		s.Failed = true
	}
	p.data("summary", s)
	p.printf(`<script type="application/json" class="entry">`)
	if p.err == nil {
		p.err = har.WriteEntry(escaper{p.w}, x)
	}
	p.printf("</script>\n")
	p.data("chat", talk)
	return p.err
}

// WriteProcess implements [record.ProcessWriter].
func (p *Writer) WriteProcess(e *record.ProcessEvent) error {
	text, err := har.MarshalProcess(e)
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("write HTML: %w", err)
	}
	p.data("process", json.RawMessage(text))
	return p.err
}

// data writes v as a script element of JSON.
func (p *Writer) data(class string, v any) {
	text, err := json.Marshal(v) // writes < as an escape
	if err != nil && p.err == nil {
		p.err = err
	}
	p.printf(`<script type="application/json" class="%s">%s</script>`+"\n", class, text)
}

// Close ends the page. It does not close what p writes to.
func (p *Writer) Close() error {
	p.data("about", map[string]string{"title": p.title(), "version": p.opts.Version, "redaction": p.opts.Redaction})
	p.printf("<script>%s</script>\n</body></html>\n", script)
	return p.err
}

func (p *Writer) printf(format string, args ...any) {
	if p.err != nil {
		return
	}
	if _, err := fmt.Fprintf(p.w, format, args...); err != nil {
		p.err = fmt.Errorf("write HTML: %w", err)
	}
}

func ms[D ~int64](d D) float64 { return float64(d/1000) / 1000 }

// An escaper writes JSON so that it can stand in a script element: < occurs in
// strings only, where an escape says the same (RFC 8259, section 7).
type escaper struct{ w io.Writer }

func (e escaper) Write(p []byte) (int, error) {
	if bytes.IndexByte(p, '<') < 0 {
		return e.w.Write(p)
	}
	if _, err := io.WriteString(e.w, strings.ReplaceAll(string(p), "<", `\u003c`)); err != nil {
		return 0, err
	}
	return len(p), nil
}
