package scan

import (
	"bytes"
	"encoding/binary"
)

// minKey is the length of the shortest key that gives itself away.
const minKey = 16

// A keyKind is a kind of key that is known by what it begins with.
type keyKind struct {
	prefix string
	min    int             // bytes that follow it at least
	of     func(byte) bool // what they are
	where  within
}

// A within says how the key of a kind stands in a token.
type within uint8

const (
	anywhere within = iota
	exact           // no more bytes follow, and a word begins with the prefix
	dotted          // as exact, and it has a dot in it
	alone           // no base64 is before it: the prefix is not rare there
)

// keyKinds are the kinds of keys that services hand out. Each is long and
// peculiar enough not to occur by chance.
var keyKinds = []keyKind{
	{"ghp_", 16, isWord, anywhere}, {"gho_", 16, isWord, anywhere}, {"ghu_", 16, isWord, anywhere}, // GitHub
	{"ghs_", 16, isWord, anywhere}, {"ghr_", 16, isWord, anywhere}, {"github_pat_", 22, isWord, anywhere},
	{"glpat-", 20, isBase64URL, anywhere}, {"gldt-", 20, isBase64URL, anywhere}, {"glrt-", 20, isBase64URL, anywhere}, // GitLab
	{"glptt-", 40, isHex, anywhere}, {"glsoat-", 20, isBase64URL, anywhere}, {"glcbt-", 20, isBase64URL, anywhere},
	{"AKIA", 16, isUpperOrDigit, exact}, {"ASIA", 16, isUpperOrDigit, exact}, {"ABIA", 16, isUpperOrDigit, exact}, // AWS
	{"ACCA", 16, isUpperOrDigit, exact}, {"ABSKQmVkcm9ja0FQSUtleS", 60, isBase64, anywhere},
	{"AIza", 35, isBase64URL, anywhere}, {"ya29.", 20, isDotted, anywhere}, {"GOCSPX-", 28, isBase64URL, anywhere}, // Google
	{"xoxb-", 20, isBase64URL, anywhere}, {"xoxp-", 20, isBase64URL, anywhere}, {"xoxa-", 20, isBase64URL, anywhere}, // Slack
	{"xoxe-", 20, isBase64URL, anywhere}, {"xoxe.", 20, isDotted, anywhere}, {"xoxr-", 20, isBase64URL, anywhere},
	{"xoxs-", 20, isBase64URL, anywhere}, {"xoxo-", 20, isBase64URL, anywhere}, {"xoxc-", 20, isBase64URL, anywhere},
	{"xoxd-", 20, isBase64, anywhere}, {"xapp-", 20, isBase64URL, anywhere},
	{"hooks.slack.com/services/", 20, isPath, anywhere}, {"hooks.slack.com/workflows/", 20, isPath, anywhere},
	{"/api/webhooks/", 40, isPath, anywhere}, {"webhook.office.com/webhookb2/", 40, isPathAt, anywhere},
	{"sk_live_", 16, isLetterOrDigit, anywhere}, {"sk_test_", 16, isLetterOrDigit, anywhere}, // Stripe
	{"rk_live_", 16, isLetterOrDigit, anywhere}, {"rk_test_", 16, isLetterOrDigit, anywhere}, {"whsec_", 24, isBase64, anywhere},
	{"npm_", 36, isLetterOrDigit, anywhere}, {"pypi-AgE", 50, isBase64URL, anywhere}, {"rubygems_", 48, isHex, anywhere},
	{"hf_", 30, isLetterOrDigit, anywhere}, {"api_org_", 30, isLetterOrDigit, anywhere}, {"gsk_", 40, isLetterOrDigit, anywhere},
	{"xai-", 40, isLetterOrDigit, anywhere}, {"r8_", 37, isLetterOrDigit, anywhere}, {"pplx-", 40, isLetterOrDigit, anywhere},
	{"nvapi-", 40, isBase64URL, anywhere}, {"fw_", 22, isLetterOrDigit, exact}, {"tgp_v1_", 40, isBase64URL, anywhere},
	{"SG.", 60, isDotted, anywhere}, {"key-", 32, isHex, exact}, {"mailchimp-", 32, isHex, anywhere},
	{"dop_v1_", 64, isHex, anywhere}, {"doo_v1_", 64, isHex, anywhere}, {"dor_v1_", 64, isHex, anywhere},
	{"shpat_", 32, isHex, anywhere}, {"shpca_", 32, isHex, anywhere}, {"shppa_", 32, isHex, anywhere}, {"shpss_", 32, isHex, anywhere},
	{"hvs.", 24, isBase64URL, anywhere}, {"hvb.", 60, isBase64URL, anywhere}, {"hvr.", 24, isBase64URL, anywhere}, // Vault
	{"dckr_pat_", 27, isBase64URL, anywhere}, {"dckr_oat_", 27, isBase64URL, anywhere}, {"glsa_", 32, isWord, anywhere},
	{"glc_", 40, isBase64, anywhere}, {"lin_api_", 40, isLetterOrDigit, anywhere}, {"lin_oauth_", 40, isHex, anywhere},
	{"dapi", 32, isHex, exact}, {"ATATT3", 100, isPadded, anywhere}, {"ATCTT3", 100, isPadded, anywhere}, {"ATBB", 28, isLetterOrDigit, exact},
	{"AGE-SECRET-KEY-1", 58, isUpperOrDigit, anywhere}, {"SK", 32, isHex, exact},
	{"figd_", 40, isBase64URL, anywhere}, {"ntn_", 40, isLetterOrDigit, anywhere}, {"secret_", 43, isLetterOrDigit, exact},
	{"sntrys_", 40, isPadded, anywhere}, {"sntryu_", 64, isHex, anywhere}, {"PMAK-", 50, isBase64URL, anywhere},
	{"pul-", 40, isHex, anywhere}, {"tskey-", 20, isBase64URL, anywhere}, {"sbp_", 40, isHex, anywhere}, {"sb_secret_", 30, isBase64URL, anywhere},
	{"NRAK-", 27, isUpperOrDigit, anywhere}, {"phx_", 40, isLetterOrDigit, anywhere}, {"CFPAT-", 43, isBase64URL, anywhere},
	{"dt0c01.", 80, isDotted, anywhere}, {"LTAI", 20, isLetterOrDigit, exact}, {"EZAK", 54, isLetterOrDigit, exact},
	{"ops_eyJ", 100, isBase64URL, anywhere}, {"pscale_tkn_", 32, isDotted, anywhere}, {"pscale_pw_", 32, isDotted, anywhere},
	{"rdme_", 70, isLetterOrDigit, anywhere}, {"cmVmdGtu", 56, isLetterOrDigit, anywhere}, {"AKCp", 65, isLetterOrDigit, anywhere},
	{"sq0csp-", 40, isBase64URL, anywhere}, {"sq0atp-", 20, isBase64URL, anywhere},
	{"shippo_live_", 40, isHex, anywhere}, {"duffel_live_", 40, isBase64URL, anywhere}, {"lsv2_pt_", 40, isWord, anywhere},
	{"lsv2_sk_", 40, isWord, anywhere}, {"pat-na1-", 36, isBase64URL, anywhere}, {"pat-eu1-", 36, isBase64URL, anywhere},
	{"nfp_", 36, isLetterOrDigit, anywhere}, {"pnu_", 36, isLetterOrDigit, anywhere}, {"tfp_", 40, isBase64URL, anywhere},
	{"dp.pt.", 40, isLetterOrDigit, anywhere}, {"dp.st.", 40, isDotted, anywhere}, {"dp.ct.", 40, isLetterOrDigit, anywhere},
	{"dp.sa.", 40, isLetterOrDigit, anywhere}, {"dp.scim.", 40, isLetterOrDigit, anywhere}, {"dp.audit.", 40, isLetterOrDigit, anywhere},
	{"sk.eyJ", 60, isDotted, anywhere}, {"tvly-", 28, isBase64URL, anywhere}, {"xkeysib-", 64, isBase64URL, anywhere},
	{"CCIPAT_", 30, isWord, anywhere}, {"CCIPRJ_", 30, isWord, anywhere}, {"sl.", 100, isBase64URL, alone}, {"e2b_", 40, isHex, anywhere},
	{"1//0", 40, isBase64URL, alone}, {"AQ.Ab", 40, isBase64URL, alone}, {"HRKU-", 36, isBase64URL, anywhere}, {"napi_", 40, isLowerOrDigit, anywhere},
	{"NRII-", 32, isBase64URL, anywhere}, {"oy2", 43, isLowerOrDigit, exact}, {"pcsk_", 40, isWord, anywhere}, {"re_", 33, isWord, exact},
	{"access-production-", 36, isBase64URL, anywhere}, {"access-sandbox-", 36, isBase64URL, anywhere}, {"access-development-", 36, isBase64URL, anywhere},
	{"sqp_", 40, isHex, anywhere}, {"squ_", 40, isHex, anywhere}, {"sqa_", 40, isHex, anywhere}, {"sgp_", 40, isWord, anywhere},
	{"EAAA", 56, isBase64URL, alone}, {"EAA", 100, isLetterOrDigit, alone}, {"AKID", 32, isLetterOrDigit, exact}, {"aio_", 28, isLetterOrDigit, exact},
	{"bkua_", 40, isHex, anywhere}, {"csk-", 40, isLowerOrDigit, anywhere}, {"CLOJARS_", 60, isHex, anywhere}, {"key_", 64, isHex, exact},
	{"fc-", 32, isHex, exact}, {"fm1r_", 60, isBase64, anywhere}, {"fm2_", 60, isBase64, anywhere}, {"fo1_", 40, isBase64URL, anywhere}, // Fly
	{"ico-", 32, isLetterOrDigit, exact}, {"jina_", 40, isLetterOrDigit, anywhere}, {"pa-", 43, isBase64URL, exact},
	{"vcp_", 40, isLetterOrDigit, anywhere}, {"vck_", 40, isLetterOrDigit, anywhere}, {"vca_", 40, isLetterOrDigit, anywhere}, // Vercel
	{"vci_", 40, isLetterOrDigit, anywhere}, {"vcr_", 40, isLetterOrDigit, anywhere}, {"apify_api_", 30, isLetterOrDigit, anywhere},
	{"y0_", 50, isBase64URL, alone}, {"AQVN", 35, isBase64URL, exact}, {"live_", 35, isHex, exact}, {"test_", 35, isHex, exact},
	{"cio", 32, isLetterOrDigit, exact}, {"cflt", 60, isBase64, exact}, {"ATBB", 32, isLetterOrDigit, exact}, {"sk_", 48, isHex, exact},
	{"glagent-", 50, isBase64URL, anywhere}, {"glft-", 20, isBase64URL, anywhere}, {"glimt-", 20, isBase64URL, anywhere},
	{"gloas-", 64, isHex, anywhere}, {"GR1348941", 20, isBase64URL, anywhere}, {"bb_live_", 20, isBase64URL, anywhere}, {"rpa_", 40, isLetterOrDigit, anywhere},
	{"v1.0-", 100, isBase64URL, anywhere}, {"figo_", 40, isBase64URL, anywhere}, {"figor_", 40, isBase64URL, anywhere},
	{".atlasv1.", 60, isBase64URL, anywhere}, {"7Q~", 31, isMarked, anywhere}, {"8Q~", 31, isMarked, anywhere}, // Terraform, Azure
	{"pat", 79, isDotted, dotted}, {"MT", 57, isDotted, dotted}, {"MT", 68, isDotted, dotted}, {"MT", 70, isDotted, dotted}, // Airtable, Discord
	{"$2a$", 56, isCrypt, anywhere}, {"$2b$", 56, isCrypt, anywhere}, {"$2x$", 56, isCrypt, anywhere}, {"$2y$", 56, isCrypt, anywhere}, // of passwords
	{"$1$", 24, isCrypt, anywhere}, {"$5$", 44, isCrypt, anywhere}, {"$6$", 87, isCrypt, anywhere}, {"$y$", 48, isCrypt, anywhere},
	{"$gy$", 48, isCrypt, anywhere}, {"$7$", 48, isCrypt, anywhere}, {"$apr1$", 24, isCrypt, anywhere}, {"$argon2", 40, isCrypt, anywhere},
	{"$scrypt$", 40, isCrypt, anywhere}, {"$pbkdf2", 40, isCrypt, anywhere}, {"pbkdf2_sha", 50, isCrypt, anywhere},
}

// A pairSet is a set of two bytes of ASCII.
type pairSet [128][128 / 8]byte

func (s *pairSet) add(a, b byte)      { s[a][b>>3] |= 1 << (b & 7) }
func (s *pairSet) has(a, b byte) bool { return s[a&127][b>>3&15]>>(b&7)&1 != 0 }

// A trigramSet tells which three bytes keys begin with, but for the case of
// letters. It says yes to a few others.
type trigramSet [1 << 15]uint8

// follow returns the trigram that ends with c, where that before it is t.
func follow(t uint, c byte) uint { return (t<<5 | uint(c&31)) & (1<<15 - 1) }

func (s *trigramSet) add(a, b, c byte) {
	s[follow(follow(uint(a&31), b), c)] = 1
}

func (s *trigramSet) has(t uint) bool { return s[t] != 0 }

// next returns the first place from p[i] on where three bytes begin that are in
// s, or len(p). It looks at six places at a time: those at even and at odd
// places of eight bytes, in lanes of 16 bits.
func (s *trigramSet) next(p []byte, i int) int {
	const low, lanes = 0x1f * ones, 0x00ff00ff00ff00ff
	for ; i+8 <= len(p); i += 6 {
		w := binary.LittleEndian.Uint64(p[i:]) & low
		even, odd := w&lanes, w>>8&lanes
		a := even<<10 | odd<<5 | even>>16
		b := odd<<10 | even>>16<<5 | odd>>16
		if s.bit(a)|s.bit(a>>16)|s.bit(a>>32)|s.bit(b)|s.bit(b>>16)|s.bit(b>>32) != 0 {
			break
		}
	}
	for ; i+3 <= len(p); i++ {
		if s.has(follow(follow(uint(p[i]&31), p[i+1]), p[i+2])) {
			return i
		}
	}
	return len(p)
}

// bit returns 1 if the trigram in the lowest 15 bits of t is in s, else 0.
func (s *trigramSet) bit(t uint64) uint8 { return s[t&(1<<15-1)] }

// trigrams are the beginnings of all keys, and of bearer; byFirst has keyKinds by the first byte.
var trigrams, byFirst = indexKeys()

// telegramBot is what follows the number of a bot in its token, mailchimp what
// follows the digits of a key of Mailchimp.
const (
	telegramBot = ":AA"
	mailchimp   = "-us"
)

// oddKeys are the beginnings, or the ends, of keys that have a rule of their own.
var oddKeys = []string{"sk-", "eyJ", telegramBot, mailchimp}

func indexKeys() (trigrams trigramSet, byFirst [128][]keyKind) {
	for _, k := range keyKinds {
		byFirst[k.prefix[0]] = append(byFirst[k.prefix[0]], k)
		for c := range byte(128) {
			if len(k.prefix) > 2 && c == k.prefix[2] || len(k.prefix) == 2 && k.of(c) {
				trigrams.add(k.prefix[0], k.prefix[1], c)
			}
		}
	}
	for _, p := range append([]string{bearer}, oddKeys...) {
		trigrams.add(p[0], p[1], p[2])
	}
	return trigrams, byFirst
}

// keys finds keys by their beginning, and the signatures of JSON web tokens.
func keys(out []find, tok []byte) []find {
	for i := trigrams.next(tok, 0); i < len(tok); {
		from, to, next := key(tok, i)
		if from < to {
			out = append(out, find{from: from, to: to})
		}
		i = trigrams.next(tok, max(next, i+1))
	}
	return out
}

// beginsKey reports whether tok may begin with a key, whole or with what is yet
// to come.
func beginsKey(tok []byte, whole bool) bool {
	for _, prefix := range oddKeys {
		if prefix == mailchimp && len(tok) > len(mailchimp) && !isDigit(tok[len(mailchimp)]) {
			continue
		}
		if bytes.HasPrefix(tok, []byte(prefix)) {
			return true
		}
	}
	for _, k := range byFirst[tok[0]&127] {
		if bytes.HasPrefix(tok, []byte(k.prefix)) && (!whole || len(tok) >= len(k.prefix)+k.min) {
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
	case bytes.HasPrefix(rest, []byte(mailchimp)):
		if i >= minHex && len(rest) > len(mailchimp) && isDigit(rest[len(mailchimp)]) && run(tok[i-minHex:i], isHex) == minHex {
			return i - minHex, i, i + len(mailchimp)
		}
		return 0, 0, i + 1
	}
	for _, k := range byFirst[rest[0]&127] {
		if len(rest) < len(k.prefix)+k.min || !bytes.HasPrefix(rest, []byte(k.prefix)) {
			continue
		}
		body := rest[len(k.prefix):]
		whole := k.where == exact || k.where == dotted
		if whole {
			body = body[:min(len(body), k.min+1)]
		}
		n := run(body, k.of)
		end := i + len(k.prefix) + n
		switch {
		case n < k.min, k.where == alone && i > 0 && isBase64(tok[i-1]), whole && (n > k.min || !atWord(tok, i) || end < len(tok) && isWord(tok[end])):
			next = max(next, i+1)
		case isWordy(body[:n]), k.where == dotted && bytes.IndexByte(body[:n], '.') < 0:
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
	var lower, digit, other bool
	for _, c := range p {
		digit = digit || isDigit(c)
		lower = lower || 'a' <= c && c <= 'z'
		other = other || isDigit(c) || 'A' <= c && c <= 'Z'
	}
	return !other || !lower && !digit && run(p, isUpperOrDigit) < len(p)
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
	for part := range 2 {
		n := run(tok[from:], isBase64URL)
		from += n
		if next == 0 {
			next = from
		}
		direct := part == 1 && n == 0 // the key is not in it (RFC 7518, section 4.5)
		if n < 6 && !direct || from == len(tok) || tok[from] != '.' {
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
func isMarked(c byte) bool        { return isDotted(c) || c == '~' }
func isPadded(c byte) bool        { return isBase64(c) || c == '=' }
func isCrypt(c byte) bool         { return isPadded(c) || c == '$' || c == '.' || c == ',' }
func isPath(c byte) bool          { return isBase64URL(c) || c == '/' }
func isPathAt(c byte) bool        { return isPath(c) || c == '@' }
