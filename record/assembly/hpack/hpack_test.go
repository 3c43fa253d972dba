package hpack_test

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	xhpack "golang.org/x/net/http2/hpack"

	"ssltape/record/assembly/hpack"
)

// decode returns the fields of a block one a line, "?" for an unknown name.
func decode(t *hpack.Table, block []byte) (string, bool) {
	var lines []string
	ok := t.Decode(block, func(f hpack.Field) {
		name := f.Name
		if name == "" {
			name = "?"
		}
		lines = append(lines, name+": "+f.Value)
	})
	return strings.Join(lines, "\n"), ok
}

// The requests of RFC 7541, section C.4.
var requests = []struct{ block, fields string }{
	{"828684418cf1e3c2e5f23a6ba0ab90f4ff", ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com"},
	{"828684be5886a8eb10649cbf", ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache"},
	{"828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
		":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value"},
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	p, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDecode(t *testing.T) {
	table := hpack.NewTable()
	for i, r := range requests {
		block := unhex(t, r.block)
		if got, ok := decode(&table, block); got != r.fields || !ok {
			t.Errorf("request %d: %t\n%s\nwant\n%s", i+1, ok, got, r.fields)
		}
		if request, response, ok := hpack.Inspect(block); !request || response || !ok {
			t.Errorf("request %d: request %t, response %t, well-formed %t", i+1, request, response, ok)
		}
	}
}

// Who was not there for the first request knows what the later ones add, and
// takes nothing else for a field.
func TestLose(t *testing.T) {
	table := hpack.NewTable()
	table.Lose()
	for i, want := range []string{
		strings.Replace(requests[1].fields, ":authority: www.example.com", "?: ", 1),
		strings.Replace(requests[2].fields, ":authority: www.example.com", "?: ", 1),
	} {
		if got, ok := decode(&table, unhex(t, requests[i+1].block)); got != want || !ok {
			t.Errorf("request %d: %t\n%s\nwant\n%s", i+2, ok, got, want)
		}
	}
	if got, ok := decode(&table, []byte{0xbe, 0xbf}); got != "custom-key: custom-value\ncache-control: no-cache" || !ok {
		t.Errorf("newest entries: %t\n%s", ok, got)
	}
}

func TestMalformed(t *testing.T) {
	for name, block := range map[string]string{
		"index 0":            "82" + "80",
		"index without end":  "82" + "ffffffffffffff",
		"index out of bound": "82" + "ff8080808080808001",
		"no name":            "82" + "40",
		"value cut off":      "82" + "4103" + "7777",
	} {
		table := hpack.NewTable()
		if got, ok := decode(&table, unhex(t, block)); got != ":method: GET" || ok {
			t.Errorf("%s: %t\n%s", name, ok, got)
		}
		if _, _, ok := hpack.Inspect(unhex(t, block)); ok {
			t.Errorf("%s: looks well-formed", name)
		}
	}
}

// FuzzDecode holds that what x/net decodes is decoded to the same fields, and
// that nothing makes Decode panic.
func FuzzDecode(f *testing.F) {
	for _, r := range requests {
		block, _ := hex.DecodeString(r.block)
		f.Add(block, block)
	}
	f.Add([]byte("\x20\x40\x01a\x01b\xbe"), []byte("\x3f\xe1\x1f\x40\x01a\x01b\xbe"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		x, table := xhpack.NewDecoder(4096, nil), hpack.NewTable()
		for _, block := range [][]byte{a, b} {
			var got []xhpack.HeaderField
			ok := table.Decode(bytes.Clone(block), func(f hpack.Field) {
				got = append(got, xhpack.HeaderField{Name: f.Name, Value: f.Value})
			})
			if _, _, looks := hpack.Inspect(block); ok && !looks {
				t.Errorf("decoded, but it looks malformed")
			}
			want, err := x.DecodeFull(block)
			if err != nil {
				return
			}
			for i := range want {
				want[i].Sensitive = false
			}
			if !ok || !slices.Equal(got, want) {
				t.Errorf("%t %q, want %q", ok, got, want)
			}
		}
	})
}
