package har_test

import (
	"bytes"
	"strings"
	"testing"

	"ssltape/har"
	"ssltape/record"
)

// What was lost of no exchange is in the totals.
func TestLossOfNoExchange(t *testing.T) {
	var text, lines bytes.Buffer
	w, err := har.NewWriter(&text, har.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := har.NewLinesWriter(&lines, har.Options{})
	for _, lossy := range []record.LossWriter{w, l} {
		lossy.WriteLoss(700)
		lossy.WriteLoss(5) // in all, not more
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), `"0 exchanges, 700 bytes lost"`) {
		t.Errorf("HAR: %s", &text)
	}
	if !strings.Contains(lines.String(), `"lost":700,`) {
		t.Errorf("JSON Lines: %s", &lines)
	}
}
