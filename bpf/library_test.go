package bpf

import (
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
	// NSS, which has almost the name of OpenSSL's library.
	if nss, _ := filepath.Glob("/usr/lib/*/libssl3.so"); len(nss) > 0 {
		refused[nss[0]] = ErrNoTLS.Error()
	}
	for path, want := range refused {
		if _, err := Inspect(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}
