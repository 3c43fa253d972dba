package scan

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

// IsSecretField reports whether p takes out something of the value of every
// field called name.
func (p Profile) IsSecretField(name string) bool { return p.judgeField(name) != stays }

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

// knownFields are the x-* fields that [Strict] lets stay.
var knownFields = set("x-app x-cache x-cache-hits x-content-type-options x-dns-prefetch-control x-frame-options " +
	"x-envoy-upstream-service-time x-powered-by x-ratelimit-limit x-ratelimit-remaining x-ratelimit-reset " +
	"x-ratelimit-limit-requests x-ratelimit-limit-tokens x-ratelimit-remaining-requests " +
	"x-ratelimit-remaining-tokens x-ratelimit-reset-requests x-ratelimit-reset-tokens x-requested-with " +
	"x-robots-tag x-should-retry x-stainless-arch x-stainless-async x-stainless-helper-method x-stainless-lang " +
	"x-stainless-os x-stainless-package-version x-stainless-retry-count x-stainless-runtime " +
	"x-stainless-runtime-version x-stainless-timeout x-xss-protection x-forwarded-proto x-served-by x-timer")

// idKeys are the keys and fields that say who it was.
var idKeys = set("user userid username useruuid accountid accountuuid account org orgid orguuid organization " +
	"organizationid organizationuuid organisation organisationid deviceid devicename machineid machinename " +
	"installationid installid sessionid session conversationid email emailaddress mail login phone phonenumber " +
	"fullname firstname lastname displayname hostname ip ipaddress clientip clientaddress remoteaddr remoteaddress " +
	"anthropicorganizationid openaiorganization openaiproject safetyidentifier promptcachekey forwarded from " +
	"trueclientip cfconnectingip fastlyclientip workspaceid workspaceuuid tenantid projectid customerid memberid")

// wordKeys are the keys of what people and models wrote.
var wordKeys = set("text content thinking system prompt instructions input arguments partialjson output delta " +
	"reasoning reasoningcontent refusal completion transcript data query message title summary obfuscation citedtext")

// inputKeys are the keys of the objects that tools are called with.
var inputKeys = set("input arguments args partialargs")

// strictField returns what [Strict] does to a field, by its name in lower case.
func strictField(name string) verdict {
	if strings.HasPrefix(name, "x-") && !knownFields[name] {
		return goes
	}
	if idKeys[string(foldKey(nil, []byte(name)))] {
		return goes
	}
	return stays
}

// strictKey returns what [Strict] does to the value of a folded key.
func strictKey(name string) verdict {
	switch {
	case idKeys[name]:
		return goes
	case wordKeys[name]:
		return words
	}
	return stays
}

// identities finds what says who it was: mail addresses, UUIDs (RFC 9562) and
// the names of home folders.
func identities(out []find, tok []byte) []find {
	for i := 0; ; {
		k := bytes.IndexByte(tok[i:], '@')
		if k < 0 {
			break
		}
		at := i + k
		from, to := at, at+1
		for from > 0 && isMailbox(tok[from-1]) {
			from--
		}
		to += run(tok[to:], isDomain)
		for to > at && (tok[to-1] == '.' || tok[to-1] == '-') {
			to--
		}
		if from < at && bytes.IndexByte(tok[at:to], '.') > 1 {
			out = append(out, find{from: from, to: to})
		}
		i = at + 1
	}
	for i := 8; i+28 <= len(tok); i++ {
		if tok[i] == '-' && isUUID(tok[i-8:i+28]) {
			out = append(out, find{from: i - 8, to: i + 28})
			i += 27
		}
	}
	for _, home := range []string{"/home/", "/Users/"} {
		if i := bytes.Index(tok, []byte(home)); i >= 0 {
			from := i + len(home)
			if n := run(tok[from:], isHomeName); n > 0 {
				out = append(out, find{from: from, to: from + n})
			}
		}
	}
	return out
}

func isMailbox(c byte) bool { return isWord(c) || bytes.IndexByte([]byte(".+-%"), c) >= 0 }
func isDomain(c byte) bool  { return isLetterOrDigit(c) || c == '-' || c == '.' }

func isHomeName(c byte) bool { return isWord(c) || c == '-' || c == '.' || c == '*' }

func isUUID(p []byte) bool {
	for i, c := range p {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}
