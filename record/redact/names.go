package redact

import (
	"bytes"
	"strings"
)

// secretFields are the fields whose values go, in lower case; those that end
// in -token go as well. Cookie and Set-Cookie keep the names in their values.
var secretFields = set("authorization proxy-authorization cookie set-cookie x-api-key api-key apikey " +
	"x-goog-api-key x-auth-token x-csrf x-xsrf x-amz-security-token x-client-secret x-secret x-password")

// secretKeys are the keys of queries, forms and JSON objects whose values go,
// as foldKey spells them. The names of secret fields are among them, since
// servers echo fields.
var secretKeys = set("accesstoken refreshtoken idtoken clientsecret codeverifier apikey secret password " +
	"sessionkey signature xamzsignature xamzsecuritytoken xamzcredential authorization proxyauthorization cookie " +
	"setcookie xapikey xgoogapikey authtoken xauthtoken csrftoken xcsrftoken xsrftoken xxsrftoken " +
	"apitoken bearertoken sessiontoken secretkey secretaccesskey awssecretaccesskey privatekey passwd " +
	"clientassertion newpassword oldpassword currentpassword passwordconfirmation")

// harmlessTokens are beginnings of keys in -token that a model's vocabulary or
// the pages of a list have.
var harmlessTokens = set("page nextpage next prev previous continuation cursor sync " +
	"pad eos bos sep cls mask unk stop start end max min")

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

// A verdict says whether the value that a name belongs to goes.
type verdict uint8

const (
	stays   verdict = iota
	opaque          // it goes where it looks like a token
	goes            // it goes
	cookies         // it is a Cookie field: values go, names stay
	crumb           // it is a Set-Cookie field: the value goes, attributes stay
	words           // what people wrote: its length stays
)

// judgeField returns what becomes of the values of the field called name.
func (p Profile) judgeField(name string) verdict {
	name = strings.ToLower(strings.TrimSpace(name))
	switch {
	case name == "cookie":
		return cookies
	case name == "set-cookie":
		return crumb
	case secretFields[name], strings.HasSuffix(name, "-token"):
		return goes
	case p == Strict:
		return strictField(name)
	}
	return stays
}

// judgeKey returns what becomes of the value of a key in a query, a form or a
// JSON object.
func (p Profile) judgeKey(key []byte) verdict {
	if n := len(key); n > 0 && key[n-1] == ']' { // user[password]
		key = key[bytes.LastIndexByte(key, '[')+1 : n-1]
	}
	if len(key) < 2 || len(key) > maxName {
		return stays
	}
	var b [maxName]byte
	name := string(foldKey(b[:0], key))
	if secretKeys[name] {
		return goes
	}
	prefix, isToken := strings.CutSuffix(name, "token")
	switch {
	case isToken && !harmlessTokens[prefix]:
		return opaque
	case p == Strict:
		return strictKey(name)
	}
	return stays
}

// judgeName returns what becomes of the value beside name, as in
// {"name": "Authorization", "value": "…"}.
func (p Profile) judgeName(name []byte) verdict {
	if v := p.judgeKey(name); v == goes || v == opaque {
		return v
	}
	if p.judgeField(string(name)) != stays {
		return goes
	}
	return stays
}

// maxName is the length of the longest key that is looked at.
const maxName = 64

// foldKey appends key to dst as access_token, access-token, accessToken and
// AccessToken have in common.
func foldKey(dst, key []byte) []byte {
	for _, c := range key {
		switch {
		case 'A' <= c && c <= 'Z':
			dst = append(dst, c+'a'-'A')
		case c == '_' || c == '-' || c == '.' || c == ' ':
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// looksOpaque reports whether value may be a token: long, of one word, with
// digits or of mixed case.
func looksOpaque(value []byte) bool {
	if len(value) < 16 {
		return false
	}
	var digit, lower, upper bool
	for _, c := range value {
		if c <= ' ' || c >= 0x7f {
			return false
		}
		digit = digit || '0' <= c && c <= '9'
		lower = lower || 'a' <= c && c <= 'z'
		upper = upper || 'A' <= c && c <= 'Z'
	}
	return digit || lower && upper
}
