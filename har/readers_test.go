package har_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"ssltape/record"
)

// A verdict is what other readers say of a file; see testdata/npm/check.mjs.
type verdict struct {
	File    string   `json:"file"`
	Schema  []string `json:"schema"` // errors of har-validator
	Error   string   `json:"error"`  // of DevTools
	Entries []shown  `json:"entries"`
}

// A shown is an entry as DevTools shows it.
type shown struct {
	ID           string   `json:"id"`
	Method       string   `json:"method"`
	URL          string   `json:"url"`
	Status       int      `json:"status"`
	Type         string   `json:"type"`
	Remote       string   `json:"remote"`
	TransferSize int64    `json:"transferSize"`
	MS           float64  `json:"ms"`
	Events       []string `json:"events"`
	Body         string   `json:"body"`
}

// missing ends a test whose tool is not there, which CI does not put up with.
func missing(t *testing.T, tool string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("missing: " + tool)
	}
	t.Skip("missing: " + tool)
}

// node runs a script of testdata/npm and decodes the lines of its output. The
// packages are in the folder that SSLTAPE_NPM names.
func node[T any](t *testing.T, script string, args ...string) []T {
	t.Helper()
	if os.Getenv("SSLTAPE_NPM") == "" {
		missing(t, "SSLTAPE_NPM, which names the folder where testdata/npm is installed")
	}
	if _, err := exec.LookPath("node"); err != nil {
		missing(t, "node")
	}
	return lines[T](t, "node", append([]string{"testdata/npm/" + script}, args...)...)
}

// lines runs a command and decodes the lines of its output. One that hangs, as a
// browser may, is ended so that what it has said is seen.
func lines[T any](t *testing.T, name string, args ...string) []T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr, cmd.WaitDelay = &stderr, time.Second
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, errors.Join(err, ctx.Err()), stderr.String())
	}
	var all []T
	for line := range bytes.Lines(out) {
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatalf("%v: %v in %s", cmd, err, line)
		}
		all = append(all, v)
	}
	return all
}

// judge returns what Chrome DevTools' importer and har-validator make of the
// files.
func judge(t *testing.T, files ...string) []verdict {
	t.Helper()
	all := node[verdict](t, "check.mjs", files...)
	if len(all) != len(files) {
		t.Fatalf("%d verdicts of %d files", len(all), len(files))
	}
	return all
}

// TestOtherReaders has every golden file opened by the programs that people
// open HAR files with, and compares what they show with what is in the file.
func TestOtherReaders(t *testing.T) {
	var files []string
	for _, path := range recordings(t) {
		files = append(files, strings.TrimSuffix(path, ".rec")+".har")
	}
	_, converted := foreign(t)
	files = append(files, converted...)
	for _, v := range judge(t, files...) {
		t.Run(filepath.Base(v.File), func(t *testing.T) {
			for _, e := range v.Schema {
				t.Errorf("har-validator: %s", e)
			}
			if v.Error != "" {
				t.Fatalf("DevTools: %s", v.Error)
			}
			text, err := os.ReadFile(v.File)
			if err != nil {
				t.Fatal(err)
			}
			want := read(t, text)
			slices.SortStableFunc(want, func(x, y *record.Exchange) int { return x.Start().Compare(y.Start()) }) // as DevTools does
			if len(v.Entries) != len(want) {
				t.Fatalf("DevTools shows %d entries of %d", len(v.Entries), len(want))
			}
			for i, x := range want {
				compareShown(t, v.Entries[i], x)
			}
		})
	}
}

// compareShown compares what DevTools shows of an entry with the exchange.
func compareShown(t *testing.T, e shown, x *record.Exchange) {
	t.Helper()
	body, err := x.Response.Body.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	want := shown{
		Method: x.Request.Method, Status: x.Response.Status,
		Type: kindOf(x), TransferSize: x.Response.WireSize, MS: float64(x.Duration().Microseconds()) / 1e3,
		Body: string(body), URL: e.URL, Remote: e.Remote, // the last two are not ours alone
	}
	for _, ev := range x.Response.Events {
		want.Events = append(want.Events, strconv.FormatFloat(float64(ev.Time.UnixMicro())/1e6, 'f', -1, 64)+" "+ev.Data)
	}
	if x.Conn.ID != 0 {
		want.ID = strconv.FormatUint(x.Conn.ID, 10)
	}
	if !utf8.Valid(body) {
		want.Body = "base64:" + base64.StdEncoding.EncodeToString(body)
	}
	if strings.Contains(x.Response.Header.Get("Content-Type"), "iso-8859-1") {
		want.Body = string([]rune{'c', 'a', 'f', 0xe9}) // testdata/binary.rec
	}
	if !reflect.DeepEqual(e, want) {
		t.Errorf("%s: DevTools shows\n%+v, want\n%+v", x.URL(), e, want)
	}
}

// kindOf returns the resource type of x in DevTools.
func kindOf(x *record.Exchange) string {
	if x.Response.Status == 101 && strings.EqualFold(x.Response.Header.Get("Upgrade"), "websocket") || strings.HasPrefix(x.Request.Target, "ws") || x.Request.Pseudo.Has(":protocol") {
		return "websocket"
	}
	return "fetch"
}
