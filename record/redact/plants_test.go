package redact_test

import (
	"encoding/base64"
	"maps"
	"net/url"
	"strings"
	"testing"
	"unicode/utf16"

	"ssltape/record/redact"
)

// wide returns s in UTF-16, in the order of bytes that is given, with the mark
// that tells it.
func wide(s string, big bool) string {
	var b strings.Builder
	for _, u := range append([]uint16{0xfeff}, utf16.Encode([]rune(s))...) {
		if big {
			u = u<<8 | u>>8
		}
		b.Write([]byte{byte(u), byte(u >> 8)})
	}
	return b.String()
}

func get(target string, fields ...string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: api.example.com\r\n" + strings.Join(fields, "\r\n") + "\r\n\r\n"
}

func answer(contentType, body string) string {
	return "HTTP/1.1 200 OK\r\nContent-Type: " + contentType + "\r\n\r\n" + body
}

// plants are messages that hold secrets which nothing but their place tells, or
// in places that are rarely looked at.
func plants() map[string]plant {
	key, words := random(11, 32, alnum), "correct horse battery "+random(12, 8, lower)
	stripe := "sk_live_" + random(13, 24, alnum)
	all := plantsInTexts(key, words, stripe)
	maps.Copy(all, plantsElsewhere(key, words, stripe))
	return all
}

func plantsInTexts(key, words, stripe string) map[string]plant {
	return map[string]plant{
		"yaml words":             {answer("application/yaml", "db:\n  user: bob\n  password: "+words+"\n  port: 5432\n"), words},
		"yaml quoted":            {answer("text/yaml", "secret: \""+words+"\" # comment\nx: 1\n"), words},
		"yaml block":             {answer("application/x-yaml", "a:\n  client_secret: |\n    "+words+"\n  b: 2\n"), words},
		"yaml short":             {answer("application/yaml", "password: "+random(15, 12, lower)+"\n"), random(15, 12, lower)},
		"yaml flow":              {answer("application/yaml", "db: {user: bob, password: "+words+", port: 5432}\n"), words},
		"yaml flow first":        {answer("application/yaml", "- {client_secret: '"+words+", x', a: b}\n"), words},
		"yaml flow nested":       {answer("application/yaml", "a: {b: {c: d, api_key: "+words+"}}\n"), words},
		"ini words":              {answer("text/x-ini", "[db]\npassword = "+words+"\nhost=x\n"), words},
		"properties":             {answer("text/x-java-properties", "spring.datasource.password="+words+"\na=b\n"), words},
		"toml":                   {answer("application/toml", "[a]\napi_key = '"+words+"'\n"), words},
		"xml words":              {answer("application/xml", "<a><password>"+words+"</password><b>1</b></a>"), words},
		"xml namespace":          {answer("text/xml", "<soap:Body><wsse:Password Type=\"x\">"+words+"</wsse:Password></soap:Body>"), words},
		"xml attribute":          {answer("application/xml", "<db user=\"bob\" password=\""+words+"\"/>"), words},
		"xml pair":               {answer("application/xml", "<add key=\"DbPassword\" value=\""+words+"\" />"), words},
		"xml pair reversed":      {answer("application/xml", "<property value=\""+words+"\" name=\"password\"/>"), words},
		"xml pair text":          {answer("application/xml", "<setting name='password'>"+words+"</setting>"), words},
		"xml cdata":              {answer("application/soap+xml", "<password><![CDATA["+words+"]]></password>"), words},
		"plist":                  {answer("application/x-plist+xml", "<dict><key>password</key>\n<string>"+words+"</string></dict>"), words},
		"aws xml":                {answer("text/xml", "<R><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>"+random(16, 40, alnum+"/+")+"</SecretAccessKey></R>"), random(16, 40, alnum+"/+")},
		"html input":             {answer("text/html", "<form><input type=\"hidden\" name=\"csrf_token\" value=\""+key+"\"></form>"), key},
		"html meta":              {answer("text/html", "<meta name=\"csrf-token\" content=\""+key+"\" />"), key},
		"html password":          {answer("text/html", "<input type=password name=password value=\""+words+"\">"), words},
		"graphql words":          {post("application/json", `{"query":"mutation { login(user: \"bob\", password: \"`+words+`\") { id } }"}`), words},
		"graphql variables":      {post("application/json", `{"query":"mutation M($p: String!) { login(password: $p) { id } }","variables":{"password":"`+words+`"}}`), words},
		"graphql body":           {post("application/graphql", `mutation { login(user: "bob", password: "`+words+`") { id } }`), words},
		"graphql get":            {get("/graphql?query="+url.PathEscape(`mutation { login(password: "`+words+`") { id } }`), "Accept: */*"), words},
		"basic":                  {get("/", "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("bob:"+words))), base64.StdEncoding.EncodeToString([]byte("bob:" + words))},
		"digest":                 {get("/", `Authorization: Digest username="bob", realm="x", nonce="abc", uri="/", response="`+random(17, 32, hexes)+`"`), random(17, 32, hexes)},
		"set-cookie2":            {"HTTP/1.1 200 OK\r\nSet-Cookie2: sid=" + key + "; Version=1\r\nContent-Length: 0\r\n\r\n", key},
		"trailer":                {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Api-Key\r\n\r\n2\r\nok\r\n0\r\nX-Api-Key: " + key + "\r\n\r\n", key},
		"interim":                {"HTTP/1.1 103 Early Hints\r\nLink: </a.css?token=" + key + ">; rel=preload\r\nSet-Cookie: a=" + key + "\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", key},
		"chunk extension":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;token=" + key + "\r\nok\r\n0;sig=" + stripe + "\r\n\r\n", key},
		"chunk extension 2":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;token=" + key + "\r\nok\r\n0;sig=" + stripe + "\r\n\r\n", stripe},
		"utf-16":                 {answer("text/plain; charset=utf-16", wide("the key is "+stripe+" indeed", false)), wide(stripe, false)[2:]},
		"utf-16 big":             {answer("application/json", wide(`{"password":"`+words+`"}`, true)), wide(words, true)[2:]},
		"data url":               {answer("text/css", "a{background:url(data:text/plain;base64,"+base64.StdEncoding.EncodeToString([]byte("the key is "+stripe+" indeed"))+")}"), base64.StdEncoding.EncodeToString([]byte("the key is " + stripe + " indeed"))[20:44]},
		"data url percent":       {answer("text/html", `<img src="data:text/plain,token%3D`+stripe+`">`), stripe},
		"redirect twice":         {"HTTP/1.1 302 Found\r\nLocation: https://a.example/login?next=" + url.QueryEscape("https://b.example/?next="+url.QueryEscape("https://c.example/?access_token="+key)) + "\r\nContent-Length: 0\r\n\r\n", key},
		"fragment":               {"HTTP/1.1 302 Found\r\nLocation: https://a.example/cb#access_token=" + key + "&token_type=bearer\r\nContent-Length: 0\r\n\r\n", key},
		"referer":                {get("/", "Referer: https://a.example/?session_token="+key), key},
		"telegram path":          {get("/bot123456789:AA"+random(18, 33, alnum)+"/getMe", "Accept: */*"), random(18, 33, alnum)},
		"azure sas":              {get("/c/b?sv=2022-11-02&sr=b&sig="+url.QueryEscape(random(19, 43, alnum)+"="), "Accept: */*"), random(19, 43, alnum)},
		"azure sas in json":      {answer("application/json", `{"url":"https://a.blob.core.windows.net/c/b?sp=r&sig=`+random(20, 43, alnum)+`%3D&se=x"}`), random(20, 43, alnum)},
		"gcs signature":          {answer("application/json", `{"u":"https://storage.googleapis.com/b/o?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Signature=`+random(21, 128, hexes)+`"}`), random(21, 128, hexes)},
		"cloudfront":             {answer("application/json", `{"u":"https://d1.cloudfront.net/o?Expires=1&Signature=`+random(22, 90, alnum)+`&Key-Pair-Id=K2"}`), random(22, 90, alnum)},
		"pem in json":            {answer("application/json", `{"private_key":"-----BEGIN PRIVATE KEY-----\n`+random(23, 64, alnum)+`\n`+random(24, 64, alnum)+`\n-----END PRIVATE KEY-----\n"}`), random(24, 64, alnum)},
		"pem in list":            {answer("application/json", `{"k":["-----BEGIN PRIVATE KEY-----","`+random(23, 64, alnum)+`","`+random(24, 64, alnum)+`","-----END PRIVATE KEY-----"]}`), random(24, 64, alnum)},
		"error body":             {"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n\r\n" + `{"error":{"message":"Incorrect API key provided: sk-proj-` + key + `. You can find your API key at https://x."}}`, key},
		"curl in json":           {answer("application/json", `{"cmd":"curl -u bob:`+random(25, 14, lower)+` https://x"}`), random(25, 14, lower)},
		"multipart part":         {post("multipart/form-data; boundary=XyZ", "--XyZ\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n"+words+"\r\n--XyZ--\r\n"), words},
		"multipart header":       {post("multipart/mixed; boundary=XyZ", "--XyZ\r\nContent-Type: application/http\r\n\r\nGET / HTTP/1.1\r\nAuthorization: Bearer "+words+"\r\n\r\n\r\n--XyZ--\r\n"), words},
		"multipart own head":     {post("multipart/mixed; boundary=XyZ", "--XyZ\r\nAuthorization: Bearer "+words+"\r\nContent-Type: text/plain\r\n\r\nhi\r\n--XyZ--\r\n"), words},
		"json pair":              {answer("application/json", `{"headers":[{"name":"Authorization","value":"Bearer `+words+`"}]}`), words},
		"json pair reversed":     {answer("application/json", `{"headers":[{"value":"Bearer `+words+`","name":"Authorization"}]}`), words},
		"json line":              {answer("application/json", `{"a":"Send this:\nBearer `+key+`\n"}`), key},
		"json behind a break":    {answer("application/json", `{"a":"\n{\"password\":\"`+words+`\"}"}`), words},
		"json in a string twice": {answer("application/json", `{"a":"\"{\\\"password\\\":\\\"`+words+`\\\"}\""}`), words},
		"json pair behind":       {answer("application/json", `{"value":"Bearer `+words+`","u":"https://u:`+key+`@h/","name":"Authorization"}`), words},
		"events unlabelled":      {"HTTP/1.1 200 OK\r\n\r\nevent: x\ndata: {\"password\":\ndata: \"" + words + "\"}\n\n", words},
		"cookies joined":         {"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/, sid=" + key + "; Path=/\r\nContent-Length: 0\r\n\r\n", key},
		"entities":               {answer("text/html", "<p>the key is &#x73;k_live&#95;"+stripe[8:]+"</p>"), stripe[8:]},
		"pem in deltas": {answer("text/event-stream", `data: {"delta":{"text":"-----BEGIN"}}`+"\n\n"+`data: {"delta":{"text":" PRIVATE KEY-----\n`+random(23, 64, alnum)+`\n-----END PRIVATE KEY-----"}}`+"\n\n"),
			random(23, 64, alnum)},
	}
}

func plantsElsewhere(key, words, stripe string) map[string]plant {
	jwtTail := random(14, 43, alnum)
	return map[string]plant{
		"json header list":    {answer("application/json", `{"headers":[["Authorization","Bearer `+words+`"],["a","b"]]}`), words},
		"json flat list":      {answer("application/json", `{"rawHeaders":["Authorization","Bearer `+words+`","a","b"]}`), words},
		"json env":            {answer("application/json", `{"env":{"OPENAI_API_KEY":"`+words+`"},"list":["OPENAI_API_KEY=`+key+`"]}`), key},
		"json map value":      {answer("application/json", `{"credentials":{"password":{"value":"`+words+`"}}}`), words},
		"json number":         {answer("application/json", `{"otp":"`+random(26, 6, digits)+`","password":`+random(27, 14, digits)+`}`), random(27, 14, digits)},
		"json lines":          {answer("application/x-ndjson", `{"a":1}`+"\n"+`{"refresh_token":"1//`+key+`"}`+"\n"), key},
		"jsonp":               {answer("application/javascript", `cb({"access_token":"`+key+`"});`), key},
		"url list":            {answer("text/uri-list", "https://u:"+words[:7]+key+"@h/\n"), key},
		"host":                {"GET / HTTP/1.1\r\nHost: " + stripe + ".example.com\r\n\r\n", stripe},
		"target absolute":     {"GET https://bob:" + key + "@api.example.com/ HTTP/1.1\r\nHost: h\r\n\r\n", key},
		"matrix parameter":    {get("/a;jsessionid="+key+"/b", "Accept: */*"), key},
		"reason":              {"HTTP/1.1 401 bad key " + stripe + "\r\nContent-Length: 0\r\n\r\n", stripe},
		"method":              {stripe + " / HTTP/1.1\r\nHost: h\r\n\r\n", stripe},
		"field name":          {get("/", stripe+": 1"), stripe},
		"folded field":        {"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer\r\n " + words + "\r\n\r\n", words},
		"www-authenticate":    {"HTTP/1.1 200 OK\r\nAuthentication-Info: rspauth=\"" + random(28, 32, hexes) + "\"\r\nContent-Length: 0\r\n\r\n", random(28, 32, hexes)},
		"websocket protocol":  {get("/", "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key."+stripe), stripe},
		"x-forwarded":         {get("/", "X-Original-URL: /cb?code=1&client_secret="+key), key},
		"session":             {get("/", "X-Session-Id: "+key), key},
		"one-time code":       {get("/", "X-MFA-Code: "+random(26, 8, digits)), random(26, 8, digits)},
		"protocol":            {get("/", "Sec-WebSocket-Protocol: graphql-transport-ws, "+key), key},
		"protocol of kube":    {get("/", "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io."+key+", v4.channel.k8s.io"), key},
		"negotiate":           {"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate " + key + "==\r\nContent-Length: 0\r\n\r\n", key},
		"dpop":                {get("/", "DPoP: "+key), key},
		"jar in json":         {answer("application/json", `[{"domain":".x.com","httpOnly":true,"name":"a","path":"/","value":"`+words+`"}]`), words},
		"jar in json early":   {answer("application/json", `{"cookies":[{"name":"a","value":"`+words+`","domain":".x.com","sameSite":"Lax"}]}`), words},
		"cookie in json":      {answer("application/json", `{"cookies":[{"name":"a","value":"`+key+`","domain":".x.com"}]}`), key},
		"key in json":         {answer("application/json", `{"keys":[{"kty":"EC","crv":"P-256","x":"a","d":"`+key+`"}]}`), key},
		"key in json early":   {answer("application/json", `{"d":"`+key+`","dp":"`+random(23, 43, alnum)+`","e":"AQAB","kty":"RSA","n":"x"}`), key},
		"key in json early 2": {answer("application/json", `{"d":"`+key+`","dp":"`+random(23, 43, alnum)+`","e":"AQAB","kty":"RSA","n":"x"}`), random(23, 43, alnum)},
		"symmetric key":       {answer("application/json", `{"k":"`+key+`","kty":"oct"}`), key},
		"kube secret":         {answer("application/json", `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"x"},"data":{"foo":"`+base64.StdEncoding.EncodeToString([]byte(words))+`"}}`), base64.StdEncoding.EncodeToString([]byte(words))},
		"kube secret sorted":  {answer("application/json", `{"items":[{"apiVersion":"v1","data":{"foo":"`+base64.StdEncoding.EncodeToString([]byte(words))+`"},"kind":"Secret"}]}`), base64.StdEncoding.EncodeToString([]byte(words))},
		"kube secret plain":   {answer("application/json", `{"apiVersion":"v1","stringData":{"foo":"`+words+`"}}`), words},
		"cookies in a file":   {answer("application/json", `{"log":{"entries":[{"response":{"headers":[{"name":"set-cookie","value":"a=b; Path=/\nsid=`+key+`; Path=/"}]}}]}}`), key},
		"link":                {"HTTP/1.1 200 OK\r\nLink: <https://a/?page=2&access_token=" + key + ">; rel=next\r\nContent-Length: 0\r\n\r\n", key},
		"grpc web":            {post("application/grpc-web-text", base64.StdEncoding.EncodeToString([]byte("\x00\x00\x00\x00\x40\x0a\x3e"+stripe))), base64.StdEncoding.EncodeToString([]byte("\x00\x00\x00\x00\x40\x0a\x3e" + stripe))[12:36]},
		"jwt in path":         {get("/u/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0."+jwtTail+"/x", "Accept: */*"), jwtTail},
		"shell":               {answer("text/plain", "export AWS_SECRET_ACCESS_KEY="+random(29, 40, alnum)+"\nexport X=1\n"), random(29, 40, alnum)},
		"netrc":               {answer("text/plain", "machine api.example.com\n  login bob\n  password "+random(30, 20, alnum)+"\n"), random(30, 20, alnum)},
		"npmrc":               {answer("text/plain", "//registry.npmjs.org/:_authToken="+random(31, 36, hexes)+"\n//r/:_password="+key+"\n"), random(31, 36, hexes)},
		"docker config":       {answer("application/json", `{"auths":{"https://index.docker.io/v1/":{"auth":"`+base64.StdEncoding.EncodeToString([]byte("bob:"+words))+`"}}}`), base64.StdEncoding.EncodeToString([]byte("bob:" + words))},
		"kubeconfig":          {answer("application/yaml", "users:\n- name: a\n  user:\n    client-key-data: "+random(32, 80, alnum)+"\n    token: "+key+"\n"), random(32, 80, alnum)},
		"connection string":   {answer("text/plain", "Server=tcp:x.database.windows.net;User ID=bob;Password="+random(33, 16, alnum)+";Encrypt=True"), random(33, 16, alnum)},
		"jdbc":                {answer("text/plain", "jdbc:postgresql://h/db?user=bob&password="+random(34, 16, lower)+"&ssl=true"), random(34, 16, lower)},
	}
}

// A plant is a message and the secret in it.
type plant struct{ in, secret string }

func TestPlants(t *testing.T) {
	for name, p := range plants() {
		if !strings.Contains(p.in, p.secret) && !strings.Contains(p.in, url.PathEscape(p.secret)) {
			t.Fatalf("%s: the secret is not in it", name)
		}
		attack(t, name, p.in, []string{p.secret})
		whole := redactChunks(t, redact.Secrets, 1<<30, p.in)
		for _, n := range pieces {
			if out := redactChunks(t, redact.Secrets, n, p.in); out != whole {
				t.Errorf("%s in pieces of %d\n%q\nas a whole\n%q", name, n, out, whole)
			}
		}
	}
}

// TestNoPlants holds that what has the name of a secret near it and is none, or
// only looks like one, stays.
func TestNoPlants(t *testing.T) {
	for name, in := range map[string]string{
		"objects":    answer("application/json", `{"apiVersion":"v1","kind":"ConfigMap","data":{"level":"info","mode":"production","file":"a: b\nc: 1"},"metadata":{"data":{"foo":"bar"}}}`),
		"kinds":      answer("application/json", `[{"kind":"Secret","data":"x","values":{"data":{"foo":"bar"}}},{"d":"M10 10 L20 20aB3dE5gH7jK9mN1pQ","k":"abcdefabcdef12345678aBcD","value":"aB3dE5gH7jK9mN1pQ","unit":"x","name":"Accept"},{"kty":"RSA","e":"AQAB","n":"aB3dE5gH7jK9mN1pQaB3dE5gH7jK9mN1pQ","kid":"aB3dE5gH7jK9mN1pQ"}]`),
		"fields":     get("/", "Sec-WebSocket-Protocol: graphql-transport-ws, v4.channel.k8s.io, openai-beta.realtime-v1", "WWW-Authenticate: Digest realm=\"a@b.c\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"", "WWW-Authenticate: Negotiate", "Session: morning"),
		"yaml":       answer("application/yaml", "# password: see the vault\nusers:\n- name: bob\n  password: ${DB_PASSWORD}\n  token_count: 12\n  description: the password of the user\ntokens: [a, b]\nsecrets:\n- name: x\nmax_tokens: 100\n"),
		"xml":        answer("application/xml", "<?xml version=\"1.0\"?><a><!-- password --><name>bob smith</name><passwordPolicy min=\"8\">strict rules</passwordPolicy><token>identifier</token><key>color</key><string>dark blue</string></a>"),
		"html":       answer("text/html", "<!doctype html><label for=\"password\">Enter your password</label><input name=\"q\" value=\"two words\"><a href=\"/password/reset\">Forgot password?</a><script>if(a<b){c=\"x\"}</script>"),
		"schema":     post("application/json", `{"tools":[{"name":"login","input_schema":{"type":"object","properties":{"password":{"type":"string","description":"the password of the user"},"token":{"type":"string"}},"required":["password","token","authorization","x-request-identifier"]}}]}`),
		"headers":    answer("application/json", `{"allow":["Authorization","Content-Type","X-Requested-With"],"value":"plain text","name":"Accept"}`),
		"graphql":    post("application/json", `{"query":"query { user(name: \"password policy\") { id token } }","variables":{"name":"x y"}}`),
		"prose":      post("application/json", `{"content":"The password: it must have eight letters. Use curl -u user:password to log in, token: string, or secret=null."}`),
		"code":       answer("text/javascript", `function login(password){const token=getToken(password);return fetch(url,{headers:{authorization:token}})}`),
		"curl":       post("application/json", `{"content":"curl -u $USER:$PASS https://x and docker run -u 1000:1000 image"}`),
		"hashes":     answer("application/json", `{"sha256":"`+random(1, 64, hexes)+`","commit":"`+random(2, 40, hexes)+`","id":"3f2504e0-4f89-41d3-9a0c-0305e82c3301","etag":"W/\"`+random(3, 32, hexes)+`\""}`),
		"chunks":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;name=value\r\nok\r\n0\r\n\r\n",
		"utf-16":     answer("text/plain; charset=utf-16", wide("nothing of interest, the password is long", false)),
		"properties": answer("text/x-java-properties", "password.min.length=8\nlogin.password.label=\nhost=example.com\n"),
	} {
		if out := redactChunks(t, redact.Secrets, 1<<30, in); out != in {
			t.Errorf("%s: %q", name, out)
		}
		if out := redactExchanges(t, redact.Secrets, 1<<30, in); strings.Contains(out, "redacted") {
			t.Errorf("%s: %q", name, out)
		}
	}
}
