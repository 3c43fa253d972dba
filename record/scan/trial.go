package scan

// A Trial is a scan of a part of the text without its escapes, and on its own.
// To replace something within escapes one has to know where all of it stands,
// which takes longer than to look whether there is anything.
type Trial struct {
	s    Finder
	sink Sink
}

// NewTrial returns a trial for parts of the text of s, which sink makes a sink of.
func NewTrial(s *Finder, sink func(*Finder) Sink) *Trial {
	t := &Trial{s: Finder{Profile: s.Profile, Depth: s.Depth}}
	t.sink = sink(&t.s)
	return t
}

// Clean reports whether there is nothing in p that goes.
func (t *Trial) Clean(p []byte) bool {
	t.sink.Write(p, 0, len(p))
	t.sink.End()
	ok := t.s.Found == 0
	t.s.Found, t.s.spans = 0, nil
	return ok
}
