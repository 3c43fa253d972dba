//go:build linux && (amd64 || arm64)

package bpf

import (
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Whether functions may be hooked one by one, as before Linux 6.6, is known before it
// is tried: with cap_perfmon alone it depends on the kernel.
func TestMayHook(t *testing.T) {
	lib := libssl(t)
	if !mayHook() {
		t.Error("root may hook nothing")
	}
	p := open(t, Options{old: true})
	may, err := true, error(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // which ends with this goroutine
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		for _, c := range []int{unix.CAP_BPF, unix.CAP_PERFMON} {
			data[c/32].Effective |= 1 << (c % 32)
			data[c/32].Permitted |= 1 << (c % 32)
		}
		if err = unix.Capset(&hdr, &data[0]); err == nil {
			may = mayHook()
			_, err = p.Attach(lib)
		}
	}()
	<-done
	if may != (err == nil) || err != nil && !errors.Is(err, unix.EACCES) {
		t.Errorf("may hook: %v, but doing so: %v", may, err)
	}
}
