package assembly_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"testing"

	"ssltape/record"
	"ssltape/record/assembly"
)

// A ledger is an ExchangeWriter that notes what does not depend on bodies.
type ledger struct {
	lines []string
	kept  int64 // bytes of bodies
}

func (l *ledger) WriteExchange(x *record.Exchange) error {
	l.lines = append(l.lines, fmt.Sprint(x.ID, x.Conn.ID, x.Done(), x.Err, x.Request.Target, x.Response.Status,
		x.Request.BodySize, x.Request.WireSize, x.Response.BodySize, x.Response.WireSize, x.Response.LostBytes(), x.Request.LostBytes()))
	l.kept += x.Request.Body.Len() + x.Response.Body.Len() + int64(len(x.WebSocket)+len(x.Response.Events))
	return nil
}

// TestNoBodies checks that exchanges are the same without their bodies.
func TestNoBodies(t *testing.T) {
	paths, err := recordings()
	if err != nil || len(paths) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, path := range paths {
		var with, without ledger
		a := assembly.New(&with, assembly.Options{})
		b := assembly.New(&without, assembly.Options{MaxBody: 1, NoBodies: true})
		for _, c := range readChunks(t, path) {
			if err := record.ChunkTee([]record.ChunkWriter{a, b}).WriteChunk(c); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		if !reflect.DeepEqual(with.lines, without.lines) {
			t.Errorf("%s: other exchanges:\n%q\n%q", name, with.lines, without.lines)
		}
		if without.kept != 0 {
			t.Errorf("%s: bodies are kept", name)
		}
		if got, want := b.Stats(), a.Stats(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: stats %+v, want %+v", name, got, want)
		}
	}
}
