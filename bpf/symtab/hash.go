package symtab

import "debug/elf"

// A gnuHash is what a table of type SHT_GNU_HASH begins with. After it come a Bloom
// filter in words of the file's class, which is passed over here, a bucket for each
// remainder of hashes, with the number of the first symbol in it or 0, and for each
// symbol from number first on its hash, with bit 0 set where it is the last one of a
// bucket. No standard has it: linkers and loaders do (glibc's elf/dl-lookup.c).
type gnuHash struct {
	buckets, first, filter uint32 // filter: words of it
	wide                   bool   // these are of 64 bits
}

// openGNU reads the beginning of the table.
func (l *lookup) openGNU() error {
	g := &gnuHash{wide: l.file.Class == elf.ELFCLASS64}
	for i, to := range []*uint32{&g.buckets, &g.first, &g.filter} {
		var err error
		if *to, err = l.word(int64(i)); err != nil {
			return err
		}
	}
	if g.buckets == 0 || g.first > l.n {
		return errFormat
	}
	l.gnu = g
	return nil
}

// at returns the place of the first bucket.
func (g *gnuHash) at() int64 {
	const head = 4 // the last says how a hash is put into the filter
	if g.wide {
		return head + 2*int64(g.filter)
	}
	return head + int64(g.filter)
}

// chains returns the number of hashes in a table of size words.
func (g *gnuHash) chains(size uint64) uint64 {
	before := uint64(g.at()) + uint64(g.buckets)
	return max(size, before) - before
}

// chainGNU calls f with the numbers of the symbols that have the hash of name.
func (l *lookup) chainGNU(name string, f func(uint32) error) error {
	g, sum := l.gnu, uint32(5381)
	for _, c := range []byte(name) {
		sum = sum*33 + uint32(c)
	}
	at := g.at()
	i, err := l.word(at + int64(sum%g.buckets))
	if err != nil || i == 0 {
		return err
	}
	if i < g.first {
		return errFormat
	}
	for at += int64(g.buckets); ; i++ {
		its, err := l.word(at + int64(i-g.first))
		if err != nil {
			return err
		}
		if its|1 == sum|1 {
			if err := f(i); err != nil {
				return err
			}
		}
		if its&1 != 0 {
			return nil
		}
	}
}

// openSysV reads the beginning of the other table (System V ABI, chapter 5, Hash Table):
// the number of buckets and that of symbols, and then for each of both the number of
// a symbol: the first of the bucket, the next one of its bucket. 0 is none.
func (l *lookup) openSysV() error {
	n, err := l.word(0)
	if err != nil || n == 0 {
		return errFormat
	}
	l.buckets = n
	return nil
}

// chainSysV calls f with the numbers of the symbols in the bucket of name.
func (l *lookup) chainSysV(name string, f func(uint32) error) error {
	const head = 2
	sum := uint32(0)
	for _, c := range []byte(name) {
		sum = sum<<4 + uint32(c)
		high := sum & 0xf0000000
		sum = (sum ^ high>>24) &^ high
	}
	i, err := l.word(head + int64(sum%l.buckets))
	for ; err == nil && i != 0; i, err = l.word(head + int64(l.buckets) + int64(i)) {
		if err := f(i); err != nil {
			return err
		}
	}
	return err
}
