package locate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"testing"
)

// examine searches a file of any content. What is found must be in the file,
// and the search must not take more memory than a small file justifies.
func examine(t *testing.T, data []byte) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	libs, err := Find(bytes.NewReader(data), int64(len(data)))
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 256<<20 {
		t.Errorf("%d bytes allocated for a file of %d", n, len(data))
	}
	var format *FormatError
	if err != nil && !errors.Is(err, ErrNotFound) && !errors.As(err, &format) {
		t.Errorf("error %T %v", err, err)
	}
	if (err == nil) != (len(libs) > 0) {
		t.Errorf("%d libraries and error %v", len(libs), err)
	}
	for _, l := range libs {
		for _, f := range l.Funcs {
			for _, at := range append(f.Returns, f.Offset) {
				if at == 0 || at >= uint64(len(data)) {
					t.Errorf("%s at %#x of %#x bytes", f.Name, at, len(data))
				}
			}
		}
	}
}

// Any bytes of a file may be damaged: its headers, tables and code.
func TestDamaged(t *testing.T) {
	for _, dir := range []string{"boringssl", "openssl", "nss"} {
		p := compile(t, "gcc", "-O2 "+pie, dir)
		random := rand.New(rand.NewPCG(1, 2))
		for range 600 {
			data := bytes.Clone(p.data)
			// Headers are few, so that damage to them must be sought.
			limit := len(data)
			if random.IntN(3) > 0 {
				limit = 64 + 12*56
			}
			for range 1 + random.IntN(8) {
				at := random.IntN(limit - 8)
				if random.IntN(2) == 0 {
					data[at] = byte(random.Uint32())
				} else {
					binary.LittleEndian.PutUint64(data[at:], ^uint64(0)>>random.IntN(64))
				}
			}
			if random.IntN(4) == 0 {
				data = data[:random.IntN(len(data))]
			}
			examine(t, data)
		}
	}
}

// A file that is nothing but places to look at.
func TestHostile(t *testing.T) {
	p := compile(t, "gcc", "-O2 -fno-pie -static", "boringssl")
	im, err := newImage(bytes.NewReader(p.data), int64(len(p.data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"/ssl/ssl_lib.cc\x00", "\x00SSL_read", pclntabMagics[3], "OpenSSL 3.0.0\x00"} {
		data := bytes.Clone(p.data)
		for _, s := range im.segs {
			if s.exec { // jumps to each other, and calls
				for i := uint64(0); i+16 <= s.size; i += 16 {
					copy(data[s.off+i:], "\xbf\x00\x00\x40\x00\x74\xf0\x75\xee\xe8\x00\x00\x00\x00\xeb\xe8")
				}
			} else if s.off > 0 {
				copy(data[s.off:s.off+s.size], bytes.Repeat([]byte(text), int(s.size)/len(text)+1))
			}
		}
		examine(t, data)
	}
}

func FuzzFind(f *testing.F) {
	for _, dir := range []string{"boringssl", "openssl", "nss"} {
		if _, err := exec.LookPath("gcc"); err == nil {
			f.Add(compile(f, "gcc", "-Os "+pie, dir).data)
		}
	}
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Fuzz(examine)
}
