package assembly_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ssltape/record"
	"ssltape/record/recordtest"
)

// An evasion is a response that is built so that an inspector and a browser
// disagree about it.
type evasion struct{ name, in string }

// evaded is the content of all evasions, to those who read them as tolerant
// recipients do.
const evaded = "X5-this-is-what-the-recipient-gets-(to-see)-and-so-must-the-observer"

// The parts of the evasions.
const (
	evasionOK = "HTTP/1.1 200 ok\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n"
	evasionTE = "Transfer-Encoding: chunked\r\n\r\n"
)

// evadedPlain returns the content with its length before it.
func evadedPlain() string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(evaded), evaded) }

// evadedChunks returns the content in chunks: N in the line before each stands
// for its size.
func evadedChunks(sizeLine, after, last string) string {
	var b strings.Builder
	for i := 0; i < len(evaded); i += 4 {
		p := evaded[i:min(i+4, len(evaded))]
		b.WriteString(strings.ReplaceAll(sizeLine, "N", fmt.Sprintf("%x", len(p))) + p + after)
	}
	return b.String() + last
}

// evasions returns the evasions that there are.
func evasions(t *testing.T) []evasion {
	return slices.Concat(chunkEvasions(), fieldEvasions(), startEvasions(), lengthEvasions(), codingEvasions(t))
}

// chunkEvasions returns the evasions by chunks and transfer codings.
func chunkEvasions() []evasion {
	const ok = evasionOK
	const te = evasionTE
	const body = evaded
	plain := evadedPlain()
	chunked := evadedChunks("N\r\n", "\r\n", "0\r\n\r\n")
	return []evasion{
		{"length", ok + plain},
		{"chunked", ok + te + chunked},
		{"space before the size", ok + te + evadedChunks(" N\r\n", "\r\n", "0\r\n\r\n")},
		{"space after the size", ok + te + evadedChunks("N \r\n", "\r\n", "0 \r\n\r\n")},
		{"zeros before the size", ok + te + evadedChunks("0000000000000000000N\r\n", "\r\n", "0\r\n\r\n")},
		{"CR before the size", ok + te + evadedChunks("\rN\r\n", "\r\n", "0\r\n\r\n")},
		{"LF before the size", ok + te + evadedChunks("\nN\r\n", "\r\n", "0\r\n\r\n")},
		{"junk after the size", ok + te + evadedChunks("Nxyz\r\n", "\r\n", "0\r\n\r\n")},
		{"extension", ok + te + evadedChunks("N;foo=\"bar;\"\r\n", "\r\n", "0;x\r\n\r\n")},
		{"LF only", ok + te + evadedChunks("N\n", "\n", "0\n\n")},
		{"no line end after a chunk", ok + te + evadedChunks("N\r\n", "", "0\r\n\r\n")},
		{"junk after a chunk", ok + te + evadedChunks("N\r\n", "!!\r\n", "0\r\n\r\n")},
		{"no last chunk", ok + te + evadedChunks("N\r\n", "\r\n", "")},
		{"no end after the last chunk", ok + te + evadedChunks("N\r\n", "\r\n", "0\r\n")},
		{"chunked, but it is not", ok + te + body},
		{"chunked with a length, but it is not", ok + "Transfer-Encoding: chunked\r\n" + plain},
		{"chunked in 1.0", strings.Replace(ok, "1.1", "1.0", 1) + te + chunked},
		{"chunked in 1.0, but it is not", strings.Replace(ok, "1.1", "1.0", 1) + te + body},
		{"chunked and a wrong length", ok + "Content-Length: 7\r\n" + te + chunked},
		{"xchunked", ok + "Transfer-Encoding: xchunked\r\n\r\n" + body},
		{"chunked foo", ok + "Transfer-Encoding: chunked foo\r\n\r\n" + chunked},
		{"chunked twice", ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked},
		{"chunked, identity", ok + "Transfer-Encoding: chunked, identity\r\n\r\n" + chunked},
		{"identity with length", ok + "Transfer-Encoding: identity\r\n" + plain},
		{"chunked; as a parameter", ok + "Transfer-Encoding: chunked;\r\n\r\n" + chunked},
		{"chunked, then empty", ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n\r\n" + chunked},
		{"chunked, then another word", ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: foo\r\n\r\n" + chunked},
		{"chunked served as another word", ok + "Transfer-Encoding: chu\r\n\r\n" + chunked},
	}
}

// fieldEvasions returns the evasions by names, values and lines of fields.
func fieldEvasions() []evasion {
	const ok = evasionOK
	const te = evasionTE
	const body = evaded
	chunked := evadedChunks("N\r\n", "\r\n", "0\r\n\r\n")
	return []evasion{
		{"two colons", ok + "Transfer-Encoding:: chunked\r\n\r\n" + chunked},
		{"NUL in the name", ok + "Transfer\x00-Encoding: chunked\r\n\r\n" + chunked},
		{"VT before the colon", ok + "Transfer-Encoding\v: chunked\r\n\r\n" + chunked},
		{"chunked as content coding", ok + "Content-Encoding: chunked\r\n\r\n" + chunked},
		{"upper case", ok + "TRANSFER-ENCODING: CHUNKED\r\n\r\n" + chunked},
		{"VT before the value", ok + "Transfer-Encoding:\x0bchunked\r\n\r\n" + chunked},
		{"NUL before the value", ok + "Transfer-Encoding:\x00chunked\r\n\r\n" + chunked},
		{"NUL in the value", ok + "Transfer-Encoding: chu\x00nked\r\n\r\n" + chunked},
		{"tab before the colon", ok + "Transfer-Encoding\t: chunked\r\n\r\n" + chunked},
		{"CR before the colon", ok + "Transfer-Encoding\r : chunked\r\n\r\n" + chunked},
		{"fold before the colon", ok + "Transfer-Encoding\r\n : chunked\r\n\r\n" + chunked},
		{"folded value", ok + "Transfer-Encoding:\r\n chunked\r\n\r\n" + chunked},
		{"value folded many times", ok + "Transfer-Encoding: \r\n \r\n chunked \r\n \r\nX: y\r\n\r\n" + chunked},
		{"value folded by NUL", ok + "Transfer-Encoding:\n\x00chunked\r\n\r\n" + chunked},
		{"folded to the field before", ok + "X: y\r\n Transfer-Encoding: chunked\r\n\r\n" + chunked},
		{"space before the first field", "HTTP/1.1 200 ok\r\n Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunked},
		{"line of CR in the head", ok + "\r\r\n" + te + chunked},
		{"two CR in the head", ok + "\r\r" + te + chunked},
		{"all lines end in CR", strings.ReplaceAll(ok, "\r\n", "\r") + "Transfer-Encoding: chunked\r\n\n" + chunked},
		{"all lines end in LF", strings.ReplaceAll(ok+te, "\r\n", "\n") + chunked},
		{"all lines end in LF CR", strings.ReplaceAll(ok, "\r\n", "\n\r") + te + chunked},
		{"head ends in LF CR CR LF", ok + "Transfer-Encoding: chunked\n\r\r\n" + chunked},
		{"head ends in CR LF LF", ok + "Transfer-Encoding: chunked\r\n\n" + chunked},
		{"head ends in LF CR LF", ok + "Transfer-Encoding: chunked\n\r\n" + chunked},
		{"head ends in space LF", ok + fmt.Sprintf("Content-Length: %d\n \n%s", len(body), body)},
		{"head ends in NUL LF", ok + fmt.Sprintf("Content-Length: %d\n\x00\n%s", len(body), body)},
		{"head ends in space CR LF", ok + "Transfer-Encoding: chunked\r\n \r\n" + chunked},
		{"head ends in CR", ok + "Transfer-Encoding: chunked\r\n\r" + chunked},
	}
}

// startEvasions returns the evasions by start lines and status codes.
func startEvasions() []evasion {
	const ok = evasionOK
	const te = evasionTE
	const body = evaded
	plain := evadedPlain()
	chunked := evadedChunks("N\r\n", "\r\n", "0\r\n\r\n")
	return []evasion{
		{"NUL before the status line", "\x00" + ok + te + chunked},
		{"empty lines before the status line", "\r\n\n \t\r\n" + ok + te + chunked},
		{"line before the status line", "foobar\r\n" + ok + te + chunked},
		{"junk before the status line", "foo" + ok + te + chunked},
		{"lower case version", "http" + ok[4:] + te + chunked},
		{"other version", strings.Replace(ok, "1.1", "3.14", 1) + te + chunked},
		{"no version", strings.Replace(ok, "/1.1", "", 1) + te + chunked},
		{"no reason", strings.Replace(ok, " ok", "", 1) + te + chunked},
		{"no status", strings.Replace(ok, "200 ok", "fine", 1) + te + chunked},
		{"long status", strings.Replace(ok, "200", "2000", 1) + te + chunked},
		{"tab in the status line", strings.Replace(ok, " 200 ", "\t200\t", 1) + te + chunked},
		{"no status line", body},
		{"100 before", "HTTP/1.1 100 Continue\r\n\r\n" + ok + te + chunked},
		{"100 with a body", strings.Replace(ok, "200", "100", 1) + te + chunked},
		{"100, then no status line", "HTTP/1.1 100 Continue\r\n\r\n" + body},
		{"101 with a body", strings.Replace(ok, "200", "101", 1) + te + chunked},
		{"199 with a body", strings.Replace(ok, "200", "199", 1) + plain},
		{"204 with a body", strings.Replace(ok, "200", "204", 1) + plain},
		{"204 with a chunked body", strings.Replace(ok, "200", "204", 1) + te + chunked},
		{"304 with a body", strings.Replace(ok, "200", "304", 1) + plain},
		{"304 with a body until the end", strings.Replace(ok, "200", "304", 1) + "\r\n" + body},
		{"205 with a body", strings.Replace(ok, "200", "205", 1) + plain},
		{"field without a name", ok + ": x\r\nno colon\r\n" + te + chunked},
		{"bytes that are no text in a field", ok + "X\xff\x01: \x02\xfe\r\n" + te + chunked},
	}
}

// lengthEvasions returns the evasions by Content-Length.
func lengthEvasions() []evasion {
	const ok = evasionOK
	const body = evaded
	plain := evadedPlain()
	return []evasion{
		{"length twice", ok + "Content-Length: 68\r\n" + plain},
		{"length as a list", ok + "Content-Length: 68, 68\r\n\r\n" + body},
		{"small length first", ok + "Content-Length: 10\r\n" + plain},
		{"large length first", ok + "Content-Length: 100\r\n" + plain},
		{"two lengths in a value", ok + "Content-Length: 10 68\r\n\r\n" + body},
		{"folded second length", ok + "Content-Length: 10\r\n 68\r\n\r\n" + body},
		{"signed length", ok + "Content-Length: +68\r\n\r\n" + body},
		{"length with junk", ok + "Content-Length: 68foo\r\n\r\n" + body},
		{"no number as length", ok + "Content-Length: foo\r\n\r\n" + body},
		{"negative length", ok + "Content-Length: -68\r\n\r\n" + body},
		{"too large length", ok + "Content-Length: 99999999999999999999999\r\n\r\n" + body},
		{"no length", ok + "\r\n" + body},
	}
}

// codingEvasions returns the evasions by content codings.
func codingEvasions(t *testing.T) []evasion {
	const ok = evasionOK
	const body = evaded
	plain := evadedPlain()
	gz := string(recordtest.Encode(t, "gzip", body))
	gzTo := func(head string) string { return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(gz), gz) }
	return []evasion{
		{"gzip", gzTo(ok + "Content-Encoding: gzip\r\n")},
		{"x-gzip", gzTo(ok + "Content-Encoding: x-gzip\r\n")},
		{"gzip in quotes", gzTo(ok + "Content-Encoding: \"gzip\"\r\n")},
		{"gzip folded", gzTo(ok + "Content-Encoding\r\n :gzip\r\n")},
		{"gzip folded to the field before", gzTo(ok + "X: y\r\n\tContent-Encoding: gzip\r\n")},
		{"gzip, identity", gzTo(ok + "Content-Encoding: gzip, identity\r\n")},
		{"gzip twice, applied once", gzTo(ok + "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n")},
		{"gzip and deflate, applied once", gzTo(ok + "Content-Encoding: deflate gzip\r\n")},
		{"gzip as transfer coding", ok + "Transfer-Encoding: gzip\r\n\r\n" + gz},
		{"gzip and chunked as transfer codings", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(gz), gz)},
		{"gzip with a name that is not there", ok + "Content-Encoding: gzip\r\n\r\n" + gz[:3] + "\x08" + gz[4:]},
		{"gzip with an extra field that is not there", ok + "Content-Encoding: gzip\r\n\r\n" + gz[:3] + "\x04" + gz[4:]},
		{"gzip with reserved flags", ok + "Content-Encoding: gzip\r\n\r\n" + gz[:3] + "\xe0" + gz[4:]},
		{"gzip without sums", ok + "Content-Encoding: gzip\r\n\r\n" + gz[:len(gz)-8]},
		{"gzip, but it is not", ok + "Content-Encoding: gzip\r\n" + plain},
		{"deflate without wrapper", ok + "Content-Encoding: deflate\r\n\r\n" + string(recordtest.Encode(t, "deflate raw", body))},
		{"deflate with a wrong wrapper", ok + "Content-Encoding: deflate\r\n\r\n" + "\x78\x00" + string(recordtest.Encode(t, "deflate", body))[2:]},
	}
}

func TestEvasion(t *testing.T) {
	for _, test := range evasions(t) {
		t.Run(test.name, func(t *testing.T) {
			conn := &record.Conn{ID: 1}
			cs := appendData(nil, conn, record.Out, []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
			cs = appendData(cs, conn, record.In, []byte(test.in))
			cs = append(cs, record.Chunk{Conn: conn, Dir: record.In, Off: int64(len(test.in)), End: record.EndClean})
			xs, st := assemble(t, cs, 0)
			if len(xs) != 1 {
				t.Fatalf("%d exchanges", len(xs))
			}
			if got, err := recordtest.Decode(t, &xs[0].Response.Message); got != evaded {
				t.Errorf("%v\n%q\nis read as\n%s", err, test.in, render(xs, st, false))
			}
			whole := render(xs, st, false)
			for _, n := range []int{1, 2, 3, 7} {
				if xs, st := assemble(t, cs, n); render(xs, st, false) != whole {
					t.Errorf("in pieces of %d: %s", n, diff(whole, render(xs, st, false)))
				}
			}
		})
	}
}
