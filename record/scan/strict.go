package scan

import (
	"bytes"
	"strings"
)

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
	"reasoning reasoningcontent refusal completion transcript data query message title summary obfuscation citedtext  inputtext outputtext thought response args partialargs functionresponse")

// inputKeys are the keys of the objects that tools are called with.
var inputKeys = set("input arguments args partialargs functionresponse")

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
