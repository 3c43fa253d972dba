// Package char tells classes of bytes, and finds runs of them.
package char

// IsLead reports whether c may stand before JSON: white space and the bytes of
// a byte order mark.
func IsLead(c byte) bool {
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0xef || c == 0xbb || c == 0xbf
}

// IsSpace reports whether c is white space of JSON (RFC 8259, section 2).
func IsSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// IsDigit reports whether c is a digit.
func IsDigit(c byte) bool { return '0' <= c && c <= '9' }

// IsLower reports whether c is a small letter of ASCII.
func IsLower(c byte) bool { return 'a' <= c && c <= 'z' }

// IsHex reports whether c is a hexadecimal digit.
func IsHex(c byte) bool { return IsDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

// IsLetterOrDigit reports whether c is a letter of ASCII or a digit.
func IsLetterOrDigit(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || IsDigit(c) }

// IsUpperOrDigit reports whether c is a capital of ASCII or a digit.
func IsUpperOrDigit(c byte) bool { return 'A' <= c && c <= 'Z' || IsDigit(c) }

// IsLowerOrDigit reports whether c is a small letter of ASCII or a digit.
func IsLowerOrDigit(c byte) bool { return IsLower(c) || IsDigit(c) }

// IsWord reports whether c is a letter, a digit or an underscore.
func IsWord(c byte) bool { return IsLetterOrDigit(c) || c == '_' }

// IsBase64URL reports whether c is one of base64url (RFC 4648, section 5).
func IsBase64URL(c byte) bool { return IsWord(c) || c == '-' }

// IsBase64 reports whether c is one of base64, of both alphabets (RFC 4648, sections 4 and 5).
func IsBase64(c byte) bool { return IsBase64URL(c) || c == '+' || c == '/' }

// IsDotted reports whether c is one of base64url or a dot.
func IsDotted(c byte) bool { return IsBase64URL(c) || c == '.' }

// IsMarked reports whether c is unreserved in URLs (RFC 3986, section 2.3).
func IsMarked(c byte) bool { return IsDotted(c) || c == '~' }

// IsPadded reports whether c is one of base64 or its padding.
func IsPadded(c byte) bool { return IsBase64(c) || c == '=' }

// IsCrypt reports whether c is one of what hashes of passwords are written with.
func IsCrypt(c byte) bool { return IsPadded(c) || c == '$' || c == '.' || c == ',' }

// IsPath reports whether c is one of base64url or a slash.
func IsPath(c byte) bool { return IsBase64URL(c) || c == '/' }

// IsPathAt reports whether c is one of base64url, a slash or an at sign.
func IsPathAt(c byte) bool { return IsPath(c) || c == '@' }

// TokenLen returns the length of the token (RFC 9110, section 5.6.2) that p
// begins with.
func TokenLen(p []byte) int {
	n := 0
	for n < len(p) && tokenChars[p[n]] {
		n++
	}
	return n
}

// tokenChars are the bytes that may stand in a token (RFC 9110, section 5.6.2).
var tokenChars = func() Table {
	is := In("!#$%&'*+-.^_`|~")
	for i := range is {
		is[i] = is[i] || IsLetterOrDigit(byte(i))
	}
	return is
}()

// HexDigits are the bytes that IsHex holds for.
var HexDigits = func() (is [256]bool) {
	for i := range is {
		is[i] = IsHex(byte(i))
	}
	return is
}()

// HexValue returns what a hexadecimal digit stands for.
func HexValue(c byte) byte {
	if IsDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// Classes of bytes. Those with a class make up tokens, which are judged as a
// whole; all others end one.
const (
	Plain   = 1 << iota
	AtSign  // separates userinfo from host
	Equals  // separates the name of a parameter from its value
	Between // stands before a parameter
	Colon
	Percent
	Sextet // of base64, of both alphabets
	Digit
)

// Classes of all bytes: a URL is one token, whatever text it stands in.
var Classes = func() (c [256]byte) {
	for b := byte('!'); b < 0x7f; b++ {
		c[b] = Plain
		if IsBase64(b) {
			c[b] |= Sextet
		}
		if IsDigit(b) {
			c[b] |= Digit
		}
	}
	for _, b := range []byte("\"'<>`\\{}|^[]") {
		c[b] = 0
	}
	c['@'], c['='], c[':'], c['%'] = Plain|AtSign, Plain|Equals, Plain|Colon, Plain|Percent
	c['?'], c['&'], c['#'] = Plain|Between, Plain|Between, Plain|Between
	return c
}()
