package redact_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"ssltape/record"
	"ssltape/record/redact"
)

func TestProcess(t *testing.T) {
	secrets := []string{"hunter2secret", "sk-ant-api03-abcdefghijklmnopqrstuvwxyz", "Zm9vYmFyYmF6"}
	e := &record.ProcessEvent{Kind: record.Exec, Args: []string{"curl", "-u", "me:" + secrets[0], "-H", "Authorization: Bearer " + secrets[2],
		"--api-key=" + secrets[2], "https://me:" + secrets[0] + "@example.com/?a=1", "--token", secrets[2], "echo " + secrets[1], "-s", "plain words", "key=value"},
		Line: "export ANTHROPIC_API_KEY=" + secrets[1] + " && ls -l"}
	got := redact.Process(e, redact.Secrets)
	text := strings.Join(got.Args, " ") + got.Line
	for _, s := range secrets {
		if strings.Contains(text, s) {
			t.Errorf("%s is still in %q %q", s, got.Args, got.Line)
		}
	}
	for _, s := range []string{"curl", "-s", "plain words", "key=value", "example.com", "ls -l"} {
		if !strings.Contains(text, s) {
			t.Errorf("%s is gone from %q %q", s, got.Args, got.Line)
		}
	}
	if !strings.Contains(strings.Join(e.Args, " "), secrets[0]) {
		t.Error("the event itself was changed")
	}
	if strict := redact.Process(e, redact.Strict); len(strict.Args) > 0 || strict.Line != "" {
		t.Errorf("strict leaves %q %q", strict.Args, strict.Line)
	}
	if redact.Process(e, redact.None) != e {
		t.Error("none is not the event itself")
	}
}

// A command within a command is looked into.
func TestCommandWithin(t *testing.T) {
	secret := random(54, 26, alnum)
	for _, command := range []string{
		"curl -s -H 'Authorization: Bearer " + secret + "' https://a.test", `curl -H "x-api-key: ` + secret + `" https://a.test | jq .`,
		"API_TOKEN=" + secret + " ./run.sh -v", "curl -u bob:" + secret + " https://a.test", "mysql -u root -p" + secret + " db",
	} {
		got := redact.Process(&record.ProcessEvent{Kind: record.Exec, Args: []string{"sh", "-c", command}}, redact.Secrets).Args
		if len(got) != 3 || got[0] != "sh" || got[1] != "-c" || strings.Contains(got[2], secret[:12]) || got[2][:3] != command[:3] {
			t.Errorf("%s became %q", command, got)
		}
	}
}

// What one argument gives away goes from those before and after it.
func TestArgumentKnown(t *testing.T) {
	secret := random(55, 20, alnum)
	e := &record.ProcessEvent{Kind: record.Exec, Args: []string{"curl", "-d", `{"note":"mine is ` + secret + `"}`, "-H", "x-api-key: " + secret, "--data-raw", "and " + secret, "https://a.test"},
		Line: "echo " + secret + "; curl -H 'x-api-key: " + secret + "' https://a.test"}
	got := redact.Process(e, redact.Secrets)
	if text := fmt.Sprint(got.Args, got.Line); strings.Contains(text, secret[:12]) || !strings.Contains(text, "mine is <redacted ") || !strings.Contains(text, "https://a.test") {
		t.Errorf("%q, %s", got.Args, got.Line)
	}
	if again := redact.Process(got, redact.Secrets); fmt.Sprint(again) != fmt.Sprint(got) {
		t.Errorf("the second time %+v, then %+v", got, again)
	}
}

func TestTypedLine(t *testing.T) {
	for _, tt := range []struct{ line, secret, want string }{
		{"ls -l  | wc", "", "ls -l  | wc"},
		{`echo "it's"  'a b' \" c`, "", `echo "it's"  'a b' \" c`},
		{`curl -H "Authorization: Bearer Zm9vYmFyYmF6" https://a.example/;ls`, "Zm9vYmFyYmF6", `'Authorization: Bearer <redacted `},
		{`curl -H Authorization:\ Bearer\ Zm9vYmFyYmF6 x`, "Zm9vYmFyYmF6", " x"},
		{`curl -u me:hunter2 x`, "hunter2", "curl -u "},
		{`curl -d '{"password": "hunter2", "name": "me"}' x`, "hunter2", `"name": "me"}' x`},
		{`curl -d 'password=hunter2&name=me' x`, "hunter2", `name=me' x`},
		{`export GITHUB_TOKEN='hunter2'`, "hunter2", "export 'GITHUB_TOKEN="},
		{`A_TOKEN=hunter2&&ls`, "hunter2", "&&ls"},
		{`mysql --password "hunter2`, "hunter2", "mysql --password "},
		{`x \`, "", `x \`},
	} {
		got := redact.Process(&record.ProcessEvent{Kind: record.Line, Line: tt.line}, redact.Secrets).Line
		if tt.secret != "" && strings.Contains(got, tt.secret) || !strings.Contains(got, tt.want) || tt.secret == "" && got != tt.line {
			t.Errorf("%s\nbecame %s", tt.line, got)
		}
		if again := redact.Process(&record.ProcessEvent{Kind: record.Line, Line: got}, redact.Secrets).Line; again != got {
			t.Errorf("%s\nthe second time became %s", got, again)
		}
	}
}

// What is said of an exchange, and of who had it, is without secrets, too.
func TestSaidOfExchanges(t *testing.T) {
	secret := random(53, 30, alnum)
	conn := &record.Conn{ID: 1, Comm: "sk_live_" + secret, Exe: "/opt/sk_live_" + secret + "/bin/x"}
	x := &record.Exchange{ID: 1, Conn: conn, Err: errors.New("read: token=sk_live_" + secret), Anomalies: []string{"odd-line", "field: Authorization: Bearer " + secret}}
	x.Request.Done, x.Response.Done = true, true
	x.Request.Method, x.Request.Target, x.Response.Reason = "GET", "/a", "no such key sk_live_"+secret
	x.Response.Comment = "cut: sk_live_" + secret
	var said string
	w := redact.Exchanges(exchangeFunc(func(twin *record.Exchange) error {
		said = fmt.Sprint(twin.Err, twin.Anomalies, twin.Conn.Comm, twin.Conn.Exe, twin.Response.Reason, twin.Response.Comment)
		if !errors.Is(twin.Err, x.Err) {
			t.Error("the error is another one")
		}
		return nil
	}), redact.Secrets)
	if err := w.WriteExchange(x); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(said, secret[:12]) || strings.Count(said, "redacted") < 5 {
		t.Errorf("said: %s", said)
	}
	for _, kept := range []string{"read: token=", "odd-line", "/opt/", "/bin/x", "no such key"} {
		if !strings.Contains(said, kept) {
			t.Errorf("%s is gone from %s", kept, said)
		}
	}
}
