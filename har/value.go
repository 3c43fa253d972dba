package har

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"ssltape/har/lax"
)

// The types of this file are the JSON values of an entry that are lax when
// read: a value of an unexpected type leaves them as they are. Their
// UnmarshalJSON never fails, for one odd value must not cost the entry.

// An integer is written as such and read from any number, quoted ones included.
type integer int64

// UnmarshalJSON implements [json.Unmarshaler].
func (n *integer) UnmarshalJSON(p []byte) error {
	if v, ok := number(p, 1); ok {
		*n = integer(v)
	}
	return nil
}

// A millis is a number of microseconds, written in milliseconds.
type millis int64

const notApplicable millis = -1000

// MarshalJSON implements [json.Marshaler].
func (d millis) MarshalJSON() ([]byte, error) { return d.append(nil), nil }

func (d millis) append(b []byte) []byte { return appendDecimal(b, int64(d), 1e3) }

// UnmarshalJSON implements [json.Unmarshaler].
func (d *millis) UnmarshalJSON(p []byte) error {
	if v, ok := number(p, 1e3); ok {
		*d = millis(v)
	}
	return nil
}

// A seconds is a time in microseconds since 1970, written in seconds. These
// are 16 digits, which a float64 holds.
type seconds int64

// MarshalJSON implements [json.Marshaler].
func (s seconds) MarshalJSON() ([]byte, error) { return s.append(nil), nil }

func (s seconds) append(b []byte) []byte { return appendDecimal(b, int64(s), 1e6) }

// UnmarshalJSON implements [json.Unmarshaler]. A number too large for a time is
// one of milliseconds, which Playwright has. One that a float64 does not hold,
// after the year 2255, is none.
func (s *seconds) UnmarshalJSON(p []byte) error {
	scale := 1e6
	if v, _ := number(p, 1); v > 1e11 {
		scale = 1e3
	}
	if v, ok := number(p, scale); ok && max(v, -v) < 1<<53 {
		*s = seconds(v)
	}
	return nil
}

func (s seconds) time() time.Time { return time.UnixMicro(int64(s)).UTC() }

// appendDecimal appends v / unit, which is a power of ten, without trailing zeros.
func appendDecimal(b []byte, v, unit int64) []byte {
	if v < 0 {
		b, v = append(b, '-'), -v
	}
	b = strconv.AppendInt(b, v/unit, 10)
	rest := v % unit
	if rest == 0 {
		return b
	}
	point := len(b)
	b = strconv.AppendInt(b, unit+rest, 10) // one digit more, in the place of the point
	b[point] = '.'
	return bytes.TrimRight(b, "0")
}

// number parses a JSON number, also a quoted one, and scales it.
func number(p []byte, scale float64) (int64, bool) {
	f, err := strconv.ParseFloat(string(bytes.Trim(p, `"`)), 64)
	f = math.Round(f * scale)
	if err != nil || !(math.Abs(f) < 1<<62) { // NaN fails too
		return 0, false
	}
	return int64(f), true
}

// A word is a string, read from a number and a boolean too.
type word string

// UnmarshalJSON implements [json.Unmarshaler].
func (w *word) UnmarshalJSON(p []byte) error {
	switch {
	case p[0] == '"':
		*w = word(lax.String(p))
	case p[0] != '{' && p[0] != '[' && string(p) != "null":
		*w = word(p)
	}
	return nil
}

// A nameValue is a header field, a query parameter or a form parameter.
type nameValue struct {
	Name  word `json:"name"`
	Value word `json:"value"`
}

// A fields is a list of names and values, written as objects. It is
// read from those, from [name, value] pairs and from one object of
// names.
type fields []nameValue

// UnmarshalJSON implements [json.Unmarshaler].
func (fs *fields) UnmarshalJSON(p []byte) error {
	*fs = nil
	for name, value := range lax.Members(p) {
		fs.add(name, value)
	}
	for item := range lax.Elements(p) {
		var nv nameValue
		var pair []word
		switch {
		case item[0] == '{':
			lax.Unmarshal(item, &nv) // what does not fit stays ""
		case lax.Unmarshal(item, &pair) == nil && len(pair) > 1:
			nv = nameValue{pair[0], pair[1]}
		default:
			continue
		}
		*fs = append(*fs, nv)
	}
	return nil
}

// add adds a member of {"name": "value", ...}. A list has the values of a name
// that there is more than once.
func (fs *fields) add(name string, value []byte) {
	values := make([]word, 1)
	if value[0] == '[' {
		values = nil
		lax.Unmarshal(value, &values)
	} else {
		values[0].UnmarshalJSON(value)
	}
	for _, v := range values {
		*fs = append(*fs, nameValue{word(name), v})
	}
}

// A text is the text of a body. It is marshalled as a placeholder, in whose
// place the body is then streamed; see [coder]. Where it is read it is part of
// the JSON text, and valid as long as that.
type text struct {
	json  []byte
	plain bool // json is not the inside of a string but what it stands for
}

// placeholder stands for the text of a body in a marshalled entry. It cannot
// be part of a string there, where a quote has a backslash before it, and no
// number is written like this.
const placeholder = `"text":-0e-0`

// MarshalJSON implements [json.Marshaler].
func (text) MarshalJSON() ([]byte, error) { return []byte("-0e-0"), nil }

// UnmarshalJSON implements [json.Unmarshaler].
func (t *text) UnmarshalJSON(p []byte) error {
	switch {
	case p[0] == '"':
		*t = text{json: p[1 : len(p)-1]}
	case string(p) != "null": // JSON that the producer did not put into a string
		*t = text{p, true}
	}
	return nil
}

// large is the length from which on a text makes room for what it stands for.
const large = 1 << 20

// bytes returns what t stands for. It may take the place of the JSON text.
func (t *text) bytes() []byte {
	switch n := len(t.json); {
	case t.plain:
		return bytes.Clone(t.json)
	case n < large:
		return lax.AppendUnescaped(make([]byte, 0, n), t.json)
	default:
		t.json, t.plain = lax.AppendUnescaped(t.json[:0:n], t.json), true
	}
	return t.json
}

const timeLayout = "2006-01-02T15:04:05.000000Z"

func formatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

// timeLayouts are those of other producers. The last ones are what JavaScript,
// Python and Java make of a time unless they are told otherwise.
var timeLayouts = []string{
	time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05",
	time.RFC1123, time.RFC1123Z, "Mon Jan 02 2006 15:04:05 GMT-0700", time.UnixDate,
}

// parseTime is lax about layout, zone and fraction; a time without zone is UTC,
// a number one of seconds or milliseconds since 1970.
func parseTime(s string) time.Time {
	s, _, _ = strings.Cut(strings.TrimSpace(s), " (") // the name of the zone
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	var n seconds
	if n.UnmarshalJSON([]byte(s)); n > 1e8*1e6 { // else it is no time of now
		return n.time()
	}
	return time.Time{}
}

// asUTF8 returns s where it is UTF-8, else s read as ISO-8859-1, which field
// values were (RFC 9110, section 5.5).
func asUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}
