package json

import (
	"bytes"
	"strings"

	"ssltape/record/scan"
	"ssltape/record/scan/text"
	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// Some objects are of a kind that makes secrets of values with harmless names:
// cookies, as browsers export them, keys (RFC 7517), and the Secrets of
// Kubernetes. What tells the kind may come after the values.

// A kin is what is known of the object under way by the keys in it.
type kin struct {
	isMember bool           // the key is that of a private number of a key
	isKey    bool           // the object is a key: "kty" came
	isCookie bool           // it is a cookie
	isKind   bool           // the key is "kind"
	isData   bool           // the object is the data of a manifest
	isLoad   bool           // it is the payload of a version of a secret
	isJWT    bool           // it is what signs web tokens
	isJar    bool           // the key is "cookies"
	inJar    bool           // the object is in a list of that
	kube     secret.Verdict // on the data of the manifest under way
	data     secret.Verdict // on the values of the data that is under way, or follows
	depth    int32          // braces open in the manifest
}

// telling has the lengths of the keys that colon looks at, by their first byte:
// a bit each. Most keys have none of them.
var telling = func() (lengths [256]uint32) {
	for _, name := range strings.Fields("key name value KEY NAME VALUE kty kind data domain httpOnly hostOnly sameSite " +
		"apiVersion stringData keyName payload cookies Key d p q dp dq qi k label delta candidates model inputTextDelta argsTextDelta content_block message item response") {
		lengths[name[0]] |= 1 << len(name)
	}
	return lengths
}()

// relate judges the value of the key under way by the keys beside it, and those
// before it by this one.
func (l *lexer) relate() {
	k := &l.kin
	k.isMember, k.isKind, k.isJar = false, false, false
	if k.isData {
		if l.verdict == secret.Stays {
			l.verdict = k.data
		}
		return
	}
	k.data = secret.Stays
	switch name := l.name; len(name) {
	case 1, 2:
		if k.isMember = secret.IsPrivate(name); k.isMember && (k.isKey || len(name) == 2) && l.verdict == secret.Stays {
			l.verdict = secret.Member
		}
	case len("kty"):
		if string(name) == "kty" {
			k.isKey = true
			l.judgeEarly(secret.Member)
		} else if k.isJWT && l.isName && l.verdict == secret.Stays {
			l.verdict = secret.Opaque
		}
	case len("keyName"):
		if string(name) == "keyName" { // of a storage account
			l.paired = secret.Opaque
		} else if k.isJar = string(name) == "cookies"; k.isJar {
			k.data = secret.Shuffled
		}
	case len("kind"):
		k.isKind = string(name) == "kind"
		if string(name) == "data" && k.isLoad && l.verdict == secret.Stays {
			l.verdict = secret.Encoded
		}
		if string(name) == "data" && k.depth == 0 {
			k.data = k.kube
		}
	case len("value"):
		if l.isValue && k.isCookie && l.verdict == secret.Stays {
			l.verdict = secret.Goes
		}
	case len("domain"):
		if string(name) == "domain" && l.named && secret.Opaque.Confirms(l.early.Text) {
			l.judgeEarly(secret.Opaque)
		}
	case len("httpOnly"):
		if string(name) == "httpOnly" || string(name) == "hostOnly" || string(name) == "sameSite" {
			if k.isCookie = true; l.named {
				l.judgeEarly(secret.Goes)
			}
		}
	case len("apiVersion"):
		if string(name) == "apiVersion" && k.kube == secret.Stays {
			k.kube, k.depth = secret.Encoded, 0
		} else if string(name) == "stringData" && k.kube != secret.Stays {
			k.data = secret.Goes
		}
	}
}

// list begins a list, or ends one: that of cookies has objects, each of which is one.
func (k *kin) list(begins bool) {
	if k.inJar = begins && k.isJar; k.inJar {
		k.data = secret.Stays
	}
	k.isJar = false
}

// tells judges the values that were kept by the string that came after them, and the one
// that comes.
func (l *lexer) tells() {
	if bytes.Contains(l.name, []byte(text.Vault)) || char.IsAny(l.name, "SecureString", "CONCEALED") { // of AWS, of 1Password
		if l.judgeEarly(secret.Goes); l.after {
			l.paired = secret.Goes
		}
	}
}

// mayTell reports whether tells may say something of the string str.
func mayTell(str []byte) bool {
	n := len(str)
	return n > 8 && (str[0] == 'h' && n > len("https://")+len(text.Vault) || str[0] == 'S' && n == len("SecureString") || str[0] == 'C' && n == len("CONCEALED"))
}

// judgeMinted takes out the value that was kept if it is a token as Cloudflare makes them:
// what tells that is far from it.
func (l *lexer) judgeMinted() {
	from, n := 0, len(l.ends)-1
	if n > 0 {
		from = l.ends[n-1]
	}
	if to := l.ends[n]; l.isValue && to-from == minted && to == len(l.early.Text) && secret.IsMinted(l.early.Text[from:]) {
		l.s.Redact(l.early.Places(from, to), l.early.Text[from:], scan.InText)
	}
}

// minted is how long such a token is.
const minted = 40

// setKind takes the string that came for the kind of a manifest.
func (l *lexer) setKind() {
	if l.isKind = false; string(l.name) == "Secret" {
		if l.kube == secret.Stays {
			l.depth = 0
		}
		l.kube = secret.Goes
	}
}

// nestKin begins an object, or ends one.
func (l *lexer) nestKin(c byte) {
	k := &l.kin
	k.isMember, k.isKey, k.isCookie, k.isKind = false, false, c == '{' && k.inJar, false
	k.isData = c == '{' && l.after && k.data != secret.Stays
	k.isLoad = c == '{' && l.after && string(l.name) == "payload"
	k.isJWT = c == '{' && l.after && len(l.name) > 2 && l.name[0]|0x20 == 'j' && bytes.EqualFold(l.name[:3], []byte("jwt"))
	if k.kube == secret.Stays {
		return
	}
	if c == '{' {
		k.depth++
	} else if k.depth--; k.depth < 0 {
		k.kube = secret.Stays
	}
}

// judgeEarly judges the values that were kept by the key that came after them.
func (l *lexer) judgeEarly(v secret.Verdict) {
	from := 0
	for _, to := range l.ends {
		if p := l.early.Text[from:to]; len(p) > 0 && len(l.early.Text) < scan.MaxEarly && v.Confirms(p) {
			k := secret.Credentials(p)
			l.s.Redact(l.early.Places(from+k, to), p[k:], scan.InText)
		}
		from = to
	}
	l.forget()
}

// forget lets go the values that were kept.
func (l *lexer) forget() {
	l.early.Reset()
	l.ends = l.ends[:0]
}
