//go:build linux && (amd64 || arm64)

package object

import (
	"bytes"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// The types that are read are enough: programs are fitted to them as to all that
// the kernel has.
func TestKernelTypes(t *testing.T) {
	if _, err := os.Stat(kernelBTF); err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	o, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	if o.Types == nil {
		t.Fatal("no types of the kernel")
	}
	all, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	fixed := 0
	for name, program := range o.Spec.Programs {
		var relocations []*btf.CORERelocation
		for i := range program.Instructions {
			if r := btf.CORERelocationMetadata(&program.Instructions[i]); r != nil {
				relocations = append(relocations, r)
			}
		}
		fit := func(types *btf.Spec) []btf.COREFixup {
			ids := func(btf.Type) (btf.TypeID, error) { return 1, nil }
			fixups, err := btf.CORERelocate(relocations, []*btf.Spec{types}, program.ByteOrder, ids)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return fixups
		}
		got, want := fit(o.Types), fit(all)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		fixed += len(got)
	}
	if fixed == 0 {
		t.Error("no program has anything to be fitted")
	}
}

// An object that is read has all but the lines of the source, and these if they
// are asked for.
func TestLines(t *testing.T) {
	whole, err := LoadTls()
	if err != nil {
		t.Fatal(err)
	}
	o, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range whole.Programs {
		got := o.Spec.Programs[name]
		if len(got.Instructions) != len(want.Instructions) {
			t.Fatalf("%s has %d instructions, want %d", name, len(got.Instructions), len(want.Instructions))
		}
		for i := range want.Instructions {
			if g, w := got.Instructions[i], want.Instructions[i]; g.OpCode != w.OpCode || g.Constant != w.Constant || g.Reference() != w.Reference() {
				t.Fatalf("%s: instruction %d is %v, want %v", name, i, g, w)
			}
		}
		if lines(got) != 0 {
			t.Errorf("%s has %d lines", name, lines(got))
		}
		program, functions := Program(o.Spec, name), 0
		for i := range program.Instructions {
			if ins := &program.Instructions[i]; btf.FuncMetadata(ins) != nil {
				functions++
				if ins.Source() == nil {
					t.Errorf("%s: function at %d without its line", name, i)
				}
			}
		}
		if functions == 0 || lines(program) != functions || lines(got) != 0 {
			t.Errorf("%s: %d lines for %d functions, %d in what it was made of", name, lines(program), functions, lines(got))
		}
		if err := Lines(program); err != nil || lines(program) != lines(want) || lines(want) <= functions {
			t.Errorf("%s: %d lines, %v; want %d", name, lines(program), err, lines(want))
		}
	}
}

// lines counts the instructions of a program that have a line of the source.
func lines(p *ebpf.ProgramSpec) (n int) {
	for i := range p.Instructions {
		if p.Instructions[i].Source() != nil {
			n++
		}
	}
	return n
}

// someTypes are a few that hold one another in every way that there is.
func someTypes(t testing.TB) []byte {
	number := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	pointed := &btf.Struct{Name: "pointed", Size: 4, Members: []btf.Member{{Name: "x", Type: number}}}
	inner := &btf.Struct{Name: "inner", Size: 4, Members: []btf.Member{{Name: "x", Type: &btf.Volatile{Type: number}}}}
	b, err := btf.NewBuilder([]btf.Type{
		&btf.Struct{Name: "wanted", Size: 64, Members: []btf.Member{
			{Name: "pointer", Type: &btf.Pointer{Target: pointed}},
			{Name: "inner", Type: &btf.Const{Type: &btf.Typedef{Name: "alias", Type: inner}}, Offset: 64},
			{Name: "array", Type: &btf.Array{Index: number, Type: inner, Nelems: 3}, Offset: 128},
			{Type: &btf.Union{Size: 4, Members: []btf.Member{{Name: "kind", Type: &btf.Enum{Name: "kind", Size: 4, Values: []btf.EnumValue{{Name: "A", Value: 1}}}}}}, Offset: 256},
		}},
		&btf.Struct{Name: "wanted___older", Size: 4, Members: []btf.Member{{Name: "self", Type: number}}},
		&btf.Struct{Name: "other", Size: 4, Members: []btf.Member{{Name: "x", Type: number}}},
		&btf.Func{Name: "wanted", Type: &btf.FuncProto{Return: number, Params: []btf.FuncParam{{Name: "a", Type: number}}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestReduce(t *testing.T) {
	raw := someTypes(t)
	some, err := reduce(raw, map[string]bool{"wanted": true})
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(some))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for typ, err := range spec.All() {
		if err != nil {
			t.Fatal(err)
		}
		if typ.TypeName() != "" {
			names = append(names, typ.TypeName())
		}
	}
	slices.Sort(names)
	if want := []string{"alias", "inner", "int", "kind", "wanted", "wanted___older"}; !slices.Equal(names, want) {
		t.Errorf("there are %q, want %q", names, want)
	}
	var wanted *btf.Struct
	if err := spec.TypeByName("wanted", &wanted); err != nil {
		t.Fatal(err)
	}
	inner, ok := btf.As[*btf.Struct](wanted.Members[1].Type)
	if !ok || inner.Name != "inner" || len(inner.Members) != 1 || wanted.Members[1].Offset != 64 {
		t.Errorf("the member is %v", wanted.Members[1])
	}
	pointer, ok := wanted.Members[0].Type.(*btf.Pointer)
	if _, void := pointer.Target.(*btf.Void); !ok || !void {
		t.Errorf("the pointer is %v", wanted.Members[0].Type)
	}
	array, ok := wanted.Members[2].Type.(*btf.Array)
	if !ok || array.Nelems != 3 || array.Type != btf.Type(inner) {
		t.Errorf("the array is %v", wanted.Members[2].Type)
	}
}

// What is damaged is an error, or gives types that reduce to themselves.
func FuzzReduce(f *testing.F) {
	raw := someTypes(f)
	for n := range raw {
		f.Add(raw[:n])
		f.Add(append(append(bytes.Clone(raw[:n]), ^raw[n]), raw[n+1:]...))
	}
	f.Add(raw)
	names := map[string]bool{"wanted": true}
	f.Fuzz(func(t *testing.T, raw []byte) {
		some, err := reduce(raw, names)
		if err != nil {
			return
		}
		if again, err := reduce(some, names); err != nil || !bytes.Equal(again, some) {
			t.Errorf("%x reduces to %x, %v", some, again, err)
		}
	})
}

// Where there is too little memory to record in, none is used up before that is said.
func TestReadAhead(t *testing.T) {
	for usable, want := range map[int]bool{12 << 20: false, 32 << 20: false, 64 << 20: true} {
		was := false
		readAhead(func() (*Object, error) { was = true; return nil, nil }, usable)
		if was != want {
			t.Errorf("%d bytes: read %v", usable, was)
		}
	}
}
