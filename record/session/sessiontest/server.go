// Package sessiontest is an HTTPS server on loopback that real programs are
// recorded against, in tests and in the demonstration.
package sessiontest

import (
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// A Server answers these requests, over TLS:
//
//	GET  /bytes/N      N bytes that are the same each time
//	GET  /chunked/N    the same bytes in the chunked transfer coding
//	GET  /close/N      the same bytes, ended by the end of the connection
//	GET  /gzip         a text in the gzip content coding
//	GET  /echo?...     a small JSON object with the target
//	GET  /client?...   the address and port that the request comes from
//	POST /upload       {"length":N,"sha256":"..."} of the request's body
//	POST /v1/messages  an event stream in the shape of Anthropic's API
type Server struct {
	Addr     string // host and port
	URL      string // https://localhost:PORT
	CertFile string // of the certificate, to be trusted by clients
	KeyFile  string
	Pause    time.Duration // between two events of the stream
	server   *http.Server
}

// Start starts a Server on a free port of loopback and writes its certificate
// and key to the folder dir.
func Start(dir string) (*Server, error) { return start(dir, "http/1.1") }

// StartHTTP2 is Start for a Server that prefers HTTP/2.
func StartHTTP2(dir string) (*Server, error) { return start(dir, "h2", "http/1.1") }

func start(dir string, protocols ...string) (*Server, error) {
	cert, err := writeCertificate(dir)
	if err != nil {
		return nil, err
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: protocols})
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	s := &Server{Addr: l.Addr().String(), URL: "https://localhost:" + port, Pause: 20 * time.Millisecond,
		CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /bytes/{n}", s.bytes)
	mux.HandleFunc("GET /chunked/{n}", s.bytes)
	mux.HandleFunc("GET /close/{n}", s.close)
	mux.HandleFunc("GET /gzip", s.gzip)
	mux.HandleFunc("GET /echo", s.echo)
	mux.HandleFunc("GET /client", s.client)
	mux.HandleFunc("POST /upload", s.upload)
	mux.HandleFunc("POST /v1/messages", s.messages)
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Minute}
	go s.server.Serve(l)
	return s, nil
}

// Close stops s and cuts its connections.
func (s *Server) Close() error { return s.server.Close() }

// Body returns the n bytes that s answers with.
func Body(n int) []byte {
	var seed [32]byte
	p := make([]byte, n)
	mathrand.NewChaCha8(seed).Read(p)
	return p
}

// Sum returns the SHA-256 of p in hexadecimal digits.
func Sum(p []byte) string { return fmt.Sprintf("%x", sha256.Sum256(p)) }

func (s *Server) bytes(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 {
		http.Error(w, "not a length", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if r.URL.Path == "/bytes/"+r.PathValue("n") {
		w.Header().Set("Content-Length", strconv.Itoa(n))
	}
	w.Write(Body(n))
}

// close speaks HTTP/1.0's way: the connection's end is the body's.
func (s *Server) close(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.PathValue("n"))
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprint(buf, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n\r\n")
	buf.Write(Body(n))
	buf.Flush()
}

func (s *Server) gzip(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	fmt.Fprintln(z, "This text was compressed on the wire.")
	z.Close()
}

func (s *Server) echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{"target": r.URL.RequestURI()})
}

func (s *Server) client(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RemoteAddr) }

func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	h := sha256.New()
	n, err := io.Copy(h, r.Body)
	if err != nil {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, "{\"length\":%d,\"sha256\":\"%x\"}\n", n, h.Sum(nil))
}

// messages streams an answer word by word, as an LLM does.
func (s *Server) messages(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	for _, e := range messageEvents {
		fmt.Fprintf(w, "event: %s\ndata: %s\n\n", e[0], e[1])
		w.(http.Flusher).Flush()
		select {
		case <-time.After(s.Pause):
		case <-r.Context().Done():
			return
		}
	}
}

// Events is the number of events that /v1/messages sends.
var Events = len(messageEvents)

var messageEvents = [][2]string{
	{"message_start", `{"type":"message_start","message":{"id":"msg_demo","type":"message","role":"assistant","model":"claude-demo","content":[],"stop_reason":null,"usage":{"input_tokens":12,"output_tokens":1}}}`},
	{"content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`},
	{"ping", `{"type":"ping"}`},
	{"content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}`},
	{"content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":", "}}`},
	{"content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"world!"}}`},
	{"content_block_stop", `{"type":"content_block_stop","index":0}`},
	{"message_delta", `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":6}}`},
	{"message_stop", `{"type":"message_stop"}`},
}

// writeCertificate makes a certificate for localhost that is its own authority
// and writes it and its key to dir.
func writeCertificate(dir string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), certPEM, 0o644); err != nil {
		return tls.Certificate{}, err
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), keyPEM, 0o600); err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certPEM, keyPEM)
}
