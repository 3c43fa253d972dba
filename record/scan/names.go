package scan

import (
	"bytes"
	"strings"
)

// secretKeys are the keys of queries, forms and JSON objects whose values go,
// and the fields of messages, as foldKey spells them. Cookie and Set-Cookie keep
// the names in their values.
var secretKeys = set("codeverifier password passwd passphrase secret signature apikey sessionkey privatekey secretkey " +
	"accesstoken refreshtoken idtoken authtoken csrftoken xsrftoken sessiontoken apitoken bearertoken " +
	"xamzsignature xamzsecuritytoken xamzcredential authorization proxyauthorization cookie cookie2 setcookie setcookie2 " +
	"xcsrf xxsrf csrf xsrf authenticationinfo proxyauthenticationinfo authentication clientassertion passwordconfirmation confirmpassword " +
	"samlresponse samlrequest xauthkey xauth recoverycode backupcode dpop xwsse xregistryauth xmsclientprincipal xsentryauth xhoneycombteam " +
	"xvercelprotectionbypass xmsauthorizationauxiliary xamznoidcdata xtransmissionsessionid")

// secretEndings are what keys and fields end with whose values go.
var secretEndings = []string{"password", "passwd", "passphrase", "clientsecret", "apikey", "secretkey", "secretaccesskey",
	"privatekey", "apisecret", "appsecret", "authorization", "webhooksecret", "subscriptionkey", "accesskeysecret"}

// opaqueEndings are what keys end with whose values go if they look like keys.
var opaqueEndings = []string{"secret", "accesskey", "accountkey", "sharedkey", "authkey", "functionskey", "signingkey", "encryptionkey",
	"customerkey", "keydata", "rspauth", "masterkey", "deploykey", "hostkey", "clientkey", "serverkey", "appkey", "applicationkey", "storagekey", "licensekey",
	"sshkey", "hmackey", "rolekey", "adminkey", "writekey", "servicekey", "deploytoken", "secretkeybase", "oauth2bearer", "appwritekey", "pineconekey",
	"signature", "signature256", "assertion", "credential", "credentials", "jwt", "cookie", "jsessionid", "sessid", "aspnetsessionid", "connectsid", "sessioncookie",
	"passcode", "pincode", "otp", "hmac", "devicecode", "authcode", "authorizationcode", "oauthverifier", "tokenhint", "bearer", "apiauth", "apikeyauth",
	"smtppass", "dbpass", "sshpass", "becomepass", "userpass", "rootpass", "adminpass", "presharedkey"}

// passKeys are short for password where the value looks like one.
var passKeys = set("pass pwd pw psk passw userpass dbpass mysqlpwd")

// harmlessTokens are beginnings of keys in -token that a model's vocabulary or
// the pages of a list have.
var harmlessTokens = set("page nextpage next prev previous continuation cursor sync " +
	"pad eos bos sep cls mask unk stop start end max min")

// A nameRule says what becomes of the values of some names.
type nameRule struct {
	name    string // folded
	whole   bool   // the name is that, rather than ends with it
	verdict verdict
}

// rulesOf are the rules for names that end with the same two letters, in the
// order in which they hold, and the length of the shortest of these names.
type rulesOf struct {
	rules    []nameRule
	shortest int
}

// nameRules has the rules by the last two letters of the names; keyEnds are
// these letters.
var nameRules, keyEnds = func() (all [1 << 10]rulesOf, ends pairSet) {
	add := func(name string, whole bool, v verdict) {
		a, b := name[len(name)-2], name[len(name)-1]
		ends.add(a, b)
		of := &all[lettersOf(a, b)]
		if of.rules = append(of.rules, nameRule{name, whole, v}); of.shortest == 0 || len(name) < of.shortest {
			of.shortest = len(name)
		}
	}
	for key := range secretKeys {
		add(key, true, goes)
	}
	for prefix := range harmlessTokens {
		add(prefix+"token", true, stays)
	}
	add("token", false, opaque)
	add("auth", true, opaque) // of container registries
	for key := range passKeys {
		add(key, true, pass)
	}
	for _, ending := range secretEndings {
		add(ending, false, goes)
	}
	for _, ending := range opaqueEndings {
		add(ending, false, opaque)
	}
	return all, ends
}()

// lettersOf returns the place in nameRules of two letters or digits, which it
// may share with others.
func lettersOf(a, b byte) int { return int(a&31)<<5 | int(b&31) }

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
	stays     verdict = iota
	opaque            // it goes where it looks like a token
	pass              // it goes where it looks like a password
	goes              // it goes
	cookies           // it is a Cookie field: values go, names stay
	crumb             // it is a Set-Cookie field: the value goes, attributes stay
	words             // what people wrote: its length stays
	listed            // it goes where it looks like the value of a field
	armored           // it goes where it is not the end of a PEM block
	remote            // it goes where it looks random
	offers            // it is a list, of which goes what looks random
	challenge         // it is a challenge: the data of a scheme goes
	member            // it goes where it looks like a number of a key
	encoded           // it goes where it is text in base64
)

// judgeField returns what becomes of the values of the field called name.
func (p Profile) judgeField(name string) verdict {
	if n := len(name); p != Strict && n > 1 && name[1] != '-' && isLetterOrDigit(name[n-2]) && isLetterOrDigit(name[n-1]) &&
		!fieldEnds.has(name[n-2]|0x20, name[n-1]|0x20) { // as nearly all
		return stays
	}
	name = strings.ToLower(strings.TrimSpace(name))
	switch {
	case name == "cookie", name == "cookie2":
		return cookies
	case name == "set-cookie", name == "set-cookie2":
		return crumb
	case strings.HasSuffix(name, "-token"), strings.HasPrefix(name, "x-csrf"), strings.HasPrefix(name, "x-xsrf"):
		return goes
	}
	if v := judgeName([]byte(name)); v == goes || v == opaque {
		return goes
	}
	if v := fieldRules[name]; v != stays {
		return v
	}
	if p == Strict {
		return strictField(name)
	}
	return stays
}

// fieldRules are what becomes of fields whose names are none of secrets elsewhere.
var fieldRules = map[string]verdict{
	"session": opaque, "x-session": opaque, "x-session-id": opaque, "x-sid": opaque,
	"x-mfa-code": goes, "x-2fa-code": goes, "x-otp": goes, "x-otp-code": goes, "x-totp": goes,
	"sec-websocket-protocol": offers, "www-authenticate": challenge, "proxy-authenticate": challenge,
}

// fieldEnds are keyEnds and the last two letters of these.
var fieldEnds = func() pairSet {
	ends := keyEnds
	for name := range fieldRules {
		ends.add(name[len(name)-2], name[len(name)-1])
	}
	return ends
}()

// judgeKey returns what becomes of the value of a key in a query, a form or a
// JSON object.
func (p Profile) judgeKey(key []byte) verdict {
	if n := len(key); n > 0 && key[n-1] == ']' { // user[password]
		key = key[bytes.LastIndexByte(key, '[')+1 : n-1]
	}
	if v := judgeName(key); v != stays || p != Strict || len(key) < 2 || len(key) > maxName {
		return v
	}
	var b [maxName]byte
	return strictKey(string(foldKey(b[:0], key)))
}

// judgeName returns what [Secrets] does to the value that has a name.
func judgeName(name []byte) verdict {
	n := len(name)
	if n < 2 || n > maxName {
		return stays
	}
	if isLetterOrDigit(name[n-2]) && isLetterOrDigit(name[n-1]) && !keyEnds.has(name[n-2]|0x20, name[n-1]|0x20) {
		return stays
	}
	var b [maxName]byte
	if isLetterOrDigit(name[n-2]) && isLetterOrDigit(name[n-1]) && n < nameRules[lettersOf(name[n-2], name[n-1])].shortest {
		return stays
	}
	folded := foldKey(b[:0], name)
	if n = len(folded); n < 2 {
		return stays
	}
	for _, r := range nameRules[lettersOf(folded[n-2], folded[n-1])].rules {
		if k := n - len(r.name); k == 0 || k > 0 && !r.whole {
			if string(folded[k:]) == r.name {
				return r.verdict
			}
		}
	}
	return stays
}

// IsSecretField reports whether p takes out something of the value of every
// field called name.
func (p Profile) IsSecretField(name string) bool {
	v := p.judgeField(name)
	return v == goes || v == cookies || v == crumb
}

// judgeBeside returns what becomes of the value beside name, as in
// {"name": "Authorization", "value": "…"}.
func (p Profile) judgeBeside(name []byte) verdict {
	if v := p.judgeKey(name); v == goes || v == opaque || v == pass {
		return v
	}
	switch v := p.judgeField(string(name)); v {
	case stays, offers, challenge:
		return stays
	case opaque:
		return opaque
	}
	return goes
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

// listedFields are the fields whose values go where they stand after the name
// in a list.
var listedFields = strings.Fields("authorization proxy-authorization cookie set-cookie x-api-key api-key x-goog-api-key " +
	"x-auth-token x-amz-security-token x-csrf-token x-xsrf-token private-token")

// judgeListed returns what becomes of the string after name in a list, as in
// ["Authorization", "Bearer …"].
func judgeListed(name []byte) verdict {
	n := len(name)
	if n < 6 || n > maxName {
		return stays
	}
	if bytes.HasPrefix(name, []byte(pemBegin)) && bytes.Contains(name, []byte("PRIVATE KEY")) && bytes.HasSuffix(name, []byte("-----")) {
		return armored
	}
	if c := name[0] | 0x20; c != 'a' && c != 'c' && c != 'p' && c != 's' && c != 'x' || !keyEnds.has(name[n-2]|0x20, name[n-1]|0x20) || !isAny(name, listedFields...) {
		return stays
	}
	return listed
}

// confirms reports whether value is one that goes by the verdict v on its name.
func (v verdict) confirms(value []byte) bool {
	switch v {
	case opaque:
		return looksOpaque(value)
	case pass:
		return looksPassword(value)
	case listed:
		return credentials(value) > 0 || looksOpaque(value) && bytes.ContainsAny(value, "0123456789")
	case member:
		return len(value) >= minKey && run(value, isBase64URL) == len(value) && isShuffled(value)
	case encoded:
		return isEncoded(value)
	case armored:
		return !bytes.HasPrefix(value, []byte(pemEnd))
	}
	return v != stays
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

// Field scans the value of the field called name (RFC 9110, section 5), which
// is h.Text[from:to].
func (s *Finder) Field(name string, h *Held, from, to int) {
	switch v := s.Profile.judgeField(name); v {
	case goes:
		s.value(h, from+credentials(h.Text[from:to]), to)
	case cookies:
		for part := range bytes.SplitSeq(h.Text[from:to], []byte(";")) {
			s.cookie(h, from, from+len(part))
			from += len(part) + 1
		}
	case crumb:
		for from < to {
			end := from + crumbLen(h.Text[from:to])
			pair, rest, _ := bytes.Cut(h.Text[from:end], []byte(";"))
			s.cookie(h, from, from+len(pair))
			s.Freely(h, end-len(rest), end)
			from = end + 1
		}
	case offers:
		s.offers(h, from, to)
	default:
		if k := from + credentials(h.Text[from:to]); v == opaque && v.confirms(bytes.TrimSpace(h.Text[from:to])) || v == challenge && k > from && holdsData(h.Text[k:to]) {
			s.value(h, k, to)
		} else if isURLField(name) {
			s.URL(h, from, to)
		} else {
			s.Freely(h, from, to)
		}
	}
}

// urlFields are the fields whose value is a URL, often without a scheme.
var urlFields = set("location content-location referer refresh origin destination sourcemap link")

func isURLField(name string) bool {
	name = strings.ToLower(name)
	return urlFields[name] || strings.HasSuffix(name, "-url") || strings.HasSuffix(name, "-uri")
}

// value takes out h.Text[from:to] but for the white space around it.
func (s *Finder) value(h *Held, from, to int) {
	if from, to = trim(h.Text, from, to); from < to {
		s.redact(h.Places(from, to), h.Text[from:to], inText)
	}
}

// trim returns p[from:to] without the white space around it.
func trim(p []byte, from, to int) (int, int) {
	for from < to && isSpace(p[from]) {
		from++
	}
	for from < to && isSpace(p[to-1]) {
		to--
	}
	return from, to
}

// cookie takes out the value of a cookie-pair (RFC 6265, section 4.1.1). One
// without a name is all value.
func (s *Finder) cookie(h *Held, from, to int) {
	s.value(h, from+bytes.IndexByte(h.Text[from:to], '=')+1, to)
}

// credentials returns the length of the scheme that value begins with
// (RFC 9110, section 11.4), with the space after it, or 0.
func credentials(value []byte) int {
	start := len(value) - len(bytes.TrimLeft(value, " \t"))
	i := start + TokenLen(value[start:])
	if i+1 >= len(value) || value[i] != ' ' || !isScheme(value[start:i]) {
		return 0
	}
	return i + 1
}

// maxScheme is the length of the longest name of an authentication scheme.
const maxScheme = len("aws4-hmac-sha256")

// TokenLen returns the length of the token (RFC 9110, section 5.6.2) that p
// begins with.
func TokenLen(p []byte) int { return run(p, isTokenChar) }

// isTokenChar reports whether c may stand in a token (RFC 9110, section 5.6.2).
func isTokenChar(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0
}

// Freely scans h.Text[from:to] for what gives itself away.
func (s *Finder) Freely(h *Held, from, to int) {
	v := newLoose(s)
	h.Feed(v.Write, from, to)
	v.End()
}

// URL scans h.Text[from:to], which is a URL or the target of a request: a
// single token, whatever is in it.
func (s *Finder) URL(h *Held, from, to int) {
	v := text{s: s, url: true, loose: true}
	from, to = trim(h.Text, from, to)
	h.Feed(v.h.Add, from, to)
	for _, c := range v.h.Text {
		v.flags |= classes[c]
	}
	v.judgeHeld()
}

// Freely returns v without the secrets that give themselves away.
func (p Profile) Freely(v string) string {
	if p == Secrets && harmless(v) {
		return v
	}
	return p.rewrite(v, (*Finder).Freely)
}

// URL returns v, which is a URL or the target of a request, without its secrets.
func (p Profile) URL(v string) string {
	if p == Secrets && harmless(v) {
		return v
	}
	return p.rewrite(v, (*Finder).URL)
}

// Field returns the value v of the field called name without its secrets.
func (p Profile) Field(name, v string) string {
	if p == Secrets && harmless(v) && p.judgeField(name) == stays {
		return v
	}
	return p.rewrite(v, func(s *Finder, h *Held, from, to int) { s.Field(name, h, from, to) })
}

// rewrite returns v without what with finds in it.
func (p Profile) rewrite(v string, with func(s *Finder, h *Held, from, to int)) string {
	if v == "" {
		return v
	}
	var h Held
	h.Add([]byte(v), 0, len(v))
	s := Finder{Profile: p}
	with(&s, &h, 0, len(v))
	if len(s.spans) == 0 {
		return v
	}
	return string(Replace(nil, h.Text, 0, s.Take(Settled)))
}
