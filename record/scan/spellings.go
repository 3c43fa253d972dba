package scan

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"
)

// maxSpelled is the length of the longest value that is looked for in the rarer spellings.
const maxSpelled = 512

// spellings returns how value may be written: as it is, with the escapes of JSON strings,
// of URLs and of HTML, in hexadecimal, and within a text in base64.
func spellings(value string) []string {
	all := []string{value}
	add := func(s string) {
		if len(s) >= minPattern && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	for _, s := range inBase64(value) {
		add(s)
	}
	add(jsonString(value, false))
	query := url.QueryEscape(value)
	add(query)
	if len(value) > maxSpelled {
		return all
	}
	add(jsonString(value, true))
	add(strings.ReplaceAll(value, "/", `\/`))
	add(url.PathEscape(value))
	add(lowerEscapes(query))
	add(url.QueryEscape(query))
	add(html.EscapeString(value))
	digits := hex.EncodeToString([]byte(value))
	add(digits)
	add(strings.ToUpper(digits))
	return all
}

// jsonString returns the inside of the JSON string that value is, with the signs of HTML
// escaped, or not.
func jsonString(value string, signs bool) string {
	var b strings.Builder
	w := json.NewEncoder(&b)
	w.SetEscapeHTML(signs)
	if err := w.Encode(value); err != nil { // not for strings
		return value
	}
	s := strings.TrimSuffix(b.String(), "\n")
	return s[1 : len(s)-1]
}

// lowerEscapes returns s, which is percent-encoded, with lower case in its escapes.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:], strings.ToLower(string(b[i+1:i+3])))
		}
	}
	return string(b)
}

// inBase64 returns what all texts in base64 and base64url (RFC 4648, sections 4 and 5) have
// in which value is, by the place of its first byte among three.
func inBase64(value string) []string {
	var all []string
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for lead := range 3 {
			s := enc.EncodeToString([]byte("\x00\x00"[:lead] + value))
			from := (lead*8 + 5) / 6          // what has bits of those before it
			to := (lead + len(value)) * 8 / 6 // and of those after it
			all = append(all, s[from:to])
		}
	}
	return all
}
