// Package filter selects exchanges by expressions such as
//
//	host:api.example.com status:4xx,5xx -path:/health
//	(is:sse or time:>2s) method:POST
//
// A term is key:value. Terms side by side must all match; "or", "not" or a
// leading "-", and parentheses do what they say. Values separated by commas
// are alternatives. A value is a glob (* and ?), a /regular expression/ without
// spaces, or, where the key is a number, a range: 400..499, 4xx, >=500, >2s,
// <10k. Quotes take away the meaning of all other characters. A term without
// a key is a part of the URL. [Keys] has the keys.
package filter

import (
	"fmt"
	"strings"

	"ssltape/record"
)

// A Verdict says whether an exchange matches. The verdict of an exchange that
// goes on may be Maybe; No and Yes are final.
type Verdict int8

// The verdicts, in order: the least of several is that of all together.
const (
	No Verdict = iota
	Maybe
	Yes
)

// A Filter judges exchanges. Of one that is done it says No or Yes.
type Filter func(x *record.Exchange) Verdict

// All matches every exchange.
func All(*record.Exchange) Verdict { return Yes }

func and(fs []Filter) Filter {
	if len(fs) == 1 {
		return fs[0]
	}
	return func(x *record.Exchange) Verdict {
		v := Yes
		for _, f := range fs {
			if v = min(v, f(x)); v == No {
				break
			}
		}
		return v
	}
}

func or(fs []Filter) Filter {
	if len(fs) == 1 {
		return fs[0]
	}
	return func(x *record.Exchange) Verdict {
		v := No
		for _, f := range fs {
			if v = max(v, f(x)); v == Yes {
				break
			}
		}
		return v
	}
}

func not(f Filter) Filter {
	return func(x *record.Exchange) Verdict { return Yes - f(x) }
}

// Exchanges returns a writer that passes on to w the exchanges that f matches,
// from when that is certain.
func Exchanges(w record.ExchangeWriter, f Filter) record.ExchangeWriter {
	return &exchanges{w, f, map[*record.Exchange]Verdict{}}
}

type exchanges struct {
	w      record.ExchangeWriter
	f      Filter
	judged map[*record.Exchange]Verdict // those that go on
}

// WriteExchange implements [record.ExchangeWriter].
func (e *exchanges) WriteExchange(x *record.Exchange) error {
	v, ok := e.judged[x]
	if !ok || v == Maybe {
		v = e.f(x)
		e.judged[x] = v
	}
	if x.Done() {
		delete(e.judged, x)
	}
	if v != Yes {
		return nil
	}
	return e.w.WriteExchange(x)
}

// A SyntaxError says what is wrong with an expression, and where.
type SyntaxError struct {
	Expr   string
	Column int // in characters, from 1
	Msg    string
}

// Error points at the column.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("filter, column %d: %s\n    %s\n    %s^", e.Column, e.Msg, e.Expr, strings.Repeat(" ", e.Column-1))
}
