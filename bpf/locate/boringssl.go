package locate

import (
	"fmt"
	"slices"
)

// Error reasons of BoringSSL: numbers of its API (openssl/ssl.h, openssl/err.h)
// that are never changed.
const (
	libSSL                  = 16
	shouldNotHaveBeenCalled = 66
	badLength               = 111
	protocolIsShutdown      = 194
)

const (
	sslLib = "ssl_lib.cc"
	s3Pkt  = "s3_pkt.cc"
)

// An errorSite is a use of OPENSSL_PUT_ERROR(SSL, reason), a call of
// ERR_put_error(16, 0, reason, __FILE__, __LINE__): the one trace that every
// build leaves of which function it is in.
type errorSite struct {
	file         string
	reason, line uint64
}

// errorSites are the error sites of f. Link-time optimisation drops the
// argument that is always 0, which moves the others down by one.
func errorSites(f *function, anchors []anchor) (sites []errorSite) {
	for _, c := range f.calls {
		for file := 2; file <= 3; file++ {
			a := c.args
			name := ""
			if a[file].base == number {
				name = anchorOf(anchors, a[file].off)
			}
			lib := a[0]
			if (name == sslLib || name == s3Pkt) && (lib.base != number || lib.off == libSSL) && a[file-1].base == number && a[file+1].base == number {
				sites = append(sites, errorSite{name, a[file-1].off, a[file+1].off})
			}
		}
	}
	return sites
}

// boringSSL names functions of BoringSSL.
type boringSSL struct {
	im    *image
	fs    []*function
	sites map[*function][]errorSite
	lib   *Library
}

// findBoringSSL looks for SSL_read, SSL_write and the function that is called
// for each SSL that is destroyed, tls_free.
// It returns nil where no error site of BoringSSL is in the file.
func findBoringSSL(im *image, fs []*function, s *stringsFound) (*Library, error) {
	b := boringSSL{im: im, fs: fs, sites: map[*function][]errorSite{}, lib: &Library{Stack: BoringSSL}}
	for _, f := range fs {
		if sites := errorSites(f, s.anchors); sites != nil {
			b.sites[f] = sites
		}
	}
	if len(b.sites) == 0 {
		return nil, nil
	}
	write, line, err := b.write()
	if err == nil {
		err = b.read(write, line)
	}
	if err := b.lib.refuse(err); err != nil {
		return nil, err
	}
	return b.lib, b.lib.refuse(b.free())
}

// with returns the functions that have a site for which ok is true.
func (b *boringSSL) with(ok func(errorSite) bool) (fs []*function) {
	for _, f := range b.fs {
		for _, s := range b.sites[f] {
			if ok(s) {
				fs = append(fs, f)
				break
			}
		}
	}
	return fs
}

// lastLine is the largest line below limit of a site in ssl_lib.cc with the
// reason, or 0.
func (b *boringSSL) lastLine(reason, limit uint64) (line uint64) {
	for _, sites := range b.sites {
		for _, s := range sites {
			if s.file == sslLib && s.reason == reason && s.line < limit {
				line = max(line, s.line)
			}
		}
	}
	return line
}

// write finds SSL_write, the one function of ssl_lib.cc that complains of a
// length, and the line of its first complaint, that it is not for QUIC.
func (b *boringSSL) write() (f *function, quic uint64, err error) {
	f, err = only("SSL_write", b.with(func(s errorSite) bool { return s.file == sslLib && s.reason == badLength }))
	if err != nil {
		return nil, 0, err
	}
	// method->write_app_data(ssl, &needs_handshake, [&written,] buf, num)
	passes := func(c call) bool {
		return c.target == 0 && f.own(c, 0, 0) && (f.own(c, 2, 1) || f.own(c, 3, 1))
	}
	if !slices.ContainsFunc(f.calls, passes) {
		return nil, 0, &RefusedError{"SSL_write", fmt.Sprintf("the function at %#x does not pass on what it was called with", f.entry)}
	}
	length := b.lastLine(badLength, 1<<32)
	quic = b.lastLine(shouldNotHaveBeenCalled, length)
	b.lib.add(b.im, "SSL_write", f.entry, fmt.Sprintf("raises BAD_LENGTH at %s:%d", sslLib, length))
	return f, quic, nil
}

// read finds SSL_read. It raises no error itself, it calls
//
//	SSL_peek, which complains of QUIC, and calls
//	ssl_read_impl, which raises SSL_HANDSHAKE_FAILURE,
//
// in the order ssl_read_impl, SSL_read, SSL_peek, SSL_write in the source, so
// that SSL_peek's complaint is the last one before SSL_write's, whatever was
// inlined into what. Only SSL_read takes from the buffer that it shows: it
// writes to memory where SSL_peek does not.
func (b *boringSSL) read(write *function, writeLine uint64) error {
	line := b.lastLine(shouldNotHaveBeenCalled, writeLine)
	peeks := b.with(func(s errorSite) bool {
		return s.file == sslLib && s.reason == shouldNotHaveBeenCalled && s.line == line
	})
	refuse := func(format string, args ...any) error {
		return &RefusedError{"SSL_read", fmt.Sprintf(format, args...)}
	}
	if line == 0 || writeLine-line > 60 {
		return refuse("no error site of SSL_peek before that of SSL_write, %s:%d", sslLib, writeLine)
	}
	how := fmt.Sprintf("raises SHOULD_NOT_HAVE_BEEN_CALLED at %s:%d", sslLib, line)
	for _, p := range peeks {
		// memcpy(buf, ...). Where SSL_read was inlined, buf is something else.
		copies := func(c call) bool { return p.own(c, 0, 1) }
		if p == write || !slices.ContainsFunc(p.calls, copies) {
			return refuse("the function at %#x %s, but does not copy to its second argument", p.entry, how)
		}
	}
	switch len(peeks) {
	case 0:
		return refuse("no function found around %s:%d", sslLib, line)
	case 2: // SSL_peek, and SSL_read with SSL_peek inlined
		p, r := peeks[0], peeks[1]
		if p.stores > r.stores {
			p, r = r, p
		}
		if p.stores == r.stores {
			return refuse("%#x and %#x %s and cannot be told apart", p.entry, r.entry, how)
		}
		b.lib.add(b.im, "SSL_read", r.entry, how+" and writes to the connection")
		return nil
	case 1:
	default:
		return refuse("%d functions raise the error of %s:%d", len(peeks), sslLib, line)
	}
	p := peeks[0]
	outer, err := b.readers(p)
	switch {
	case err != nil:
		return err
	case len(outer) == 1:
		b.lib.add(b.im, "SSL_read", outer[0].entry, fmt.Sprintf("calls SSL_peek at %#x, which %s", p.entry, how))
	case len(outer) > 1:
		return refuse("%#x and %#x call SSL_peek as SSL_read does", outer[0].entry, outer[1].entry)
	case p.stores == 0:
		return refuse("SSL_peek is at %#x, and nothing calls it as SSL_read does", p.entry)
	default:
		b.lib.add(b.im, "SSL_read", p.entry, how+" and writes to the connection")
	}
	return nil
}

// readers returns the functions that call peek with their own arguments, write
// to memory, and raise no error.
func (b *boringSSL) readers(peek *function) (fs []*function, err error) {
	callers, err := b.im.callers(peek.entry)
	for _, at := range callers {
		f := b.im.functionAt(at)
		if f == nil || f.stores == 0 || f.entry == peek.entry || len(b.sites[f]) > 0 {
			continue
		}
		passes := func(c call) bool {
			return c.target == peek.entry && f.own(c, 0, 0) && f.own(c, 1, 1) && f.own(c, 2, 2)
		}
		if slices.ContainsFunc(f.calls, passes) {
			fs = append(fs, f)
		}
	}
	return fs, err
}

// free finds tls_free by way of tls_write_app_data, which is in the same table
// of functions, kTLSProtocolMethod (ssl/internal.h, SSL_PROTOCOL_METHOD).
func (b *boringSSL) free() error {
	const slotFree, slotWrite, slots = 2, 9, 11
	has := func(f *function, reason uint64) bool {
		for _, s := range b.sites[f] {
			if s.file == s3Pkt && s.reason == reason {
				return true
			}
		}
		return false
	}
	var writes []*function
	for _, f := range b.fs {
		if has(f, badLength) && has(f, protocolIsShutdown) {
			writes = append(writes, f)
		}
	}
	write, err := only("tls_free", writes)
	if err != nil {
		return err
	}
	tables, err := b.im.tables(write.entry, slotWrite, slots, func(w []uint64) bool {
		for i, p := range w {
			optional := i >= 3 && i <= 7
			switch {
			case i == 0 && p > 1: // is_dtls
				return false
			case i > 0 && b.im.code(p) == nil && !(optional && p == 0):
				return false
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	if len(tables) != 1 {
		return &RefusedError{"tls_free", fmt.Sprintf("%d tables of functions hold tls_write_app_data at %#x", len(tables), write.entry)}
	}
	b.lib.add(b.im, "tls_free", tables[0][slotFree], fmt.Sprintf("slot 2 of the method table that holds tls_write_app_data, %#x", write.entry))
	return nil
}
