package scan

import (
	"strings"
	"testing"
)

// A filler has the length that is asked for, and is known again.
func TestFiller(t *testing.T) {
	for _, k := range []Shape{InText, InURL, Bare, Message} {
		for n := range 60 {
			got := k.filler(n, 108, "3f9a2c")
			if len(got) != n {
				t.Errorf("shape %d: %d bytes, want %d: %s", k, len(got), n, got)
			}
			if again := strings.Trim(got, `"`); k != Bare && !IsStandIn([]byte(again)) {
				t.Errorf("not known again: %s", got)
			}
		}
	}
	if got := InText.filler(36, 108, "3f9a2c"); got != "<redacted len=108 id=3f9a2c>********" {
		t.Error(got)
	}
}

// Equal values have equal ids, others have others.
func TestIdentify(t *testing.T) {
	if a, b := Identify([]byte("one")), Identify([]byte("one")); a != b {
		t.Error(a, b)
	}
	if a, b := Identify([]byte("one")), Identify([]byte("two")); a == b {
		t.Error(a, b)
	}
}

// A held text knows its places in the source through escapes and cuts.
func TestHeldPlaces(t *testing.T) {
	var h Held
	h.Add([]byte("ab"), 10, 2)
	h.Add([]byte("c"), 12, 6) // an escape
	h.Add(nil, 30, 2)         // that goes on elsewhere
	h.Add([]byte("de"), 32, 2)
	tests := []struct {
		from, to int
		want     []Span
	}{
		{0, 2, []Span{{At: 10, N: 2}}},
		{1, 3, []Span{{At: 11, N: 7}, {At: 30, N: 2}}},
		{2, 5, []Span{{At: 12, N: 6}, {At: 30, N: 4}}},
		{4, 5, []Span{{At: 33, N: 1}}},
	}
	for _, tt := range tests {
		got := h.Places(tt.from, tt.to)
		if len(got) != len(tt.want) {
			t.Errorf("[%d:%d]: %v, want %v", tt.from, tt.to, got, tt.want)
			continue
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("[%d:%d]: %v, want %v", tt.from, tt.to, got, tt.want)
			}
		}
	}
	h.Drop(3)
	if string(h.Text) != "de" || h.Start(0) != 32 {
		t.Errorf("after Drop: %q at %d", h.Text, h.Start(0))
	}
}
