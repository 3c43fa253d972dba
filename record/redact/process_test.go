package redact_test

import (
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
