package pcapng

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"ssltape/pcapng/tcpip"
	"ssltape/record"
)

// Reasons why a capture cannot be read, or not to its end.
var (
	ErrFormat    = errors.New("not a pcap or pcapng file")
	ErrTruncated = errors.New("capture ends in the middle of a packet")
)

// maxBlock limits a block or a packet; libpcap has the same.
const maxBlock = 16 << 20

// A captured is a packet as the capture has it.
type captured struct {
	iface    int // number of the interface, over all sections
	link     tcpip.LinkType
	time     time.Time
	data     []byte   // valid until the next one is read
	size     int      // on the wire
	comments []string // those that a Writer made
}

// A source yields the packets of a capture; io.EOF ends it.
type source interface {
	next(*captured) error
}

// newSource returns the source for what r starts with, which tells processes,
// if that is not nil, what it says of them.
func newSource(r io.Reader, processes func(*record.ProcessEvent) error) (source, error) {
	br := bufio.NewReaderSize(r, 256<<10)
	magic, err := br.Peek(4)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read capture: %w", err)
	}
	if len(magic) == 4 {
		if binary.LittleEndian.Uint32(magic) == blockSection {
			return &blockSource{r: br, processes: processes}, nil
		}
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			switch order.Uint32(magic) {
			case 0xa1b2c3d4:
				return newClassicSource(br, order, time.Microsecond)
			case 0xa1b23c4d:
				return newClassicSource(br, order, time.Nanosecond)
			case 0xa1b2cd34:
				return newModifiedSource(br, order)
			}
		}
	}
	return nil, ErrFormat
}

// cut says that a capture ended too early where err says that reading did.
func cut(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrTruncated
	}
	return fmt.Errorf("read capture: %w", err)
}

// A classicSource is the source of a pcap file (draft-ietf-opsawg-pcap).
type classicSource struct {
	r     *bufio.Reader
	order binary.ByteOrder
	unit  time.Duration
	link  tcpip.LinkType
	head  []byte // a packet's header: 16 bytes, or more in modified files
	buf   []byte
}

// newModifiedSource returns the source of a file in the format of Kuznetsov's
// patches for libpcap, which Linux distributions had around 2000: 8 bytes more
// in each packet's header.
func newModifiedSource(r *bufio.Reader, order binary.ByteOrder) (*classicSource, error) {
	c, err := newClassicSource(r, order, time.Microsecond)
	if err == nil {
		c.head = make([]byte, 24)
	}
	return c, err
}

func newClassicSource(r *bufio.Reader, order binary.ByteOrder, unit time.Duration) (*classicSource, error) {
	var head [24]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, cut(err)
	}
	// The upper bits tell of a frame check sequence, which we do not look at.
	link := tcpip.LinkType(order.Uint32(head[20:]) & 0xffff)
	return &classicSource{r: r, order: order, unit: unit, link: link, head: make([]byte, 16)}, nil
}

func (c *classicSource) next(f *captured) error {
	head := c.head
	if _, err := io.ReadFull(c.r, head); err == io.EOF {
		return io.EOF
	} else if err != nil {
		return cut(err)
	}
	size := c.order.Uint32(head[8:])
	if size > maxBlock {
		return fmt.Errorf("%w: packet of %d bytes", ErrFormat, size)
	}
	var err error
	if c.buf, err = readFull(c.r, c.buf, int(size)); err != nil {
		return err
	}
	t := time.Unix(int64(c.order.Uint32(head)), int64(c.order.Uint32(head[4:]))*int64(c.unit)).UTC()
	*f = captured{link: c.link, time: t, data: c.buf, size: int(min(c.order.Uint32(head[12:]), math.MaxInt32))}
	return nil
}

// readFull reads n bytes into buf, which it returns, grown where needed.
func readFull(r io.Reader, buf []byte, n int) ([]byte, error) {
	if cap(buf) < n {
		buf = make([]byte, n+n/2)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(r, buf); err != nil {
		return buf, cut(err)
	}
	return buf, nil
}

// A blockSource is the source of a pcapng file (draft-ietf-opsawg-pcapng). It
// differs from gopacket's in that it reads comments, does not trust lengths,
// and goes on over sections of either byte order.
type blockSource struct {
	r       *bufio.Reader
	order   binary.ByteOrder
	ifaces  []sourceIface // of the section
	secrets int           // blocks
	before  int           // interfaces of the sections before
	head    [8]byte
	buf     []byte

	processes func(*record.ProcessEvent) error // told of what blocks say of processes; may be nil
}

// A sourceIface is an interface of the section.
type sourceIface struct {
	link    tcpip.LinkType
	snaplen uint32
	perSec  uint64 // ticks in a second
	offset  int64  // seconds
}

func (s *blockSource) next(f *captured) error {
	for {
		typ, body, err := s.block()
		if err != nil {
			return err
		}
		ok := false
		switch typ {
		case blockSection:
			s.before, s.ifaces = s.before+len(s.ifaces), s.ifaces[:0]
		case blockInterface:
			err = s.addInterface(body)
		case blockEnhanced, blockPacket:
			ok, err = true, s.packet(f, typ, body)
		case blockSimple:
			ok, err = true, s.simple(f, body)
		case blockNames:
			err = s.comments(body)
		}
		if ok || err != nil {
			return err
		}
	}
}

// block reads a block and returns what is between its lengths. The bodies of
// blocks that are of no use are skipped.
func (s *blockSource) block() (typ uint32, body []byte, err error) {
	head := s.head[:]
	if _, err := io.ReadFull(s.r, head); err == io.EOF {
		return 0, nil, io.EOF
	} else if err != nil {
		return 0, nil, cut(err)
	}
	if binary.LittleEndian.Uint32(head) == blockSection { // the same in either order
		magic, err := s.r.Peek(4)
		if err != nil {
			return 0, nil, cut(err)
		}
		s.order = binary.LittleEndian
		if binary.BigEndian.Uint32(magic) == 0x1A2B3C4D {
			s.order = binary.BigEndian
		} else if binary.LittleEndian.Uint32(magic) != 0x1A2B3C4D {
			return 0, nil, fmt.Errorf("%w: no byte order in section header", ErrFormat)
		}
	}
	typ = s.order.Uint32(head)
	n := int64(s.order.Uint32(head[4:])) - 8
	if n < 4 || n%4 != 0 {
		return 0, nil, fmt.Errorf("%w: block of length %d", ErrFormat, n+8)
	}
	switch typ {
	case blockInterface, blockEnhanced, blockPacket, blockSimple, blockNames:
		if typ == blockNames && (s.processes == nil || n > maxNamesBlock) {
			break
		}
		if n > maxBlock {
			return 0, nil, fmt.Errorf("%w: block of length %d", ErrFormat, n+8)
		}
		s.buf, err = readFull(s.r, s.buf, int(n))
		return typ, s.buf[:n-4], err
	case blockSecrets:
		s.secrets++
	}
	if _, err := s.r.Discard(int(n)); err != nil {
		return 0, nil, cut(err)
	}
	return typ, nil, nil
}

// maxNamesBlock limits a name resolution block that is looked into.
const maxNamesBlock = 128 << 10

// comments passes on what the comments of a name resolution block say of
// processes.
func (s *blockSource) comments(b []byte) (err error) {
	for len(b) >= 4 && s.order.Uint16(b) != optEnd { // names come first, in the shape of options
		n := 4 + (int(s.order.Uint16(b[2:]))+3)&^3
		b = b[min(n, len(b)):]
	}
	s.options(b[min(4, len(b)):], func(code uint16, v []byte) {
		if p := parseProcess(string(v)); code == optComment && p != nil && err == nil {
			err = s.processes(p)
		}
	})
	return err
}

// errBlock is what a block that is too short for its fields gives.
func errBlock(name string) error { return fmt.Errorf("%w: %s block is too short", ErrFormat, name) }

func (s *blockSource) addInterface(b []byte) error {
	if len(b) < 8 {
		return errBlock("interface")
	}
	if len(s.ifaces) >= 1<<20 {
		return fmt.Errorf("%w: too many interfaces", ErrFormat)
	}
	i := sourceIface{link: tcpip.LinkType(s.order.Uint16(b)), snaplen: s.order.Uint32(b[4:]), perSec: 1e6}
	const optResolution, optOffset = 9, 14
	s.options(b[8:], func(code uint16, v []byte) {
		switch {
		case code == optResolution && len(v) >= 1:
			i.perSec = ticksPerSecond(v[0])
		case code == optOffset && len(v) >= 8:
			i.offset = int64(s.order.Uint64(v))
		}
	})
	s.ifaces = append(s.ifaces, i)
	return nil
}

// ticksPerSecond returns what if_tsresol means: a power of 10 or of 2. What
// does not fit is taken for the finest that does.
func ticksPerSecond(resolution byte) uint64 {
	if e := resolution & 0x7f; resolution&0x80 != 0 {
		return 1 << min(e, 63)
	}
	n := uint64(1)
	for range min(resolution, 19) {
		n *= 10
	}
	return n
}

// time returns the time of a number of ticks.
func (i *sourceIface) time(ticks uint64) time.Time {
	sec, rest := ticks/i.perSec, ticks%i.perSec
	ns := uint64(float64(rest) / float64(i.perSec) * 1e9)
	if i.perSec <= 1e9 {
		ns = rest * 1e9 / i.perSec
	}
	return time.Unix(int64(sec)+i.offset, int64(ns)).UTC()
}

// packet reads an enhanced packet block, or an obsolete one, which has a drop
// count beside a shorter interface number.
func (s *blockSource) packet(f *captured, typ uint32, b []byte) error {
	if len(b) < 20 {
		return errBlock("packet")
	}
	id := uint64(s.order.Uint32(b))
	if typ == blockPacket {
		id = uint64(s.order.Uint16(b))
	}
	if id >= uint64(len(s.ifaces)) {
		return fmt.Errorf("%w: packet of interface %d, which there is not", ErrFormat, id)
	}
	i := &s.ifaces[id]
	ticks := uint64(s.order.Uint32(b[4:]))<<32 | uint64(s.order.Uint32(b[8:]))
	n := uint64(s.order.Uint32(b[12:]))
	if n > uint64(len(b)-20) {
		return errBlock("packet")
	}
	*f = captured{iface: s.before + int(id), link: i.link, time: i.time(ticks), data: b[20 : 20+n],
		size: int(min(s.order.Uint32(b[16:]), math.MaxInt32)), comments: f.comments[:0]}
	options := b[20+n:]
	s.options(options[min(-n&3, uint64(len(options))):], func(code uint16, v []byte) {
		if code == optComment && bytes.HasPrefix(v, []byte(tag+" ")) {
			f.comments = append(f.comments, string(v))
		}
	})
	return nil
}

// simple reads a simple packet block, which has no time.
func (s *blockSource) simple(f *captured, b []byte) error {
	if len(b) < 4 || len(s.ifaces) == 0 {
		return errBlock("simple packet")
	}
	size, i := s.order.Uint32(b), s.ifaces[0]
	n := min(uint64(size), uint64(len(b)-4))
	if i.snaplen > 0 {
		n = min(n, uint64(i.snaplen))
	}
	*f = captured{iface: s.before, link: i.link, data: b[4 : 4+n], size: int(min(size, math.MaxInt32))}
	return nil
}

// options calls set for each of the options in b.
func (s *blockSource) options(b []byte, set func(code uint16, value []byte)) {
	for len(b) >= 4 {
		code, n := s.order.Uint16(b), int(s.order.Uint16(b[2:]))
		if b = b[4:]; code == optEnd || n > len(b) {
			return
		}
		set(code, b[:n])
		b = b[min((n+3)&^3, len(b)):]
	}
}
