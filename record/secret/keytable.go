package secret

import (
	"bytes"
	"strings"

	"ssltape/record/secret/char"
)

// MinKey is the length of the shortest key that gives itself away.
const MinKey = 16

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
	{"ghp_", 16, char.IsWord, anywhere}, {"gho_", 16, char.IsWord, anywhere}, {"ghu_", 16, char.IsWord, anywhere}, // GitHub
	{"ghs_", 16, char.IsWord, anywhere}, {"ghr_", 16, char.IsWord, anywhere}, {"github_pat_", 22, char.IsWord, anywhere},
	{"glpat-", 20, char.IsBase64URL, anywhere}, {"gldt-", 20, char.IsBase64URL, anywhere}, {"glrt-", 20, char.IsBase64URL, anywhere}, // GitLab
	{"glptt-", 40, char.IsHex, anywhere}, {"glsoat-", 20, char.IsBase64URL, anywhere}, {"glcbt-", 20, char.IsBase64URL, anywhere},
	{"AKIA", 16, char.IsUpperOrDigit, exact}, {"ASIA", 16, char.IsUpperOrDigit, exact}, {"ABIA", 16, char.IsUpperOrDigit, exact}, // AWS
	{"ACCA", 16, char.IsUpperOrDigit, exact}, {"ABSKQmVkcm9ja0FQSUtleS", 60, char.IsBase64, anywhere},
	{"AIza", 35, char.IsBase64URL, anywhere}, {"ya29.", 20, char.IsDotted, anywhere}, {"GOCSPX-", 28, char.IsBase64URL, anywhere}, // Google
	{"xoxb-", 20, char.IsBase64URL, anywhere}, {"xoxp-", 20, char.IsBase64URL, anywhere}, {"xoxa-", 20, char.IsBase64URL, anywhere}, // Slack
	{"xoxe-", 20, char.IsBase64URL, anywhere}, {"xoxe.", 20, char.IsDotted, anywhere}, {"xoxr-", 20, char.IsBase64URL, anywhere},
	{"xoxs-", 20, char.IsBase64URL, anywhere}, {"xoxo-", 20, char.IsBase64URL, anywhere}, {"xoxc-", 20, char.IsBase64URL, anywhere},
	{"xoxd-", 20, char.IsBase64, anywhere}, {"xapp-", 20, char.IsBase64URL, anywhere},
	{"hooks.slack.com/services/", 20, char.IsPath, anywhere}, {"hooks.slack.com/workflows/", 20, char.IsPath, anywhere}, {"hooks.slack.com/triggers/", 20, char.IsPath, anywhere},
	{"/api/webhooks/", 40, char.IsPath, anywhere}, {"webhook.office.com/webhookb2/", 40, char.IsPathAt, anywhere}, {"outlook.office.com/webhook/", 40, char.IsPathAt, anywhere},
	{"hc-ping.com/", 36, char.IsPath, anywhere}, {"hooks.zapier.com/hooks/catch/", 12, char.IsPath, anywhere}, {"/private-", 32, char.IsHex, anywhere}, // of calendars
	{"sk_live_", 16, char.IsLetterOrDigit, anywhere}, {"sk_test_", 16, char.IsLetterOrDigit, anywhere}, // Stripe
	{"sk_prod_", 16, char.IsWord, anywhere}, {"rk_prod_", 16, char.IsWord, anywhere},
	{"rk_live_", 16, char.IsLetterOrDigit, anywhere}, {"rk_test_", 16, char.IsLetterOrDigit, anywhere}, {"whsec_", 24, char.IsBase64, anywhere},
	{"npm_", 36, char.IsLetterOrDigit, anywhere}, {"pypi-AgE", 50, char.IsBase64URL, anywhere}, {"rubygems_", 48, char.IsLetterOrDigit, anywhere},
	{"hf_", 30, char.IsLetterOrDigit, anywhere}, {"api_org_", 30, char.IsLetterOrDigit, anywhere}, {"gsk_", 40, char.IsLetterOrDigit, anywhere},
	{"xai-", 40, char.IsLetterOrDigit, anywhere}, {"r8_", 37, char.IsLetterOrDigit, anywhere}, {"pplx-", 40, char.IsLetterOrDigit, anywhere},
	{"nvapi-", 40, char.IsBase64URL, anywhere}, {"fw_", 22, char.IsLetterOrDigit, exact}, {"fw_", 24, char.IsLetterOrDigit, exact}, {"tgp_v1_", 40, char.IsBase64URL, anywhere},
	{"SG.", 60, char.IsDotted, anywhere}, {"key-", 32, char.IsLowerOrDigit, exact}, {"mailchimp-", 32, char.IsHex, anywhere},
	{"dop_v1_", 64, char.IsHex, anywhere}, {"doo_v1_", 64, char.IsHex, anywhere}, {"dor_v1_", 64, char.IsHex, anywhere},
	{"shpat_", 32, char.IsHex, anywhere}, {"shpca_", 32, char.IsHex, anywhere}, {"shppa_", 32, char.IsHex, anywhere}, {"shpss_", 32, char.IsHex, anywhere},
	{"hvs.", 24, char.IsBase64URL, anywhere}, {"hvb.", 60, char.IsBase64URL, anywhere}, {"hvr.", 24, char.IsBase64URL, anywhere}, // Vault
	{"dckr_pat_", 27, char.IsBase64URL, anywhere}, {"dckr_oat_", 27, char.IsBase64URL, anywhere}, {"glsa_", 32, char.IsWord, anywhere},
	{"glc_", 32, char.IsPadded, anywhere}, {"lin_api_", 40, char.IsLetterOrDigit, anywhere}, {"lin_oauth_", 40, char.IsHex, anywhere},
	{"dapi", 32, char.IsHex, exact}, {"ATATT3", 100, char.IsPadded, anywhere}, {"ATCTT3", 100, char.IsPadded, anywhere}, {"ATBB", 28, char.IsLetterOrDigit, exact},
	{"AGE-SECRET-KEY-1", 58, char.IsUpperOrDigit, anywhere}, {"SK", 32, char.IsHex, exact},
	{"figd_", 40, char.IsBase64URL, anywhere}, {"ntn_", 40, char.IsLetterOrDigit, anywhere}, {"secret_", 43, char.IsLetterOrDigit, exact},
	{"sntrys_", 40, char.IsPadded, anywhere}, {"sntryu_", 64, char.IsHex, anywhere}, {"PMAK-", 50, char.IsBase64URL, anywhere},
	{"pul-", 40, char.IsLowerOrDigit, anywhere}, {"tskey-", 20, char.IsBase64URL, anywhere}, {"sbp_", 40, char.IsLowerOrDigit, anywhere}, {"sb_secret_", 30, char.IsBase64URL, anywhere},
	{"NRAK-", 27, char.IsUpperOrDigit, anywhere}, {"phx_", 40, char.IsLetterOrDigit, anywhere}, {"CFPAT-", 43, char.IsBase64URL, anywhere},
	{"dt0c01.", 80, char.IsDotted, anywhere}, {"LTAI", 20, char.IsLetterOrDigit, exact}, {"EZAK", 54, char.IsLetterOrDigit, exact}, {"EZTK", 54, char.IsLetterOrDigit, exact},
	{"ops_eyJ", 100, char.IsPadded, anywhere}, {"pscale_tkn_", 32, char.IsDotted, anywhere}, {"pscale_oauth_", 32, char.IsDotted, anywhere}, {"pscale_pw_", 32, char.IsDotted, anywhere},
	{"rdme_", 70, char.IsLetterOrDigit, anywhere}, {"cmVmdGtu", 56, char.IsLetterOrDigit, anywhere}, {"AKCp", 65, char.IsLetterOrDigit, anywhere},
	{"sq0csp-", 40, char.IsBase64URL, anywhere}, {"sq0atp-", 20, char.IsBase64URL, anywhere},
	{"shippo_live_", 40, char.IsHex, anywhere}, {"duffel_live_", 40, char.IsBase64URL, anywhere}, {"duffel_test_", 40, char.IsBase64URL, anywhere}, {"lsv2_pt_", 40, char.IsWord, anywhere},
	{"lsv2_sk_", 40, char.IsWord, anywhere}, {"pat-na1-", 36, char.IsBase64URL, anywhere}, {"pat-eu1-", 36, char.IsBase64URL, anywhere},
	{"nfp_", 36, char.IsLetterOrDigit, anywhere}, {"pnu_", 36, char.IsLetterOrDigit, anywhere}, {"tfp_", 40, char.IsBase64URL, anywhere},
	{"dp.pt.", 40, char.IsLetterOrDigit, anywhere}, {"dp.st.", 40, char.IsDotted, anywhere}, {"dp.ct.", 40, char.IsLetterOrDigit, anywhere},
	{"dp.sa.", 40, char.IsLetterOrDigit, anywhere}, {"dp.scim.", 40, char.IsLetterOrDigit, anywhere}, {"dp.audit.", 40, char.IsLetterOrDigit, anywhere},
	{"sk.eyJ", 60, char.IsDotted, anywhere}, {"tvly-", 28, char.IsBase64URL, anywhere}, {"xkeysib-", 64, char.IsBase64URL, anywhere},
	{"CCIPAT_", 30, char.IsWord, anywhere}, {"CCIPRJ_", 30, char.IsWord, anywhere}, {"sl.", 100, char.IsBase64URL, alone}, {"sl.u.", 100, char.IsBase64URL, alone}, {"e2b_", 40, char.IsHex, anywhere},
	{"1//0", 40, char.IsBase64URL, alone}, {"4/0A", 60, char.IsBase64URL, alone}, {"AQ.Ab", 40, char.IsBase64URL, alone}, {"HRKU-", 36, char.IsBase64URL, anywhere}, {"napi_", 40, char.IsLowerOrDigit, anywhere},
	{"NRII-", 25, char.IsBase64URL, anywhere}, {"NRIQ-", 25, char.IsBase64URL, anywhere}, {"NRBR-", 19, char.IsHex, exact}, {"oy2", 43, char.IsLowerOrDigit, exact}, {"pcsk_", 40, char.IsWord, anywhere}, {"re_", 33, char.IsWord, exact},
	{"access-production-", 36, char.IsBase64URL, anywhere}, {"access-sandbox-", 36, char.IsBase64URL, anywhere}, {"access-development-", 36, char.IsBase64URL, anywhere},
	{"sqp_", 40, char.IsHex, anywhere}, {"squ_", 40, char.IsHex, anywhere}, {"sqa_", 40, char.IsHex, anywhere}, {"sgp_", 40, char.IsWord, anywhere},
	{"EAAA", 56, char.IsBase64URL, alone}, {"EAA", 100, char.IsLetterOrDigit, alone}, {"AKID", 32, char.IsLetterOrDigit, exact}, {"aio_", 28, char.IsLetterOrDigit, exact},
	{"bkua_", 40, char.IsLowerOrDigit, anywhere}, {"csk-", 40, char.IsLowerOrDigit, anywhere}, {"CLOJARS_", 60, char.IsLetterOrDigit, anywhere}, {"key_", 64, char.IsHex, exact},
	{"fc-", 32, char.IsHex, exact}, {"fm1r_", 60, char.IsBase64, anywhere}, {"fm2_", 60, char.IsBase64, anywhere}, {"fo1_", 40, char.IsBase64URL, anywhere}, // Fly
	{"ico-", 32, char.IsLetterOrDigit, exact}, {"jina_", 40, char.IsLetterOrDigit, anywhere}, {"pa-", 43, char.IsBase64URL, exact},
	{"vcp_", 40, char.IsLetterOrDigit, anywhere}, {"vck_", 40, char.IsLetterOrDigit, anywhere}, {"vca_", 40, char.IsLetterOrDigit, anywhere}, // Vercel
	{"vci_", 40, char.IsLetterOrDigit, anywhere}, {"vcr_", 40, char.IsLetterOrDigit, anywhere}, {"apify_api_", 30, char.IsLetterOrDigit, anywhere},
	{"y0_", 50, char.IsBase64URL, alone}, {"AQVN", 35, char.IsBase64URL, exact}, {"live_", 35, char.IsHex, exact}, {"test_", 35, char.IsHex, exact},
	{"cio", 32, char.IsLetterOrDigit, exact}, {"cflt", 60, char.IsBase64, exact}, {"ATBB", 32, char.IsLetterOrDigit, exact}, {"sk_", 48, char.IsHex, exact},
	{"glagent-", 50, char.IsBase64URL, anywhere}, {"glft-", 20, char.IsBase64URL, anywhere}, {"glimt-", 20, char.IsBase64URL, anywhere},
	{"gloas-", 64, char.IsBase64URL, anywhere}, {"glffct-", 20, char.IsBase64URL, anywhere}, {"GR1348941", 20, char.IsBase64URL, anywhere}, {"bb_live_", 20, char.IsBase64URL, anywhere}, {"rpa_", 40, char.IsLetterOrDigit, anywhere},
	{"v1.0-", 100, char.IsBase64URL, anywhere}, {"figo_", 40, char.IsBase64URL, anywhere}, {"figor_", 40, char.IsBase64URL, anywhere},
	{".atlasv1.", 60, char.IsBase64URL, anywhere}, {"7Q~", 31, char.IsMarked, anywhere}, {"8Q~", 31, char.IsMarked, anywhere}, // Terraform, Azure
	{"pat", 79, char.IsDotted, dotted}, {"MT", 57, char.IsDotted, dotted}, {"MT", 68, char.IsDotted, dotted}, {"MT", 70, char.IsDotted, dotted}, // Airtable, Discord
	{"BSA", 28, char.IsBase64URL, exact}, {"pat_", 64, char.IsLetterOrDigit, exact}, {"vercel_blob_rw_", 30, char.IsWord, anywhere}, {"wandb_v1_", 60, char.IsWord, anywhere},
	{"sk_V2_", 40, char.IsWord, anywhere}, {"as-", 22, char.IsLetterOrDigit, exact}, {"ak-", 22, char.IsLetterOrDigit, exact}, {"sk_", 43, char.IsBase64URL, exact},
	{"SWMTKN-1-", 70, char.IsBase64URL, anywhere}, {"sha256~", 43, char.IsBase64URL, anywhere}, {"::server:", 32, char.IsHex, anywhere}, // Docker, OpenShift, K3s
	{"PMAT-", 26, char.IsUpperOrDigit, anywhere}, {"secret-live-", 36, char.IsBase64URL, anywhere}, {"secret-test-", 36, char.IsBase64URL, anywhere}, {"nyk_", 40, char.IsWord, anywhere},
	{"v1.local.", 40, char.IsDotted, anywhere}, {"v2.local.", 40, char.IsDotted, anywhere}, {"v3.local.", 40, char.IsDotted, anywhere}, {"v4.local.", 40, char.IsDotted, anywhere}, // PASETO
	{"v1.public.", 86, char.IsDotted, anywhere}, {"v2.public.", 86, char.IsDotted, anywhere}, {"v3.public.", 86, char.IsDotted, anywhere}, {"v4.public.", 86, char.IsDotted, anywhere},
	{"cfut_", 40, char.IsWord, anywhere}, {"cfat_", 40, char.IsWord, anywhere}, {"cfk_", 40, char.IsWord, anywhere}, {"_secret_", 24, char.IsLetterOrDigit, anywhere}, {":APA91b", 100, char.IsBase64URL, anywhere}, {"esecret_", 24, char.IsLetterOrDigit, anywhere},
	{"A3-", 36, char.IsBase64URL, exact}, {"A3-", 37, char.IsBase64URL, exact}, {"p8e-", 32, char.IsLetterOrDigit, exact}, {"4b1d", 38, char.IsLetterOrDigit, exact}, // 1Password, Adobe, ClickHouse
	{"FLWSECK-", 32, char.IsBase64URL, anywhere}, {"FLWSECK_TEST-", 12, char.IsBase64URL, anywhere}, {"fio-u-", 64, char.IsBase64URL, anywhere}, {"BBDC-", 40, char.IsBase64, anywhere},
	{"sqco_", 59, char.IsLetterOrDigit, anywhere}, {"slk_", 64, char.IsHex, anywhere}, {"llx-", 40, char.IsLetterOrDigit, anywhere}, {"ctx7sk-", 36, char.IsBase64URL, anywhere},
	{"rnd_", 28, char.IsLetterOrDigit, exact}, {"xaat-", 36, char.IsBase64URL, anywhere}, {"xapt-", 36, char.IsBase64URL, anywhere}, {"AVNS_", 19, char.IsBase64URL, anywhere},
	{"mdb_sa_sk_", 40, char.IsBase64URL, anywhere}, {"CCDB1_", 40, char.IsWord, anywhere}, {"dbtc_", 40, char.IsBase64URL, anywhere}, {"dbtu_", 40, char.IsBase64URL, anywhere},
	{"pnb_", 36, char.IsLetterOrDigit, anywhere}, {"phs_", 40, char.IsLetterOrDigit, anywhere}, {"tr_prod_", 20, char.IsLetterOrDigit, anywhere}, {"tr_dev_", 20, char.IsLetterOrDigit, anywhere},
	{"tr_pat_", 20, char.IsLetterOrDigit, anywhere}, {"scp-live-", 32, char.IsHex, anywhere}, {"scp-test-", 32, char.IsHex, anywhere}, {"KGAT_", 32, char.IsHex, anywhere}, {"dtn_", 64, char.IsHex, anywhere},
	{"m0-", 40, char.IsLetterOrDigit, exact}, {"A21AA", 80, char.IsBase64URL, alone}, {"pdl_live_", 40, char.IsWord, anywhere}, {"pdl_sdbx_", 40, char.IsWord, anywhere}, {"n8n_api_", 40, char.IsDotted, anywhere},
	{"crsr_", 64, char.IsHex, anywhere}, {"sgamp_", 40, char.IsWord, anywhere}, {"hcaik_", 50, char.IsLetterOrDigit, anywhere}, {"hcbik_", 50, char.IsLetterOrDigit, anywhere}, // Honeycomb
	{"hcxik_", 50, char.IsLetterOrDigit, anywhere}, {"hcxmk_", 50, char.IsLetterOrDigit, anywhere}, {"hcamk_", 50, char.IsLetterOrDigit, anywhere}, {"access_token$", 40, char.IsCrypt, anywhere},
	{"YmVkcm9jay5hbWF6b25hd3MuY29t", 28, char.IsPadded, anywhere}, {"CfDJ8", 60, char.IsBase64URL, alone}, {"base64:", 43, char.IsBase64, exact}, // AWS, what ASP.NET protects, Laravel
	{"b3BlbnNzaC1rZXktdjE", 60, char.IsBase64, anywhere}, {"IBADANBgkqhkiG9w0BAQEFAASC", 60, char.IsBase64, anywhere}, {"IBAAKCAQEA", 200, char.IsBase64, anywhere}, // private keys
	{"MHcCAQEEI", 60, char.IsBase64, anywhere}, {"AgEAMBMGByqGSM49AgEGCCqGSM49AwEH", 60, char.IsBase64, anywhere}, {"MC4CAQAwBQYDK2VwBCIEI", 40, char.IsBase64, anywhere},
	{"xprv9", 106, char.IsLetterOrDigit, anywhere}, {"yprvA", 106, char.IsLetterOrDigit, anywhere}, {"zprvA", 106, char.IsLetterOrDigit, anywhere}, {"tprv8", 106, char.IsLetterOrDigit, anywhere}, // of wallets (BIP 32)
	{"nsec1", 58, char.IsLowerOrDigit, exact}, {"$2a$", 56, char.IsCrypt, anywhere}, {"$2b$", 56, char.IsCrypt, anywhere}, {"$2x$", 56, char.IsCrypt, anywhere}, {"$2y$", 56, char.IsCrypt, anywhere}, // of passwords
	{"$1$", 24, char.IsCrypt, anywhere}, {"$5$", 44, char.IsCrypt, anywhere}, {"$6$", 87, char.IsCrypt, anywhere}, {"$y$", 48, char.IsCrypt, anywhere},
	{"$gy$", 48, char.IsCrypt, anywhere}, {"$7$", 48, char.IsCrypt, anywhere}, {"$apr1$", 24, char.IsCrypt, anywhere}, {"$argon2", 40, char.IsCrypt, anywhere},
	{"$scrypt$", 40, char.IsCrypt, anywhere}, {"$pbkdf2", 40, char.IsCrypt, anywhere}, {"pbkdf2_sha", 50, char.IsCrypt, anywhere},
}

// A markedKind is a kind of key that is known by what stands within, or at its end.
type markedKind struct {
	mark   string
	before int             // bytes that stand before that
	after  int             // bytes that follow it at least
	of     func(byte) bool // what they are
}

var markedKinds = []markedKind{
	{"-us", 32, 1, char.IsHex}, {"NRAL", 36, 0, char.IsLetterOrDigit}, {"_mmk", 36, 0, char.IsWord}, // Mailchimp, New Relic, MaxMind
	{"JQQJ9", 52, 27, char.IsLetterOrDigit}, {"+ASt", 76, 6, char.IsBase64}, {"+ACR", 42, 6, char.IsBase64}, // Azure
	{"AzFu", 44, 6, char.IsBase64}, {"AzSe", 42, 6, char.IsBase64}, {"AzCa", 33, 6, char.IsBase64}, {"ACDb", 76, 6, char.IsBase64},
	{"+ABa", 76, 6, char.IsBase64}, {"AZEG", 33, 6, char.IsBase64}, {"+AEh", 33, 6, char.IsBase64}, {"+ASb", 33, 6, char.IsBase64},
	{"AIoT", 33, 6, char.IsBase64}, {"+ARm", 33, 6, char.IsBase64}, {"AZDO", 76, 4, char.IsLetterOrDigit},
	{"%3D", 22, 40, char.IsLetterOrDigit}, // X, of applications
}

// dashedLen is the length of a key of Mailgun: 32 hexadecimal digits, 8 and 8, with
// hyphens between them, as nothing else is written.
const dashedLen = minMarked + 1 + 8 + 1 + 8

// DashedKey returns the place of the first such key in p, if from < to.
func DashedKey(p []byte) (from, to int) {
	for i := minMarked; i-minMarked+dashedLen <= len(p); i++ {
		k := bytes.IndexByte(p[i:len(p)-(dashedLen-minMarked)+1], '-')
		if k < 0 {
			return 0, 0
		}
		i += k
		from, to = i-minMarked, i-minMarked+dashedLen
		if p[i+9] == '-' && char.Run(p[i+1:i+9], char.IsHex) == 8 && char.Run(p[i+10:to], char.IsHex) == 8 && char.Run(p[from:i], char.IsHex) == minMarked &&
			atWord(p, from) && (to == len(p) || !char.IsMarked(p[to])) {
			return from, to
		}
	}
	return 0, 0
}

// OpenDigits reports whether tok may become a key that is known by what follows on
// hexadecimal digits: a mark, or others.
func OpenDigits(tok []byte) bool {
	n := char.Run(tok, char.IsHex)
	if n == len(tok) {
		return n >= minHexPiece && bytes.ContainsAny(tok, "0123456789")
	}
	if n < minMarked {
		return false
	}
	rest, marked := bytes.CutPrefix(tok[n:], []byte(markedKinds[0].mark))
	if marked {
		return char.Run(rest, char.IsHex) == len(rest)
	}
	return strings.HasPrefix(markedKinds[0].mark, string(rest)) || rest[0] == '-' && len(rest) <= dashedLen-minMarked && len(bytes.Trim(rest, "-0123456789abcdefABCDEF")) == 0
}

// minHexPiece is the length from which on hexadecimal digits are held back.
const minHexPiece = 4

// firstOfMark are the first bytes of their marks.
var firstOfMark = func() (is char.Table) {
	for _, k := range markedKinds {
		is[k.mark[0]] = true
	}
	return is
}()

// minMarked is how many bytes stand before a mark at least.
const minMarked = 32

// hasMark reports whether a mark is in p from p[i] on.
func hasMark(p []byte, i int) bool {
	for i = trigrams.next(p, i); i < len(p); i = trigrams.next(p, i+1) {
		if markedBy(p[i:]) != nil {
			return true
		}
	}
	return false
}

// markedBy returns the kind whose mark p begins with, or nil.
func markedBy(p []byte) *markedKind {
	if !firstOfMark[p[0]] {
		return nil
	}
	for i := range markedKinds {
		if k := &markedKinds[i]; len(p) >= len(k.mark) && string(p[:len(k.mark)]) == k.mark {
			return k
		}
	}
	return nil
}
