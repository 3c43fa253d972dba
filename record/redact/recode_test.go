package redact_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"ssltape/record/redact"
)

var encoders = map[string]func(w io.Writer) io.WriteCloser{
	"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"br":   func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) },
	"zstd": func(w io.Writer) io.WriteCloser {
		z, err := zstd.NewWriter(w)
		if err != nil {
			panic(err)
		}
		return z
	},
}

var decoders = map[string]func(r io.Reader) (io.Reader, error){
	"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
	"br":   func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
	"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
}

// A compressed body that held a secret can still be decoded, has its length,
// and everything else is in it.
func TestChunksRecoded(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for coding, encode := range encoders {
		for secret := 60; secret < 400; secret += 7 {
			var body, packed bytes.Buffer
			for i := range 20 {
				body.WriteString(`{"n":` + strconv.Itoa(i) + `,"text":"some of the answer"},`)
			}
			value := make([]byte, secret)
			for i := range value {
				value[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"[r.IntN(64)]
			}
			body.WriteString(`{"signature":"` + string(value) + `"}`)
			w := encode(&packed)
			w.Write(body.Bytes())
			w.Close()
			in := post("application/json", packed.String(), "Content-Encoding: "+coding)
			out := redactChunks(t, redact.Secrets, 100, in)
			if len(out) != len(in) {
				t.Fatalf("%s: %d bytes of %d", coding, len(out), len(in))
			}
			_, got, _ := strings.Cut(out, "\r\n\r\n")
			d, err := decoders[coding](strings.NewReader(got))
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", coding, secret, err)
			}
			text, err := io.ReadAll(d)
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", coding, secret, err)
			}
			want, _, _ := strings.Cut(body.String(), string(value))
			want += "<redacted len=" + strconv.Itoa(secret) + " id="
			if !strings.HasPrefix(string(text), want) || len(text) != len(want)+len(`3f9a2c>"}`) {
				t.Fatalf("%s, %d bytes: %s", coding, secret, text)
			}
		}
	}
}
