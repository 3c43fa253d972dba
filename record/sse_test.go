package record_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"ssltape/record"
)

// The examples of WHATWG HTML, section 9.2.6, and what is odd about streams.
func TestParseEvents(t *testing.T) {
	tests := []struct {
		name, in string
		want     []record.Event
	}{
		{"two lines", "data: YHOO\ndata: +2\ndata: 10\n\n", []record.Event{{Data: "YHOO\n+2\n10"}}},
		{"four blocks", ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
			[]record.Event{{Data: "first event", ID: "1"}, {Data: "second event"}, {Data: " third event"}}},
		{"empty data", "data\n\ndata\ndata\n\ndata:", []record.Event{{}, {Data: "\n"}, {}}},
		{"one space", "data:test\n\ndata: test\n\n", []record.Event{{Data: "test"}, {Data: "test"}}},
		{"line ends", "\ufeffdata: a\rdata: b\r\ndata: c\n\rdata: d\r\n\r\n", []record.Event{{Data: "a\nb\nc"}, {Data: "d"}}},
		{"mark once", "\ufeff\ufeffdata: a\n\ndata: b\n\n", []record.Event{{Data: "b"}}},
		{"type", "event: add\ndata: 1\n\nevent: none\n\ndata: 2\n\n", []record.Event{{Type: "add", Data: "1"}, {Data: "2"}}},
		{"id with NUL", "id: 1\ndata: a\n\nid: \x00\ndata: b\n\n", []record.Event{{ID: "1", Data: "a"}, {ID: "1", Data: "b"}}},
		{"fields that are not", "data : x\nDATA: y\nretry: 10\nfoo\n:data: z\ndata: a\n\n", []record.Event{{Data: "a"}}},
		{"cut off", "data: a\n\nevent: e\ndata: b", []record.Event{{Data: "a"}, {Type: "e", Data: "b"}}},
		{"nothing", "", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := record.ParseEvents(strings.NewReader(test.in))
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("%q, %v; want %q", got, err, test.want)
			}
			if cut, err := record.ParseEvents(iotest.OneByteReader(strings.NewReader(test.in))); err != nil || !reflect.DeepEqual(cut, got) {
				t.Errorf("byte by byte: %q, %v; want %q", cut, err, got)
			}
		})
	}
	in := iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("data: a\n\n")))
	if _, err := record.ParseEvents(in); err == nil || !strings.Contains(err.Error(), iotest.ErrTimeout.Error()) {
		t.Errorf("reader that fails: %v", err)
	}
}

// The corpus is inputs that nobody of this project wrote. It is not a part of
// the repository.
const corpus = "../../shared/corpus"

// TestRecordedEvents reads event streams of LLM APIs: what a naive reader of
// well-formed streams sees must be what there is.
func TestRecordedEvents(t *testing.T) {
	paths, _ := filepath.Glob(filepath.Join(corpus, "sse", "*"))
	if len(paths) == 0 {
		t.Skipf("no sse in %s", corpus)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var want []record.Event
		for block := range strings.SplitSeq(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n\n") {
			var e record.Event
			var data []string
			for line := range strings.SplitSeq(block, "\n") {
				if v, ok := strings.CutPrefix(line, "event: "); ok {
					e.Type = v
				}
				if v, ok := strings.CutPrefix(line, "data: "); ok {
					data = append(data, v)
				}
			}
			if e.Data = strings.Join(data, "\n"); data != nil {
				want = append(want, e)
			}
		}
		got, err := record.ParseEvents(strings.NewReader(string(text)))
		if err != nil || len(want) == 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %d events, %v; want %d", path, len(got), err, len(want))
		}
	}
}

func FuzzEvents(f *testing.F) {
	f.Add("data: a\r\n\r\nevent: b\rdata: c\r\r")
	f.Add("\ufeff: x\nid: 1\ndata\n\n")
	f.Fuzz(func(t *testing.T, in string) {
		whole, err := record.ParseEvents(strings.NewReader(in))
		if err != nil {
			t.Fatal(err)
		}
		cut, err := record.ParseEvents(iotest.OneByteReader(strings.NewReader(in)))
		if err != nil || !reflect.DeepEqual(whole, cut) {
			t.Errorf("byte by byte: %q, %v; want %q", cut, err, whole)
		}
	})
}
