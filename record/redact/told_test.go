package redact_test

import (
	"hash/crc32"
	"net/url"
	"os"
	"strings"
	"testing"

	"ssltape/record/redact"
)

// told are texts that hold a secret, @, some words after what tells it, or in a form that
// nothing else has.
var told = map[string]string{
	"hunter2": "the password is @ and stays here", "Berlin1234!": "The password for the staging server is @.", "Falcon4821#": `my password is "@", can you check it?`,
	"Winter8811$": "use the password `@` to log in", "Monkey7712@": "Log in with username admin and password @", "Kitty4410!": "docker login -u bob --password @ r.example.com",
	"Sommer2024!": "Das Passwort lautet @", "Verano2024!": "La contraseña es @", "dragon99": "Please set my password to @, thanks", "Tr0ub4dor": "Your passphrase for it: @",
	"482913": "Your verification code is @. Do not share it.", "77120": "two-factor code: @",
	"abandon ability able about above absent absorb abstract absurd abuse access accident": "My recovery phrase: @. Please help",
	"zoo zone. 2. zero youth. 3. yard wrong write wrist wrestle wreck wrap worth worry":    "mnemonic: 1. @",
	"h0meNet77":   "WIFI:T:WPA;S:home;P:@;;",
	"Mordor6349#": "htpasswd -b /etc/nginx/.htpasswd bob @",
	"Mirror442!":  "lftp -u bob,@ ftp.example.com", "Gondor118!": "ansible_ssh_pass=@",
	"4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318": "private key: 0x@",
	"0123456789abcdef0123456789abcdef":                                 "1/1203487561203487:@",
	random(61, 50, alnum) + "1a":                                       "Bearer or not: AAAAAAAAAAAAAAAAAAAAAMLheAAAAAAA0%2BuSeid" + random(62, 22, alnum) + "%3D@",
}

// betweenDeltas is what stands between the pieces of a text in deltas.
const betweenDeltas = `"}}` + "\n\nevent: content_block_delta\n" + `data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"`

// TestTold holds that such a secret goes wherever the text is cut, and that what is left
// stays when it is redacted again.
func TestTold(t *testing.T) {
	for secret, text := range told {
		in := "Hello there. " + strings.Replace(text, "@", secret, 1) + "\nand more of it"
		for how, in := range map[string]string{
			"text": post("text/plain", in), "JSON": post("application/json", `{"m":`+quote(in)+`}`), "form": post("application/x-www-form-urlencoded", "a="+url.QueryEscape(in)),
			"nested": post("application/json", `{"x":`+quote(`{"y":`+quote(in)+`}`)+`}`), "deltas": "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + deltas("text_delta", "text", in),
		} {
			once := redactChunks(t, redact.Secrets, 1<<20, in)
			for _, size := range []int{1, 2, 3, 7} {
				if out := redactChunks(t, redact.Secrets, size, in); out != once {
					t.Errorf("%s in pieces of %d: %q\nwhole: %q", how, size, out, once)
				}
			}
			if strings.Contains(once, secret) || how == "form" && strings.Contains(once, url.QueryEscape(secret)) || strings.Contains(strings.ReplaceAll(once, betweenDeltas, ""), secret[:min(len(secret), 20)]) ||
				text[0] == 'h' && strings.Contains(strings.ReplaceAll(once, betweenDeltas, ""), secret[:4]) {
				t.Errorf("%s: %q", how, once)
			}
			if twice := redactChunks(t, redact.Secrets, 1<<20, once); twice != once {
				t.Errorf("%s, again: %q\nonce: %q", how, twice, once)
			}
		}
	}
}

// TestNotTold holds that prose of which only the words are those of secrets stays.
func TestNotTold(t *testing.T) {
	const text = "the password is hashed with SHA256 and sent to server2. Password is stored as bcrypt2.\n" +
		"Passwords must have 12 characters; password: string2. The verification takes 3000 ms, the security update is 2024 or KB5031356.\n" +
		"Recovery is quick: about half of all people who have that phrase can also open and use their own file. Wifi is up, ratio 16:9.\n" +
		"{\"value\":\"9f8e312ab0c4d5e6f708192a3b4c5d6e7f801234\",\"x-request-id\":\"3f2504e0-4f89-41d3-9a0c-0305e82c3301\",\"seed\":42,\"words\":\"12 of them\"}\n"
	for _, in := range []string{post("text/plain", text), post("application/json", quote(text)), "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + deltas("text_delta", "text", text)} {
		if out := redactChunks(t, redact.Secrets, 1<<20, in); out != in {
			t.Errorf("%q", out)
		}
	}
}

// TestBeside holds that what tells a secret in an object does so before it and after it.
func TestBeside(t *testing.T) {
	secret := random(63, 40, alnum)
	for _, in := range []string{
		`{"id":"https://v.vault.azure.net/secrets/db/0123","value":"@","tags":{}}`, `{"value":"@","id":"https://v.vault.azure.net/secrets/db/0123"}`,
		`{"Parameter":{"Name":"/x","Type":"SecureString","Value":"@","Version":1}}`, `{"result":{"id":"x","policies":[{"effect":"allow"}],"value":"@"}}`,
		`{"X-Acme-Key":"@"}`, `{"passwordConfirm":"@"}`, `{"sig":"@"}`, `{"token":"@"}`,
	} {
		short := ""
		if strings.Contains(in, "token") {
			short = "a8F3kQ9z"
		}
		for _, value := range []string{secret, short} {
			if value == "" {
				continue
			}
			in := post("application/json", strings.Replace(in, "@", value, 1))
			for _, size := range []int{1, 7, 1 << 20} {
				if out := redactChunks(t, redact.Secrets, size, in); strings.Contains(out, value) {
					t.Errorf("in pieces of %d: %q", size, out)
				}
			}
		}
	}
}

// TestPhraseWords holds that the words of phrases are those of BIP 39.
func TestPhraseWords(t *testing.T) {
	list, err := os.ReadFile("../secret/bip39.txt")
	if err != nil {
		t.Fatal(err)
	}
	if sum := crc32.ChecksumIEEE(list); sum != 0xc1dbd296 {
		t.Errorf("the list has another sum: %x", sum)
	}
}
