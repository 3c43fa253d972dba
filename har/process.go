package har

import (
	"encoding/json"
	"fmt"
	"slices"

	"ssltape/record"
)

// maxProcesses bounds the process events of a HAR file, which are written anew
// after each entry; JSON Lines have no bound.
const maxProcesses = 500

// A processEvent is a [record.ProcessEvent] in JSON, in log._processes and in
// lines of type "process".
type processEvent struct {
	Time   string   `json:"time"`
	Event  string   `json:"event"`
	PID    int      `json:"pid"`
	PPID   int      `json:"ppid,omitempty"`
	Comm   string   `json:"comm"`
	Exe    string   `json:"exe,omitempty"`
	Args   []string `json:"args,omitempty"`
	Status *int     `json:"status,omitempty"` // of "exit"
	Line   string   `json:"line,omitempty"`   // of "line"
}

func newProcessEvent(p *record.ProcessEvent) processEvent {
	e := processEvent{Time: formatTime(p.Time), Event: string(p.Kind), PID: p.PID, PPID: p.PPID,
		Comm: asUTF8(p.Comm), Exe: asUTF8(p.Exe), Args: slices.Clone(p.Args), Line: asUTF8(p.Line)}
	for i, a := range e.Args {
		e.Args[i] = asUTF8(a)
	}
	if p.Kind == record.Exit {
		e.Status = &p.Status
	}
	return e
}

// WriteProcess implements [record.ProcessWriter]. The event is in the file
// from the next entry on; of very many the first ones are.
func (w *Writer) WriteProcess(p *record.ProcessEvent) error {
	if len(w.processes) < maxProcesses {
		w.processes = append(w.processes, newProcessEvent(p))
	}
	return w.err
}

// WriteProcess implements [record.ProcessWriter]: a line of type "process".
func (w *LinesWriter) WriteProcess(p *record.ProcessEvent) error {
	if w.err != nil {
		return w.err
	}
	line, err := json.Marshal(struct {
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
