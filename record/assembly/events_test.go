package assembly_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"ssltape/record"
	"ssltape/record/recordtest"
)

// TestEventTimes checks that the events of a stream in any coding have the
// times of the chunks that completed them.
func TestEventTimes(t *testing.T) {
	var parts []string
	for i := range 6 {
		parts = append(parts, fmt.Sprintf("event: e%d\ndata: {\"n\":%d,\"text\":\"Hello, world\"}\n\n", i, i))
	}
	for coding, encoder := range recordtest.Encoders() {
		for _, labelled := range []bool{true, false} {
			if !labelled && coding != "gzip" && coding != "zstd" {
				continue
			}
			name := coding
			if !labelled {
				name += " without label"
			}
			t.Run(name, func(t *testing.T) {
				head := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
				if labelled {
					label, _, _ := strings.Cut(coding, " ")
					head += "Content-Encoding: " + label + "\r\n"
				}
				conn := &record.Conn{ID: 1}
				cs := appendData(nil, conn, record.Out, []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
				cs = appendData(cs, conn, record.In, []byte(head+"\r\n"))
				var b bytes.Buffer
				w := encoder(&b)
				for i, p := range parts {
					io.WriteString(w, p)
					w.Flush()
					cs = appendData(cs, conn, record.In, fmt.Appendf(nil, "%x\r\n%s\r\n", b.Len(), b.Bytes()))
					cs[len(cs)-1].Time = recordtest.Start.Add(time.Duration(i+1) * time.Second)
					b.Reset()
				}
				w.Close()
				cs = appendData(cs, conn, record.In, fmt.Appendf(nil, "%x\r\n%s\r\n0\r\n\r\n", b.Len(), b.Bytes()))
				for _, n := range []int{0, 1, 2, 3, 7} {
					xs, _ := assemble(t, cs, n)
					events := xs[0].Response.Events
					if len(events) != len(parts) {
						t.Fatalf("in pieces of %d: %d events, want %d", n, len(events), len(parts))
					}
					for i, e := range events {
						if at := e.Time.Sub(recordtest.Start); e.Type != fmt.Sprint("e", i) || at != time.Duration(i+1)*time.Second {
							t.Errorf("in pieces of %d: event %d is %q at %v", n, i, e.Type, at)
						}
					}
				}
			})
		}
	}
}
