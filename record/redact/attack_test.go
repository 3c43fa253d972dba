package redact_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"ssltape/record/redact"
)

// random returns n letters and digits that are the same in each run, with
// each class among them.
func random(seed uint64, n int, alphabet string) string {
	r := rand.New(rand.NewPCG(seed, 7))
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

const (
	lower    = "abcdefghijklmnopqrstuvwxyz"
	digits   = "0123456789"
	hexes    = "0123456789abcdef"
	capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	alnum    = lower + digits + capitals
)

// shapes are keys as services hand them out, with * for what is secret.
var keyShapes = map[string]string{
	"anthropic api":   "sk-ant-api03-*93AA",
	"anthropic oauth": "sk-ant-oat01-*60",
	"anthropic admin": "sk-ant-admin01-*93AA",
	"anthropic sid":   "sk-ant-sid01-*90",
	"openai":          "sk-*20T3BlbkFJ*20",
	"openai project":  "sk-proj-*74T3BlbkFJ*74",
	"openai service":  "sk-svcacct-*58T3BlbkFJ*58",
	"openrouter":      "sk-or-v1-#64",
	"stripe":          "sk_live_*24",
	"stripe test":     "rk_test_*99",
	"github":          "ghp_*36",
	"github server":   "ghs_*36",
	"github fine":     "github_pat_*22_*59",
	"gitlab":          "glpat-*20",
	"aws":             "AKIA^16",
	"aws sts":         "ASIA^16",
	"google":          "AIza*35",
	"google oauth":    "ya29.a0*60",
	"google client":   "GOCSPX-*28",
	"slack bot":       "xoxb-123456789012-123456789012-*24",
	"slack user":      "xoxp-123456789012-123456789012-123456789012-#32",
	"slack app":       "xapp-1-A0123456789-1234567890123-#64",
	"npm":             "npm_*36",
	"pypi":            "pypi-AgEIcHlwaS5vcmc*80",
	"hugging face":    "hf_*34",
	"sendgrid":        "SG.*22.*43",
	"digitalocean":    "dop_v1_#64",
	"shopify":         "shpat_#32",
	"groq":            "gsk_*52",
	"xai":             "xai-*80",
	"replicate":       "r8_*37",
	"perplexity":      "pplx-*48",
	"vault":           "hvs.*90",
	"docker":          "dckr_pat_*27",
	"grafana":         "glsa_*32_0a1b2c3d",
	"linear":          "lin_api_*40",
	"databricks":      "dapi#32",
	"atlassian":       "ATATT3*180",
	"age":             "AGE-SECRET-KEY-1^58",
	"twilio":          "SK#32",
	"telegram":        "123456789:AA*33",
	"discord webhook": "https://discord.com/api/webhooks/123456789012345678/*68",
	"slack webhook":   "https://hooks.slack.com/services/T01ABCDEF/B01ABCDEF/*24",
	"jwt":             "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.*43",
	"userinfo":        "postgres://bob:*16@db.example.com:5432/x",
	"aws secret":      "aws_secret_access_key=*40",
	"env":             "EXAMPLE_API_KEY=*32",
	"env quoted":      "export DB_PASSWORD=\"*20\"",
	"azure":           "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=*86==;EndpointSuffix=core.windows.net",
	"presigned":       "https://b.s3.amazonaws.com/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=60&X-Amz-Signature=#64",
	"sas":             "https://a.blob.core.windows.net/c/b?sv=2022-11-02&sp=r&sig=*43%3D",
	"pem":             "-----BEGIN RSA PRIVATE KEY-----\n*64\n*64\n*40==\n-----END RSA PRIVATE KEY-----\n",
	"openssh":         "-----BEGIN OPENSSH PRIVATE KEY-----\n*70\n*70\n-----END OPENSSH PRIVATE KEY-----\n",
	"pgp":             "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n*64\n*64\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----\n",
	"bearer":          "Authorization: Bearer *40",
	"curl":            `curl -H "X-Api-Key: *32" https://x`,
	"json in text":    `the answer is {"access_token": "*32"} indeed`,
}

var shapePart = regexp.MustCompile(`[*#^]\d+`)

// grown returns the text of a shape, and its secret parts.
func grown(name string) (text string, secrets []string) {
	seed := uint64(0)
	for _, c := range name {
		seed = seed*31 + uint64(c)
	}
	text = shapePart.ReplaceAllStringFunc(keyShapes[name], func(m string) string {
		n := 0
		fmt.Sscan(m[1:], &n)
		seed++
		alphabet := map[byte]string{'*': alnum, '#': hexes, '^': capitals + digits}[m[0]]
		s := random(seed, n, alphabet)
		secrets = append(secrets, s)
		return s
	})
	return text, secrets
}

// encodings are what a text may be wrapped in.
var encodings = map[string]func(string) string{
	"plain":    func(s string) string { return s },
	"json":     func(s string) string { return `{"a":` + quote("x "+s+" y") + `}` },
	"escaped":  func(s string) string { return `{"a":"` + unicodeEscapes(s) + `"}` },
	"slashes":  func(s string) string { return `{"a":` + strings.ReplaceAll(quote(s), "/", `\/`) + `}` },
	"base64":   func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64+1": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(":" + s)) },
	"base64 lines": func(s string) string {
		b := base64.StdEncoding.EncodeToString([]byte("some text before it so that it is on more than one line: " + s + " and some more text after it"))
		var lines []string
		for len(b) > 76 {
			lines, b = append(lines, b[:76]), b[76:]
		}
		return strings.Join(append(lines, b), "\r\n")
	},
	"base64url":   func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("\xff\xfe" + s)) },
	"percent":     url.QueryEscape,
	"percent all": func(s string) string { return percentAll(s) },
	"percent twice": func(s string) string {
		return url.QueryEscape(url.QueryEscape(s))
	},
	"hex": func(s string) string { return hex.EncodeToString([]byte(s)) },
	"url": func(s string) string { return "https://example.com/x?u=" + url.QueryEscape(s) + "&v=1" },
	"xml": func(s string) string {
		return "<a><b>" + strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(s) + "</b></a>"
	},
	"prose": func(s string) string { return "See (" + s + "), which I found." },
	"html":  func(s string) string { return "<!doctype html><p>" + s + "</p>" },
	"js":    func(s string) string { return "const a = " + quote(s) + ";\nfoo(a);\n" },
}

func unicodeEscapes(s string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	return b.String()
}

func percentAll(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

// carriers are messages that a text can be in.
var carriers = map[string]func(s string) string{
	"text": func(s string) string { return post("text/plain", s) },
	"json": func(s string) string { return post("application/json", `{"m":[{"content":`+quote(s)+`}]}`) },
	"nested": func(s string) string {
		return post("application/json", `{"m":`+quote(`{"n":`+quote(`{"o":`+quote(s)+`}`)+`}`)+`}`)
	},
	"none": func(s string) string { return post("", s) },
	"binary": func(s string) string {
		return post("application/octet-stream", "\x00\x01\x08\xff\x12"+s+"\x00\x1a\x03")
	},
	"form": func(s string) string {
		return post("application/x-www-form-urlencoded", "a=1&b="+url.QueryEscape(s)+"&c=2")
	},
	"part": func(s string) string {
		return post("multipart/form-data; boundary=XyZ", "--XyZ\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n"+s+"\r\n--XyZ--\r\n")
	},
	"event": func(s string) string {
		return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: x\ndata: {\"a\":" + quote(s) + "}\n\n"
	},
	"text deltas": func(s string) string {
		return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + deltas("text_delta", "text", "it is "+s+" it is")
	},
	"json deltas": func(s string) string {
		return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + deltas("input_json_delta", "partial_json", `{"c":`+quote(s)+`}`)
	},
	"query": func(s string) string { return "GET /x?q=" + url.QueryEscape(s) + " HTTP/1.1\r\nHost: h\r\n\r\n" },
	"path":  func(s string) string { return "GET /x/" + url.PathEscape(s) + "/y HTTP/1.1\r\nHost: h\r\n\r\n" },
	"gzip":  func(s string) string { return post("text/plain", gz(s), "Content-Encoding: gzip") },
	"br": func(s string) string {
		return post("application/json", packed("br", `{"a":`+quote(s)+`}`), "Content-Encoding: br")
	},
	"zstd": func(s string) string {
		return post("application/json", packed("zstd", `{"a":`+quote(s)+`}`), "Content-Encoding: zstd")
	},
	"zlib": func(s string) string {
		return post("application/json", packed("zlib", `{"a":`+quote(s)+`}`), "Content-Encoding: deflate")
	},
	"flate": func(s string) string {
		return post("application/json", packed("flate", `{"a":`+quote(s)+`}`), "Content-Encoding: deflate")
	},
	"twice": func(s string) string {
		return post("application/json", packed("br", gz(`{"a":`+quote(s)+`}`)), "Content-Encoding: gzip, br")
	},
	"silent":      func(s string) string { return post("application/json", packed("zlib", `{"a":`+quote(s)+`}`)) },
	"silent br":   func(s string) string { return post("application/json", packed("br", `{"a":`+quote(s)+`}`)) },
	"silent zstd": func(s string) string { return post("application/json", packed("zstd", `{"a":`+quote(s)+`}`)) },
	"double gzip": func(s string) string {
		return post("application/json", gz(gz(`{"a":`+quote(s)+`}`)), "Content-Encoding: gzip")
	},
	"gzip cut": func(s string) string {
		p := gz(`{"a":` + quote(s) + `,"b":"` + random(5, 3000, alnum) + `"}`)
		return post("application/json", p[:len(p)-1500], "Content-Encoding: gzip")
	},
}

func packed(coding, s string) string {
	var b bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "br":
		w = brotli.NewWriter(&b)
	case "zstd":
		w, _ = zstd.NewWriter(&b)
	case "zlib":
		w = zlib.NewWriter(&b)
	case "flate":
		w, _ = flate.NewWriter(&b, 6)
	}
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

// shows returns how a part of a secret can be found in out, or "".
func shows(out, secret string, depth int) string {
	window := min(12, len(secret))
	for i := 0; i+window <= len(secret); i += 4 {
		part := secret[i : i+window]
		if strings.Contains(out, part) {
			return "raw " + part
		}
		if strings.Contains(out, hex.EncodeToString([]byte(part))) {
			return "hex " + part
		}
		for k := range 3 {
			b := base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("x", k) + part + "xxx"))
			b = b[4 : len(b)-5]
			if strings.Contains(strings.NewReplacer("+", "-", "/", "_", "\r\n", "", "\n", "").Replace(out), b) {
				return "base64 " + part
			}
		}
	}
	if depth > 0 {
		if dec := unescapeAll(out); dec != out {
			if how := shows(dec, secret, depth-1); how != "" {
				return "escaped " + how
			}
		}
		if _, body, ok := strings.Cut(out, "\r\n\r\n"); ok {
			for coding, dec := range unpackAny(body) {
				if how := shows(dec, secret, depth-1); how != "" {
					return coding + " " + how
				}
			}
		}
	}
	return ""
}

var (
	percentEscape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
	jsonEscape    = regexp.MustCompile(`\\u00[0-9a-f]{2}`)
)

// unescapeAll undoes the escapes of URLs and JSON, and joins deltas.
func unescapeAll(s string) string {
	s = percentEscape.ReplaceAllStringFunc(s, func(m string) string { b, _ := hex.DecodeString(m[1:]); return string(b) })
	s = jsonEscape.ReplaceAllStringFunc(s, func(m string) string { b, _ := hex.DecodeString(m[4:]); return string(b) })
	s = strings.ReplaceAll(s, `\/`, "/")
	return deltaFrame.ReplaceAllString(s, "")
}

var deltaFrame = regexp.MustCompile(`"\}\}\n\nevent: content_block_delta\ndata: \{"type":"content_block_delta","index":1,"delta":\{"type":"\w+","\w+":"`)

// unpackAny returns what body is in each coding that it may have.
func unpackAny(body string) map[string]string {
	out := map[string]string{}
	try := func(name string, r io.Reader, err error) {
		if err == nil {
			if b, _ := io.ReadAll(io.LimitReader(r, 1<<20)); len(b) > 0 {
				out[name] = "\r\n\r\n" + string(b)
			}
		}
	}
	g, err := gzip.NewReader(strings.NewReader(body))
	try("gzip", g, err)
	z, err := zlib.NewReader(strings.NewReader(body))
	try("zlib", z, err)
	try("flate", flate.NewReader(strings.NewReader(body)), nil)
	try("br", brotli.NewReader(strings.NewReader(body)), nil)
	zs, err := zstd.NewReader(strings.NewReader(body))
	try("zstd", zs, err)
	return out
}

// Keys of every shape, in every encoding, in every kind of message. Of the
// pairs of an encoding and a kind of message that are both unusual it tries
// one of 25 for each shape.
func TestAttack(t *testing.T) {
	n := 0
	for _, name := range slices.Sorted(maps.Keys(keyShapes)) {
		text, secrets := grown(name)
		for _, enc := range slices.Sorted(maps.Keys(encodings)) {
			for _, carrier := range slices.Sorted(maps.Keys(carriers)) {
				if n++; enc != "plain" && carrier != "text" && carrier != "json" && n%25 != 0 {
					continue
				}
				attack(t, name+" / "+enc+" / "+carrier, carriers[carrier](encodings[enc](text)), secrets)
			}
		}
	}
}

// attack reports where secrets can be found when in was redacted.
func attack(t *testing.T, what, in string, secrets []string) {
	t.Helper()
	for how, out := range map[string]string{
		"chunks":    redactChunks(t, redact.Secrets, 1<<30, in),
		"exchanges": redactExchanges(t, redact.Secrets, 1<<30, in),
	} {
		for _, s := range secrets {
			if found := shows(out, s, 3); found != "" {
				t.Errorf("%s / %s: %s\n%.1500q", what, how, found, out)
				break
			}
		}
	}
}
