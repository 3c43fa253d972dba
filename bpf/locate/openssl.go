package locate

import (
	"fmt"
	"slices"
	"strings"
)

// Files of OpenSSL 1.x with the functions below.
const (
	sslLibC   = "ssl_lib.c"
	recLayerC = "rec_layer_s3.c" // 1.1
	s3PktC    = "s3_pkt.c"       // 1.0
)

// libSSL1 is the number of the library in OpenSSL's errors (openssl/err.h).
const libSSL1 = 20

// openSSLFunctions are the functions that are looked for, by the number that
// OpenSSL 1.x knows each by in its errors (SSL_F_SSL_READ and so on of
// openssl/sslerr.h), which is never changed.
var openSSLFunctions = map[uint64]string{
	223: "SSL_read", 208: "SSL_write", 523: "ssl_read_internal", 524: "ssl_write_internal",
	148: "ssl3_read_bytes", 158: "ssl3_write_bytes",
}

// openSSLName returns the function of OpenSSL in whose name the call c raises
// an error, or "":
//
//	ERR_set_debug(__FILE__, __LINE__, __func__)               3.x
//	ERR_put_error(20, function, reason, __FILE__, __LINE__)   1.x
//	ossl_statem_fatal(ssl, alert, function, reason, __FILE__, __LINE__)   1.1.1
func openSSLName(c call, anchors []anchor) string {
	if c.args[2].base == number {
		if n := anchorOf(anchors, c.args[2].off); n != "" && !strings.Contains(n, ".") {
			return n
		}
	}
	for i := 1; i <= 2; i++ { // where the function is
		if c.args[i].base != number || c.args[i+2].base != number || i == 1 && c.args[0] != (value{number, libSSL1}) {
			continue
		}
		switch anchorOf(anchors, c.args[i+2].off) {
		case sslLibC, recLayerC, s3PktC:
			return openSSLFunctions[c.args[i].off]
		}
	}
	return ""
}

// findOpenSSL looks for the functions of OpenSSL by the names or numbers that
// its errors leave in the file. It returns nil where no function has one.
func findOpenSSL(im *image, fs []*function, s *stringsFound) (*Library, error) {
	o := openSSL{im: im, named: map[string][]*function{}}
	for _, f := range fs {
		for _, c := range f.calls {
			if n := openSSLName(c, s.anchors); n != "" && !slices.Contains(o.named[n], f) {
				o.named[n] = append(o.named[n], f)
			}
		}
	}
	if len(o.named) == 0 {
		return nil, nil
	}
	l := &Library{Stack: OpenSSL, Version: s.versions[OpenSSL]}
	return l, l.refuse(o.find(l))
}

type openSSL struct {
	im    *image
	named map[string][]*function // the functions that raise errors in a name
}

func (o *openSSL) find(l *Library) error {
	for _, names := range [][2]string{{"SSL_read", "ssl_read_internal"}, {"SSL_write", "ssl_write_internal"}} {
		f, err := only(names[0], o.named[names[0]])
		if err != nil {
			return err
		}
		passes := func(c call) bool { return f.own(c, 0, 0) && f.own(c, 1, 1) }
		if !slices.ContainsFunc(f.calls, passes) {
			return &RefusedError{names[0], fmt.Sprintf("the function at %#x does not pass on what it was called with", f.entry)}
		}
		o.im.addNamed(l, names[0], f)
		for _, inner := range o.named[names[1]] {
			count := storesCount(inner, l.Version)
			if inner == f || count == 0 { // it was inlined into the one above, or elsewhere
				continue
			}
			if slices.ContainsFunc(f.calls, func(c call) bool { return c.target == inner.entry && passes(c) }) {
				o.im.addNamed(l, names[1], inner)
			} else { // SSL_read_ex or SSL_write_ex with it inlined, or itself, called by these
				l.add(o.im, names[0]+"_ex", inner.entry, fmt.Sprintf("raises errors in the name of %q and takes its arguments", names[1]))
			}
			l.Funcs[l.index(inner.entry)].Count = count
		}
	}
	return o.free(l)
}

// storesCount returns which argument of f, counted from 0, says where to store
// how much was passed: of a function that is, or has in it, ssl_read_internal
// or ssl_write_internal. It hands that on to the method of the connection. It
// returns 0 where f does not do so.
func storesCount(f *function, version string) int {
	count, spill := 0, false
	for _, c := range f.calls {
		if !f.own(c, 0, 0) || !f.own(c, 1, 1) || !f.own(c, 2, 2) {
			continue
		}
		for i := 3; i <= 4; i++ { // the fifth of functions for writing, from 3.2 on
			if c.args[3] == (value{entered + base(f.args[i]), 0}) {
				count = max(count, i)
			}
		}
		spill = spill || c.args[3].base == spilled
	}
	if count == 0 && spill { // not optimised
		count = 3
		if slices.ContainsFunc(f.calls, func(c call) bool { return c.args[4].base == spilled }) && newWrite(version) {
			count = 4
		}
	}
	return count
}

// newWrite tells whether ssl_write_internal has flags before the count, as
// from 3.2 on.
func newWrite(version string) bool {
	return !strings.HasPrefix(version, "1.") && !strings.HasPrefix(version, "3.0.") && !strings.HasPrefix(version, "3.1.")
}

func (im *image) addNamed(l *Library, name string, f *function) {
	l.add(im, name, f.entry, fmt.Sprintf("raises errors in the name of %q", name))
}

// free finds the function that frees a connection in the tables of TLS
// methods (SSL_METHOD, ssl/ssl_local.h), which hold ssl3_read_bytes and
// ssl3_write_bytes one after the other. They begin with a version, and differ
// in length before these: in 1.0 the function is in slot 3, from 1.1 to 3.1 in
// slot 4, later in slot 3 again.
func (o *openSSL) free(l *Library) error {
	read, err := only("ssl3_read_bytes", o.named["ssl3_read_bytes"])
	if err != nil {
		return err
	}
	write, err := only("ssl3_write_bytes", o.named["ssl3_write_bytes"])
	if err != nil {
		return err
	}
	frees := map[uint64]bool{}
	for _, layout := range []struct{ free, read int }{{3, 13}, {4, 13}, {3, 16}} {
		tables, err := o.im.tables(read.entry, layout.read, layout.read+2, func(w []uint64) bool {
			version := uint32(w[0])
			// The slot after the version is flags and a mask, or a function in 1.0.
			old := o.im.code(w[1]) != nil
			return w[layout.read+1] == write.entry && (version == 0x10000 || version>>8 == 3) &&
				old == (layout.free == 3 && layout.read == 13) && o.im.code(w[layout.free]) != nil
		})
		if err != nil {
			return err
		}
		for _, w := range tables {
			frees[w[layout.free]] = true
		}
	}
	if len(frees) != 1 {
		return &RefusedError{"SSL_free", fmt.Sprintf("the method tables name %d functions that free", len(frees))}
	}
	for va := range frees {
		l.add(o.im, "SSL_free", va, "frees in the method tables that hold ssl3_read_bytes")
	}
	return nil
}
