package lax_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"ssltape/har/lax"
)

// A raw is the text of a value.
type raw string

func (r raw) MarshalJSON() ([]byte, error) { return json.Marshal(string(r)) }

func (r *raw) UnmarshalJSON(p []byte) error { *r = raw(p); return nil }

type inner struct {
	Name string `json:"name"`
}

type outer struct {
	Text  string   `json:"text"`
	Flag  bool     `json:"flag"`
	List  []inner  `json:"list"`
	Words []string `json:"words"`
	More  *inner   `json:"more"`
	Raw   raw      `json:"raw"`
	inner
}

func TestUnmarshal(t *testing.T) {
	for text, want := range map[string]outer{
		`{"text":"a\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00","flag":true,"raw":[1, {"a":"]"}]}`: {Text: "a\"\\/\b\f\n\r\tä😀", Flag: true, Raw: `[1, {"a":"]"}]`},
		` { "list" : [ {"name":"a"} , {} , null , 5 ] , "words":["x",1,"y"] } `:           {List: []inner{{"a"}, {}, {}, {}}, Words: []string{"x", "", "y"}},
		`{"text":5,"flag":"no","list":"no","more":7,"name":"n"}`:                          {More: &inner{}, inner: inner{"n"}},
		`{"more":{"name":"a"},"more":null,"text":null,"list":[{}],"list":null}`:           {},
		`{"TEXT":"folded","t\u0065xt2":1,"Fla\u0067":true}`:                               {Text: "folded", Flag: true},
		`{"text":"\ud83d and \ude00x \u12","flag":NaN}`:                                   {Text: "\uFFFD and \uFFFDx \\u12"},
		"{\"text\":\"\xff\n\"}": {Text: "\uFFFD\n"},
		`{}`:                    {}, `[]`: {}, `"x"`: {}, `null`: {},
	} {
		var got outer
		if err := lax.Unmarshal([]byte(text), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
}

func TestBroken(t *testing.T) {
	for _, text := range []string{
		``, `{`, `{"text"`, `{"text":`, `{"text":"a`, `{"text":"a\"}`, `{"a":1,}`, `{"a" 1}`, `{a:1}`, `{"a":1 "b":2}`, `[1,]`, `[1 2]`, `{"list":[{"name"}]}`,
		`{"unknown":[1,{"a":}]}`, `{"raw":{"a"}}`, `}`, `{} x`, `{"text":,}`, `{"unknown":` + strings.Repeat("[", 1<<20),
	} {
		err := lax.Unmarshal([]byte(text), new(outer))
		if !errors.As(err, new(*lax.SyntaxError)) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%.50s: error %v", text, err)
		}
	}
}

// values returns the elements of the list, or the members of the object, that
// r holds, as a Reader finds them, and what comes after the first of both.
func values(r io.Reader) (all []string, err error) {
	in := lax.NewReader(r, 1<<20)
	value := func(key string) error {
		if len(all) == 1 {
			all = append(all, key, "skipped")
			return in.Skip()
		}
		v, err := in.Value()
		all = append(all, key, string(v))
		return err
	}
	if c, _ := in.Peek(); c == '{' {
		return all, in.Object(value)
	}
	err = in.List(func() error { return value("") })
	return all, err
}

func TestReader(t *testing.T) {
	long := `"` + strings.Repeat(`\\\"a`, 50_000) + `"`
	text := ` { "a" : ` + long + `, "b\"" :[{"x":"}"}], "c": -1.5e3 ,"d":{},"e":` + long + "}"
	for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text)), iotest.HalfReader(strings.NewReader(text))} {
		got, err := values(r)
		if want := []string{"a", long, `b"`, `[{"x":"}"}]`, "c", "-1.5e3", "d", "{}", "e", long}; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v, %.200q", err, got)
		}
	}
	if _, err := values(strings.NewReader(`["` + strings.Repeat("x", 2<<20) + `"]`)); !errors.Is(err, lax.ErrTooLong) {
		t.Errorf("a long value: %v", err)
	}
	in := lax.NewReader(strings.NewReader(`{"a":`+long+`} 5`), 1000)
	if err := errors.Join(in.Skip(), in.Skip()); err != nil {
		t.Errorf("passing over a long value: %v", err)
	}
	if _, err := in.Peek(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

// marshal returns v in JSON, where a list of nothing is the same as none.
func marshal(t *testing.T, v outer) string {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "[]", "null")
}

// FuzzReader checks that what is JSON is read as encoding/json reads it, and
// that it does not matter in which pieces a text comes.
func FuzzReader(f *testing.F) {
	f.Add([]byte(`{"text":"a\\\"\u00e4\ud83d\ude00","flag":true,"list":[{"name":"x"}],"words":["a"],"more":{"name":""},"raw":[1,{}]}`))
	f.Add([]byte(`[1,"a",{},[],null]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		whole, err := values(bytes.NewReader(text))
		pieces, err2 := values(iotest.OneByteReader(bytes.NewReader(text)))
		if !reflect.DeepEqual(whole, pieces) || fmt.Sprint(err) != fmt.Sprint(err2) {
			t.Errorf("whole %q, %v; in pieces %q, %v", whole, err, pieces, err2)
		}
		var got, want outer
		theirs := json.Unmarshal(text, &want)
		if err := lax.Unmarshal(text, &got); err != nil && json.Valid(text) {
			t.Errorf("%v, but it is valid", err)
		} else if a, b := marshal(t, got), marshal(t, want); theirs == nil && a != b {
			t.Errorf("%s, want %s", a, b)
		}
	})
}

func TestDecode(t *testing.T) {
	in := lax.NewReader(strings.NewReader(`[ {"text":"a"} , {"text";"b"}]`), 1000)
	var got []string
	err := in.List(func() error {
		var o outer
		err := in.Decode(&o)
		got = append(got, o.Text)
		return err
	})
	if !reflect.DeepEqual(got, []string{"a", ""}) || err == nil || err.Error() != `unexpected ';' at byte 24` {
		t.Errorf("%q, %v", got, err)
	}
}
