package field

import (
	"strings"
	"testing"

	"ssltape/record/secret"
)

// What was redacted stays when a file is redacted again.
func TestAgain(t *testing.T) {
	for _, v := range []string{"Bearer abcdefghijkl", "Basic YTpi", "a"} {
		once := Value(secret.Secrets, "Authorization", v)
		if once == v || Value(secret.Secrets, "Authorization", once) != once {
			t.Errorf("%s: %s, then %s", v, once, Value(secret.Secrets, "Authorization", once))
		}
	}
	once := URL(secret.Secrets, "/x?access_token=abc&b=1")
	if again := URL(secret.Secrets, once); again != once || !strings.HasSuffix(once, "&b=1") {
		t.Errorf("%s, then %s", once, again)
	}
}

// TestCookieAgain holds that what stands for a cookie without a name stays.
func TestCookieAgain(t *testing.T) {
	for _, name := range []string{"Cookie", "Set-Cookie"} {
		once := Value(secret.Secrets, name, "aB3dE5gH7jK9mN1pQ2sT")
		if again := Value(secret.Secrets, name, once); again != once || once == "aB3dE5gH7jK9mN1pQ2sT" {
			t.Errorf("%s: %q, once %q", name, again, once)
		}
	}
}
