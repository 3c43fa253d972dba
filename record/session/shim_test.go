//go:build linux

package session_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"ssltape/record/session/shim"
)

// The shim becomes the command before the packages are initialised that take
// long.
func TestShimIsEarly(t *testing.T) {
	text, err := json.Marshal(shim.Launch{Path: "/bin/sh", Args: []string{"sh", "-c", "exit 7"}, Env: os.Environ(), UID: -1})
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command(binary, shim.Command)
	cmd.ExtraFiles = []*os.File{r}
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var trace bytes.Buffer
	cmd.Stderr = &trace
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	w.Close()
	_ = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 7 {
		t.Errorf("exit code %d, want the command's", code)
	}
	if !strings.Contains(trace.String(), "init runtime ") || strings.Contains(trace.String(), "gopacket/layers") {
		t.Errorf("initialised before the command:\n%s", trace.String())
	}
}
