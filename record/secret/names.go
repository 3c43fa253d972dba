package secret

import (
	"bytes"
	"slices"
	"strings"

	"ssltape/record/secret/char"
)

// secretKeys are the keys of queries, forms and JSON objects whose values go,
// and the fields of messages, as foldKey spells them. Cookie and Set-Cookie keep
// the names in their values.
var secretKeys = char.Set("codeverifier password passwd passphrase secret signature apikey sessionkey privatekey secretkey " +
	"accesstoken refreshtoken idtoken authtoken csrftoken xsrftoken sessiontoken apitoken bearertoken " +
	"xamzsignature xamzsecuritytoken xamzcredential authorization proxyauthorization cookie cookie2 setcookie setcookie2 " +
	"xcsrf xxsrf csrf xsrf authenticationinfo proxyauthenticationinfo authentication clientassertion passwordconfirmation confirmpassword " +
	"samlresponse samlrequest recoverycodes backupcodes secretstring xauthkey xauth recoverycode backupcode dpop xwsse xregistryauth xmsclientprincipal xsentryauth xhoneycombteam " +
	"xvercelprotectionbypass xmsauthorizationauxiliary xamznoidcdata xtransmissionsessionid securityanswer secretbinary secretvalue")

// secretEndings are what keys and fields end with whose values go.
var secretEndings = []string{"password", "passwd", "passphrase", "clientsecret", "apikey", "secretkey", "secretaccesskey",
	"privatekey", "apisecret", "appsecret", "authorization", "webhooksecret", "subscriptionkey", "accesskeysecret", "passwordconfirm"}

// opaqueEndings are what keys end with whose values go if they look like keys.
var opaqueEndings = []string{"secret", "accesskey", "accountkey", "sharedkey", "authkey", "functionskey", "signingkey", "encryptionkey",
	"customerkey", "keydata", "rspauth", "masterkey", "deploykey", "hostkey", "clientkey", "serverkey", "appkey", "applicationkey", "storagekey", "keymaterial", "licensekey",
	"sshkey", "hmackey", "rolekey", "adminkey", "writekey", "servicekey", "deploytoken", "secretkeybase", "oauth2bearer", "appwritekey", "pineconekey",
	"signature", "signature256", "assertion", "credential", "credentials", "jwt", "cookie", "jsessionid", "sessid", "aspnetsessionid", "connectsid", "sessioncookie",
	"hmac", "devicecode", "authcode", "authorizationcode", "oauthverifier", "tokenhint", "bearer", "apiauth", "apikeyauth",
	"requirepass", "masterauth", "presharedkey", "authsalt", "noncesalt", "loggedinsalt", "validationkey", "decryptionkey", "signaturevalue", "usersession", "securestring",
	"hmacsha256", "hmacsha1", "transmissionsig", "cnonce", "unsealkey", "unsealkeysb64", "authident", "connectionstring",
	"passwordhash", "hashedpassword", "pinhash", "loginticket", "authticket", "tokenhash", "artapi", "setupkey"}

// codeKeys are those of codes that work once, of a few digits as a rule.
var codeKeys = char.Set("otp otpcode totpcode totp mfacode twofactorcode 2facode onetimecode onetimepasscode smscode verificationcode " +
	"passcode pincode activationcode invitecode")

// phraseKeys are those of keys that are written as words.
var phraseKeys = char.Set("mnemonic seedphrase recoveryphrase mnemonicphrase secretphrase backupphrase seed seedwords words")

// passKeys are short for password where the value looks like one, also as the last
// word of a name.
var passKeys = char.Set("pass pwd pw psk passw")

// harmlessTokens are beginnings of keys in -token that a model's vocabulary or
// the pages of a list have.
var harmlessTokens = char.Set("page nextpage next prev previous continuation cursor sync " +
	"pad eos bos sep cls mask unk stop start end max min")

// A nameRule says what becomes of the values of some names.
type nameRule struct {
	name    string // folded
	whole   bool   // the name is that, rather than ends with it
	verdict Verdict
}

// rulesOf are the rules for names that end with the same two letters, in the
// order in which they hold, and the length of the shortest of these names.
type rulesOf struct {
	rules    []nameRule
	shortest int
}

// nameRules has the rules by the last two letters of the names; keyEnds are
// these letters.
var nameRules, keyEnds = func() (all [1 << 10]rulesOf, ends char.PairSet) {
	add := func(name string, whole bool, v Verdict) {
		a, b := name[len(name)-2], name[len(name)-1]
		ends.Add(a, b)
		of := &all[lettersOf(a, b)]
		if of.rules = append(of.rules, nameRule{name, whole, v}); of.shortest == 0 || len(name) < of.shortest {
			of.shortest = len(name)
		}
	}
	for key := range secretKeys {
		add(key, true, Goes)
	}
	for prefix := range harmlessTokens {
		add(prefix+"token", true, Stays)
	}
	add("token", false, Opaque)
	add("auth", true, Opaque) // of container registries
	add("sig", true, Opaque)
	for _, key := range []string{"sessionid", "code", "ticket"} {
		add(key, true, Shuffled)
	}
	for key := range codeKeys {
		add(key, false, code)
	}
	for key := range phraseKeys {
		add(key, true, phrase)
	}
	for key := range passKeys {
		add(key, true, Pass)
	}
	for _, ending := range secretEndings {
		add(ending, false, Goes)
	}
	for _, ending := range opaqueEndings {
		add(ending, false, Opaque)
	}
	return all, ends
}()

// EndsName reports whether a and b, of either case, may be the last letters of the
// name of a secret, or the number after one.
func EndsName(a, b byte) bool { return keyEnds.Has(a|0x20, b|0x20) || isNumber(a, b) }

// isNumber reports whether a and b may be the end of a name that is one of several:
// password1, password_2.
func isNumber(a, b byte) bool { return char.IsDigit(b) && !char.IsDigit(a) && char.IsWord(a) }

// An endSet is a set of the last three letters or digits of names, but for case, a
// bit each. It has a few others.
type endSet [1 << 15 / 32]uint32

func (s *endSet) add(name string) {
	n := len(name)
	t := endOf(name[n-3], name[n-2], name[n-1])
	s[t/32] |= 1 << (t % 32)
}

// endOf returns the place in an endSet of three bytes.
func endOf(a, b, c byte) uint { return uint(a&31)<<10 | uint(b&31)<<5 | uint(c&31) }

// mayEnd reports whether name, of either case, may end as one in s does: its last
// three bytes do, but for those between words, it has fewer or others than letters
// and digits, or it has a number at its end.
func mayEnd[bytes []byte | string](s *endSet, name bytes) bool {
	n := len(name)
	if n < 3 {
		return true
	}
	a, b, c := name[n-3], name[n-2], name[n-1]
	if !alphanumeric[a] || !alphanumeric[b] || !alphanumeric[c] {
		var end [3]byte
		for k := len(end); k > 0; n-- {
			if n == 0 || !alphanumeric[name[n-1]] && !isJoint(name[n-1]) {
				return true
			}
			if alphanumeric[name[n-1]] {
				k--
				end[k] = name[n-1]
			}
		}
		a, b, c = end[0], end[1], end[2]
	}
	t := endOf(a, b, c)
	return s[t/32]>>(t%32)&1 != 0 || char.IsDigit(c)
}

// alphanumeric are the letters and digits of ASCII.
var alphanumeric = func() (is char.Table) {
	for i := range is {
		is[i] = char.IsLetterOrDigit(byte(i))
	}
	return is
}()

// ends are those of the names in nameRules, of which shorter ones may end with any
// letter before. fieldsEnd are these and those of fieldRules.
var ends, fieldsEnd = func() (ends, fields endSet) {
	for _, of := range nameRules {
		for _, r := range of.rules {
			if len(r.name) > 2 {
				ends.add(r.name)
				continue
			}
			for c := byte('a'); c <= 'z'; c++ {
				ends.add(string(c) + r.name)
			}
		}
	}
	fields = ends
	for name := range fieldRules {
		fields.add(name)
	}
	for _, end := range keyFieldEnds {
		fields.add(string(end))
	}
	return ends, fields
}()

// lettersOf returns the place in nameRules, or in byPair, of two bytes, which they
// may share with others.
func lettersOf(a, b byte) int { return int(a&31)<<5 | int(b&31) }

// Field returns what becomes of the values of the field called name.
func (p Profile) Field(name string) Verdict {
	if p != Strict && len(name) > 1 && name[1] != '-' && !mayEnd(&fieldsEnd, name) { // as nearly all
		return Stays
	}
	var b [MaxName]byte
	lower := char.Lower(b[:0], bytes.TrimSpace([]byte(name)))
	if len(lower) == 0 || !char.IsASCII(lower) {
		lower = []byte(strings.ToLower(strings.TrimSpace(name)))
	}
	switch string(lower) {
	case "cookie", "cookie2":
		return Cookies
	case "set-cookie", "set-cookie2":
		return Crumb
	}
	if bytes.HasSuffix(lower, []byte("-token")) || bytes.HasPrefix(lower, []byte("x-csrf")) || bytes.HasPrefix(lower, []byte("x-xsrf")) {
		return Goes
	}
	switch v := judgeName(lower); v {
	case Goes, Opaque, code:
		return Goes
	case Pass:
		return Pass
	}
	if v := fieldRules[string(lower)]; v != Stays {
		return v
	}
	if mayBeKeyField(lower) {
		return Random
	}
	if p == Strict {
		return strictField(string(lower))
	}
	return Stays
}

// fieldRules are what becomes of fields whose names are none of secrets elsewhere.
var fieldRules = map[string]Verdict{
	"session": Opaque, "x-session": Opaque, "x-session-id": Opaque, "x-sid": Opaque,
	"x-mfa-code": Goes, "x-2fa-code": Goes, "x-otp": Goes, "x-otp-code": Goes, "x-totp": Goes,
	"x-sessionid": Opaque, "x-pin": Goes, "x-firebase-appcheck": Opaque, "x-session-key": Goes,
	"sec-websocket-protocol": Offers, "www-authenticate": Challenge, "proxy-authenticate": Challenge,
}

// Element returns what becomes of the text of an element of XML or HTML called name: code
// is what programs are written in there.
func (p Profile) Element(name []byte) Verdict {
	if v := p.Key(name); v != Shuffled {
		return v
	}
	return Stays
}

// keyFieldEnds are what fields of unknown names end with that may be secrets.
var keyFieldEnds = [][]byte{[]byte("-key"), []byte("-auth"), []byte("-sign")}

// harmlessKeys are parts of the names of those whose values identify no one.
var harmlessKeys = [][]byte{[]byte("idempot"), []byte("websocket"), []byte("cache"), []byte("surrogate"), []byte("partition"), []byte("shard"), []byte("rout"),
	[]byte("public"), []byte("object"), []byte("dedup"), []byte("trac"), []byte("request"), []byte("sort"), []byte("group"), []byte("message"), []byte("page")}

// mayBeKeyField reports whether the field called name, in lower case, may have a key.
func mayBeKeyField(name []byte) bool {
	is := func(part []byte) bool { return bytes.Contains(name, part) }
	ends := func(end []byte) bool { return bytes.HasSuffix(name, end) }
	return slices.ContainsFunc(keyFieldEnds, ends) && !slices.ContainsFunc(harmlessKeys, is)
}

// Key returns what becomes of the value of a key in a query, a form or a
// JSON object.
func (p Profile) Key(key []byte) Verdict {
	if n := len(key); n < 2 || p != Strict && !mayEnd(&ends, key) && !(isNumber(key[n-2], key[n-1]) && mayEnd(&ends, key[:n-1])) { // as nearly all
		return Stays
	}
	for n := len(key); n > 0 && key[n-1] == ']'; n = len(key) { // user[password], password[]
		k := bytes.LastIndexByte(key, '[')
		if inner := key[k+1 : n-1]; k < 0 || char.Run(inner, char.IsDigit) < len(inner) {
			key = inner
			break
		}
		key = key[:k]
	}
	v := judgeName(key)
	if v == Stays && len(key) > 4 && key[0]|0x20 == 'x' && key[1] == '-' { // a field that JSON has
		if v = p.Field(string(key)); v == Cookies || v == Crumb || v == Challenge {
			v = Stays
		}
	}
	if v != Stays && v != Shuffled || p != Strict || len(key) < 2 || len(key) > MaxName {
		return v
	}
	var b [MaxName]byte
	return strictKey(string(foldKey(b[:0], key)))
}

// judgeName returns what [Secrets] does to the value that has a name, which may
// have a number at its end.
func judgeName(name []byte) Verdict {
	v, n := judgeWord(name), len(name)
	if v != Stays || n < 4 || !isNumber(name[n-2], name[n-1]) {
		return v
	}
	if n--; name[n-1]|0x20 == 'v' && isJoint(name[n-2]) {
		n -= 2
	}
	return judgeWord(name[:n])
}

// judgeWord is judgeName of a name without a number.
func judgeWord(name []byte) Verdict {
	n := len(name)
	if n < 2 || n > MaxName {
		return Stays
	}
	if char.IsLetterOrDigit(name[n-2]) && char.IsLetterOrDigit(name[n-1]) && !keyEnds.Has(name[n-2]|0x20, name[n-1]|0x20) {
		return Stays
	}
	var b [MaxName]byte
	if char.IsLetterOrDigit(name[n-2]) && char.IsLetterOrDigit(name[n-1]) && n < nameRules[lettersOf(name[n-2], name[n-1])].shortest {
		return Stays
	}
	folded := foldKey(b[:0], name)
	if n = len(folded); n < 2 {
		return Stays
	}
	for _, r := range nameRules[lettersOf(folded[n-2], folded[n-1])].rules {
		if k := n - len(r.name); k >= 0 && string(folded[k:]) == r.name && (k == 0 || !r.whole || r.endsWith(name, folded[:k])) {
			return r.verdict
		}
	}
	return Stays
}

// endsWith reports whether r, which is for a whole name, is also for name, which
// ends with that after what is folded to before.
func (r *nameRule) endsWith(name, before []byte) bool {
	switch string(before) {
	case "x", "data", "http": // X-Session-Key, data-session-key
		return true
	}
	if k := len(name) - len(r.name); r.verdict == Pass { // DB_PASS, dbPass
		return isJoint(name[k-1]) || !char.IsLower(name[k]) && char.IsLower(name[k-1])
	}
	var b [MaxName]byte
	return string(foldKey(b[:0], name[bytes.LastIndexByte(name, '.')+1:])) == r.name // spring.session-key
}

// IsSecretField reports whether p takes out something of the value of every
// field called name.
func (p Profile) IsSecretField(name string) bool {
	v := p.Field(name)
	return v == Goes || v == Cookies || v == Crumb
}

// Beside returns what becomes of the value beside name, as in
// {"name": "Authorization", "value": "…"}.
func (p Profile) Beside(name []byte) Verdict {
	if n := len(name); p != Strict && n > 1 && name[1] != '-' && !mayEnd(&fieldsEnd, name) { // as nearly all
		return Stays
	}
	v := p.Key(name)
	if v.IsName() {
		return v
	}
	if p != Strict && v == Stays && isPlain(name) {
		return Stays
	}
	switch v := p.Field(string(name)); v {
	case Stays, Offers, Challenge:
		return Stays
	case Opaque, Pass, Shuffled, Random:
		return v
	}
	return Goes
}

// isPlain reports whether name, of which Key says that it stays, is none of a field that
// goes either: those of which only Field says so are a session or have hyphens.
func isPlain(name []byte) bool {
	return len(name) > 0 && name[0] != ' ' && name[len(name)-1] != ' ' && plainName.Len(name) == len(name) && string(name) != "session"
}

// plainName are the bytes of names that are not changed where they are folded, but for
// the space.
var plainName = char.In("abcdefghijklmnopqrstuvwxyz0123456789 ")

// MaxName is the length of the longest key that is looked at.
const MaxName = 64

// foldKey appends key to dst as access_token, access-token, accessToken and
// AccessToken have in common.
func foldKey(dst, key []byte) []byte {
	for _, c := range key {
		switch {
		case 'A' <= c && c <= 'Z':
			dst = append(dst, c+'a'-'A')
		case isJoint(c):
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// isJoint reports whether c is between the words of a name.
func isJoint(c byte) bool { return c == '_' || c == '-' || c == '.' || c == ' ' }

// listedFields are the fields whose values go where they stand after the name
// in a list.
var listedFields = strings.Fields("authorization proxy-authorization cookie set-cookie x-api-key api-key x-goog-api-key " +
	"x-auth-token x-amz-security-token x-csrf-token x-xsrf-token private-token")

// MayBeListed reports whether JudgeListed may return other than Stays for name.
func MayBeListed(name []byte) bool {
	n := len(name)
	return n > 5 && (name[0] == '-' || n < 32 && listedLengths[name[0]]>>n&1 != 0)
}

// listedLengths has the lengths of listedFields, a bit each, by their first byte, of
// either case. Options, and what is around a PEM block, have a hyphen there.
var listedLengths = func() (lengths [256]uint32) {
	for _, name := range listedFields {
		for _, c := range []byte{name[0], bytes.ToUpper([]byte(name))[0]} {
			lengths[c] |= 1 << len(name)
		}
	}
	return lengths
}()

// JudgeListed returns what becomes of the string after name in a list, as in
// ["Authorization", "Bearer …"] and ["--api-key", "…"].
func JudgeListed(name []byte) Verdict {
	n := len(name)
	if n > MaxName || !MayBeListed(name) {
		return Stays
	}
	if bytes.HasPrefix(name, []byte(PEMBegin)) && bytes.Contains(name, []byte("PRIVATE KEY")) && bytes.HasSuffix(name, []byte("-----")) {
		return Armored
	}
	if name[0] == '-' && judgeName(name) != Stays {
		return argument
	}
	if !EndsName(name[n-2], name[n-1]) || !char.IsAny(name, listedFields...) {
		return Stays
	}
	return listed
}

// What the lines around a PEM block (RFC 7468) are made of.
const (
	PEMBegin = "-----BEGIN"
	PEMEnd   = "-----END"
	PEMKey   = "KEY-----"   // the last word of the line that begins a private key
	PEMBlock = "BLOCK-----" // the same of OpenPGP (RFC 9580, section 6.2)
)
