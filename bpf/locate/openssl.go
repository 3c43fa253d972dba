package locate

import (
	"fmt"
	"slices"
)

// findOpenSSL looks for the functions of OpenSSL 3 by the names that ERR_raise
// leaves in the file: ERR_set_debug(__FILE__, __LINE__, __func__). It returns
// nil where no function refers to one.
func findOpenSSL(im *image, fs []*function, s *stringsFound) (*Library, error) {
	o := openSSL{im: im, named: map[string][]*function{}}
	for _, f := range fs {
		for _, c := range f.calls {
			if c.args[2].base != number {
				continue
			}
			if n := anchorOf(s.anchors, c.args[2].off); n != "" && n != sslLib && n != s3Pkt && !slices.Contains(o.named[n], f) {
				o.named[n] = append(o.named[n], f)
			}
		}
	}
	if len(o.named) == 0 {
		return nil, nil
	}
	l := &Library{Stack: OpenSSL, Version: s.openssl}
	return l, l.refuse(o.find(l))
}

type openSSL struct {
	im    *image
	named map[string][]*function
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
		// The inner function serves SSL_read_ex too. It may have been inlined.
		inner := o.named[names[1]]
		if len(inner) == 1 && slices.ContainsFunc(f.calls, func(c call) bool { return c.target == inner[0].entry && passes(c) }) {
			o.im.addNamed(l, names[1], inner[0])
		}
	}
	return o.free(l)
}

func (im *image) addNamed(l *Library, name string, f *function) {
	l.add(im, name, f.entry, fmt.Sprintf("raises errors in the name of %q", name))
}

// free finds the function that frees a connection in the tables of TLS
// methods (SSL_METHOD, ssl/ssl_local.h), which hold ssl3_read_bytes and
// ssl3_write_bytes one after the other. They begin with a version, and differ
// in length before these: to 3.1 the function is in slot 4, later in slot 3.
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
	for _, layout := range []struct{ free, read int }{{4, 13}, {3, 16}} {
		tables, err := o.im.tables(read.entry, layout.read, layout.read+2, func(w []uint64) bool {
			version := uint32(w[0])
			return w[layout.read+1] == write.entry && (version == 0x10000 || version>>8 == 3) && o.im.code(w[layout.free]) != nil
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
