package filter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssltape/record"
	"ssltape/record/llm"
)

// A key is what a term can be about.
type key struct {
	name    string
	aliases []string // those of Chrome DevTools
	filter  func(v value) (Filter, error)
}

// bare is the key of a term without one.
var bare = key{name: "", filter: texts(contains, requestHead, func(x *record.Exchange) []string { return []string{x.URL()} })}

func keys() []key {
	return []key{
		{"host", []string{"domain"}, texts(exactly, requestHead, hosts)},
		{"path", nil, texts(exactly, requestHead, paths)},
		{"url", nil, texts(contains, requestHead, func(x *record.Exchange) []string { return []string{x.URL()} })},
		{"method", nil, texts(exactly, requestHead, func(x *record.Exchange) []string { return []string{x.Request.Method} })},
		{"status", []string{"status-code"}, statuses},
		{"type", []string{"mime-type"}, texts(exactly, responseHead, types)},
		{"pid", nil, numbers(count, always, func(x *record.Exchange) float64 { return float64(conn(x).PID) })},
		{"comm", nil, texts(exactly, always, func(x *record.Exchange) []string { return []string{conn(x).Comm} })},
		{"time", nil, numbers(duration, done, func(x *record.Exchange) float64 { return x.Duration().Seconds() })},
		{"size", []string{"larger-than"}, numbers(Size, responseDone, func(x *record.Exchange) float64 { return float64(x.Response.BodySize) })},
		{"req.size", nil, numbers(Size, requestDone, func(x *record.Exchange) float64 { return float64(x.Request.BodySize) })},
		{"header", nil, texts(contains, responseHead, func(x *record.Exchange) []string { return lines(x.Response.Header) })},
		{"req.header", nil, texts(contains, requestHead, func(x *record.Exchange) []string { return lines(x.Request.Header) })},
		{"body", nil, bodies(func(x *record.Exchange) *record.Message { return &x.Response.Message })},
		{"req.body", nil, bodies(func(x *record.Exchange) *record.Message { return &x.Request.Message })},
		{"event", nil, texts(exactly, done, events)},
		{"model", nil, texts(exactly, requestDone, func(x *record.Exchange) []string { return []string{llm.Model(x)} })},
		{"conn", nil, numbers(count, always, func(x *record.Exchange) float64 { return float64(conn(x).ID) })},
		{"id", nil, numbers(count, always, func(x *record.Exchange) float64 { return float64(x.ID) })},
		{"after", nil, moments(func(t, limit time.Time) bool { return t.After(limit) })},
		{"before", nil, moments(func(t, limit time.Time) bool { return t.Before(limit) })},
		{"is", nil, isState},
		{"has", nil, presence},
	}
}

// Keys returns the keys that terms can have.
func Keys() []string {
	var names []string
	for _, k := range keys() {
		names = append(names, k.name)
	}
	return names
}

// IsTerm reports whether word is a term with a key: -path:/health is not a
// term, but what follows its hyphen is.
func IsTerm(word string) bool {
	name, _, ok := strings.Cut(word, ":")
	_, known := find(strings.ToLower(name))
	return ok && known
}

func find(name string) (key, bool) {
	ks := keys()
	i := slices.IndexFunc(ks, func(k key) bool { return k.name == name || slices.Contains(k.aliases, name) })
	if i < 0 {
		return key{}, false
	}
	if name == "larger-than" { // in DevTools the value is a bound
		return key{name: name, filter: func(v value) (Filter, error) {
			v.text = ">=" + v.text
			return ks[i].filter(v)
		}}, true
	}
	return ks[i], true
}

// A known says whether enough of an exchange was there to judge it.
type known func(x *record.Exchange) bool

func always(*record.Exchange) bool         { return true }
func done(x *record.Exchange) bool         { return x.Done() }
func requestHead(x *record.Exchange) bool  { return x.Request.Seen() || x.Response.Seen() || x.Done() }
func requestDone(x *record.Exchange) bool  { return x.Request.Done || x.Done() }
func responseHead(x *record.Exchange) bool { return x.Response.Seen() || x.Done() }
func responseDone(x *record.Exchange) bool { return x.Response.Done || x.Done() }

// judge returns the verdict of a test that is good once k is true, or maybe
// at once if it can only become true.
func judge(k known, test func(*record.Exchange) bool) Filter {
	return func(x *record.Exchange) Verdict {
		switch {
		case !k(x):
			return Maybe
		case test(x):
			return Yes
		}
		return No
	}
}

// noConn stands for the connection of exchanges that have none.
var noConn = record.Conn{}

func conn(x *record.Exchange) *record.Conn {
	if x.Conn == nil {
		return &noConn
	}
	return x.Conn
}

// hosts returns the host with and without its port.
func hosts(x *record.Exchange) []string {
	h := x.Host()
	if i := strings.LastIndexByte(h, ':'); i > strings.LastIndexByte(h, ']') {
		return []string{h, h[:i]}
	}
	return []string{h}
}

// paths returns the path of the URL, without and with the query.
func paths(x *record.Exchange) []string {
	u := x.URL()
	if _, rest, ok := strings.Cut(u, "://"); ok {
		u = rest
	}
	i := strings.IndexByte(u, '/')
	if i < 0 {
		return []string{"/"}
	}
	path, _, _ := strings.Cut(u[i:], "?")
	return []string{path, u[i:]}
}

// types returns the names of the response's media type: all of it, its subtype
// and the suffix of that, as in application/problem+json.
func types(x *record.Exchange) []string {
	t := x.Response.MediaType()
	_, sub, _ := strings.Cut(t, "/")
	names := []string{t, sub, sub[strings.LastIndexByte(sub, '+')+1:]}
	if x.Response.IsEventStream() {
		names = append(names, "sse")
	}
	return names
}

func lines(fs record.Fields) []string {
	var s []string
	for _, f := range fs {
		s = append(s, f.Name+": "+f.Value)
	}
	return s
}

// events returns the types of x's events.
func events(x *record.Exchange) []string {
	var names []string
	for _, e := range x.Response.Events {
		if name := e.Type; name == "" {
			names = append(names, "message")
		} else {
			names = append(names, name)
		}
	}
	return names
}

// A state is what an exchange can be.
type state struct {
	name string
	known
	test func(*record.Exchange) bool
}

// states are the values of the key is:.
var states = []state{
	{"sse", responseHead, func(x *record.Exchange) bool { return x.Response.IsEventStream() }},
	{"llm", requestHead, llm.Is},
	{"error", done, func(x *record.Exchange) bool { return x.Err != nil || x.Response.Status >= 400 || llm.Failure(x) != "" }},
	{"incomplete", done, func(x *record.Exchange) bool { return x.Err != nil }},
	{"lost", done, func(x *record.Exchange) bool { return len(x.Request.Lost)+len(x.Response.Lost) > 0 }},
	{"cut", done, func(x *record.Exchange) bool { return x.Request.Cut+x.Response.Cut > 0 }},
	{"websocket", responseHead, (*record.Exchange).IsWebSocket},
}

// isState is the key is:.
func isState(v value) (Filter, error) {
	var names []string
	for _, s := range states {
		if strings.EqualFold(s.name, v.text) {
			return judge(s.known, s.test), nil
		}
		names = append(names, s.name)
	}
	return nil, fmt.Errorf("nothing is:%s; there are %s", v.text, strings.Join(names, ", "))
}

// presence is the key has:.
func presence(v value) (Filter, error) {
	if name, ok := strings.CutPrefix(v.text, "req.header."); ok {
		return judge(requestHead, func(x *record.Exchange) bool { return x.Request.Header.Has(name) }), nil
	}
	if name, ok := strings.CutPrefix(v.text, "header."); ok {
		return judge(responseHead, func(x *record.Exchange) bool { return x.Response.Header.Has(name) }), nil
	}
	switch v.text {
	case "body":
		return judge(responseDone, func(x *record.Exchange) bool { return x.Response.BodySize > 0 }), nil
	case "req.body":
		return judge(requestDone, func(x *record.Exchange) bool { return x.Request.BodySize > 0 }), nil
	}
	return nil, fmt.Errorf("nothing has:%s; there are req.header.NAME, header.NAME, req.body, body", v.text)
}

// statuses is the key status:, where 4xx is a range too.
func statuses(v value) (Filter, error) {
	if n := len(v.text); n == 3 && strings.EqualFold(v.text[1:], "xx") && v.text[0] >= '1' && v.text[0] <= '9' {
		v.text = v.text[:1] + "00.." + v.text[:1] + "99"
	}
	return numbers(count, responseHead, func(x *record.Exchange) float64 { return float64(x.Response.Status) })(v)
}

// moments returns the keys of time; is compares the start of an exchange.
func moments(is func(t, limit time.Time) bool) func(v value) (Filter, error) {
	return func(v value) (Filter, error) {
		for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
			if limit, err := time.ParseInLocation(layout, v.text, time.Local); err == nil {
				return judge(always, func(x *record.Exchange) bool { return is(x.Start(), limit) }), nil
			}
		}
		for _, layout := range []string{time.TimeOnly, "15:04"} {
			if clock, err := time.Parse(layout, v.text); err == nil {
				return judge(always, func(x *record.Exchange) bool {
					y, m, d := x.Start().Local().Date()
					return is(x.Start(), time.Date(y, m, d, clock.Hour(), clock.Minute(), clock.Second(), 0, time.Local))
				}), nil
			}
		}
		return nil, fmt.Errorf("%q is no time such as 14:30, 2026-01-02 or 2026-01-02T14:30:00", v.text)
	}
}

// count returns a number, which nan, infinity and 0x10 are not.
func count(s string) (float64, error) {
	if strings.Trim(s, "+-.0123456789eE") != "" {
		return 0, fmt.Errorf("%q is no number", s)
	}
	return strconv.ParseFloat(s, 64)
}

// duration returns seconds.
func duration(s string) (float64, error) {
	if n, err := count(s); err == nil {
		return n, nil
	}
	d, err := time.ParseDuration(s)
	return d.Seconds(), err
}

// Size reads a number of bytes such as 65536, 64k or 1.5MiB: k, M and G are
// powers of a thousand, KiB and so on of 1024.
func Size(s string) (float64, error) {
	number := strings.TrimRight(s, "kKmMgGiIbB")
	unit, base := strings.TrimSuffix(strings.ToLower(s[len(number):]), "b"), 1000.0
	if prefix, binary := strings.CutSuffix(unit, "i"); binary && prefix != "" {
		unit, base = prefix, 1024
	}
	n, err := count(number)
	switch unit {
	case "":
	case "k":
		n *= base
	case "m":
		n *= base * base
	case "g":
		n *= base * base * base
	default:
		err = fmt.Errorf("unit %q", unit)
	}
	return n, err
}
