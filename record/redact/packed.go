package redact

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"ssltape/record"
	"ssltape/record/scan"
	"ssltape/record/scan/body"
)

// maxRecoded is the length of the longest decoded body that is written anew.
const maxRecoded = 32 << 20

// maxPacking is how often a body may be encoded within itself.
const maxPacking = 3

// unpackBody looks into a body with a content coding (RFC 9110, section 8.4).
// If it holds a secret it is encoded again without, or else goes. It is within
// depth others, in the source of outer.
func unpackBody(outer *scan.Finder, coding, contentType string, depth int) body.Unpack {
	return func(p []byte, end int64) (instead []byte, ok bool) {
		m := record.Message{Proto: "HTTP/1.1", Body: record.NewBody(p), BodySize: int64(len(p)), Done: true}
		m.Header = record.Fields{{Name: "Content-Encoding", Value: coding}}
		f := scan.Finder{Profile: outer.Profile}
		f.PartOf(outer, func(int64) int64 { return end })
		k := newGuess(&f, contentType, depth)
		var body []byte
		at := int64(0)
		err, plain := decode(&m, func(piece []byte) error {
			if at == 0 && len(piece) > 0 && bytes.HasPrefix(p, piece) {
				return errPlain
			}
			k.Write(piece, at, len(piece))
			if at += int64(len(piece)); at <= maxRecoded {
				body = append(body, piece...)
			} else {
				body = nil
				f.Take(scan.Settled)
			}
			return nil
		})
		if plain != nil {
			return nil, false
		}
		k.End()
		var spans []scan.Span
		if at <= maxRecoded {
			spans, _ = f.Recall(f.Take(scan.Settled), body, 0, true)
		}
		switch {
		case isBomb(err) || f.Found > 0 && at > maxRecoded:
			return []byte{}, true
		case f.Found == 0:
			return nil, err == nil || errors.Is(err, io.ErrUnexpectedEOF)
		}
		body = scan.Replace(nil, body, 0, spans)
		if instead = recode(coding, body, len(p)); instead == nil {
			instead = []byte{}
		}
		return instead, true
	}
}

// errPlain says that a body is not encoded, whatever its label is.
var errPlain = errors.New("not encoded")

// unpackUnlabelled looks into a body that is encoded in a way that nothing but
// its bytes tells.
func unpackUnlabelled(outer *scan.Finder, contentType string, depth int) body.Unpack {
	return func(p []byte, end int64) (instead []byte, ok bool) {
		for _, coding := range unlabelled(p) {
			if instead, ok = unpackBody(outer, coding, contentType, depth)(p, end); instead != nil {
				return instead, ok
			}
		}
		return nil, false
	}
}

// unlabelled returns what p may be coded in.
func unlabelled(p []byte) []string {
	if coding := codingOf("", p); coding != "" {
		return []string{coding}
	}
	return []string{"br", "deflate"}
}

// beginsUnlabelled is whether a body that begins with p may be encoded in a way that
// nothing but its bytes tells.
func beginsUnlabelled(p []byte) bool {
	return slices.ContainsFunc(unlabelled(p), func(coding string) bool { return begins(coding)(p) })
}

// begins returns what tells whether a body may have a content coding: it can be
// decoded as far as it goes. What ends in the first half, as any bytes do at times, is
// not the body.
func begins(coding string) body.Begins {
	return func(p []byte) bool {
		m := record.Message{Proto: "HTTP/1.1", Body: record.NewBody(p), BodySize: int64(len(p)), Done: true}
		m.Header = record.Fields{{Name: "Content-Encoding", Value: coding}}
		size := 0
		err, plain := decode(&m, func(piece []byte) error {
			if size == 0 && len(piece) > 0 && bytes.HasPrefix(p, piece) {
				return errPlain
			}
			size += len(piece)
			return nil
		})
		return plain == nil && (err == nil && size >= len(p)/2 || errors.Is(err, io.ErrUnexpectedEOF) || isBomb(err))
	}
}
