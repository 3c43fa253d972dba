package har

import (
	"bytes"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
)

// TestAppend compares random entries, with every field of every type set or
// not, with what encoding/json makes of them.
func TestAppend(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var e entry
	for range 3000 {
		e = entry{}
		randomize(r, reflect.ValueOf(&e).Elem(), 0)
		if e.Started == "" {
			e.Started = "x"
		}
		want, err := marshal(&e)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := longList[event]{`,"_eventSourceMessages":`, e.Events, (*event).append}.put(e.append(nil), nil)
		got, _ = longList[webSocketMessage]{`,"_webSocketMessages":`, e.WebSocket, (*webSocketMessage).append}.put(got, nil)
		if got = append(got, '}'); !bytes.Equal(got, want) {
			n := 0
			for n < min(len(got), len(want)) && got[n] == want[n] {
				n++
			}
			t.Fatalf("after %q: got %.80q, want %.80q", want[max(0, n-80):n], got[n:], want[n:])
		}
	}
}

// randomize sets v to a random value, which is often the zero value.
func randomize(r *rand.Rand, v reflect.Value, depth int) {
	if v.Kind() != reflect.Struct && (!v.CanSet() || r.IntN(3) == 0) {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			randomize(r, v.Field(i), depth+1)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		randomize(r, v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
		for i := range v.Len() {
			randomize(r, v.Index(i), depth+1)
		}
	case reflect.String:
		units := []string{"a", "bc ", "ä", "世", "🙂", "\"", `\`, "\n", "\r", "\t", "\b", "\f", "\x00", "\x1f", "\x7f", "<&>",
			"\u2028", "\u2029", "\u202a", "\ufffd", "\xff", "\xe4\xb8"}
		var s []byte
		for range r.IntN(12) {
			s = append(s, units[r.IntN(len(units))]...)
		}
		v.SetString(string(s))
	case reflect.Int64:
		v.SetInt([]int64{1, -1, -1000, 10, 12_345, 1_767_323_045_778_000, math.MaxInt64 >> 2, r.Int64N(1e9)}[r.IntN(8)])
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic(v.Type())
	}
}
