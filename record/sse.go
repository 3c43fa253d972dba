package record

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
)

// maxEvents is how many bytes of events a response has, eventSize what each
// costs besides its text.
const (
	maxEvents = 64 << 20
	eventSize = 128
)

// ParseEvents returns the events of the event stream that r holds, without
// times. Where r fails it returns the events before that, and the error.
func ParseEvents(r io.Reader) ([]Event, error) {
	var events []Event
	p := eventParser{emit: func(e Event) { events = append(events, e) }}
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		p.write(buf[:n])
		if p.size > maxEvents {
			return events, fmt.Errorf("read events: more than %d bytes", maxEvents)
		}
		if err == io.EOF {
			p.close()
			return events, nil
		}
		if err != nil {
			p.close()
			return events, fmt.Errorf("read events: %w", err)
		}
	}
}

// An eventParser reads an event stream as it comes (WHATWG HTML, section
// 9.2.6). Unlike a browser it shows an event that the end cuts off.
type eventParser struct {
	emit    func(Event)
	line    []byte // unfinished
	begun   bool   // the byte order mark was looked for
	sawCR   bool   // an LF now belongs to the line before
	typ, id string
	data    []byte
	hasData bool
	torn    bool // bytes before the next line are missing
	skip    bool // until the next empty line
	size    int  // bytes of what was emitted and is held
}

func (e *eventParser) write(p []byte) {
	for len(p) > 0 {
		if e.sawCR {
			e.sawCR = false
			if p[0] == '\n' {
				p = p[1:]
				continue
			}
		}
		i := bytes.IndexAny(p, "\r\n")
		if i < 0 {
			e.line = append(e.line, p...)
			e.size += len(p)
			return
		}
		e.size += i + 1
		line := p[:i]
		if len(e.line) > 0 {
			e.line = append(e.line, line...)
			line, e.line = e.line, e.line[:0]
		}
		e.sawCR = p[i] == '\r'
		e.oneLine(line)
		p = p[i+1:]
	}
}

func (e *eventParser) oneLine(line []byte) {
	if !e.begun {
		e.begun = true
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
	}
	if len(line) == 0 {
		e.dispatch()
		return
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	torn := e.torn
	e.torn = false
	switch string(name) {
	case "event":
		e.typ = string(value)
	case "data":
		if e.hasData {
			e.data = append(e.data, '\n')
		}
		e.data, e.hasData = append(e.data, value...), true
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			e.id = string(value)
		}
	case "", "retry":
	default:
		e.skip = e.skip || torn
	}
}

// dispatch ends an event; without data there is none.
func (e *eventParser) dispatch() {
	if e.hasData && !e.skip {
		e.size += eventSize
		e.emit(Event{Type: e.typ, ID: strings.Clone(e.id), Data: string(e.data)})
	}
	e.typ, e.data, e.hasData, e.skip, e.torn = "", nil, false, false, false
}

// close shows what was not finished.
func (e *eventParser) close() {
	if len(e.line) > 0 {
		e.oneLine(e.line)
	}
	e.dispatch()
	e.line = nil
}

// gap says that bytes are missing: the event that they were in is not shown,
// nor what follows of it, unless that looks like the start of one.
func (e *eventParser) gap() {
	e.typ, e.data, e.hasData = "", nil, false
	e.line, e.sawCR, e.begun, e.torn = nil, false, true, true
}

// An EventStream fills the events of a response while its body comes, content
// coding or not. Decoders pull, and here bytes are pushed: so the decoder runs
// as a coroutine that is resumed when there are bytes, and pauses where it
// wants more.
type EventStream struct {
	r      *Response
	parser eventParser
	time   time.Time // of the bytes being read
	coded  bool      // the coroutine is needed
	begun  bool
	over   bool   // nothing more is read
	in     []byte // for the coroutine
	resume func() (struct{}, bool)
	stop   func()
	pause  func(struct{}) bool
}

// NewEventStream returns an EventStream that appends to the events of r, whose
// header is there. One with a content coding that is not known has none. The
// caller closes it.
func NewEventStream(r *Response) *EventStream {
	codings, unknown := contentCodings(r.Header)
	s := &EventStream{r: r, coded: len(codings) > 0, over: unknown != nil && len(codings) == 0}
	s.parser.emit = func(e Event) {
		e.Time = s.time
		r.Events = append(r.Events, e)
	}
	return s
}

// Write reads p, the next bytes of the body, which came at t. It reports whether
// events are left out since those of the response exceed 64 MiB.
func (s *EventStream) Write(p []byte, t time.Time) (cut bool) {
	if s.over || len(p) == 0 {
		return s.parser.size > maxEvents
	}
	s.time = t
	if !s.begun {
		s.begun = true
		if s.coded = s.coded || p[0] == 0x1f || p[0] == 0x28; s.coded { // gzip and zstd come unlabelled too
			s.resume, s.stop = iter.Pull(s.decode)
		}
	}
	if !s.coded {
		s.parse(p)
	} else {
		s.in = p
		_, more := s.resume()
		s.in, s.over = nil, s.over || !more
	}
	return s.parser.size > maxEvents
}

// parse reads p, which is decoded.
func (s *EventStream) parse(p []byte) {
	s.parser.write(p)
	s.over = s.over || s.parser.size > maxEvents
}

// decode is the coroutine.
func (s *EventStream) decode(pause func(struct{}) bool) {
	s.pause = pause
	codings, _ := contentCodings(s.r.Header)
	d := newDecoder(readerFunc(s.pull), codings, probeStream)
	defer d.Close()
	buf := make([]byte, 16<<10)
	for !s.over {
		n, err := d.Read(buf)
		s.parse(buf[:n])
		if err != nil {
			return
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// pull gives the decoder what there is, or pauses until there is more.
func (s *EventStream) pull(p []byte) (int, error) {
	for len(s.in) == 0 {
		if !s.pause(struct{}{}) {
			return 0, io.EOF
		}
	}
	n := copy(p, s.in)
	s.in = s.in[n:]
	return n, nil
}

// Gap says that bytes are missing. Nothing can be decoded after that.
func (s *EventStream) Gap() {
	s.over = s.over || s.coded
	s.begun = true
	s.parser.gap()
}

// Close ends the stream, and shows what it ended in.
func (s *EventStream) Close() {
	if s.stop != nil {
		s.stop()
	}
	s.parser.close()
}
