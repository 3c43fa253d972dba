package har

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"ssltape/record"
)

// maxProcesses bounds the process events of a HAR file, which are kept in
// memory, and maxEarly the JSON of those that it has before its end. JSON Lines
// have no bound.
const (
	maxProcesses = 50_000
	maxEarly     = 1000
)

// A processEvent is a [record.ProcessEvent] in JSON, in log._processes and in
// lines of type "process".
type processEvent struct {
	Time   string   `json:"time"`
	Event  string   `json:"event"`
	PID    integer  `json:"pid"`
	PPID   integer  `json:"ppid,omitempty"`
	Comm   string   `json:"comm"`
	Exe    string   `json:"exe,omitempty"`
	Args   []string `json:"args,omitempty"`
	Status *integer `json:"status,omitempty"` // of "exit"
	Line   string   `json:"line,omitempty"`   // of "line"
}

func newProcessEvent(p *record.ProcessEvent) processEvent {
	e := processEvent{Time: formatTime(p.Time), Event: string(p.Kind), PID: integer(p.PID), PPID: integer(p.PPID),
		Comm: asUTF8(p.Comm), Exe: asUTF8(p.Exe), Args: slices.Clone(p.Args), Line: asUTF8(p.Line)}
	for i, a := range e.Args {
		e.Args[i] = asUTF8(a)
	}
	if p.Kind == record.Exit {
		status := integer(p.Status)
		e.Status = &status
	}
	return e
}

// MarshalProcess returns p as JSON, as it is in log._processes.
func MarshalProcess(p *record.ProcessEvent) ([]byte, error) { return json.Marshal(newProcessEvent(p)) }

// event returns the [record.ProcessEvent] that e stands for.
func (e *processEvent) event() *record.ProcessEvent {
	p := &record.ProcessEvent{Time: parseTime(e.Time), Kind: record.ProcessKind(e.Event), PID: int(e.PID), PPID: int(e.PPID),
		Comm: e.Comm, Exe: e.Exe, Args: e.Args, Line: e.Line}
	if e.Status != nil {
		p.Status = int(*e.Status)
	}
	return p
}

// WriteProcess implements [record.ProcessWriter]. The first few events are in
// the file from the next entry on, all others when it ends.
func (w *Writer) WriteProcess(p *record.ProcessEvent) error {
	w.events++
	if w.events > maxProcesses || w.err != nil {
		return w.err
	}
	text, err := marshal(newProcessEvent(p))
	if err != nil {
		return err
	}
	all := w.early == len(w.processes)
	if w.events > 1 {
		w.processes = append(w.processes, ',')
	}
	w.processes = append(w.processes, text...)
	if all && len(w.processes) <= maxEarly {
		w.early, w.told = len(w.processes), false
	}
	return nil
}

// mustMarshal returns in JSON what consists of strings and numbers.
func mustMarshal(v any) []byte {
	p, err := marshal(v)
	if err != nil {
		panic(err)
	}
	return p
}

// marshal returns v in JSON, with < and > as they are.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// processes passes on the events of the list that comes next.
func (r *reader) processes() error {
	if c, err := r.in.Peek(); err != nil || c != '[' {
		return r.in.Skip()
	}
	return r.in.List(func() error {
		var e *processEvent
		if err := r.in.Decode(&e); err != nil {
			return err
		}
		return r.process(e)
	})
}

// process passes on e, if that is an event and somebody wants it.
func (r *reader) process(e *processEvent) error {
	if r.news == nil || e == nil || e.Event == "" {
		return nil
	}
	return r.news.WriteProcess(e.event())
}

// WriteProcess implements [record.ProcessWriter]: a line of type "process".
func (w *LinesWriter) WriteProcess(p *record.ProcessEvent) error {
	if w.err != nil {
		return w.err
	}
	line, err := marshal(struct {
		Type string `json:"type"`
		processEvent
	}{"process", newProcessEvent(p)})
	if err == nil {
		err = w.write(append(line, '\n'))
	}
	if err != nil {
		w.err = fmt.Errorf("write JSON Lines: %w", err)
	}
	return w.err
}
