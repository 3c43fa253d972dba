package jsonlist

import "errors"

// A storer stores 16 bytes in a file, at once if it can.
type storer interface {
	Store(p *[maxStore]byte, off int64) error
	// Store2 stores p and then q, at most twice maxJump and some pages after it.
	Store2(p *[maxStore]byte, off int64, q *[maxStore]byte, far int64) error
}

// writes stores by writing, which may stop between two pages.
type writes struct{ f File }

// Store writes p at off.
func (w writes) Store(p *[maxStore]byte, off int64) error {
	_, err := w.f.WriteAt(p[:], off)
	return err
}

// Store2 writes p at off and q at far.
func (w writes) Store2(p *[maxStore]byte, off int64, q *[maxStore]byte, far int64) error {
	return errors.Join(w.Store(p, off), w.Store(q, far))
}
