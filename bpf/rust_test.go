//go:build linux && amd64

package bpf

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ssltape/record"
)

// buildRust builds testdata/rustls.c with flags.
func buildRust(t *testing.T, flags ...string) pairProgram {
	t.Helper()
	p := pairProgram{path: filepath.Join(t.TempDir(), "rustls")}
	args := append([]string{"-O2", "-DBEFORE=0", "-o", p.path, "testdata/rustls.c"}, flags...)
	if out, err := exec.Command(program(t, "cc"), args...).CombinedOutput(); err != nil {
		t.Fatalf("cc %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return p
}

// Connections of rustls are known by addresses of different parts of them, of
// which only the order is known. Real ones are recorded by the tests of package
// session.
func TestRust(t *testing.T) {
	const clean, cut = record.EndClean, record.EndCut
	builds := map[string]pairProgram{
		"new": buildRust(t), "new, state within": buildRust(t, "-UBEFORE", "-DBEFORE=136"),
		"old": buildRust(t, "-DOLD"), "old, state within": buildRust(t, "-DOLD", "-UBEFORE", "-DBEFORE=136"),
	}
	tests := []struct {
		name, steps string
		want        []outcome // in the order in which connections are met
		only        string    // builds of that name alone
	}{
		{"client", "new w10 again r20 w3 c4 r5 free", []outcome{{13, 29, clean, cut}}, ""},
		{"server", "new r10 w20 c5 w1 r7 free", []outcome{{21, 22, clean, cut}}, ""},
		{"close_notify", "new w1 r2 end free", []outcome{{1, 2, clean, clean}}, ""},
		{"close_notify shown", "new w1 r2 End free", []outcome{{1, 2, clean, clean}}, ""},
		{"only one way", "new w1 w2 free new r3 r4 free new w5 r6 free", []outcome{{3, 0, clean, cut}, {0, 7, clean, cut}, {5, 6, clean, cut}}, ""},
		{"the same place", "new w1 r2 free w3 r4 free r5 w6 free", []outcome{{1, 2, clean, cut}, {3, 4, clean, cut}, {6, 5, clean, cut}}, ""},
		{"server's place", "new r1 w2 free r3 w4 free w5 r6 free", []outcome{{2, 1, clean, cut}, {4, 3, clean, cut}, {5, 6, clean, cut}}, ""},
		{"exit", "new w1 r2", []outcome{{1, 2, clean, cut}}, ""},
		{"moved before", "new move w1 r2 free new move r3 w4 free", []outcome{{1, 2, clean, cut}, {4, 3, clean, cut}}, ""},
		{"mixed", "new w1 two w2 two r3 two r4 two w5 two free two free", []outcome{{6, 3, clean, cut}, {2, 4, clean, cut}}, ""},
		{"mixed servers", "new r1 two r2 two w3 two w4 two r5 two free two free", []outcome{{3, 6, clean, cut}, {4, 2, clean, cut}}, ""},
		{"slices", "new v100x3 r1 v16384x64 free", []outcome{{298 + 16384*64 - 2, 1, clean, cut}}, "new"},
	}
	for name, prog := range builds {
		t.Run(name, func(t *testing.T) {
			p := open(t, Options{Buffer: 128 << 20})
			if _, err := p.Attach(prog.path); err != nil {
				t.Fatal(err)
			}
			for _, tt := range tests {
				if strings.HasPrefix(name, tt.only) {
					goOn, wait := start(t, p, prog.args(tt.steps)...)
					goOn()
					wait()
				}
			}
			p.Stop()
			tp := read(t, p)
			next := 0
			for _, tt := range tests {
				if !strings.HasPrefix(name, tt.only) {
					continue
				}
				var got []outcome
				for range tt.want {
					if next < len(tp.conns) {
						s := tp.streams[tp.conns[next]]
						got = append(got, outcome{s[0].Len(), s[1].Len(), s[0].end, s[1].end})
						next++
					}
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("%s: connections %+v, want %+v", tt.name, got, tt.want)
				}
			}
			if next != len(tp.conns) || p.Loss().Bytes() != 0 || p.Loss().Unseen != 0 {
				t.Errorf("%d connections, want %d; %+v", len(tp.conns), next, p.Loss())
			}
		})
	}
}

// What is in more slices than are looked at leaves a hole of its length.
func TestRustManySlices(t *testing.T) {
	p, prog := open(t, Options{}), buildRust(t)
	if _, err := p.Attach(prog.path); err != nil {
		t.Fatal(err)
	}
	goOn, wait := start(t, p, prog.args("new v10x100 w5 free")...)
	goOn()
	wait()
	p.Stop()
	tp := read(t, p)
	if len(tp.conns) != 1 {
		t.Fatalf("%d connections", len(tp.conns))
	}
	s := tp.streams[tp.conns[0]][record.Out]
	if s.Len() != 644 || s.lost != 359 || s.final != 1003 || p.Loss().Bytes() != 359 {
		t.Errorf("%d bytes and %d lost of %d, %+v", s.Len(), s.lost, s.final, p.Loss())
	}
}

// What cannot be recorded is named with the reason.
func TestRustRefused(t *testing.T) {
	const reads = "_ZN66_$LT$rustls..conn..connection..Reader$u20$as$u20$std..io..Read$GT$4read17h0123456789abcdefE"
	const writes = "_ZN6rustls12common_state11CommonState16buffer_plaintext17h0123456789abcdefE"
	const shows = "_ZN6rustls4conn10connection6Reader16into_first_chunk17h0123456789abcdefE"
	const consumes = "_ZN69_$LT$rustls..conn..connection..Reader$u20$as$u20$std..io..BufRead$GT$7consume17h0123456789abcdefE"
	const frees = "_ZN4core3ptr108drop_in_place$LT$rustls..conn..ConnectionCommon$LT$rustls..client..client_conn..ClientConnectionData$GT$$GT$17h0123456789abcdefE"
	prog := buildRust(t)
	for _, tt := range []struct {
		without []string
		want    string // "": it is recorded
	}{
		{nil, ""},
		{[]string{reads}, ""},
		{[]string{shows, consumes}, ""},
		{[]string{writes}, "the compiler has put functions of it into others"},
		{[]string{reads, shows, consumes}, "the compiler has put functions of it into others"},
		{[]string{consumes}, "the compiler has put functions of it into others"},
		{[]string{frees}, "where connections end cannot be hooked"},
		{[]string{reads, shows, writes}, "its functions have no symbols, or it is older than 0.20"},
	} {
		path := filepath.Join(t.TempDir(), "rustls")
		args := []string{prog.path, path}
		for _, name := range tt.without {
			args = append(args, "--strip-symbol="+name)
		}
		if out, err := exec.Command(program(t, "objcopy"), args...).CombinedOutput(); err != nil {
			t.Fatalf("objcopy: %v\n%s", err, out)
		}
		a, err := Inspect(path)
		if tt.want == "" {
			if err != nil {
				t.Errorf("without %d functions: %v", len(tt.without), err)
			}
			continue
		}
		if !errors.Is(err, ErrNoTLS) || len(a.Stacks) != 1 || a.Stacks[0].Name != "rustls" || a.Stacks[0].Refused != tt.want {
			t.Errorf("without %d functions: %v, %+v, want %q", len(tt.without), err, a.Stacks, tt.want)
		}
	}
}
