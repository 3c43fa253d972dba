package text

import (
	"bytes"

	"ssltape/record/secret"
	"ssltape/record/secret/char"
)

// shortest returns the length of the shortest token that may hold a secret.
func (t *Text) shortest() int {
	switch {
	case t.s.Profile == secret.Strict:
		return secret.MinStrict
	case t.Loose:
		return secret.MinLoose
	}
	return secret.MinToken
}

// mayHold reports whether tok, with the classes m, can hold a secret, which stands
// after before. It says yes to all that do, and no to nearly all others.
func (t *Text) mayHold(tok, before []byte, m byte, raw bool) bool {
	n := len(tok)
	if n > MaxQuick { // what follows takes as long as to find out
		return true
	}
	if m&char.Digit == 0 && n >= secret.MinKey && secret.IsShuffled(tok) {
		m |= char.Digit // it is looked at as one with digits
	}
	switch {
	case t.s.Profile == secret.Strict, m&char.Percent != 0, m&(char.AtSign|char.Colon) == char.AtSign|char.Colon:
		return true
	case m&(char.Equals|char.Colon) != 0 && t.mayAssign(tok), m&char.Colon != 0 && t.login(tok, before, raw):
		return true
	case m&char.Digit != 0 && (t.Loose || n >= minRemote || t.isQuoted(before) || t.afterSign(before) && secret.LooksMade(tok) || t.afterArrow(before, raw)) && t.verdict(before, raw) != secret.Stays:
		return true
	case m&char.Digit != 0 && ((n >= secret.MinKey || n >= secret.MinToken && m&char.Equals != 0) && t.inField(tok, before, raw) || t.afterOption(tok, before, raw) >= 0 || t.inJar(before, raw)):
		return true
	case m&char.Digit != 0 && n >= secret.MinKey && (t.mayBeKin(before, raw) || isValueOf(tok)), isManifest(tok):
		return true
	case m&(char.Digit|char.Colon) == char.Digit|char.Colon && t.isPgpass(tok, before, raw), m&char.AtSign != 0 && t.oracleLogin(tok, before, raw) >= 0:
		return true
	case t.namesColumn(tok, before, raw) != 0, string(tok) == ssh2Begin[1], m&char.Digit != 0 && isEchoed(t.preceding(before)):
		return true
	case n >= len(secret.PEMBegin) && tok[n-1] == secret.PEMBegin[len(secret.PEMBegin)-1] && tok[n-2] == secret.PEMBegin[len(secret.PEMBegin)-2]:
		return true
	case n >= len(puttyLines) && tok[n-1] == ':' && bytes.HasSuffix(tok, []byte(puttyLines)):
		return true
	case n < secret.MinKey:
		return false
	}
	return t.mayBeKey(tok, false, false) || n >= minPath && (t.url || tok[0] == '/' || m&char.Colon != 0) && len(t.pathTokens(nil, tok)) > 0
}

// afterSign reports whether a token stands after what separates a value from its name.
func (t *Text) afterSign(before []byte) bool {
	b := blanks.TrimEnd(t.preceding(before))
	return len(b) > 0 && (b[len(b)-1] == ':' || b[len(b)-1] == '=' || b[len(b)-1] == '*' || b[len(b)-1] == '>')
}

// afterArrow reports whether a token stands after what PHP and Perl print before a
// value: [password] => …
func (t *Text) afterArrow(before []byte, raw bool) bool {
	end := t.preceding(before)
	n := len(end)
	if n == 0 || end[n-1] != ' ' || n > 1 && end[n-2] != '>' && end[n-2] != 'e' {
		return false
	}
	return bytes.HasSuffix(t.context(before, raw), []byte("=> "))
}

// mayBeKey reports whether p may hold a key, or holds a secret in base64, or may
// be the first line of that unless it is whole, or MayBear if that is asked.
func (t *Text) mayBeKey(p []byte, whole, bear bool) bool {
	if secret.MayHoldKey(p, bear) {
		return true
	}
	for from, to := char.LongRunOf(p, 0, char.Sextet, minBase64); from >= 0; from, to = char.LongRunOf(p, to, char.Sextet, minBase64) {
		if t.runMayHold(p[from:to], whole) {
			return true
		}
	}
	return false
}

// runMayHold reports whether a run of base64 may hold a secret. Only short ones
// are looked into: that of others is looked at later in any case.
func (t *Text) runMayHold(run []byte, whole bool) bool {
	is := textual(run)
	if !plausible(run, is) || t.s.Depth >= maxDepth {
		return false
	}
	return len(run) > MaxQuick || !whole && len(run) >= minLine || t.runHoldsSecret(run, is)
}

// minNumbered is the length of the shortest name of a secret with a number.
const minNumbered = len("token1")

// mayAssign reports whether tok has the name of a secret before an equals sign
// or colon, or may have it before tok.
func (t *Text) mayAssign(tok []byte) bool {
	for i, c := range tok {
		switch {
		case char.Classes[c]&(char.Equals|char.Colon) == 0:
		case i < 2, !char.IsLetterOrDigit(tok[i-1]):
			return true
		case i < minNumbered && char.IsDigit(tok[i-1]):
		case secret.EndsParameter(tok[i-2], tok[i-1]):
			if name := secret.LastWord(tok[:i]); t.s.Profile.Key(name) != secret.Stays || secret.IsURLKey(name) || isKeyVariable(name) {
				return true
			}
		}
	}
	return false
}

// isVersion reports whether name is that of a signature among several in a field:
// t=1700000000,v1=….
func isVersion(name []byte) bool {
	return len(name) == 2 && name[0] == 'v' && char.IsDigit(name[1])
}

// isKeyVariable reports whether name is that of a variable of the environment for
// a key that may be a secret one.
func isKeyVariable(name []byte) bool {
	return bytes.HasSuffix(name, []byte("KEY")) && isVariable(name) && !bytes.Contains(name, []byte("PUB")) && !bytes.Contains(name, []byte("CACHE"))
}

// isVariable reports whether name is one of the environment, or of an option.
func isVariable(name []byte) bool {
	return bytes.HasPrefix(name, []byte("--")) || len(name) > 2 && char.Run(name, func(c byte) bool { return c == '_' || char.IsUpperOrDigit(c) }) == len(name)
}
