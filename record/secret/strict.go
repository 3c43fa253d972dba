package secret

import (
	"strings"

	"ssltape/record/secret/char"
)

// knownFields are the x-* fields that [Strict] lets stay.
var knownFields = char.Set("x-app x-cache x-cache-hits x-content-type-options x-dns-prefetch-control x-frame-options " +
	"x-envoy-upstream-service-time x-powered-by x-ratelimit-limit x-ratelimit-remaining x-ratelimit-reset " +
	"x-ratelimit-limit-requests x-ratelimit-limit-tokens x-ratelimit-remaining-requests " +
	"x-ratelimit-remaining-tokens x-ratelimit-reset-requests x-ratelimit-reset-tokens x-requested-with " +
	"x-robots-tag x-should-retry x-stainless-arch x-stainless-async x-stainless-helper-method x-stainless-lang " +
	"x-stainless-os x-stainless-package-version x-stainless-retry-count x-stainless-runtime " +
	"x-stainless-runtime-version x-stainless-timeout x-xss-protection x-forwarded-proto x-served-by x-timer")

// idKeys are the keys and fields that say who it was.
var idKeys = char.Set("user userid username useruuid accountid accountuuid account org orgid orguuid organization " +
	"organizationid organizationuuid organisation organisationid deviceid devicename machineid machinename " +
	"installationid installid sessionid session conversationid email emailaddress mail login phone phonenumber " +
	"fullname firstname lastname displayname hostname ip ipaddress clientip clientaddress remoteaddr remoteaddress " +
	"anthropicorganizationid openaiorganization openaiproject safetyidentifier promptcachekey forwarded from " +
	"trueclientip cfconnectingip fastlyclientip workspaceid workspaceuuid tenantid projectid customerid memberid")

// wordKeys are the keys of what people and models wrote.
var wordKeys = char.Set("text content thinking system prompt instructions input arguments partialjson output delta " +
	"reasoning reasoningcontent refusal completion transcript data query message title summary obfuscation citedtext  inputtext outputtext thought response args partialargs functionresponse")

// inputKeys are the keys of the objects that tools are called with.
var inputKeys = char.Set("input arguments args partialargs functionresponse")

// IsInput reports whether key is that of what a tool is called with.
func IsInput(key []byte) bool { return inputKeys[string(foldKey(nil, key))] }

// strictField returns what [Strict] does to a field, by its name in lower case.
func strictField(name string) Verdict {
	if strings.HasPrefix(name, "x-") && !knownFields[name] {
		return Goes
	}
	if idKeys[string(foldKey(nil, []byte(name)))] {
		return Goes
	}
	return Stays
}

// strictKey returns what [Strict] does to the value of a folded key.
func strictKey(name string) Verdict {
	switch {
	case idKeys[name]:
		return Goes
	case wordKeys[name]:
		return Words
	}
	return Stays
}
