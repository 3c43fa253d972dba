package scan

import "bytes"

// minKey is the length of the shortest key that gives itself away.
const minKey = 16

// A keyKind is a kind of key that is known by what it begins with.
type keyKind struct {
	prefix string
	min    int             // bytes that follow it at least
	of     func(byte) bool // what they are
	exact  bool            // no more than these, and a word begins with the prefix
}

// keyKinds are the kinds of keys that services hand out. Each is long and
// peculiar enough not to occur by chance.
var keyKinds = []keyKind{
	{"ghp_", 16, isWord, false}, {"gho_", 16, isWord, false}, {"ghu_", 16, isWord, false}, // GitHub
	{"ghs_", 16, isWord, false}, {"ghr_", 16, isWord, false}, {"github_pat_", 22, isWord, false},
	{"glpat-", 20, isBase64URL, false}, {"gldt-", 20, isBase64URL, false}, {"glrt-", 20, isBase64URL, false}, // GitLab
	{"glptt-", 40, isHex, false}, {"glsoat-", 20, isBase64URL, false}, {"glcbt-", 20, isBase64URL, false},
	{"AKIA", 16, isUpperOrDigit, true}, {"ASIA", 16, isUpperOrDigit, true}, {"ABIA", 16, isUpperOrDigit, true}, // AWS
	{"ACCA", 16, isUpperOrDigit, true}, {"ABSKQmVkcm9ja0FQSUtleS", 60, isBase64, false},
	{"AIza", 35, isBase64URL, false}, {"ya29.", 20, isDotted, false}, {"GOCSPX-", 28, isBase64URL, false}, // Google
	{"xoxb-", 20, isBase64URL, false}, {"xoxp-", 20, isBase64URL, false}, {"xoxa-", 20, isBase64URL, false}, // Slack
	{"xoxe-", 20, isBase64URL, false}, {"xoxe.", 20, isDotted, false}, {"xoxr-", 20, isBase64URL, false},
	{"xoxs-", 20, isBase64URL, false}, {"xoxo-", 20, isBase64URL, false}, {"xoxc-", 20, isBase64URL, false},
	{"xoxd-", 20, isBase64, false}, {"xapp-", 20, isBase64URL, false},
	{"hooks.slack.com/services/", 20, isPath, false}, {"hooks.slack.com/workflows/", 20, isPath, false},
	{"/api/webhooks/", 40, isPath, false}, {"webhook.office.com/webhookb2/", 40, isPathAt, false},
	{"sk_live_", 16, isLetterOrDigit, false}, {"sk_test_", 16, isLetterOrDigit, false}, // Stripe
	{"rk_live_", 16, isLetterOrDigit, false}, {"rk_test_", 16, isLetterOrDigit, false}, {"whsec_", 24, isBase64, false},
	{"npm_", 36, isLetterOrDigit, false}, {"pypi-AgE", 50, isBase64URL, false}, {"rubygems_", 48, isHex, false},
	{"hf_", 30, isLetterOrDigit, false}, {"api_org_", 30, isLetterOrDigit, false}, {"gsk_", 40, isLetterOrDigit, false},
	{"xai-", 40, isLetterOrDigit, false}, {"r8_", 37, isLetterOrDigit, false}, {"pplx-", 40, isLetterOrDigit, false},
	{"nvapi-", 40, isBase64URL, false}, {"fw_", 22, isLetterOrDigit, true}, {"tgp_v1_", 40, isBase64URL, false},
	{"SG.", 60, isDotted, false}, {"key-", 32, isHex, true}, {"mailchimp-", 32, isHex, false},
	{"dop_v1_", 64, isHex, false}, {"doo_v1_", 64, isHex, false}, {"dor_v1_", 64, isHex, false},
	{"shpat_", 32, isHex, false}, {"shpca_", 32, isHex, false}, {"shppa_", 32, isHex, false}, {"shpss_", 32, isHex, false},
	{"hvs.", 24, isBase64URL, false}, {"hvb.", 100, isBase64URL, false}, {"hvr.", 24, isBase64URL, false}, // Vault
	{"dckr_pat_", 27, isBase64URL, false}, {"dckr_oat_", 27, isBase64URL, false}, {"glsa_", 32, isWord, false},
	{"glc_", 40, isBase64, false}, {"lin_api_", 40, isLetterOrDigit, false}, {"lin_oauth_", 40, isHex, false},
	{"dapi", 32, isHex, true}, {"ATATT3", 100, isPadded, false}, {"ATCTT3", 100, isPadded, false}, {"ATBB", 28, isLetterOrDigit, true},
	{"AGE-SECRET-KEY-1", 58, isUpperOrDigit, false}, {"SK", 32, isHex, true},
	{"figd_", 40, isBase64URL, false}, {"ntn_", 40, isLetterOrDigit, false}, {"secret_", 43, isLetterOrDigit, true},
	{"sntrys_", 40, isPadded, false}, {"sntryu_", 64, isHex, false}, {"PMAK-", 50, isBase64URL, false},
	{"pul-", 40, isHex, false}, {"tskey-", 20, isBase64URL, false}, {"sbp_", 40, isHex, false}, {"sb_secret_", 30, isBase64URL, false},
	{"NRAK-", 27, isUpperOrDigit, false}, {"phx_", 40, isLetterOrDigit, false}, {"CFPAT-", 43, isBase64URL, false},
	{"dt0c01.", 80, isDotted, false}, {"LTAI", 20, isLetterOrDigit, true}, {"EZAK", 54, isLetterOrDigit, true},
	{"ops_eyJ", 100, isBase64URL, false}, {"pscale_tkn_", 32, isDotted, false}, {"pscale_pw_", 32, isDotted, false},
	{"rdme_", 70, isLetterOrDigit, false}, {"cmVmdGtu", 56, isLetterOrDigit, false}, {"AKCp", 65, isLetterOrDigit, false},
	{"sq0csp-", 40, isBase64URL, false}, {"sq0atp-", 20, isBase64URL, false},
	{"shippo_live_", 40, isHex, false}, {"duffel_live_", 40, isBase64URL, false}, {"lsv2_pt_", 40, isWord, false},
	{"lsv2_sk_", 40, isWord, false}, {"pat-na1-", 36, isBase64URL, false}, {"pat-eu1-", 36, isBase64URL, false},
}

// A pairSet is a set of two bytes of ASCII.
type pairSet [128][128 / 8]byte

func (s *pairSet) add(a, b byte)      { s[a][b>>3] |= 1 << (b & 7) }
func (s *pairSet) has(a, b byte) bool { return s[a&127][b>>3&15]>>(b&7)&1 != 0 }

// A trigramSet tells which three bytes keys begin with, but for the case of
// letters. It says yes to a few others.
type trigramSet [1 << 15 / 64]uint64

// follow returns the trigram that ends with c, where that before it is t.
func follow(t uint, c byte) uint { return (t<<5 | uint(c&31)) & (1<<15 - 1) }

func (s *trigramSet) add(a, b, c byte) {
	t := follow(follow(uint(a&31), b), c)
	s[t>>6] |= 1 << (t & 63)
}

func (s *trigramSet) has(t uint) bool { return s[t>>6]>>(t&63)&1 != 0 }

// trigrams are the beginnings of all keys; byFirst has keyKinds by the first byte.
var trigrams, byFirst = indexKeys()

// telegramBot is what follows the number of a bot in its token.
const telegramBot = ":AA"

func indexKeys() (trigrams trigramSet, byFirst [128][]keyKind) {
	for _, k := range keyKinds {
		byFirst[k.prefix[0]] = append(byFirst[k.prefix[0]], k)
		for c := range byte(128) {
			if len(k.prefix) > 2 && c == k.prefix[2] || len(k.prefix) == 2 && k.of(c) {
				trigrams.add(k.prefix[0], k.prefix[1], c)
			}
		}
	}
	for _, p := range []string{"sk-", "eyJ", telegramBot} {
		trigrams.add(p[0], p[1], p[2])
	}
	return trigrams, byFirst
}

// keys finds keys by their beginning, and the signatures of JSON web tokens.
func keys(out []find, tok []byte) []find {
	next := 0 // where another one can begin
	for i, t := 0, uint(0); i < len(tok); i++ {
		if t = follow(t, tok[i]); !trigrams.has(t) || i-2 < next {
			continue
		}
		var from, to int
		if from, to, next = key(tok, i-2); from < to {
			out = append(out, find{from: from, to: to})
		}
	}
	return out
}

// beginsKey reports whether tok, of which the rest is yet to come, may begin
// with a key.
func beginsKey(tok []byte) bool {
	for _, prefix := range []string{"sk-", "eyJ", telegramBot} {
		if bytes.HasPrefix(tok, []byte(prefix)) {
			return true
		}
	}
	for _, k := range byFirst[tok[0]&127] {
		if bytes.HasPrefix(tok, []byte(k.prefix)) {
			return true
		}
	}
	return false
}

// key judges what begins at tok[i], and returns where the secret is, if from <
// to, and where the next one can begin. As all that judge it passes over what
// it has looked at, so that no token takes time by the square of its length.
func key(tok []byte, i int) (from, to, next int) {
	rest := tok[i:]
	switch {
	case bytes.HasPrefix(rest, []byte("sk-")):
		return secretKey(tok, i)
	case bytes.HasPrefix(rest, []byte("eyJ")):
		return signature(tok, i)
	case bytes.HasPrefix(rest, []byte(telegramBot)):
		return botToken(tok, i)
	}
	for _, k := range byFirst[rest[0]&127] {
		if len(rest) < len(k.prefix)+k.min || !bytes.HasPrefix(rest, []byte(k.prefix)) {
			continue
		}
		body := rest[len(k.prefix):]
		if k.exact {
			body = body[:min(len(body), k.min+1)]
		}
		n := run(body, k.of)
		end := i + len(k.prefix) + n
		switch {
		case n < k.min, k.exact && (n > k.min || !atWord(tok, i) || end < len(tok) && isWord(tok[end])):
			next = max(next, i+1)
		case isWordy(body[:n]):
			next = max(next, end)
		default:
			return i, end, end
		}
	}
	return 0, 0, next
}

// isWordy reports whether what follows the prefix of a key is made of words
// rather than of random letters: it has no digit and not both cases.
func isWordy(p []byte) bool {
	var lower, other bool
	for _, c := range p {
		lower = lower || 'a' <= c && c <= 'z'
		other = other || isDigit(c) || 'A' <= c && c <= 'Z'
	}
	return !other || !lower && run(p, isUpperOrDigit) < len(p)
}

// secretKey judges sk-… keys. What has neither a long run of letters and digits
// nor digits and capitals is a name with hyphens.
func secretKey(tok []byte, i int) (from, to, next int) {
	n := run(tok[i:], isBase64URL)
	key := tok[i : i+n]
	tried := false
	for k := 0; k < n; k++ {
		d := bytes.Index(key[k:], []byte("sk-"))
		if d < 0 {
			break
		}
		k += d
		if rest, ok := bytes.CutPrefix(key[k:], []byte("sk-ant-")); ok {
			kind := run(rest[:min(len(rest), 20)], isLowerOrDigit)
			if kind > 0 && kind+1+8 <= len(rest) && rest[kind] == '-' {
				return i + k, i + n, i + n
			}
		}
		if at := i + k; !tried && (at == 0 || !isLower(tok[at-1])) { // unlike task-
			if n-k >= 20 && isRandom(key[k+3:]) {
				return at, i + n, i + n
			}
			tried = true // what is left of the run looks like a key even less
		}
	}
	return 0, 0, i + n
}

// isRandom reports whether key looks like one.
func isRandom(key []byte) bool {
	var digit, upper bool
	longest, length := 0, 0
	for _, c := range key {
		digit, upper = digit || isDigit(c), upper || 'A' <= c && c <= 'Z'
		if length++; c == '-' || c == '_' {
			length = 0
		}
		longest = max(longest, length)
	}
	return longest >= 16 || digit && upper
}

// signature judges JSON web tokens (RFC 7515, section 7.1), of which the
// signature goes, or all that follows the second part of an encrypted one (RFC
// 7516, section 7.1).
func signature(tok []byte, i int) (from, to, next int) {
	from = i
	for range 2 {
		n := run(tok[from:], isBase64URL)
		from += n
		if next == 0 {
			next = from
		}
		if n < 6 || from == len(tok) || tok[from] != '.' {
			return 0, 0, next
		}
		from++
	}
	n := run(tok[from:], isDotted)
	if n = len(bytes.TrimRight(tok[from:from+n], ".")); n < 16 {
		return 0, 0, next
	}
	return from, from + n, from + n
}

// botToken judges the tokens of Telegram's bots, of which the number before
// tok[i] stays.
func botToken(tok []byte, i int) (from, to, next int) {
	n := run(tok[i+1:], isBase64URL)
	if n != 35 || i < 8 || run(tok[i-8:i], isDigit) < 8 {
		return 0, 0, i + 1
	}
	return i + 1, i + 1 + n, i + 1 + n
}

// run returns the length of the beginning of p for whose bytes ok holds.
func run(p []byte, ok func(byte) bool) int {
	for i, c := range p {
		if !ok(c) {
			return i
		}
	}
	return len(p)
}

// atWord reports whether a word may begin at tok[i].
func atWord(tok []byte, i int) bool { return i == 0 || !isLetterOrDigit(tok[i-1]) }

func isDigit(c byte) bool         { return '0' <= c && c <= '9' }
func isLower(c byte) bool         { return 'a' <= c && c <= 'z' }
func isHex(c byte) bool           { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
func isLetterOrDigit(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || isDigit(c) }
func isUpperOrDigit(c byte) bool  { return 'A' <= c && c <= 'Z' || isDigit(c) }
func isLowerOrDigit(c byte) bool  { return isLower(c) || isDigit(c) }
func isWord(c byte) bool          { return isLetterOrDigit(c) || c == '_' }
func isBase64URL(c byte) bool     { return isWord(c) || c == '-' }
func isBase64(c byte) bool        { return isBase64URL(c) || c == '+' || c == '/' }
func isDotted(c byte) bool        { return isBase64URL(c) || c == '.' }
func isPadded(c byte) bool        { return isBase64(c) || c == '=' }
func isPath(c byte) bool          { return isBase64URL(c) || c == '/' }
func isPathAt(c byte) bool        { return isPath(c) || c == '@' }
