package tlslib

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestInspectRefuses(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("\x7fELF but no more"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused := map[string]string{
		text:                          "not an ELF file",
		dir:                           "not a file",
		filepath.Join(dir, "missing"): "no such file",
	}
	for path, want := range refused {
		if _, err := Inspect(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// NSS has almost the name of OpenSSL's library, and other functions.
func TestInspectNSS(t *testing.T) {
	found, _ := filepath.Glob("/usr/lib/*/libssl3.so")
	if len(found) == 0 {
		t.Skip("no NSS")
	}
	a, sites, err := Find(found[0], true)
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]Call{}
	for _, s := range sites {
		calls[s.Name] = s.Call
	}
	want := map[string]Call{"ssl_SecureRecv": Recv, "ssl_SecureSend": Write, "ssl_SecureClose": Free}
	if !maps.Equal(calls, want) || len(a.Stacks) != 1 || a.Stacks[0].Name != "NSS" || a.Stacks[0].Version == "" {
		t.Errorf("found %v in %+v", calls, a)
	}
}
