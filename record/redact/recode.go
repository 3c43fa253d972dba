package redact

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// recode returns body in a content coding, padded to exactly n bytes with what
// decoders skip, or nil where that cannot be: body does not fit, or the coding
// has no padding. A body of which secrets were taken out fits as a rule, since
// nothing compresses as badly as they do.
func recode(coding string, body []byte, n int) []byte {
	for level := range recodeLevels {
		var out []byte
		switch coding {
		case "gzip", "x-gzip":
			out = recodeGzip(body, n, level)
		case "br":
			out = recodeBrotli(body, n, level)
		case "zstd":
			out = recodeZstd(body, n, level)
		default:
			return nil
		}
		if len(out) == n {
			return out
		}
	}
	return nil
}

// recodeLevels is how many levels of compression are tried, fast ones first.
const recodeLevels = 3

// recodeGzip pads with the comment in the header (RFC 1952, section 2.3.1).
func recodeGzip(body []byte, n, level int) []byte {
	var out bytes.Buffer
	encode := func(comment int) {
		out.Reset()
		w, _ := gzip.NewWriterLevel(&out, []int{6, 9, 8}[level]) // fails for bad levels only
		w.Comment = strings.Repeat("*", comment)
		w.Write(body)
		w.Close()
	}
	if encode(0); n-out.Len() >= 2 {
		encode(n - out.Len() - 1) // and its end
	}
	return out.Bytes()
}

// recodeZstd pads with a skippable frame (RFC 8878, section 3.1.2).
func recodeZstd(body []byte, n, level int) []byte {
	speed := []zstd.EncoderLevel{zstd.SpeedDefault, zstd.SpeedBestCompression, zstd.SpeedBetterCompression}[level]
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(speed), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil
	}
	defer w.Close()
	out := w.EncodeAll(body, nil)
	if pad := n - len(out) - 8; pad >= 0 {
		out = append(out, 0x50, 0x2a, 0x4d, 0x18)
		out = binary.LittleEndian.AppendUint32(out, uint32(pad))
		out = append(out, bytes.Repeat([]byte("*"), pad)...)
	}
	return out
}

// recodeBrotli pads with metadata blocks (RFC 7932, section 9.2).
func recodeBrotli(body []byte, n, level int) []byte {
	var out bytes.Buffer
	w := brotli.NewWriterLevel(&out, []int{5, 9, 11}[level])
	w.Write(body)
	w.Flush()         // to the end of a byte
	const last = 0x03 // ISLAST and ISLASTEMPTY
	for pad := n - out.Len() - 1; pad > 0; pad = n - out.Len() - 1 {
		if pad < 3 {
			out.WriteByte(0x06) // a block of no bytes
			continue
		}
		data := min(pad-2, 256)
		out.Write([]byte{byte(0x16 | (data-1)<<6), byte((data - 1) >> 2)})
		io.WriteString(&out, strings.Repeat("*", data))
	}
	out.WriteByte(last)
	return out.Bytes()
}
