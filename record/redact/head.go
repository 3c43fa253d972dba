package redact

import (
	"bytes"

	"ssltape/record"
)

// fieldValue scans the value of the field called name, which stands at at.
func (s *scan) fieldValue(name string, value []byte, at int64) {
	switch s.profile.judgeField(name) {
	case goes:
		scheme := credentials(value)
		s.value(value[scheme:], at+int64(scheme), inText)
	case cookies:
		for part := range bytes.SplitSeq(value, []byte(";")) {
			s.cookie(part, at)
			at += int64(len(part)) + 1
		}
	case crumb:
		pair, _, _ := bytes.Cut(value, []byte(";"))
		s.cookie(pair, at)
	}
}

// value takes out value, which stands at at, but for the white space around it.
func (s *scan) value(value []byte, at int64, k shape) {
	trimmed := bytes.TrimLeft(value, " \t")
	at += int64(len(value) - len(trimmed))
	trimmed = bytes.TrimRight(trimmed, " \t\r\n")
	if len(trimmed) > 0 {
		s.redact([]span{{at: at, n: len(trimmed)}}, trimmed, k)
	}
}

// cookie takes out the value of a cookie-pair (RFC 6265, section 4.1.1). One
// without a name is all value.
func (s *scan) cookie(pair []byte, at int64) {
	i := bytes.IndexByte(pair, '=') + 1
	s.value(pair[i:], at+int64(i), inText)
}

// credentials returns the length of the scheme that value begins with
// (RFC 9110, section 11.4), with the space after it, or 0.
func credentials(value []byte) int {
	start := len(value) - len(bytes.TrimLeft(value, " \t"))
	i := start
	for i < len(value) && (value[i]|0x20 >= 'a' && value[i]|0x20 <= 'z' || i > start && (value[i] == '-' || '0' <= value[i] && value[i] <= '9')) {
		i++
	}
	if i == start || i-start > 20 || i+1 >= len(value) || value[i] != ' ' {
		return 0
	}
	return i + 1
}

// fields returns fs without its secrets.
func (p Profile) fields(fs record.Fields) record.Fields {
	if fs == nil {
		return nil
	}
	out := make(record.Fields, len(fs))
	for i, f := range fs {
		s := scan{profile: p}
		value := []byte(f.Value)
		s.fieldValue(f.Name, value, 0)
		out[i] = record.Field{Name: f.Name, Value: string(replace(nil, value, 0, s.take(settled)))}
	}
	return out
}
