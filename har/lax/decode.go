package lax

import (
	"encoding/json"
	"io"
	"iter"
	"reflect"
	"strings"
	"sync"
)

// Unmarshal sets what v points to to the value that p is the text of, by the
// tags of encoding/json. What is not of the type that v has there leaves it as
// it was. A [json.Unmarshaler] is given the text of its value, which stays
// valid as long as p does. The error is a [*SyntaxError] or
// [io.ErrUnexpectedEOF], in which case v is set in part.
//
// Types may consist of structs, slices, pointers, strings, booleans and what
// implements json.Unmarshaler by its pointer; anything else is left alone.
func Unmarshal(p []byte, v any) error {
	c := cursor{p: p}
	if err := c.decode(reflect.ValueOf(v).Elem()); err != nil {
		return err
	}
	if c.space(); c.i < len(p) {
		return c.unexpected()
	}
	return nil
}

// A cursor is a place in a text.
type cursor struct {
	p []byte
	i int
}

func (c *cursor) space() {
	for c.i < len(c.p) && isSpace(c.p[c.i]) {
		c.i++
	}
}

// next returns the first byte of what comes next, or 0 at the end.
func (c *cursor) next() byte {
	if c.space(); c.i < len(c.p) {
		return c.p[c.i]
	}
	return 0
}

func (c *cursor) unexpected() error {
	if c.i >= len(c.p) {
		return io.ErrUnexpectedEOF
	}
	return &SyntaxError{int64(c.i), c.p[c.i]}
}

// value passes over the value that comes next and returns its text.
func (c *cursor) value() ([]byte, error) {
	b := c.next()
	start := c.i
	switch b {
	case '{', '[':
		if err := c.nested(); err != nil {
			return nil, err
		}
		return c.p[start:c.i], nil
	case '"':
		end, _ := endOfString(c.p, c.i+1)
		if end < 0 {
			return nil, io.ErrUnexpectedEOF
		}
		c.i = end
		return c.p[start:end], nil
	}
	for c.i < len(c.p) && isWord(c.p[c.i]) {
		c.i++
	}
	if c.i == start {
		return nil, c.unexpected()
	}
	return c.p[start:c.i], nil
}

// maxDepth bounds how deep values are nested, as encoding/json does.
const maxDepth = 10000

// nested passes over the object or the list that begins here.
func (c *cursor) nested() error {
	var open []byte // closers of what was begun
	for {
		switch b := c.next(); b {
		case '{', '[':
			if open = append(open, b+2); len(open) > maxDepth {
				return c.unexpected()
			}
			c.i++
			if c.next() != b+2 {
				if err := c.key(b); err != nil {
					return err
				}
				continue
			}
		default:
			if _, err := c.value(); err != nil {
				return err
			}
		}
		for { // after a value
			closer := open[len(open)-1]
			b := c.next()
			if b != ',' && b != closer {
				return c.unexpected()
			}
			if c.i++; b == ',' {
				if err := c.key(closer - 2); err != nil {
					return err
				}
				break
			}
			if open = open[:len(open)-1]; len(open) == 0 {
				return nil
			}
		}
	}
}

// key passes over the key of a member, if open begins an object.
func (c *cursor) key(open byte) error {
	if open != '{' {
		return nil
	}
	_, err := c.member()
	return err
}

// member passes over a key and the colon, and returns the key.
func (c *cursor) member() ([]byte, error) {
	if c.next() != '"' {
		return nil, c.unexpected()
	}
	key, err := c.value()
	if err != nil {
		return nil, err
	}
	if c.next() != ':' {
		return nil, c.unexpected()
	}
	c.i++
	return key, nil
}

// items calls item before each item of what begins here.
func (c *cursor) items(item func() error) error {
	end := c.p[c.i] + 2
	c.i++
	for first := true; ; first = false {
		switch b := c.next(); {
		case b == end:
			c.i++
			return nil
		case !first && b != ',':
			return c.unexpected()
		case !first:
			c.i++
		}
		if err := item(); err != nil {
			return err
		}
	}
}

// Elements returns the texts of the elements of p, if that is a list: as far
// as it can be read.
func Elements(p []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if c := (cursor{p: p}); c.next() == '[' {
			c.items(func() error {
				v, err := c.value()
				if err == nil && !yield(v) {
					err = io.EOF
				}
				return err
			})
		}
	}
}

// Members returns the keys and the texts of the values of p, if that is an
// object: as far as it can be read.
func Members(p []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		if c := (cursor{p: p}); c.next() == '{' {
			c.items(func() error {
				key, err := c.member()
				if err != nil {
					return err
				}
				v, err := c.value()
				if err == nil && !yield(String(key), v) {
					err = io.EOF
				}
				return err
			})
		}
	}
}

// decode sets v to the value that comes next.
func (c *cursor) decode(v reflect.Value) error {
	t := typeOf(v.Type())
	b := c.next()
	switch {
	case t.custom:
		text, err := c.value()
		if err != nil {
			return err
		}
		return v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(text)
	case t.kind == reflect.Pointer && b == 'n':
		v.SetZero()
	case t.kind == reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return c.decode(v.Elem())
	case t.kind == reflect.Struct && b == '{':
		return c.items(func() error { return c.field(t, v) })
	case t.kind == reflect.Slice && b == '[':
		v.SetZero()
		return c.items(func() error {
			n := v.Len()
			v.Grow(1)
			v.SetLen(n + 1)
			v.Index(n).SetZero()
			return c.decode(v.Index(n))
		})
	}
	text, err := c.value()
	if err != nil {
		return err
	}
	switch {
	case t.kind == reflect.String && b == '"':
		v.SetString(String(text))
	case t.kind == reflect.Bool && (string(text) == "true" || string(text) == "false"):
		v.SetBool(b == 't')
	case t.kind == reflect.Slice && b == 'n':
		v.SetZero()
	}
	return nil
}

// field sets the field of v that the member that comes next is for.
func (c *cursor) field(t *typeInfo, v reflect.Value) error {
	key, err := c.member()
	if err != nil {
		return err
	}
	index, ok := t.fields[string(key[1:len(key)-1])]
	if !ok {
		index, ok = t.folded(String(key))
	}
	if !ok {
		_, err := c.value()
		return err
	}
	for _, i := range index {
		v = v.Field(i)
	}
	return c.decode(v)
}

// A typeInfo is what there is to know of a type.
type typeInfo struct {
	kind   reflect.Kind
	custom bool             // implements json.Unmarshaler
	fields map[string][]int // of a struct, by name in JSON
	lower  map[string][]int // the same, in lower case
}

var types sync.Map // reflect.Type -> *typeInfo

func typeOf(t reflect.Type) *typeInfo {
	if known, ok := types.Load(t); ok {
		return known.(*typeInfo)
	}
	info := &typeInfo{kind: t.Kind(), custom: reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())}
	if info.kind == reflect.Struct {
		info.fields, info.lower = map[string][]int{}, map[string][]int{}
		for _, f := range reflect.VisibleFields(t) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.IsExported() && name != "" && name != "-" {
				info.fields[name], info.lower[strings.ToLower(name)] = f.Index, f.Index
			}
		}
	}
	types.Store(t, info)
	return info
}

// folded returns the field whose name differs from name in case only.
func (t *typeInfo) folded(name string) ([]int, bool) {
	index, ok := t.lower[strings.ToLower(name)]
	return index, ok
}
