//go:build !linux || !(amd64 || arm64)

package jsonlist

func newStorer(f File) storer { return writes{f} }
