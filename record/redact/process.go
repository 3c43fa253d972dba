package redact

import (
	"slices"
	"strings"

	"ssltape/record"
)

// Process returns e without the secrets in its arguments: values of fields and
// options whose names tell (-H "Authorization: …", --api-key=…, --password …),
// URLs with credentials, and what looks like a secret by itself. Strict takes
// all arguments and lines. None returns e itself; e is never changed.
func Process(e *record.ProcessEvent, p Profile) *record.ProcessEvent {
	if p == None {
		return e
	}
	twin := *e
	if p == Strict {
		twin.Args, twin.Line = nil, ""
		twin.Exe = p.Freely(e.Exe)
		return &twin
	}
	twin.Args = slices.Clone(e.Args)
	for i, arg := range twin.Args {
		if i > 0 && secretOption(e.Args[i-1]) && !strings.HasPrefix(arg, "-") {
			twin.Args[i] = p.Field("authorization", arg)
			continue
		}
		twin.Args[i] = argument(arg, p)
	}
	words := strings.Split(e.Line, " ")
	for i, w := range words {
		if i > 0 && secretOption(words[i-1]) {
			words[i] = p.Field("authorization", w)
		} else {
			words[i] = argument(w, p)
		}
	}
	twin.Line = strings.Join(words, " ")
	return &twin
}

// secretOption reports whether the argument after this one is a secret.
func secretOption(arg string) bool {
	name, isOption := strings.CutPrefix(arg, "-")
	if !isOption || strings.Contains(arg, "=") {
		return false
	}
	name = strings.ToLower(strings.TrimPrefix(name, "-"))
	for _, ending := range []string{"token", "password", "passwd", "secret", "api-key", "apikey", "cookie"} {
		if strings.HasSuffix(name, ending) {
			return true
		}
	}
	return name == "u" || name == "user" || name == "proxy-user" || name == "b" // of curl
}

// argument returns arg without its secrets.
func argument(arg string, p Profile) string {
	if strings.Contains(arg, "://") {
		return p.URL(arg)
	}
	if name, value, ok := strings.Cut(arg, ": "); ok {
		return name + ": " + p.Field(name, value)
	}
	if name, value, ok := strings.Cut(arg, "="); ok && (secretOption(name) || secretOption("--"+strings.TrimLeft(strings.ReplaceAll(name, "_", "-"), "-"))) {
		return name + "=" + p.Field("authorization", value)
	}
	return p.Freely(arg)
}
