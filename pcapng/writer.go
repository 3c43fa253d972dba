// Package pcapng stores a recording as TCP connections in a pcapng file, and
// reads captures back: its own without loss, those of other tools as far as
// they hold TCP.
//
// # What a file holds
//
// The kernel never showed us the packets, so the framing is made up: Ethernet,
// IP and TCP headers with correct checksums around what each call of the TLS
// library carried, a handshake at a connection's first byte and FIN (or RST,
// where it was cut off) at its end. A byte at position Off of a direction has the
// sequence number isn+1+Off, so bytes that were lost are a hole of the right
// length; it is written as packets that have all of their headers and none of
// their data, which Wireshark shows as "bytes missing in capture file".
//
// Packets are short: no block crosses a page of the file, between which the
// kernel may end a write, except one that does not fit any. What is left of a
// page takes a block of a type for local use, which readers pass over.
//
// Each process is an interface called comm[pid]. Packets carry the direction
// (epb_flags), the process (epb_processid_threadid, and Darwin's process block,
// which Wireshark 4.6 shows) and where bytes are missing epb_dropcount.
//
// # Comments
//
// What TCP cannot say stands in packet comments, which survive editcap and
// mergecap. Those that start with the word ssltape are read back; the rest of
// such a comment is key=value pairs, separated by spaces, where a value that
// is not plain ASCII without spaces is quoted like a Go string:
//
//	ssltape conn=7 pid=42 comm=node exe=/usr/bin/node lib=libssl.so.3 role=client local=10.0.0.5:51234 remote=192.0.2.7:443 sni=example.com
//	    on the SYN of each connection; its sender is the client, and role says
//	    which side was recorded. local and remote are the real addresses, also
//	    where the packet shows others. It comes again, with what is new, when
//	    more becomes known.
//	ssltape parts=3@120000,14@0
//	    the packet holds several chunks: length, and nanoseconds before the
//	    time of the packet. A length of 0 stands for the end of the direction.
//	ssltape lost=3000
//	    on the first packet of a hole: its length.
//	ssltape end=cut
//	    on a FIN: the direction had not ended when its peer closed the connection.
//	ssltape conn=7 ... framing=tls out=0 in=0
//	    with FramingTLS, on the SYN: the stream offsets at which it starts. A
//	    RST with lost=3000 means that the connection goes on in another one.
//	ssltape process=exec time=1764094372236000000 pid=42 ppid=1 comm=curl exe=/usr/bin/curl arg=curl arg=-s
//	    not on a packet but between two, in a name resolution block without
//	    names: what a process did, when in nanoseconds since 1970; exit has
//	    status=, and line, typed into a shell, has line=.
//	ssltape exchange=12 pid=42 url=https://example.com/
//	    on the first packet of a request, for people.
package pcapng

import (
	"fmt"
	"hash/maphash"
	"io"
	"net/netip"
	"runtime"
	"time"

	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"ssltape/record"
)

// Values of [Options.ServerPort].
const (
	PortAuto = 0  // the real one, unless Wireshark would not find HTTP there
	PortReal = -1 // the real one always
)

// Options are what a [Writer] cannot know from chunks.
type Options struct {
	Comment    string // shown in the properties of the file: the command line, say
	Version    string // of the program
	Redaction  string // name of the profile that the chunks went through, or ""
	Framing    Framing
	ServerPort int // port of the server in the packets: PortAuto, PortReal, or a number
}

// application is the name that a file gives as its maker (shb_userappl).
const application = "ssltape"

// flushAfter is how much later than at the last flush a chunk is which brings
// about another one.
const flushAfter = 100 * time.Millisecond

// maxStep is how far a chunk may be older than one written before it and yet
// have a packet in order of time. One that is even older is taken for a step of
// the clock, which the packets follow.
const maxStep = int64(time.Second)

// A Writer is a [record.ChunkWriter] that makes a pcapng file.
//
// It only appends, and every call of Write that it makes ends at the end of a
// block. So do the pages of the file, but for a block that is longer than one
// (a very long first line, or the arguments of a program), so that a file whose
// writer was killed is valid. It writes when 128 KiB have
// come together, when a chunk is 100 ms later than what was written last, and
// when Flush is called; a recorder calls it when nothing is left to be
// recorded for the moment. The first bytes of a direction are held back until
// their first line is there, the peer answers, or 8 KiB have come.
//
// A Writer is not safe for concurrent use.
type Writer struct {
	out     blockBuffer
	ng      *pcapgo.NgWriter
	opts    Options
	ifaces  []*iface
	procs   map[process]*iface
	flows   map[*record.Conn]*flow
	seed    maphash.Seed
	tuples  map[uint64]struct{}     // hashes of the address pairs in the file
	servers map[string]uint32       // numbers of made-up addresses, by host name
	named   map[nameRecord]struct{} // in name resolution blocks
	notes   []byte                  // comments of the next packet, as options
	records []byte                  // TLS records of the next packet
	scratch []byte                  // for the text of a comment
	clock   int64                   // time of the last packet
	flushed int64                   // time of the last flush
}

// A process is what an interface stands for.
type process struct {
	pid       int
	comm, exe string
}

// An iface is an interface of the file.
type iface struct {
	id, pid        uint32
	darwin         uint32 // number of the process block
	packets, holes uint64
	first, last    int64 // times of packets
}

type nameRecord struct {
	addr netip.Addr
	name string
}

// maxNames limits the names in a file that hostile traffic could fill up.
const maxNames = 1 << 16

// NewWriter returns a Writer that writes to w and writes the head of the file.
func NewWriter(w io.Writer, o Options) (*Writer, error) {
	if o.ServerPort < PortReal || o.ServerPort > 65535 {
		return nil, fmt.Errorf("server port %d: not a port", o.ServerPort)
	}
	pw := &Writer{
		out:     blockBuffer{w: w, buf: make([]byte, 0, flushSize+1<<17), base: position(w)},
		opts:    o,
		procs:   map[process]*iface{},
		flows:   map[*record.Conn]*flow{},
		seed:    maphash.MakeSeed(),
		tuples:  map[uint64]struct{}{},
		servers: map[string]uint32{},
		named:   map[nameRecord]struct{}{},
	}
	// libpcap opens no file without an interface, so there is one for
	// connections of unknown processes.
	first := pcapgo.NgInterface{Name: application, Description: "connections of unknown processes",
		LinkType: layers.LinkTypeEthernet, OS: runtime.GOOS}
	var err error
	pw.ng, err = pcapgo.NewNgWriterInterface(&pw.out, first, pcapgo.NgWriterOptions{
		SectionInfo: section(o)})
	if err == nil {
		err = pw.ng.Flush()
	}
	if err == nil {
		err = pw.Flush()
	}
	if err != nil {
		return nil, fmt.Errorf("write pcapng header: %w", err)
	}
	unknown := &iface{}
	pw.ifaces = append(pw.ifaces, unknown)
	pw.procs[process{}] = unknown
	pw.out.process(0, application)
	return pw, nil
}

// position returns where what is written to w next comes in its page, as far
// as that can be known.
func position(w io.Writer) int {
	if s, ok := w.(io.Seeker); ok {
		if at, err := s.Seek(0, io.SeekCurrent); err == nil {
			return int(at % page)
		}
	}
	return 0
}

// section returns what a file says of itself.
func section(o Options) pcapgo.NgSectionInfo {
	comment := o.Comment
	if comment != "" {
		comment += "\n"
	}
	comment += "TCP framing made up around what processes wrote to and read from TLS connections"
	if o.Redaction != "" {
		comment += "\nredaction: " + o.Redaction
	}
	app := application
	if o.Version != "" {
		app += " " + o.Version
	}
	return pcapgo.NgSectionInfo{Hardware: runtime.GOARCH, OS: runtime.GOOS, Application: text(app), Comment: text(comment)}
}

// WriteChunk implements [record.ChunkWriter]. Bytes that were written before
// are left out.
func (w *Writer) WriteChunk(c record.Chunk) error {
	f, err := w.flow(c.Conn)
	if err != nil {
		return err
	}
	h := &f.half[c.Dir]
	if h.ended {
		return w.out.err
	}
	t := w.tick(c.Time)
	if len(f.half[c.Dir.Peer()].head) > 0 {
		w.release(f, c.Dir.Peer(), t)
	}
	if c.Off > h.next {
		w.release(f, c.Dir, t)
		w.lose(f, c.Dir, t, c.Off-h.next)
	}
	if repeated := h.next - c.Off; repeated > 0 {
		c.Data = c.Data[min(repeated, int64(len(c.Data))):]
	}
	if len(c.Data) > 0 {
		h.next += int64(len(c.Data))
		w.data(f, c.Dir, t, c)
	}
	if c.End != record.EndNone {
		w.release(f, c.Dir, t)
		w.finish(f, t, c)
	}
	if t-w.flushed >= int64(flushAfter) || t < w.flushed {
		w.flushed = t
		return w.Flush()
	}
	return w.out.err
}

// tick returns the time of packets that a chunk of time t makes: t, but never
// before that of the packets before.
func (w *Writer) tick(t time.Time) int64 {
	ns := nanos(t)
	if ns > w.clock || ns < w.clock-maxStep {
		w.clock = ns
	}
	return w.clock
}

// nanos returns t as nanoseconds since 1970, 0 where it is before.
func nanos(t time.Time) int64 {
	if t.Unix() < 0 {
		return 0
	}
	return t.UnixNano()
}

// WriteExchange implements [record.ExchangeWriter]. It is optional: it lets
// the comment on a request's first packet tell the number of its exchange,
// where an Assembler is given the chunks before the Writer is.
func (w *Writer) WriteExchange(x *record.Exchange) error {
	if x.Conn == nil || !x.Request.Seen() || x.Response.Seen() || x.Err != nil {
		return nil
	}
	f, err := w.flow(x.Conn)
	if err != nil {
		return err
	}
	e := announced{x.ID, nanos(x.Request.Start)}
	if n := len(f.announced); n == 0 || f.announced[n-1].id < e.id {
		f.announced = append(f.announced[max(0, n+1-maxAnnounced):], e)
	}
	return nil
}

// Flush passes on all blocks made so far.
func (w *Writer) Flush() error {
	if err := w.out.flush(); err != nil {
		return fmt.Errorf("write pcapng: %w", err)
	}
	return nil
}

// Close writes what was held back and the statistics of the interfaces. It does
// not close the underlying writer.
func (w *Writer) Close() error {
	for _, f := range w.held() {
		w.release(f, record.Out, w.clock)
		w.release(f, record.In, w.clock)
	}
	start := len(w.out.buf)
	for _, i := range w.ifaces {
		stats := pcapgo.NgInterfaceStatistics{PacketsReceived: i.packets + i.holes, PacketsDropped: i.holes}
		if i.packets > 0 {
			stats.StartTime, stats.EndTime = time.Unix(0, i.first), time.Unix(0, i.last)
		}
		stats.LastUpdate = time.Unix(0, w.clock)
		if err := w.ng.WriteInterfaceStats(int(i.id), stats); err != nil {
			return fmt.Errorf("write pcapng statistics: %w", err)
		}
	}
	if err := w.ng.Flush(); err != nil {
		return fmt.Errorf("write pcapng statistics: %w", err)
	}
	w.out.settle(start)
	return w.Flush()
}

// iface returns the interface of c's process, which it adds if it is new.
func (w *Writer) iface(c *record.Conn) (*iface, error) {
	p := process{c.PID, c.Comm, c.Exe}
	if i := w.procs[p]; i != nil {
		return i, nil
	}
	d := pcapgo.NgInterface{Name: text(fmt.Sprintf("%s[%d]", c.Comm, c.PID)),
		Description: text(c.Exe), LinkType: layers.LinkTypeEthernet, OS: runtime.GOOS}
	if c.Library != "" {
		d.Description = text(c.Exe + ", " + c.Library)
	}
	if !c.Plain {
		d.Filter = fmt.Sprintf("uprobes of TLS functions, pid %d", c.PID)
	}
	start := len(w.out.buf)
	id, err := w.ng.AddInterface(d)
	if err == nil {
		err = w.ng.Flush()
	}
	if err != nil {
		return nil, fmt.Errorf("write pcapng interface: %w", err)
	}
	w.out.settle(start)
	i := &iface{id: uint32(id), pid: uint32(c.PID), darwin: uint32(len(w.ifaces))}
	w.out.process(i.pid, c.Comm)
	w.ifaces = append(w.ifaces, i)
	w.procs[p] = i
	return i, nil
}

// name writes that addr is called name, once.
func (w *Writer) name(addr netip.Addr, name string) {
	r := nameRecord{addr, name}
	if _, ok := w.named[r]; ok || name == "" || len(w.named) >= maxNames {
		return
	}
	w.named[r] = struct{}{}
	w.out.names(addr, name)
}

// note adds a comment to the next packet.
func (w *Writer) note(c comment) {
	b := blockBuffer{buf: w.notes}
	b.optionBytes(optComment, c[:min(len(c), maxOption)])
	w.notes, w.scratch = b.buf, c
}
