//go:build amd64 || arm64

package object

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// kernelBTF has the types of the kernel that runs, but for its modules.
const kernelBTF = "/sys/kernel/btf/vmlinux"

// kernelTypes returns those types of the kernel that are called like one that
// programs of spec use. A kernel has some 150 000, and cilium/ebpf makes an index of
// all of them, and a graph of all that can be reached.
func kernelTypes(spec *ebpf.CollectionSpec) (*btf.Spec, error) {
	f, err := os.Open(kernelBTF)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	raw, err := unix.Mmap(int(f.Fd()), 0, int(fi.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	if err == nil {
		defer unix.Munmap(raw)
	} else if raw, err = os.ReadFile(kernelBTF); err != nil { // before Linux 6.16
		return nil, err
	}
	names := map[string]bool{}
	for t, err := range spec.Types.All() {
		if err != nil {
			return nil, err
		}
		names[essential(t.TypeName())] = true
	}
	delete(names, "")
	some, err := reduce(raw, names)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kernelBTF, err)
	}
	return btf.LoadSpecFromReader(bytes.NewReader(some))
}

// essential returns name without its flavour (libbpf's bpf_core_read.h).
func essential(name string) string {
	if i := strings.LastIndex(name, "___"); i > 0 {
		return name[:i]
	}
	return name
}

// Kinds of types (include/uapi/linux/btf.h).
const (
	kindInt = iota + 1
	kindPtr
	kindArray
	kindStruct
	kindUnion
	kindEnum
	kindFwd
	kindTypedef
	kindVolatile
	kindConst
	kindRestrict
	kindFunc
	kindFuncProto
	kindVar
	kindDatasec
	kindFloat
	kindDeclTag
	kindTypeTag
	kindEnum64
)

// Sizes of a header of BTF, of a type, and of what follows one: for those of
// extras once, for those of members as often as the type says.
const (
	headerSize = 24
	typeSize   = 12
)

var (
	extras  = [kindEnum64 + 1]uint32{kindInt: 4, kindArray: 12, kindVar: 4, kindDeclTag: 4}
	members = [kindEnum64 + 1]uint32{kindStruct: 12, kindUnion: 12, kindEnum: 8, kindFuncProto: 8, kindDatasec: 12, kindEnum64: 12}
)

var errBTF = errors.New("not as BTF has to be")

// types are those of a blob of BTF, in the byte order of this machine.
type types struct {
	data    []byte
	strings []byte
	at      []uint32 // where in data each is, by its id; there is none of id 0
}

// reduce returns of BTF the types that are called like one of names, and those
// that these contain, without what they point to.
func reduce(raw []byte, names map[string]bool) ([]byte, error) {
	t, wanted, err := readTypes(raw, names)
	if err != nil {
		return nil, err
	}
	r := &reduction{types: t, ids: map[uint32]uint32{0: 0}, texts: map[string]uint32{"": 0}, outText: []byte{0}}
	for _, id := range wanted {
		r.id(id)
	}
	for next := 0; next < len(r.queue); next++ { // which grows meanwhile
		if err := r.add(r.queue[next]); err != nil {
			return nil, err
		}
	}
	header := []any{uint16(0xeb9f), uint8(1), uint8(0), uint32(headerSize), uint32(0), uint32(len(r.out)), uint32(len(r.out)), uint32(len(r.outText))}
	var out []byte
	for _, v := range header {
		if out, err = binary.Append(out, binary.NativeEndian, v); err != nil {
			return nil, err
		}
	}
	return append(append(out, r.out...), r.outText...), nil
}

// readTypes finds all types, and which of them have one of names.
func readTypes(raw []byte, names map[string]bool) (t types, wanted []uint32, err error) {
	order := binary.NativeEndian
	if len(raw) < headerSize || order.Uint16(raw) != 0xeb9f || raw[2] != 1 {
		return t, nil, errBTF
	}
	part := func(at int) []byte {
		from := uint64(order.Uint32(raw[4:])) + uint64(order.Uint32(raw[at:]))
		to := from + uint64(order.Uint32(raw[at+4:]))
		if to > uint64(len(raw)) {
			err = errBTF
			return nil
		}
		return raw[from:to]
	}
	t = types{data: part(8), strings: part(16)}
	if err != nil {
		return t, nil, err
	}
	t.at = append(make([]uint32, 0, len(t.data)/20), 0)
	for off := uint32(0); int(off) < len(t.data); {
		size, ok := t.size(off)
		if !ok {
			return t, nil, errBTF
		}
		switch t.kind(off) {
		case kindStruct, kindUnion, kindEnum, kindEnum64, kindTypedef, kindFwd:
			if name := t.text(order.Uint32(t.data[off:])); len(name) > 0 && names[essential(string(name))] {
				wanted = append(wanted, uint32(len(t.at)))
			}
		}
		t.at = append(t.at, off)
		off += size
	}
	return t, wanted, nil
}

// size returns how long the type at off is, if all of it is there.
func (t *types) size(off uint32) (uint32, bool) {
	if int(off)+typeSize > len(t.data) {
		return 0, false
	}
	kind := t.kind(off)
	if kind == 0 || kind > kindEnum64 {
		return 0, false
	}
	size := typeSize + extras[kind] + members[kind]*t.count(off)
	return size, uint64(off)+uint64(size) <= uint64(len(t.data))
}

// kind returns what the type at off is.
func (t *types) kind(off uint32) uint32 {
	return binary.NativeEndian.Uint32(t.data[off+4:]) >> 24 & 0x1f
}

// count returns the number of members of the type at off.
func (t *types) count(off uint32) uint32 {
	return binary.NativeEndian.Uint32(t.data[off+4:]) & 0xffff
}

// text returns the string at off, nil where there is none.
func (t *types) text(off uint32) []byte {
	if uint64(off) >= uint64(len(t.strings)) {
		return nil
	}
	text, _, _ := bytes.Cut(t.strings[off:], []byte{0})
	return text
}

// A reduction is some of the types, with ids and strings of their own.
type reduction struct {
	types
	ids     map[uint32]uint32 // of old ones
	queue   []uint32          // old ids in the order of the new ones
	texts   map[string]uint32
	out     []byte // the new types, and strings
	outText []byte
}

// id returns the new id of a type, which is to be added if it is new.
func (r *reduction) id(old uint32) uint32 {
	id, ok := r.ids[old]
	if !ok {
		r.queue = append(r.queue, old)
		id = uint32(len(r.queue))
		r.ids[old] = id
	}
	return id
}

// add appends a type.
func (r *reduction) add(old uint32) error {
	if uint64(old) >= uint64(len(r.at)) {
		return errBTF
	}
	off := r.at[old]
	size, _ := r.size(off) // it was asked before
	from := len(r.out)
	r.out = append(r.out, r.data[off:off+size]...)
	at := r.out[from:]
	r.name(at)
	switch kind := r.kind(off); kind {
	case kindPtr:
		binary.NativeEndian.PutUint32(at[8:], 0) // to void
	case kindTypedef, kindVolatile, kindConst, kindRestrict, kindTypeTag:
		r.refer(at[8:])
	case kindArray:
		r.refer(at[typeSize:])   // its elements
		r.refer(at[typeSize+4:]) // its index
	case kindStruct, kindUnion:
		for m := at[typeSize:]; len(m) > 0; m = m[members[kind]:] {
			r.name(m)
			r.refer(m[4:])
		}
	case kindEnum, kindEnum64:
		for m := at[typeSize:]; len(m) > 0; m = m[members[kind]:] {
			r.name(m)
		}
	case kindInt, kindFloat, kindFwd:
	default: // is in no other by value
		return errBTF
	}
	return nil
}

// refer puts the new id of a type in the place of the old one.
func (r *reduction) refer(at []byte) {
	binary.NativeEndian.PutUint32(at, r.id(binary.NativeEndian.Uint32(at)))
}

// name puts the new offset of a string in the place of the old one.
func (r *reduction) name(at []byte) {
	text := r.text(binary.NativeEndian.Uint32(at))
	off, ok := r.texts[string(text)]
	if !ok {
		off = uint32(len(r.outText))
		r.texts[string(text)] = off
		r.outText = append(append(r.outText, text...), 0)
	}
	binary.NativeEndian.PutUint32(at, off)
}
