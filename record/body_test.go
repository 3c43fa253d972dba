package record_test

import (
	"bytes"
	"testing"

	"ssltape/record"
)

// TestBodyMemory checks that memory goes to another body only when nobody has
// it any more.
func TestBodyMemory(t *testing.T) {
	fill := func(c byte, n int) []byte { return bytes.Repeat([]byte{c}, n) }
	for _, size := range []int{1, 4 << 10, 20_000, 64 << 10, 200_000, 1 << 20, 1<<20 + 1} {
		var b, twin record.Body
		want := fill('a', size)
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 8192)
			if _, err := b.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			if rest = rest[n:]; b.Memory() != nil {
				twin.Share(&b, b.Len())
			}
		}
		if got, err := b.Bytes(); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: the body has others, %v", size, err)
		}
		b.Close()
		var others [8]record.Body
		for i := range others {
			others[i].Write(fill('b', size))
			others[i].Grow(int64(size))
		}
		if got, _ := twin.Bytes(); !bytes.Equal(got, want[:twin.Len()]) {
			t.Errorf("%d bytes: what shares them has others", size)
		}
		twin.Write([]byte("c"))
		twin.Close()
		twin.Close()
		for i := range others {
			if got, _ := others[i].Bytes(); !bytes.Equal(got, fill('b', size)) {
				t.Errorf("%d bytes: body %d has others", size, i)
			}
			others[i].Close()
		}
	}
}
