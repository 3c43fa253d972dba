package redact_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"ssltape/record/redact"
)

// written are the ways in which people and programs write secrets into text, with
// @S@ or @P@ for the secret.
var written = map[string]string{
	"docker file":        "FROM x\nENV API_TOKEN @S@\nRUN y\n",
	"windows":            "setx VAULT_TOKEN @S@\n",
	"option":             "tool --api-key @S@ --verbose\n",
	"option joined":      "tool --client-secret=@S@ --verbose\n",
	"short variable":     "DB_HOST=db\nDB_PASSWORD=@P@\nDB_PORT=5432\n",
	"short quoted":       "client = Client(user='bob', password='@P@')\n",
	"short json":         "{\"user\": \"bob\", \"password\": \"@P@\"}",
	"setenv":             "os.Setenv(\"STRIPE_SECRET_KEY\", \"@S@\")",
	"define":             "define('JWT_SECRET', '@S@');\n",
	"yaml pair":          "env:\n  - name: GITHUB_TOKEN\n    value: @S@\n",
	"yaml block":         "client_secret: |\n  @S@\nb: 1\n",
	"plist":              "<dict><key>api_key</key>\n<string>@S@</string></dict>",
	"property":           "<property name=\"access_token\">@S@</property>",
	"add":                "<add key=\"ApiKey\" value=\"@S@\"/>",
	"input":              "<input type=\"hidden\" name=\"csrf_token\" value=\"@S@\">",
	"table":              "| name | value |\n|---|---|\n| api_key | @S@ |\n",
	"prose":              "The password is @S@, do not tell.",
	"sql":                "ALTER USER bob WITH PASSWORD '@S@';",
	"cookie line":        "GET / HTTP/1.1\nCookie: a=b; sid=@S@; c=d\n",
	"digest line":        "Authorization: Digest username=\"bob\", uri=\"/\", response=\"@S@\"\n",
	"aws line":           "Authorization: AWS AKIAIOSFODNN7EXAMPLE:@S@=\n",
	"curl cookie":        "curl -b 'sid=@S@' https://x",
	"oauth option":       "curl --oauth2-bearer @S@ https://x",
	"curl user":          "curl -u bob:@S@ https://x",
	"curl user quoted":   "curl --user 'bob:@S@' https://x",
	"colon":              "see api_key:@S@ there",
	"sshpass":            "sshpass -p @P@ ssh bob@h",
	"docker login":       "docker login -u bob -p @P@ registry.example",
	"mysql":              "mysql -u root -p@P@ db",
	"redis":              "redis-cli -h x -a @P@ ping",
	"openssl":            "openssl rsa -passin pass:@P@ -in x",
	"ansible":            "vars:\n  ansible_become_pass: @S@\n",
	"rails":              "production:\n  secret_key_base: @S@\n",
	"putty":              "PuTTY-User-Key-File-3: ssh-ed25519\nPublic-Lines: 1\nAAAA\nPrivate-Lines: 1\n@S@@S@@S@\nPrivate-MAC: 00\n",
	"go source":          "DSN=app:@S@@tcp(db:3306)/prod?parseTime=true\n",
	"oracle":             "jdbc:oracle:thin:scott/@S@@h:1521/x",
	"sqlplus":            "sqlplus scott/@P@@db",
	"token in a url":     "git clone https://@S@@github.com/a/b",
	"pgpass":             "db.internal:5432:prod:app:@S@\n",
	"pgpass any":         "*:*:*:app:@S@\n",
	"cookie jar":         ".x.com\tTRUE\t/\tTRUE\t1999999999\tfoo\t@S@\n",
	"cookie jar http":    "#HttpOnly_.x.com\tTRUE\t/\tFALSE\t0\tfoo\t@P@\n",
	"identified":         "CREATE USER 'bob'@'%' IDENTIFIED BY '@P@';",
	"identified with":    "create user bob identified with mysql_native_password by '@P@';",
	"sql role":           "ALTER ROLE bob WITH LOGIN PASSWORD '@P@';",
	"sql function":       "SET PASSWORD FOR bob = PASSWORD('@P@');",
	"bcrypt":             "bob:$2y$10$@S@@S@./\n",
	"shadow":             "root:$6$rounds=5000$salt$@S@@S@@S@./xxxxxx:19000:0:99999:7:::\n",
	"yescrypt":           "root:$y$j9T$F5Jx5fExrKuPp53xLKQ..1$@S@@S@:19000:0:99999:7:::\n",
	"argon2":             "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$@S@@S@",
	"scrypt":             "$scrypt$ln=16,r=8,p=1$c29tZXNhbHQ$@S@@S@",
	"django":             "pbkdf2_sha256$260000$c29tZXNhbHQ$@S@@S@=",
	"script":             "JSON.parse('{\\x22password\\x22:\\x22@S@\\x22}')",
	"pair reversed":      "[{\"value\": \"@S@\", \"type\": \"x\", \"name\": \"client_secret\"}]",
	"input reversed":     "<input value='@S@' type=hidden name='csrf_token'>",
	"input unquoted":     "<input value=@S@ name=csrf_token>",
	"kube secret":        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\nstringData:\n  foo: @S@\ntype: Opaque\n",
	"kube secret sorted": "apiVersion: v1\nitems:\n- apiVersion: v1\n  data:\n    foo: @S@@S@\n  kind: Secret\n",
	"kube secret json":   "{\n  \"apiVersion\": \"v1\",\n  \"data\": {\n    \"a\": \"info\",\n    \"foo\": \"@S@@S@\"\n  },\n  \"kind\": \"Secret\"\n}\n",
	"jar in json":        "[{\"domain\":\".x.com\",\"httpOnly\":true,\"name\":\"a\",\"value\":\"@S@\"}]",
	"jar in json early":  "[{\"name\":\"a\",\"value\":\"@S@\",\"domain\":\".x.com\",\"httpOnly\":true}]",
	"key in json":        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"d\":\"@S@\"}",
	"redirect with code": "Location: https://x.example/cb?code=@S@&state=1\n",
	"no digits":          "export NPM_TOKEN='@S@'\n",
	"letters":            "client = Client(api_token=\"@L@\")\n",
	"signs":              "MAIL_PASSWORD=S@1!@P@\nPORT=25\n",
	"numbered":           "password1=@S@&password2=@S@",
	"prefixed":           "spring.datasource.session-key=@S@\n",
	"short for password": "DB_PASS=@P@\nadmin-pwd: x\n",
	"typed":              "User(name='x', password=SecretStr('@S@'))",
	"optional":           "Config { user: \"bob\", token: Some(\n    \"@S@\",\n) }",
	"bytes":              "{b'password': b'@S@'}",
	"header map":         "map[Accept:[*/*] Authorization:[Bearer @S@]]",
	"two words":          "API Key: @S@\nSecret key is: @S@\n",
	"bold":               "**Token**: `@S@`\n",
	"passphrase":         "Enter passphrase for key '/root/.ssh/id': @S@\n",
	"remote procedure":   "<member><name>password</name><value><string>@S@</string></value></member>",
	"aws pair":           "AKIAIOSFODNN7EXAMPLE:@S@@S14@\n",
	"names and values":   "name,value\nAPI_KEY,@S@\n",
	"comma separated":    "id,email,password,created\n1,a@b.c,@S@,2024-01-01\n2,b@b.c,@S@,2024-01-02\n",
	"words in names":     "User name,Password,Access key ID,Secret access key\nbob,@S@,x,@S@\n",
	"tab separated":      "id\temail\tapi_secret\n1\ta@b.c\t@S@\n",
	"bars":               "| user | password |\n|---|---|\n| bob | `@S@` |\n",
	"path of a token":    "GET /reset-password/@S@ HTTP/1.1\n",
	"path in a url":      "see https://app.example/users/invite/@S@?x=1 there",
	"path of a hook":     "https://hooks.example/hooks/catch/1234567/@S@/\n",
	"echoed":             "echo '@S@' | docker login -u bob --password-stdin\n",
	"changed":            "echo 'root:@S@' | chpasswd\n",
	"joined user":        "curl -sS -ubob:@S@ https://x",
	"remote desktop":     "xfreerdp /u:bob /p:@S@ /v:h\n",
	"vault":              "vault login @S@\n",
	"key generation":     "ssh-keygen -t ed25519 -N '@P@' -f x\n",
	"ssh2":               "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: x\n@S@@S@@S14@\n@S@@S@@S14@\n---- END SSH2 ENCRYPTED PRIVATE KEY ----\n",
	"bare key":           "key = MIIEvQIBADANBgkqhkiG9w0BAQEFAASC@S@@S@@S@\n",
	"pair of a key":      "{\"dp\":\"@S@@S@\",\"dq\":\"@S@@S@\",\"qi\":\"@S@@S@\"}",
	"key type behind":    "my key: {\"crv\":\"P-256\",\"d\":\"@S@@S@\",\"kty\":\"EC\"}",
	"list of arguments":  "{\"args\": [\"-y\", \"--api-key\", \"@S@\", \"--db-password\", \"@P@\"]}",
	"label":              "{\"fields\": [{\"label\": \"password\", \"value\": \"@S@\"}]}",
	"serialized":         "a:2:{s:4:\"user\";s:3:\"bob\";s:8:\"password\";s:11:\"@P@\";}\n",
	"inserted":           "INSERT INTO users (email,password) VALUES ('a@b.c','@P@');\n",
	"inserted rows":      "INSERT INTO `users` (`id`, `email`, `api_key`) VALUES (1, 'a, (b)', '@S@'), (2, 'b@b.c', '@S@');\n",
	"host of windows":    "smbclient -U bob%@P@ //h/s\n",
	"user of windows":    "net user bob @P@ /add\n",
	"signatures":         "Stripe-Signature: t=1492774577,v1=@S@,v0=@S@\n",
	"cookie by its name": "{\"cookies\":[{\"name\":\"session\",\"value\":\"@S@\"}]}\n",
	"list of passwords":  "{\"password[]\":\"@P@\"}\n",
	"several passwords":  "password[]=@S@\n",
	"factors of a key":   "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"d\":\"" + random(71, 342, alnum) + "\",\"p\":\"@S@@S@@S@\",\"q\":\"@S@@S@@S@\",\"dp\":\"x\"}\n",
	"printed array":      "Array\n(\n    [password] => @P@\n)\n",
	"short and random":   "The password is @S14@, do not tell.\n",
	"many cookies":       "curl 'https://x/a' -H 'Cookie: theme=dark; _ga=GA1.2.1234567.1700000000; " + strings.Repeat("c=Zq3Rt7Yw1Ux9Kp5Mn8Vb; ", 20) + "sid=@S@' -H 'accept: */*'\n",
	"cookies of chrome":  "curl 'https://x/a' \\\n  -b '" + strings.Repeat("c=Zq3Rt7Yw1Ux9Kp5Mn8Vb; ", 20) + "sid=@S@' \\\n  -H 'accept: */*'\n",
	"cookies in code":    "requests.get(u, headers={\"Cookie\": \"a=b; " + strings.Repeat("c=Zq3Rt7Yw1Ux9Kp5Mn8Vb; ", 20) + "sid=@S@\"})\n",
	"digest nonce":       "Authorization: Digest username=\"bob\", realm=\"x\", nonce=\"" + random(81, 60, hexes) + "\", uri=\"/\", response=\"" + random(82, 60, hexes) + "\", cnonce=\"@S@\"\n",
	"short in prose":     "The admin password: b7x2k-h5m2q8\nlog in with password=@P@ please\n",
	"short in a map":     "connect with {user=sa, password=@P@, url=jdbc:x}\n",
	"short by line":      "     1\tuser=bob\n     2\tDB_PASS=@P@\n",
	"pgpass by line":     "     2\tlocalhost:5432:app:app:@S@\n",
	"table by line":      "     1\tname,secret,created\n     2\tbob,@S@,2024-01-01\n     3\teve,@S@,2024-01-01\n",
	"bold name":          "**Password:** @P@\n*API key:* @S@\n",
	"element":            "<settings><user>bob</user><password>@P@</password></settings>\n",
	"input between":      "<input name=\"authenticity_token\" type=\"hidden\" value=\"@S@\">",
	"input password":     "<input type=\"password\" name=\"p\" value=\"@P@\">",
	"json in attribute":  "<div data-page=\"{&quot;csrf_token&quot;:&quot;@S@&quot;,&quot;x&quot;:1}\"></div>",
	"python requests":    "requests.get(u, auth=('bob', '@P@'))\n",
	"basic auth":         "s.auth = HTTPBasicAuth(\"bob\", \"@P@\")\n",
	"unseal":             "Unseal Key 1: @S@\nUnseal Key 2: x\n",
	"chpasswd list":      "chpasswd:\n  list: |\n    root:@P@\n",
	"htpasswd":           "$ cat .htpasswd\nbob:{SHA}@S@=\n",
	"bars of jira":       "||user||password||\n|bob|@P@|\n",
	"numbered brackets":  "password[0]=@P@\n",
	"literal":            "kubectl create secret generic x --from-literal=password=@P@\n",
	"environment":        "    - name: DB_PASSWORD\n      value: @P@\n",
	"github secret":      "gh secret set NPM_TOKEN --body @P@\n",
	"storage key":        "[{\"keyName\": \"key1\", \"permissions\": \"FULL\", \"value\": \"@S@@S@\"}]\n",
	"application key":    "'key' => 'base64:" + random(83, 17, alnum) + "@S@=',\n",
	"code in a redirect": "https://a.example/login?next=%2Fcb%3Fcode%3D@S@%26state%3D1",
}

// TestWritten holds that no way to write a secret shows it, alone, in what a tool
// returns to a model, and in what that answers bit by bit.
func TestWritten(t *testing.T) {
	for name, text := range written {
		secret, short := random(41, 26, alnum), "k9"+random(42, 9, lower+digits)
		if strings.Contains(text, "@L@") {
			secret = random(47, 26, lower+strings.ToUpper(lower))
		}
		text = strings.NewReplacer("@S@", secret, "@S14@", secret[:14], "@P@", short, "@L@", secret).Replace(text)
		switch {
		case strings.Contains(text, secret):
		case strings.Contains(text, secret[:14]):
			secret = secret[:14]
		default:
			secret = short
		}
		for place, in := range map[string]string{
			"plain":  answer("text/plain", "see:\n"+text),
			"result": post("application/json", `{"messages":[{"role":"user","content":[{"type":"tool_result","content":`+quote("$ cat x\n"+text)+`}]}]}`),
			"nested": post("application/json", `{"a":`+quote(`{"b":`+quote(text)+`}`)+`}`),
			"delta":  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + deltas("text_delta", "text", "see:\n"+text),
			"base64": post("application/json", `{"content":"`+base64.StdEncoding.EncodeToString([]byte("see:\n"+text))+`"}`),
		} {
			attack(t, name+" "+place, in, []string{secret})
			once := redactChunks(t, redact.Secrets, 1<<30, in)
			if again := redactChunks(t, redact.Secrets, 1<<30, once); again != once {
				t.Errorf("%s %s redacted again\n%q\nonce\n%q", name, place, again, once)
			}
		}
	}
}

// TestNotWritten holds that text in which the same names stand before something
// else stays.
func TestNotWritten(t *testing.T) {
	for _, text := range []string{
		"import { clientSecret, base64URLStringToBuffer } from './x'\n",
		"The access_token base64URLEncodedString2 is a type, and token counts 123456789012345678901234 are numbers.\n",
		"def f(private_key: ed25519.Ed25519PrivateKey|Ed25519PublicKey, password: Optional[str] = None):\n",
		"--- PASS: TestPasswordResetTokens2AreSent (0.00s)\n",
		"max_tokens: 4096, \"cache_creation_input_tokens\": 12345678, next_page_token\n",
		"\"integrity\": \"sha512-" + random(43, 86, alnum) + "==\",\n\"resolved\": \"https://registry.npmjs.org/a/-/a-1.0.0.tgz\"\n",
		"commit " + random(44, 40, hexes) + "\nAuthor: a\n\n    signing: keys of 2024-01-02T03:04:05.678901Z\n",
		"\"key\": \"value\", \"secret\": null, \"password\": \"\", \"name\": \"password\", \"type\": \"string\"\n",
		"docker run -p 8080:8080 image1234; mysql -u root -p db1; ssh -p 2222 host1234\n",
		"const token = await getToken2(request.headers[\"x-request-id-2345\"])\n",
		"Set the `Authorization: Bearer <token>` header. Cookie: see RFC 6265 section 4.2.1 (https://rfc-editor.org/rfc6265-section-4.2).\n",
		"password = hash256(request.form['password123'])\n",
		"\"$schema\": \"http://json-schema.org/draft-07/schema#\", echo $2b$HOME$PATH_TO_A_LONG_NAME_2 $1$2$3$HOME_OF_THE_USER_4\n",
		"src/main.go:12:handler:name: see foo/bar2@v1.2.3-beta4 and git@github.com:user2/repo3.git, https://user1234@host.example/x\n",
		"   12\tconst x = value1234567890abcdef12345678\n   13\tTRUE\tFALSE\tcount12\t123\tabc\tdef12345678901234abcd\n",
		"it was written by 'author1234' in 2024; the value is set by \"release-2024.05.12-build7\"\n",
		"127.0.0.1:8080:80, 2001:db8:85a3:8d3:1319:8a2e:370:7348, 12:34:56:78:9a:bc, npm:@scope/pkg2@npm:1.2.3\n",
		"apiVersion: v1\nkind: ConfigMap\ndata:\n  key: aB3dE5gH7jK9mN1pQ2sT\n---\napiVersion: v1\ndata:\n  level: info\n  mode: production\n  size: 1234567890\nkind: ConfigMap\n",
		"[{\"value\": \"aB3dE5gH7jK9mN1pQ2sT\", \"name\": \"Accept\"}, {\"value\": \"aB3dE5gH7jK9mN1pQ2sT\", \"unit\": \"token\"}]\n",
		"apiVersion: apps/v1\nkind: Deployment\nspec:\n  image: registry.example/a/b2@sha256:0123456789abcdef0123456789abcdef\n",
		"for (const [user,password] of pairs) login(user,password)\nname,token,count\nfirst,second,third\n",
		"github.com/pquerna/otp,v1.1.0,h1:q2gMsMpMA3QzX\ngithub.com/gorilla/securecookie v1.1.1\n",
		"\tSignature\n\tToken\n\tFTINT_L_D\n\tMaxTokenInfoClass\n| Error::BadSignature\n| Error::AlertReceived(_) => x\n",
		"https://docs.example/password/reset/how-to-change-your-password and /reset-password/instructions-for-administrators\n",
		"ring::signature::ECDSA_P256_SHA256_ASN1 and Cookie::parse(\"cookie1=value1\"), state === \"pass\"),f=!c.LCPBreakdown?.lcpEvent\n",
		"CHALLENGE_PASSWORD = ObjectIdentifier(\"1.2.840.113549.1.9.7\"), PrivateKey:  testRSA2048PrivateKey,\n",
		"getElementsByClassNameFromDocument getUserTokenFromRequest XMLHttpRequestUpload password: OptionalPasswordString\n",
		"echo fs.inotify.max_user_watches=524288 | sudo tee -a /etc/sysctl.conf\n",
		"INSERT INTO releases (name, tag, password) VALUES ('build1234abcd', 'v1.2.3-beta4x', NULL), ('x', 'aB3dE5gH7jK9mN1pQ2sT', '');\n",
		"a:2:{s:4:\"name\";s:11:\"build1234ab\";s:8:\"checksum\";s:20:\"aB3dE5gH7jK9mN1pQ2sT\";s:8:\"password\";N;}\n",
		"net use z: share1234 and net users build1234; smbclient -U %USERNAME1% -L host12345\nrsync -U bob%41name1234\n",
		"{\"list\":[{\"name\":\"release\",\"value\":\"aB3dE5gH7jK9mN1pQ2sT\"},{\"name\":\"Accept\",\"value\":\"aB3dE5gH7jK9mN1pQ2sT\"}]}\n",
		"{\"name\":\"x\",\"q\":\"" + random(72, 50, alnum) + "\",\"p\":\"short1234\"} {\"n\":\"" + random(73, 342, alnum) + "\",\"x\":\"" + random(74, 60, alnum) + "\"}\n",
		"t=1492774577,v1=aB3dE5gH7jK9mN1pQ2sT of the schema; Array\n(\n    [version] => build1234ab\n    [tokens] => 12345678\n)\n",
		"C:\\Users\\build1234\\x.txt, const rows = [build1234] => item1234, passwords[i1234] = next1234(x)\n",
		"curl 'https://x.example/a' -H 'Cookie: see above' -H 'User-Agent: Mozilla/5.0 AppleWebKit/537.36 Chrome/126.0.0.0' -H 'x-request-id: 3f2504e0-4f89-41d3-9a0c-0305e82c3301'\n",
		"git checkout -b 'fix/ABC-1234-no-more-cookies-2024' && docker build -b 'x1234567890abcdef1234'; document.cookie = name1234567890abcd()\n",
		"password: hash256(x1), secret = user1.password2, passwd: version-2.4.1, password=$PASSWORD1 secret={0.secret!r} Password: Optional2 = None\n",
		"<td>2024-01-02T03:04:05</td><password>changeme</password><b>Version:</b> 1.2.3-beta4 <input name=\"user\" type=\"text\" value=\"build1234567890abcd\">\n",
		"auth=('bob', password1), author('a', 'build1234'), path('a1', 'b2345678c'); {\"keyName\": \"key1\", \"value\": \"short\"}\n",
		"/etc/passwd:\nroot:x:0:0:root:/root:/bin/bash\nsee passwd.go:123 and main.go:12:34 image:v1.2.3-rc4\n",
		"&quot;name&quot;:&quot;build1234abcd5678efgh&quot; &amp;token=&lt;your-token-here-1&gt;\n",
		"{\"payload\":{\"data\":\"3f2504e0-4f89-41d3-9a0c-0305e82c3301\",\"action\":\"opened\"}} the value: release-2024.05.12-build7\n",
		"model: claude-sonnet-4-20250514 gpt-4o-2024-08-06 session_id 3f2504e0-4f89-41d3-9a0c-0305e82c3301\n",
	} {
		in := post("application/json", `{"messages":[{"role":"user","content":`+quote(text)+`}]}`)
		if out := redactChunks(t, redact.Secrets, 1<<30, in); out != in {
			t.Errorf("%q became\n%q", text, out)
		}
	}
}
