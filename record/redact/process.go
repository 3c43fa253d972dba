package redact

import (
	"slices"
	"strings"

	"ssltape/record"
	"ssltape/record/scan"
	"ssltape/record/scan/body"
	"ssltape/record/scan/field"
	"ssltape/record/secret/char"
)

// Process returns e without the secrets in its arguments: values of fields and
// options whose names tell (-H "Authorization: …", --api-key=…, --password …),
// URLs with credentials, and what looks like a secret by itself. Strict takes
// all arguments and lines. What one argument gives away goes from the others, too. None
// returns e itself; e is never changed.
func Process(e *record.ProcessEvent, p Profile) *record.ProcessEvent {
	if p == None {
		return e
	}
	twin := *e
	if p == Strict {
		twin.Args, twin.Line = nil, ""
		twin.Exe = field.Freely(p, e.Exe)
		return &twin
	}
	twin.Exe, twin.Comm = field.Freely(p, e.Exe), field.Freely(p, e.Comm)
	twin.Args = arguments(e.Args, p)
	twin.Line = line(e.Line, p)
	return &twin
}

// arguments returns args without their secrets.
func arguments(args []string, p Profile) []string {
	t := &field.Texts{Profile: p, Memory: new(scan.Memory)}
	args = together(args, t)
	for i, before := len(args)-1, ""; i >= 0; i-- {
		if i > 0 {
			before = args[i-1]
		}
		if i > 0 && secretOption(before) && !strings.HasPrefix(args[i], "-") {
			args[i] = t.Value("authorization", args[i])
		} else {
			args[i] = argument(args[i], t)
		}
	}
	for i, a := range args {
		args[i] = t.Recall(a, false)
	}
	return args
}

// together returns a copy of args without what gives itself away in the command
// as a whole: a command tells what its options mean.
func together(args []string, t *field.Texts) []string {
	f := scan.Finder{Profile: t.Profile, Memory: t.Memory}
	k := body.New(&f, "")
	at := int64(0)
	for _, a := range args {
		k.Write([]byte(a+" "), at, len(a)+1)
		at += int64(len(a)) + 1
	}
	k.End()
	spans := f.Take(scan.Settled)
	out := slices.Clone(args)
	from, to := int64(0), int64(0)
	for i, a := range args {
		from, to = to, to+int64(len(a))+1
		var within []scan.Span
		for _, s := range spans {
			if s.At < from { // it began in the argument before
				s.N, s.At, s.Text = int(s.Stop()-from), from, ""
			}
			if s.N = min(s.N, int(to-1-s.At)); s.N > 0 {
				within = append(within, s)
			}
		}
		if len(within) > 0 {
			out[i] = string(scan.Replace(nil, []byte(a), from, within))
		}
	}
	return out
}

// line returns what was typed into a shell without its secrets. Only the words
// that hold one change; their quotes may.
func line(s string, p Profile) string {
	var plain []string
	raw := shellWords(s)
	for _, w := range raw {
		plain = append(plain, unquote(w.text))
	}
	var out strings.Builder
	end := 0
	for i, clean := range arguments(plain, p) {
		out.WriteString(s[end:raw[i].at])
		end = raw[i].at + len(raw[i].text)
		if clean == plain[i] {
			out.WriteString(raw[i].text)
		} else {
			out.WriteString("'" + strings.ReplaceAll(clean, "'", `'\''`) + "'")
		}
	}
	out.WriteString(s[end:])
	return out.String()
}

// A shellWord is a word of a line, as it was typed.
type shellWord struct {
	text string
	at   int
}

// shellWords returns the words of s as a shell would split them (POSIX, section
// 2.3), operators among them.
func shellWords(s string) []shellWord {
	var words []shellWord
	start, quote := -1, byte(0)
	for i := 0; i <= len(s); i++ {
		end := i == len(s) || quote == 0 && strings.IndexByte(" \t\n;|&()<>", s[i]) >= 0
		switch {
		case end && start >= 0:
			words, start = append(words, shellWord{s[start:i], start}), -1
		case end:
		case start < 0:
			start = i
		}
		switch {
		case end:
		case s[i] == '\\' && quote != '\'':
			i = min(i+1, len(s)-1)
		case quote == 0 && (s[i] == '"' || s[i] == '\''):
			quote = s[i]
		case quote == s[i]:
			quote = 0
		}
	}
	return words
}

// unquote removes the quotes of a shell from a word.
func unquote(word string) string {
	var out []byte
	quote := byte(0)
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case c == '\\' && quote != '\'' && i+1 < len(word):
			i++
			out = append(out, word[i])
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		default:
			out = append(out, c)
		}
	}
	return string(out)
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
func argument(arg string, t *field.Texts) string {
	if strings.Contains(arg, "://") {
		return t.URL(arg)
	}
	if name, value, ok := strings.Cut(arg, ": "); ok && char.TokenLen([]byte(name)) == len(name) {
		return name + ": " + t.Value(name, value)
	}
	if name, value, ok := strings.Cut(arg, "="); ok && !strings.Contains(value, "&") && (secretOption(name) || secretOption("--"+strings.TrimLeft(strings.ReplaceAll(name, "_", "-"), "-"))) {
		return name + "=" + t.Value("authorization", value)
	}
	return withoutSecrets(arg, t)
}

// withoutSecrets returns text, which may be JSON or a form, without its secrets.
func withoutSecrets(text string, t *field.Texts) string {
	f := scan.Finder{Profile: t.Profile, Memory: t.Memory}
	contentType := ""
	switch {
	case strings.HasPrefix(text, "{"), strings.HasPrefix(text, "["):
		contentType = "application/json"
	case strings.Contains(text, "=") && strings.Contains(text, "&"):
		contentType = "application/x-www-form-urlencoded"
	}
	k := body.New(&f, contentType)
	k.Write([]byte(text), 0, len(text))
	k.End()
	return string(scan.Replace(nil, []byte(text), 0, f.Take(scan.Settled)))
}
