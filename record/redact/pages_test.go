package redact_test

import (
	"strings"
	"testing"

	"ssltape/record/redact"
)

// pages are of the kinds of which most of what is recorded is made.
var pages = map[string]string{
	"english": "Passwords should be long. A token is not a secret by itself: the key to good security is to rotate credentials, and to keep recovery codes\n" +
		"in a safe place. See section 4.2.1 of RFC 6265, or call +1 (555) 010-9999 before 2026-11-26T11:52:00Z. Order ABC-1234567 cost $1,299.00.\n",
	"german": "Das Passwort ist sicher aufzubewahren; ein Kennwort mit 12 Zeichen genügt. Der Schlüssel lag am 26.11.2026 um 11:52 Uhr unter der Fußmatte,\n" +
		"die Bestellung 2026-0815-4711 ist unterwegs. Ihr Passwort lautet nie „Passwort“.\n",
	"chinese": "密码必须至少包含8个字符。请在2026年11月26日之前更新您的密码：设置→安全→修改密码。订单编号：202611260815，版本：v2.4.1-beta3。\n口令不得与用户名相同，令牌有效期为3600秒。\n",
	"french":  "Le mot de passe est obligatoire : il doit contenir 12 caractères. Le jeton expire dans 3600 secondes (voir https://x.example/aide#mot-de-passe).\n",
	"code": "func (s *Server) authenticate(r *http.Request, token string) (user, password string, err error) {\n\tkey := r.Header.Get(\"X-Api-Key\")\n" +
		"\tif secret := os.Getenv(\"API_SECRET\"); secret == \"\" || key != hash256(secret, s.salt2) {\n\t\treturn \"\", \"\", fmt.Errorf(\"token %q: %w\", mask(token), errBadToken)\n\t}\n" +
		"\tconst passwordMinLength, tokenTTL = 12, 3600\n\tcfg := tls.Config{PrivateKey: testEd25519PrivateKey, CipherSuites: []uint16{0x1301}}\n}\n",
	"python": "def login(self, username: str, password: Optional[str] = None, *, api_key: str = DEFAULT_API_KEY2) -> Token:\n    token = self._fetch_token(username, password=password)\n" +
		"    session.headers['Authorization'] = f'Bearer {token.access_token}'\n    assert secrets.compare_digest(token.sha256, expected_sha256_of_token1)\n",
	"shell":  "export DB_PASSWORD=\"$(pass show db/prod)\" API_KEY=${API_KEY:?missing} && curl -u \"$USER:$PASS\" -H \"Authorization: Bearer $TOKEN\" https://user:password@x.example/\ndocker run -e POSTGRES_PASSWORD -p 8080:80 nginx:1.25.3-alpine\n",
	"diff":   "diff --git a/x.go b/x.go\nindex 3f2504e..9a0c030 100644\n--- a/x.go\n+++ b/x.go\n@@ -12,7 +12,7 @@ func token() string {\n-\tkey := old1234(key)\n+\tkey := new5678(key)\n",
	"log":    "commit 9f8e312ab0c4d5e6f708192a3b4c5d6e7f801234 (HEAD -> main, tag: v1.2.3)\nrequest_id=req_011CTxYzAbCdEfGhJkLmNpQr trace=4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7 uuid 3f2504e0-4f89-41d3-9a0c-0305e82c3301 sha256:" + random(91, 64, hexes) + "\n",
	"models": "claude-sonnet-4-20250514 claude-3-5-haiku-20241022 gpt-4o-2024-08-06 o1-preview-2024-09-12 gemini-2.5-pro-preview-05-06 text-embedding-3-large toolu_01A09q90qw90lq917835lq9 msg_013Zva2CMHLNnjNjJKqJ2EF call_abc123DEF456ghi789JKL012 chatcmpl-9mXyZ1234567890abcdEFGHijkl\n",
	"i18n":   "{\"login.password.label\": \"Passwort\", \"login.password.hint\": \"Mindestens 12 Zeichen\", \"token\": \"Token\", \"secret_label\": \"Geheimnis\", \"recovery_codes_title\": \"Wiederherstellungscodes\", \"url.hint\": \"https://user:pass@host/\", \"code\": \"Code\"}\n",
	"schema": "{\"name\": \"login\", \"parameters\": {\"type\": \"object\", \"properties\": {\"password\": {\"type\": \"string\", \"minLength\": 12}, \"code\": {\"type\": \"string\", \"pattern\": \"^[0-9]{6}$\"}, \"cookies\": {\"type\": \"array\"}, \"otp\": {\"type\": \"string\"}}, \"required\": [\"password\", \"code\", \"cookies\"]}}\n",
	"html":   "<form><label for=\"password\">Password:</label> <input type=\"text\" name=\"user\" value=\"bob1234567890abcdef\"><b>Token:</b> see below<table><tr><td>Password</td><td>required, 12-64 characters</td></tr></table><code>mgf1HashAlgorithm</code></form>\n",
	"table":  "| Option | Default | Secret |\n|---|---|---|\n| `--token-ttl` | 3600 | no |\n| `--key-file` | /etc/ssl/key.pem | yes |\n",
}

// TestPages holds that a page of each stays as it is: in a prompt, in what a tool
// returned, and bit by bit in what a model answers.
func TestPages(t *testing.T) {
	for name, text := range pages {
		for place, in := range map[string]string{
			"prompt": post("application/json", `{"messages":[{"role":"user","content":`+quote("Please look:\n"+text)+`}]}`),
			"result": post("application/json", `{"messages":[{"role":"user","content":[{"type":"tool_result","content":`+quote(strings.Repeat(text, 3))+`}]}]}`),
			"nested": post("application/json", `{"a":`+quote(`{"b":`+quote(text)+`}`)+`}`),
			"delta":  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + deltas("text_delta", "text", text),
			"image":  post("application/json", `{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo`+random(92, 6000, alnum+"+/")+`"},"caption":`+quote(text)+`}`),
		} {
			if out := redactChunks(t, redact.Secrets, 1<<30, in); out != in {
				t.Errorf("%s, %s: %q", name, place, out)
			}
		}
	}
}
