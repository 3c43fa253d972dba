package filter

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"

	"ssltape/record"
)

// A mode says how a value without wildcards is compared.
type mode bool

const (
	exactly  mode = false
	contains mode = true
)

// pattern returns the regular expression that does what v asks for. Case does
// not matter, but in regular expressions.
func (m mode) pattern(v value) (*regexp.Regexp, error) {
	text := ""
	switch {
	case v.regex && v.fold:
		text = "(?i)" + v.text
	case v.regex:
		text = v.text
	case v.quoted || !strings.ContainsAny(v.text, "*?"):
		text = "(?is)" + m.anchor(regexp.QuoteMeta(v.text))
	default:
		glob := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(v.text))
		text = "(?is)" + m.anchor(glob)
	}
	return regexp.Compile(text)
}

func (m mode) anchor(s string) string {
	if m == contains {
		return s
	}
	return "^(?:" + s + ")$"
}

// texts returns a key of which one of the texts that of returns must match.
func texts(m mode, k known, of func(*record.Exchange) []string) func(value) (Filter, error) {
	return func(v value) (Filter, error) {
		re, err := m.pattern(v)
		if err != nil {
			return nil, err
		}
		return judge(k, func(x *record.Exchange) bool { return slices.ContainsFunc(of(x), re.MatchString) }), nil
	}
}

// maxSearch is how much of a body is searched.
const maxSearch = 64 << 20

// bodies returns a key of the decoded body that of returns.
func bodies(of func(*record.Exchange) *record.Message) func(value) (Filter, error) {
	return func(v value) (Filter, error) {
		re, err := contains.pattern(v)
		if err != nil {
			return nil, err
		}
		return judge(func(x *record.Exchange) bool { return of(x).Done || x.Done() }, func(x *record.Exchange) bool {
			r, err := of(x).Decode()
			if err != nil {
				return false
			}
			defer r.Close()
			return re.MatchReader(bufio.NewReader(io.LimitReader(r, maxSearch)))
		}), nil
	}
}

// numbers returns a key of the number that of returns; parse reads one.
func numbers(parse func(string) (float64, error), k known, of func(*record.Exchange) float64) func(value) (Filter, error) {
	return func(v value) (Filter, error) {
		in, err := interval(parse, v.text)
		if err != nil || v.regex {
			return nil, fmt.Errorf("%q is no number and no range such as 10..20 or >=10", v.text)
		}
		return judge(k, func(x *record.Exchange) bool { return in(of(x)) }), nil
	}
}

// interval returns the test that a range describes.
func interval(parse func(string) (float64, error), s string) (func(float64) bool, error) {
	for _, op := range []struct {
		sign string
		test func(n, limit float64) bool
	}{
		{">=", func(n, limit float64) bool { return n >= limit }},
		{"<=", func(n, limit float64) bool { return n <= limit }},
		{">", func(n, limit float64) bool { return n > limit }},
		{"<", func(n, limit float64) bool { return n < limit }},
	} {
		if rest, ok := strings.CutPrefix(s, op.sign); ok {
			limit, err := parse(rest)
			return func(n float64) bool { return op.test(n, limit) }, err
		}
	}
	from, to, isRange := strings.Cut(s, "..")
	low, high := math.Inf(-1), math.Inf(1)
	var err, err2 error
	if from != "" || !isRange {
		low, err = parse(from)
	}
	if !isRange {
		high = low
	} else if to != "" {
		high, err2 = parse(to)
	}
	return func(n float64) bool { return low <= n && n <= high }, errors.Join(err, err2)
}
