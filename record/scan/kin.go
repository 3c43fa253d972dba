package scan

import (
	"bytes"
	"encoding/base64"
)

// Some objects are of a kind that makes secrets of values with harmless names:
// cookies, as browsers export them, keys (RFC 7517), and the Secrets of
// Kubernetes. What tells the kind may come after the values.

// A kin is what is known of the object under way by the keys in it.
type kin struct {
	isMember bool    // the key is that of a private number of a key
	isKey    bool    // the object is a key: "kty" came
	isCookie bool    // it is a cookie
	isKind   bool    // the key is "kind"
	isData   bool    // the object is the data of a manifest
	kube     verdict // on the data of the manifest under way
	data     verdict // on the values of the data that is under way, or follows
	depth    int32   // braces open in the manifest
}

// relate judges the value of the key under way by the keys beside it, and those
// before it by this one.
func (l *lexer) relate() {
	k := &l.kin
	k.isMember, k.isKind = false, false
	if k.isData {
		if l.verdict == stays {
			l.verdict = k.data
		}
		return
	}
	k.data = stays
	switch name := l.name; len(name) {
	case 1, 2:
		if k.isMember = isPrivate(name); k.isMember && k.isKey && l.verdict == stays {
			l.verdict = member
		}
	case len("kty"):
		if string(name) == "kty" {
			k.isKey = true
			l.judgeEarly(member)
		}
	case len("kind"):
		k.isKind = string(name) == "kind"
		if string(name) == "data" && k.depth == 0 {
			k.data = k.kube
		}
	case len("value"):
		if l.isValue && k.isCookie && l.verdict == stays {
			l.verdict = goes
		}
	case len("domain"):
		if string(name) == "domain" && l.named && opaque.confirms(l.early.Text) {
			l.judgeEarly(opaque)
		}
	case len("httpOnly"):
		if string(name) == "httpOnly" || string(name) == "hostOnly" || string(name) == "sameSite" {
			if k.isCookie = true; l.named {
				l.judgeEarly(goes)
			}
		}
	case len("apiVersion"):
		if string(name) == "apiVersion" && k.kube == stays {
			k.kube, k.depth = encoded, 0
		} else if string(name) == "stringData" && k.kube != stays {
			k.data = goes
		}
	}
}

// setKind takes the string that came for the kind of a manifest.
func (l *lexer) setKind() {
	if l.isKind = false; string(l.name) == "Secret" {
		if l.kube == stays {
			l.depth = 0
		}
		l.kube = goes
	}
}

// nestKin begins an object, or ends one.
func (l *lexer) nestKin(c byte) {
	k := &l.kin
	k.isMember, k.isKey, k.isCookie, k.isKind = false, false, false, false
	k.isData = c == '{' && l.after && k.data != stays
	if k.kube == stays {
		return
	}
	if c == '{' {
		k.depth++
	} else if k.depth--; k.depth < 0 {
		k.kube = stays
	}
}

// judgeEarly judges the values that were kept by the key that came after them.
func (l *lexer) judgeEarly(v verdict) {
	from := 0
	for _, to := range l.ends {
		if p := l.early.Text[from:to]; len(p) > 0 && len(l.early.Text) < maxEarly && v.confirms(p) {
			k := credentials(p)
			l.s.redact(l.early.Places(from+k, to), p[k:], inText)
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

// isPrivate reports whether name is that of a private or symmetric number of a
// key (RFC 7518, section 6).
func isPrivate(name []byte) bool {
	switch string(name) {
	case "d", "p", "q", "dp", "dq", "qi", "k":
		return true
	}
	return false
}

// isEncoded reports whether p is base64 of text, or random.
func isEncoded(p []byte) bool {
	if len(p) < minToken || len(p)%4 != 0 {
		return false
	}
	out, err := base64.StdEncoding.DecodeString(string(p))
	if err != nil {
		return false
	}
	text := bytes.IndexFunc(out, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r >= 0x7f }) < 0
	return text || len(p) >= minKey && isShuffled(p)
}
