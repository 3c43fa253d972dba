package pcapng_test

import (
	"bytes"
	"fmt"
	"testing"

	"ssltape/pcapng"
	"ssltape/record"
)

// Connections that never end are cut off once there are very many, so that
// whoever reads them need not keep all.
func TestManyOpen(t *testing.T) {
	var file []byte
	const n = 20_000
	for i := range n {
		k := newTalk(fmt.Sprintf("10.1.%d.%d:%d", i>>8&255, i&255, 2000+i), server4)
		k.send(0, "S", "")
		k.send(0, "", request)
		if b := k.raw(); i == 0 {
			file = b
		} else {
			file = append(file, b[24:]...)
		}
	}
	open, most, got := map[uint64]int{}, 0, 0
	for c, err := range pcapng.Read(bytes.NewReader(file)) {
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Data) > 0 {
			got++
			open[c.Conn.ID] = 2
		}
		if c.End == record.EndCut {
			if open[c.Conn.ID]--; open[c.Conn.ID] == 0 {
				delete(open, c.Conn.ID)
			}
		}
		most = max(most, len(open))
	}
	if got != n || most > 17_000 {
		t.Errorf("%d of %d connections, %d open at a time", got, n, most)
	}
}
