package view

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for s, want := range map[string]string{
		"plain ü 漢 😀":            "plain ü 漢 😀",
		"a\x1b[2Jb":              `a\x1b[2Jb`,
		"\x00\a\t\n\r\x7f":       `\x00\a\t\n\r\x7f`,
		"\u0085\u009b":           `\u0085\u009b`,
		"\u202ea\u2066b\u200b":   `\u202ea\u2066b\u200b`,
		"\u2028\ufeff\U000e0041": `\u2028\ufeff\U000e0041`,
		"\xff\xfe\xe2\x80":       `\xff\xfe\xe2\x80`,
		`C:\new "x"`:             `C:\new "x"`,
	} {
		if got := Escape(s); got != want {
			t.Errorf("Escape(%q) = %s, want %s", s, got, want)
		}
	}
	if got, want := EscapeText("a\r\nb\tc\rd\n"), "a\nb\tc\\rd\n"; got != want {
		t.Errorf("EscapeText: %q, want %q", got, want)
	}
}

// A terminal gets no more than ASCII where its locale has no UTF-8: bytes from
// 0x80 to 0x9f are controls there, such as the last one of "ě".
func TestLocale(t *testing.T) {
	const text = "ě → … █ 😀"
	for _, c := range []struct{ all, ctype, lang, shown, json string }{
		{"", "", "", text, text},
		{"", "", "de_DE.UTF-8", text, text},
		{"C.utf8", "de_DE", "C", text, text},
		{"", "de_DE.UTF-8", "C", text, text},
		{"", "", "cs_CZ.ISO-8859-2", `\u011b > ~ # \U0001f600`, `\u011b \u2192 \u2026 \u2588 \ud83d\ude00`},
		{"", "C", "C.UTF-8", `\u011b > ~ # \U0001f600`, `\u011b \u2192 \u2026 \u2588 \ud83d\ude00`},
		{"POSIX", "C.UTF-8", "C.UTF-8", `\u011b > ~ # \U0001f600`, `\u011b \u2192 \u2026 \u2588 \ud83d\ude00`},
	} {
		t.Setenv("LC_ALL", c.all)
		t.Setenv("LC_CTYPE", c.ctype)
		t.Setenv("LANG", c.lang)
		for _, n := range []int{1, 2, 3, len(text)} {
			var shown, js strings.Builder
			p, j := newPrinter(&shown, Options{Terminal: true}), JSON(&js)
			for piece := range slices.Chunk([]byte(text), n) {
				p.Write(piece)
				p.Flush()
				j.Write(piece)
			}
			if shown.String() != c.shown || js.String() != c.json {
				t.Errorf("%s,%s,%s in pieces of %d: %q and %q, want %q and %q", c.all, c.ctype, c.lang, n, shown.String(), js.String(), c.shown, c.json)
			}
		}
	}
	var file strings.Builder
	p := newPrinter(&file, Options{})
	p.WriteString(text)
	if p.Flush(); file.String() != text {
		t.Errorf("to a file: %q", file.String())
	}
}

// JSON for a terminal says the same and harms none, however it is cut.
func TestJSON(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	in := "{\"a\":\"ü 漢 😀\u009b31m\u202e\u200b\x7f\U000e0041\xff\",\n\t\"b\":1}\n"
	want := "{\"a\":\"ü 漢 😀\\u009b31m\\u202e\\u200b\\u007f\\udb40\\udc41\\ufffd\",\n\t\"b\":1}\n"
	for n := 1; n <= len(in); n++ {
		var out strings.Builder
		w := JSON(&out)
		for piece := range slices.Chunk([]byte(in), n) {
			if k, err := w.Write(piece); k != len(piece) || err != nil {
				t.Fatal(k, err)
			}
		}
		if out.String() != want {
			t.Errorf("in pieces of %d: %s", n, out.String())
		}
	}
}

// However text is cut into writes, an escaper makes the same of it.
func FuzzEscaper(f *testing.F) {
	f.Add([]byte("a\r\n漢\xe6\xbc\x1b"), 1)
	f.Add([]byte("\r\r\n\xf0\x9f\x98"), 2)
	f.Fuzz(func(t *testing.T, text []byte, n int) {
		if n < 1 {
			t.Skip()
		}
		want := EscapeText(string(text))
		var b bytes.Buffer
		e := &escaper{w: &b}
		for rest := text; len(rest) > 0; rest = rest[min(n, len(rest)):] {
			e.Write(rest[:min(n, len(rest))])
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("%q in pieces of %d: %q, want %q", text, n, b.String(), want)
		}
		for _, r := range want {
			if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
				t.Errorf("%q has %U", want, r)
			}
		}
		if !utf8.ValidString(want) {
			t.Errorf("%q is not UTF-8", want)
		}
	})
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		s     string
		n     int
		right bool
		want  string
	}{
		{"abc", 5, false, "abc  "},
		{"abc", 5, true, "  abc"},
		{"abcdef", 4, false, "abc…"},
		{"漢字漢字", 5, false, "漢字…"},
		{"漢字漢字", 4, false, "漢… "},
		{"e\u0301x", 3, false, "e\u0301x "},
	} {
		if got := fit(c.s, c.n, c.right); got != c.want {
			t.Errorf("fit(%q, %d, %v) = %q, want %q", c.s, c.n, c.right, got, c.want)
		}
	}
}

func TestQuantities(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1.0k", 9949: "9.9k", 9951: "10k", 999499: "999k", 999500: "1.0M", 34e9: "34G"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0ms", 400 * time.Nanosecond: "0ms", 50 * time.Microsecond: "0.1ms", 9 * time.Millisecond: "9.0ms", 999 * time.Millisecond: "999ms",
		time.Second: "1.0s", 99 * time.Second: "99.0s", 5 * time.Minute: "5min", 3 * time.Hour: "3h",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %s, want %s", d, got, want)
		}
		if n := utf8.RuneCountInString(span(d)); n > 6 {
			t.Errorf("span(%v) takes %d columns", d, n)
		}
	}
	for want, got := range map[string]string{
		"0 events": Plural(0, "event"), "1 event": Plural(1, "event"), "2 events": Plural(2, "event"),
		"1 process": Plural(1, "process"), "12 processes": Plural(12, "process"),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// JSON becomes one line a scalar, in its own order, and nothing else does.
func TestFlatten(t *testing.T) {
	for text, want := range map[string]string{
		`{"type":"x","b":{"type":"y","z":[1,null,{"q":"a\"\n"}]},"e":{},"f":[],"n":1e400,"t":true}`: `type: x|b.type: y|b.z[0]: 1|b.z[1]: null|b.z[2].q: "a\"\n"|e: {}|f: []|n: 1e400|t: true`,
		`[1,"a"]`:         `[0]: 1|[1]: "a"`,
		`{}`:              ``,
		`"text"`:          "no",
		`12`:              "no",
		`{"a":1`:          "no",
		`{"a":1} {"b":2}`: "no",
		``:                "no",
		strings.Repeat(`[`, 20) + strings.Repeat(`]`, 20): strings.Repeat("[0]", 16) + ": [[[[]]]]",
	} {
		lines, ok := flatten(text)
		got := strings.Join(lines, "|")
		if !ok {
			got = "no"
		}
		if got != want {
			t.Errorf("flatten(%s) = %s, want %s", text, got, want)
		}
	}
}

// Numbers of an array share lines, and nothing else does.
func TestNumbersFillLines(t *testing.T) {
	numbers := strings.TrimSuffix(strings.Repeat("-0.0123456789,", 20), ",")
	body := `{"a":[` + numbers + `],"b":[1],"c":{"d":2,"e":3},"f":[4,"5",6,[7,8],{"g":9}],"h":[]}`
	want := "{\n  \"a\": [\n" +
		strings.Repeat("    "+strings.TrimSuffix(strings.Repeat("-0.0123456789, ", 6), " ")+"\n", 3) +
		"    -0.0123456789, -0.0123456789\n  ],\n" +
		"  \"b\": [\n    1\n  ],\n  \"c\": {\n    \"d\": 2,\n    \"e\": 3\n  },\n" +
		"  \"f\": [\n    4,\n    \"5\",\n    6,\n    [\n      7, 8\n    ],\n    {\n      \"g\": 9\n    }\n  ],\n  \"h\": []\n}"
	var out strings.Builder
	if err := indentJSON(&out, strings.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != want {
		t.Errorf("shown as\n%s\nwant\n%s", got, want)
	}
}
