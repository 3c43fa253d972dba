package isa

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The lengths of instructions are those that objdump sees, in a library with
// much assembly and every extension of the instruction set.
func TestDecodeX86(t *testing.T) {
	if _, err := exec.LookPath("objdump"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	files, _ := filepath.Glob("/usr/lib/x86_64-linux-gnu/libcrypto.so.*")
	if len(files) == 0 {
		t.Skip("no libcrypto for x86-64")
	}
	cmd := exec.Command("objdump", "-d", "-w", "-j", ".text", "-z", files[0])
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	total, wrong := 0, 0
	for s := bufio.NewScanner(out); s.Scan(); {
		// "  b1000:\tf3 0f 1e fa          \tendbr64"
		fields := strings.Split(s.Text(), "\t")
		if len(fields) < 3 || strings.Contains(fields[2], "(bad)") || strings.HasPrefix(fields[2], ".byte") || strings.HasPrefix(fields[2], "rex") {
			continue // data between the functions
		}
		code, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(fields[1]), " ", ""))
		if err != nil {
			t.Fatalf("%s: %v", s.Text(), err)
		}
		if code[0] == 0x8f && strings.HasPrefix(fields[2], "vp") {
			continue // XOP, of AMD processors from 2011 to 2017: hand-written only
		}
		total++
		padded := append(bytes.Clone(code), make([]byte, 15)...)
		if in, ok := decodeX86(padded, 0); !ok || in.Len != len(code) {
			if wrong++; wrong < 20 {
				t.Logf("length %d: %s", in.Len, s.Text())
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	// There are tables between the functions, which objdump takes for code.
	if total < 100000 || wrong > total/10000 {
		t.Errorf("%d of %d instructions have another length", wrong, total)
	}
}

func TestArmBitmask(t *testing.T) {
	// As assembled from orr xN, xzr, #imm and orr wN, wzr, #imm.
	for word, want := range map[uint32]uint64{
		0xb24003e0: 1, 0x320003e0: 1, 0x320007e2: 3, 0xb27e03e0: 4, 0x321c03e0: 0x10, 0x320f83e0: 0x20002,
		0xb201f3e0: 0xaaaaaaaaaaaaaaaa, 0xb2407be0: 0x7fffffff, 0x32001fe0: 0xff,
	} {
		if got, ok := armBitmask(word); !ok || got != want {
			t.Errorf("armBitmask(%#x) = %#x, %v, want %#x", word, got, ok, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x66\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x62\xf1\x7c\x48\x11\x44\x24\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, a := range []Arch{AMD64, ARM64} {
			in, ok := a.Decode(b, 0x1000)
			if ok && (in.Len < 1 || in.Len > len(b) || in.Len > 15) {
				t.Errorf("an instruction of %d bytes in %x", in.Len, b)
			}
			for _, r := range []Reg{in.Dst, in.Dst2, in.Src, in.Val} {
				if r < NoReg || r > 31 {
					t.Errorf("register %d in %x", r, b)
				}
			}
		}
	})
}
