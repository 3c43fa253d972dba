package pcapng

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"ssltape/record"
)

// tag is the first word of the comments that Read understands.
const tag = "ssltape"

// maxMeta limits a value in a comment, so that the comment fits an option.
const maxMeta = 4096

// maxURL limits the URL in a comment, which takes of the room for the request.
const maxURL = 1024

// A comment is the text of a packet comment under construction.
type comment []byte

func newComment(dst []byte) comment { return append(dst[:0], tag...) }

// add appends key=value, quoted where the value could be taken for syntax.
func (c comment) add(key, value string) comment {
	if len(value) > maxMeta {
		value = value[:maxMeta]
	}
	c = append(c, ' ')
	c = append(c, key...)
	c = append(c, '=')
	if plain(value) {
		return append(c, value...)
	}
	return strconv.AppendQuoteToASCII(c, value)
}

func (c comment) addUint(key string, n uint64) comment {
	return c.add(key, strconv.FormatUint(n, 10))
}

// plain reports whether s needs no quotes.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '"' {
			return false
		}
	}
	return s != ""
}

// parseComment calls set for each pair of a comment that the Writer wrote and
// reports whether it is one. It stops at the first thing that is not a pair.
func parseComment(text string, set func(key, value string)) bool {
	rest, ok := strings.CutPrefix(text, tag+" ")
	if !ok {
		return false
	}
	for rest != "" {
		key, value, ok := strings.Cut(rest, "=")
		if !ok {
			break
		}
		if strings.HasPrefix(value, `"`) {
			q, err := strconv.QuotedPrefix(value)
			if err != nil {
				break
			}
			rest = strings.TrimPrefix(value[len(q):], " ")
			if value, err = strconv.Unquote(q); err != nil {
				break
			}
		} else {
			value, rest, _ = strings.Cut(value, " ")
		}
		set(key, value)
	}
	return true
}

// addConn appends what is known of c and was not when it equalled old.
func (m comment) addConn(c, old *record.Conn) comment {
	addNew := func(key, value, before string) {
		if value != before {
			m = m.add(key, value)
		}
	}
	addNew("comm", c.Comm, old.Comm)
	addNew("exe", c.Exe, old.Exe)
	addNew("lib", c.Library, old.Library)
	if c.Local != old.Local {
		m = m.add("local", c.Local.String())
	}
	if c.Remote != old.Remote {
		m = m.add("remote", c.Remote.String())
	}
	addNew("sni", c.ServerName, old.ServerName)
	if c.Handshake != old.Handshake {
		m = m.addUint("handshake", uint64(c.Handshake))
	}
	if c.Plain != old.Plain {
		m = m.add("plain", strconv.FormatBool(c.Plain))
	}
	return m
}

// setConn sets the field of c that key names; keys that are none are ignored,
// and so are values that are not understood.
func setConn(c *record.Conn, key, value string) {
	switch key {
	case "conn":
		c.ID, _ = strconv.ParseUint(value, 10, 64)
	case "pid":
		c.PID, _ = strconv.Atoi(value)
	case "comm":
		c.Comm = value
	case "exe":
		c.Exe = value
	case "lib":
		c.Library = value
	case "local":
		c.Local, _ = netip.ParseAddrPort(value)
	case "remote":
		c.Remote, _ = netip.ParseAddrPort(value)
	case "sni":
		c.ServerName = value
	case "handshake":
		c.Handshake = time.Duration(parseLength(value))
	case "plain":
		c.Plain = value == "true"
	}
}

// A part is a chunk within a packet that holds several.
type part struct {
	size int
	ago  int64 // ns before the packet's time
}

// addPart appends to a value of the key parts.
func (c comment) addPart(p part) comment {
	if c[len(c)-1] != '=' {
		c = append(c, ',')
	}
	c = strconv.AppendInt(c, int64(p.size), 10)
	c = append(c, '@')
	return strconv.AppendInt(c, p.ago, 10)
}

// noteParts tells on the next packet, which has room for size bytes of data and
// comments, of the parts that its data consists of; at least bytes of data are in
// it anyhow. It returns the length of the data and the parts that remain.
func (w *Writer) noteParts(parts []part, size, least int) (n int, rest []part) {
	const last = 32                      // bytes that a part takes at most
	const most = 4 + 3 + last + minBlock // with what is around the comment, and a block after it
	c := append(newComment(w.scratch), " parts="...)
	for size -= len(c); len(parts) > 0; {
		room := max(size-most, least-n)
		if room <= 0 {
			break
		}
		p := parts[0]
		if p.size > room {
			p.size = room
			parts[0].size -= room
		} else {
			parts = parts[1:]
		}
		before := len(c)
		c = c.addPart(p)
		n, size = n+p.size, size-p.size-(len(c)-before)
		if len(c)+last > maxOption {
			w.note(c)
			c = append(c[:0], tag+" parts="...)
		}
	}
	w.note(c)
	return n, parts
}

// parseParts appends the parts in s to dst; what is not understood ends them.
func parseParts(dst []part, s string) []part {
	for item := range strings.SplitSeq(s, ",") {
		size, ago, ok := strings.Cut(item, "@")
		n, err := strconv.ParseUint(size, 10, 31)
		ns, err2 := strconv.ParseInt(ago, 10, 64)
		if !ok || err != nil || err2 != nil {
			break
		}
		dst = append(dst, part{int(n), ns})
	}
	return dst
}

// parseLength returns the number in s, 0 where it is none.
func parseLength(s string) int64 {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0
	}
	return int64(n)
}

// An announced is the number of an exchange and the time of its first byte.
type announced struct {
	id    uint64
	start int64
}

// maxAnnounced limits the exchanges of a connection whose packets are to come.
const maxAnnounced = 64

// WriteProcess implements [record.ProcessWriter]: a comment that stands between
// the packets.
func (w *Writer) WriteProcess(p *record.ProcessEvent) error {
	c := newComment(w.scratch).add("process", string(p.Kind)).addUint("time", uint64(nanos(p.Time))).
		addUint("pid", uint64(p.PID)).addUint("ppid", uint64(p.PPID)).add("comm", p.Comm).add("exe", p.Exe)
	switch p.Kind {
	case record.Exec:
		for _, arg := range p.Args {
			c = c.add("arg", arg)
		}
	case record.Exit:
		c = c.add("status", strconv.Itoa(p.Status))
	case record.Line:
		c = c.add("line", p.Line)
	}
	w.out.comment(c)
	w.scratch = c
	return w.out.err
}

// parseProcess returns the event that a comment of WriteProcess tells of, or
// nil.
func parseProcess(text string) *record.ProcessEvent {
	if !strings.HasPrefix(text, tag+" process=") {
		return nil
	}
	p := new(record.ProcessEvent)
	parseComment(text, func(key, value string) {
		switch key {
		case "process":
			p.Kind = record.ProcessKind(value)
		case "time":
			p.Time = time.Unix(0, parseLength(value)).UTC()
		case "pid":
			p.PID = int(parseLength(value))
		case "ppid":
			p.PPID = int(parseLength(value))
		case "comm":
			p.Comm = value
		case "exe":
			p.Exe = value
		case "arg":
			p.Args = append(p.Args, value)
		case "status":
			p.Status, _ = strconv.Atoi(value)
		case "line":
			p.Line = value
		}
	})
	return p
}
