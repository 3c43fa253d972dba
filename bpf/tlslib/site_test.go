package tlslib

import (
	"bytes"
	"debug/elf"
	"testing"

	"golang.org/x/arch/x86/x86asm"
)

// textImage returns an image that holds code at the address 0x1000.
func textImage(code []byte) *image {
	p := &elf.Prog{ProgHeader: elf.ProgHeader{
		Type: elf.PT_LOAD, Flags: elf.PF_X, Vaddr: 0x1000, Filesz: uint64(len(code)),
	}}
	f := &elf.File{FileHeader: elf.FileHeader{Machine: elf.EM_X86_64}, Progs: []*elf.Prog{p}}
	return &image{raw: bytes.NewReader(code), file: f}
}

// Instructions of the functions below.
const (
	endbr     = "\xf3\x0f\x1e\xfa"
	pushRBX   = "\x53"
	pushR12   = "\x41\x54"
	subRSP    = "\x48\x83\xec\x18"
	leaRCX    = "\x48\x8d\x4c\x24\x08" // lea rcx, [rsp+8]
	movRCXRSP = "\x48\x89\xe1"
	movRDXEDX = "\x48\x63\xd2" // movslq
	testEDX   = "\x85\xd2"
	jsAway    = "\x78\x40"
	xorEAX    = "\x31\xc0"
	xorECX    = "\x31\xc9"
	xorEDI    = "\x31\xff"
	xchgRSI   = "\x48\x87\xf0" // xchg rax, rsi
	canary    = "\x64\x48\x8b\x04\x25\x28\x00\x00\x00"
	ret       = "\xc3"
)

// call returns a call of to, as the instruction after code at 0x1000.
func callTo(code string, to int) string {
	rel := to - (0x1000 + len(code) + 5)
	return code + "\xe8" + string([]byte{byte(rel), byte(rel >> 8), byte(rel >> 16), byte(rel >> 24)})
}

func TestCheapSite(t *testing.T) {
	for _, tt := range []struct {
		name, code string
		at         uint64
	}{
		{"push", pushRBX + subRSP, 0x1000},
		{"push r12", pushR12 + subRSP, 0x1000},
		{"endbr64, push", endbr + pushRBX, 0x1004},
		{"endbr64, sub", endbr + subRSP + pushRBX, 0x1000},
		{"xor eax, push", xorEAX + pushRBX, 0x1002},
		{"argument changed", xorEDI + pushRBX, 0x1000},
		{"argument exchanged", xchgRSI + pushRBX, 0x1000},
		{"a jump before", testEDX + jsAway + pushRBX, 0x1000},
		{"end of code", endbr, 0x1000},
		{"not code", "\xff\xff\xff", 0x1000},
	} {
		if at := textImage([]byte(tt.code)).cheapSite(0x1000); at != tt.at {
			t.Errorf("%s: %#x, want %#x", tt.name, at, tt.at)
		}
	}
}

func TestHandsOn(t *testing.T) {
	const to = 0x4000
	for _, tt := range []struct {
		name, code string
		to         uint64
		count      countArg
	}{
		{"SSL_read", callTo(subRSP+canary+xorEAX+testEDX+jsAway+movRCXRSP+movRDXEDX, to), to, countLocal},
		{"by lea", callTo(endbr+subRSP+leaRCX+movRDXEDX, to), to, countLocal},
		{"SSL_read_ex", callTo(subRSP, to), to, countKept},
		{"count changed", callTo(subRSP+xorECX, to), to, countOther},
		{"ssl changed", callTo(subRSP+xorEDI, to), 0, countOther},
		{"buf exchanged", callTo(subRSP+xchgRSI, to), 0, countOther},
		{"no call", subRSP + ret, 0, countOther},
		{"indirect call", subRSP + "\xff\xd0", 0, countOther},
		{"not code", "\xff\xff\xff", 0, countOther},
	} {
		if got, count := textImage([]byte(tt.code)).handsOn(0x1000, x86asm.RCX); got != tt.to || count != tt.count {
			t.Errorf("%s: %#x, %d; want %#x, %d", tt.name, got, count, tt.to, tt.count)
		}
	}
}

// No bytes make the search fail.
func FuzzSite(f *testing.F) {
	f.Add([]byte(callTo(endbr+subRSP+canary+leaRCX+movRDXEDX, 0x4000)))
	f.Add([]byte(pushRBX + ret))
	f.Fuzz(func(t *testing.T, code []byte) {
		im := textImage(code)
		if at := im.cheapSite(0x1000); at < 0x1000 || at > 0x1000+uint64(len(code)) {
			t.Errorf("site %#x", at)
		}
		im.inner(0x1000, 0x1000, x86asm.RCX)
	})
}
