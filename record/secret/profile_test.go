package secret

import (
	"strings"
	"testing"
)

func TestProfile(t *testing.T) {
	var got Profile
	for _, p := range []Profile{None, Secrets, Strict} {
		if err := got.Set(p.String()); got != p || err != nil {
			t.Errorf("%v: %v, %v", p, got, err)
		}
	}
	err := got.Set("all")
	if err == nil || !strings.Contains(err.Error(), "secrets, strict or none") {
		t.Errorf("error does not name the choices: %v", err)
	}
}
