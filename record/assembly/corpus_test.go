package assembly_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"ssltape/record"
	"ssltape/record/recordtest"
)

// The corpus is inputs that nobody of this project wrote. It is not a part of
// the repository; where it is not there, its tests are skipped by name.
const corpus = "../../../shared/corpus"

func readCorpus(t *testing.T, name string, v any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(corpus, name))
	if os.IsNotExist(err) {
		t.Skipf("no %s in %s", name, corpus)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

// appendData appends a chunk with p, which continues its direction.
func appendData(cs []record.Chunk, conn *record.Conn, d record.Dir, p []byte) []record.Chunk {
	var off int64
	for _, c := range cs {
		if c.Conn == conn && c.Dir == d {
			off = c.Off + int64(len(c.Data))
		}
	}
	return append(cs, record.Chunk{Conn: conn, Dir: d, Off: off, Time: recordtest.Start, Data: p})
}
