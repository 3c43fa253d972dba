//go:build amd64 || arm64

package bpf

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"ssltape/bpf/memory"
	"ssltape/bpf/object"
)

// How many files a process that records must be allowed to have open: programs,
// maps, links and the files of what is recorded are some 80. Which step it is
// that meets a lower limit, and what is said there, would be a matter of chance.
const (
	leastFiles = 256
	moreFiles  = "ulimit -n 1024 allows enough of them"
)

// Supported tells whether this process can record on this machine. The error
// is a [SupportError].
func Supported() error {
	if v := kernelVersion(); v != [2]int{} && (v[0] < 5 || v[0] == 5 && v[1] < 10) {
		return &SupportError{ErrKernel, fmt.Sprintf("Linux %d.%d is older than 5.10", v[0], v[1]), "use a newer kernel"}
	}
	if unix.Geteuid() != 0 && !capable(unix.CAP_BPF, unix.CAP_PERFMON) && !capable(unix.CAP_SYS_ADMIN) {
		return &SupportError{ErrPrivilege, "neither root nor cap_bpf and cap_perfmon",
			"run with sudo, or setcap cap_bpf,cap_perfmon+ep on the program"}
	}
	if err := enoughRights(); err != nil {
		return err
	}
	if _, err := os.Stat("/proc/self/exe"); err != nil {
		return &SupportError{ErrProcess, "/proc is not mounted", "mount -t proc proc /proc"}
	}
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err == nil && files.Cur < leastFiles {
		return &SupportError{ErrProcess, fmt.Sprintf("no more than %d files may be open", files.Cur), moreFiles}
	}
	if err := enoughMemory(UsableMemory()); err != nil {
		return err
	}
	if err := hasTypes(); err != nil {
		return &SupportError{ErrKernel, "no type information (CONFIG_DEBUG_INFO_BTF)", "use a kernel of a current distribution"}
	}
	return nil
}

// enoughRights returns an error where file capabilities are not enough for this kernel.
func enoughRights() error {
	const hint = "run with sudo, or setcap cap_bpf,cap_perfmon,%s+ep on the program"
	if unix.Geteuid() == 0 {
		return nil
	}
	if !kernelIs(5, 11) && rlimit.RemoveMemlock() != nil {
		return &SupportError{ErrPrivilege, "no more memory may be locked, as Linux before 5.11 wants it", fmt.Sprintf(hint, "cap_sys_admin,cap_sys_resource")}
	}
	if !kernelIs(6, 6) && !mayHook() { // else there is another way: uprobe_multi
		return &SupportError{ErrPrivilege, "Linux before 6.6 lets cap_perfmon hook nothing", fmt.Sprintf(hint, "cap_sys_admin")}
	}
	return nil
}

// mayHook reports whether this thread may hook functions one by one. Since Linux 6.16,
// and in later releases of older ones, that takes CAP_SYS_ADMIN, which the kernel looks
// at before it looks at what is to be hooked: here nothing.
func mayHook() bool {
	text, _ := os.ReadFile("/sys/bus/event_source/devices/uprobe/type")
	kind, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return true // who hooks something is told what is wrong
	}
	attr := unix.PerfEventAttr{Type: uint32(kind), Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{}))}
	fd, err := unix.PerfEventOpen(&attr, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err == nil {
		unix.Close(fd)
	}
	return err != unix.EACCES
}

// enoughMemory returns an error where this process would be killed before it records
// anything.
func enoughMemory(usable int) error {
	if usable > memory.Own {
		return nil
	}
	return &SupportError{ErrProcess, fmt.Sprintf("recording takes %d MiB of memory, and no more than %d may be used here", memory.Own>>20, usable>>20),
		"allow the control group 64 MiB, or record from outside of it with -p PID"}
}

// hasTypes says why the kernel does not tell its types.
func hasTypes() error {
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err == nil {
		return nil
	}
	_, err := object.Kernel.Kernel() // which looks for them elsewhere
	return err
}

// explain makes a SupportError of err where the kernel refused something.
func explain(err error) error {
	if errors.Is(err, unix.EMFILE) {
		return &SupportError{ErrProcess, "too many open files", moreFiles}
	}
	if rejected := new(ebpf.VerifierError); errors.As(err, &rejected) {
		return &SupportError{ErrKernel, err.Error(), "use a kernel of a current distribution"}
	}
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	return &SupportError{ErrPrivilege, err.Error(),
		"run as root outside of a container, or with one that may use BPF (--privileged)"}
}

// kernelVersion returns major and minor number of the running kernel, or zeros.
func kernelVersion() (v [2]int) {
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &v[0], &v[1])
	}
	return v
}

// kernelIs reports whether the running kernel is of that version or later.
func kernelIs(major, minor int) bool {
	v := kernelVersion()
	return v[0] > major || v[0] == major && v[1] >= minor
}

// capable reports whether this process has all of caps in effect.
func capable(caps ...int) bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&hdr, &data[0]) != nil {
		return false
	}
	for _, c := range caps {
		if data[c/32].Effective&(1<<(c%32)) == 0 {
			return false
		}
	}
	return true
}
