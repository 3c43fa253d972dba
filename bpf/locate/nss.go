package locate

import (
	"fmt"
	"slices"
)

// nssMark is a name that NSS's libssl looks up in the environment, and nothing
// else has.
const nssMark = "NSS_SSL_CBC_RANDOM_IV"

// maxPointers bounds the pointers of a file that is searched for tables of
// functions of which none is known. Those of libssl3.so are 1,500.
const maxPointers = 1 << 18

// Slots of the tables of functions of a socket (lib/ssl/sslimpl.h, sslSocketOps).
const (
	nssClose, nssRecv, nssSend, nssRead, nssWrite, nssSlots = 5, 6, 7, 8, 9, 12
	nssUnused                                               = 1
)

// findNSS looks for the functions of NSS that a socket of TLS reads and writes
// with, whatever it is called by: PR_Read, PR_Send, or a layer above it. They
// are in one of two tables of the same form,
//
//	ssl_default_ops, which hands on to the socket below, and
//	ssl_secure_ops, where reading is receiving without flags,
//
// and so is writing. It returns nil where the file is not NSS's libssl.
func findNSS(im *image, _ []*function, s *stringsFound) (*Library, error) {
	if !s.nss {
		return nil, nil
	}
	l := &Library{Stack: NSS, Version: s.versions[NSS]}
	tables, err := im.nssTables()
	if err != nil {
		return l, l.refuse(err)
	}
	var secure [][]uint64
	for _, w := range tables {
		if im.passes(w[nssRead], w[nssRecv]) && im.passes(w[nssWrite], w[nssSend]) {
			secure = append(secure, w)
		}
	}
	if len(secure) != 1 {
		return l, l.refuse(&RefusedError{"ssl_SecureRecv",
			fmt.Sprintf("%d of %d tables of functions are those of a TLS socket", len(secure), len(tables))})
	}
	how := fmt.Sprintf("a slot of ssl_secure_ops, the table of functions at %#x", secure[0][nssSlots])
	l.add(im, "ssl_SecureRecv", secure[0][nssRecv], how)
	l.add(im, "ssl_SecureSend", secure[0][nssSend], how)
	l.add(im, "ssl_SecureClose", secure[0][nssClose], how)
	return l, nil
}

// passes tells whether the function outer calls inner with its own three first
// arguments.
func (im *image) passes(outer, inner uint64) bool {
	f := im.walk(outer)
	return f != nil && slices.ContainsFunc(f.calls, func(c call) bool {
		return c.target == inner && f.own(c, 0, 0) && f.own(c, 1, 1) && f.own(c, 2, 2)
	})
}

// nssTables returns the tables that have the form of sslSocketOps, each with
// its address behind its slots.
func (im *image) nssTables() (tables [][]uint64, err error) {
	pointers := map[uint64]uint64{}
	err = im.pointers(func(at, value uint64) {
		if im.code(value) != nil && at%8 == 0 && len(pointers) <= maxPointers {
			im.setStart(value)
			pointers[at] = value
		}
	})
	if err != nil {
		return nil, err
	}
	if len(pointers) > maxPointers {
		return nil, &RefusedError{"ssl_SecureRecv", "too many pointers to search for its table"}
	}
	for at := range pointers {
		w := make([]uint64, nssSlots, nssSlots+1)
		whole := true
		for i := range w {
			w[i] = pointers[at+8*uint64(i)]
			whole = whole && (w[i] == 0) == (i == nssUnused)
		}
		if whole {
			tables = append(tables, append(w, at))
		}
	}
	slices.SortFunc(tables, slices.Compare)
	return tables, nil
}
