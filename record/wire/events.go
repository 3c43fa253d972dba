package wire

import (
	"bufio"
	"bytes"
	"errors"

	"ssltape/record"
)

// eventMarks returns when the parts of an event stream arrived, by the times
// of its events: a source that keeps those need not keep marks.
func eventMarks(body *record.Body, events []record.Event) []record.Mark {
	var marks []record.Mark
	r := bufio.NewReader(body.Reader())
	var off, start int64
	var hasData bool
	for i := 0; i < len(events); {
		line, err := r.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		off += int64(len(line))
		hasData = hasData || bytes.HasPrefix(line, []byte("data"))
		for long { // the rest of a long line
			line, err = r.ReadSlice('\n')
			long = errors.Is(err, bufio.ErrBufferFull)
			off += int64(len(line))
			line = []byte("long")
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 && len(line) > 0 && hasData || err != nil {
			marks = append(marks, record.Mark{Off: start, Time: events[i].Time})
			start, hasData = off, false
			i++
		}
		if err != nil {
			break
		}
	}
	return marks
}
