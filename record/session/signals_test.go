//go:build linux

package session_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// startStatus records a python server on a terminal with a status line, and
// lets one exchange happen.
func startStatus(t *testing.T, more ...string) (p *terminal, server process, har string) {
	t.Helper()
	needs(t, "python3")
	s := startServer(t)
	server = startCommand(t, "python3", "-c", pythonServer, s.CertFile, s.KeyFile)
	har = filepath.Join(t.TempDir(), "a.har")
	p = startTerminal(t, append([]string{binary, "record", "-o", har, "-p", fmt.Sprint(server.pid)}, more...)...)
	p.wait(t, "0 exchanges, 0 open, 0 B, 0 B lost")
	get(t, clientFor(t, s), fmt.Sprintf("https://localhost:%s/1", server.line))
	waitFor(t, "the exchange in the file", func() bool {
		text, _ := os.ReadFile(har)
		return strings.Contains(string(text), "localhost:"+server.line)
	})
	return p, server, har
}

// end waits for the program and checks its exit code.
func (p *terminal) end(t *testing.T, code int) {
	t.Helper()
	<-p.done
	p.cmd.Wait()
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("exit code %d, want %d\n%s", got, code, p.text())
	}
}

// Each signal that ends a recording ends it well; USR1 shows counters and USR2
// makes what there is readable.
func TestSignals(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP} {
		packed := filepath.Join(t.TempDir(), "a.har.gz")
		p, _, har := startStatus(t, "-o", packed)
		p.cmd.Process.Signal(syscall.SIGUSR1)
		p.wait(t, packed+"\r\n")
		p.cmd.Process.Signal(syscall.SIGUSR2)
		waitFor(t, "the exchange in "+packed, func() bool { return strings.Contains(unpacked(packed), `"url":"https://localhost`) })
		p.cmd.Process.Signal(s)
		p.end(t, 0)
		if n := len(readHAR(t, har).Log.Entries); n != 1 {
			t.Errorf("%v: %d entries", s, n)
		}
	}
}

// unpacked returns what can be read of a compressed file.
func unpacked(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return ""
	}
	text, _ := io.ReadAll(z) // it may end early
	return string(text)
}

// TestUnread records to a pipe that nobody reads: the second interrupt ends
// that, and it is said what was not written.
func TestUnread(t *testing.T) {
	needs(t, "curl")
	s := startServer(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	har := filepath.Join(t.TempDir(), "a.har")
	cmd := exec.Command(binary, "record", "-o", "jsonl:-", "-o", har, "--", "curl", "-s", "--cacert", s.CertFile,
		"-o", "/dev/null", s.URL+"/bytes/1000000", "-o", "/dev/null", s.URL+"/bytes/1000")
	var stderr strings.Builder
	cmd.Stdout, cmd.Stderr = w, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	waitFull(t, r)
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	waitFor(t, "its end", func() bool {
		cmd.Process.Signal(syscall.SIGINT)
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(stderr.String(), "nobody reads it") {
		t.Errorf("exit code %d, %s", code, stderr.String())
	}
	if readHAR(t, har).Log.Entries == nil {
		t.Error("the other file has no exchange")
	}
}

// waitFull waits until an output that is a pipe, and that nobody reads, is in the
// middle of a long line: those before it have the exchange.
func waitFull(t *testing.T, pipe *os.File) {
	t.Helper()
	waitFor(t, "a pipe that is full", func() bool {
		n, err := unix.IoctlGetInt(int(pipe.Fd()), unix.TIOCINQ)
		size, err2 := unix.FcntlInt(pipe.Fd(), unix.F_GETPIPE_SZ, 0)
		return err == nil && err2 == nil && n > size/2
	})
}

// Who reads standard output ends a recording by not reading on: nothing is wrong,
// and nothing is missing.
func TestOutputClosed(t *testing.T) {
	needs(t, "curl")
	s := startServer(t)
	cmd := exec.Command(binary, "record", "--strict", "-E", "-o", "jsonl:-", "--", "curl", "-s", "--cacert", s.CertFile,
		"-o", "/dev/null", s.URL+"/bytes/[1-300]")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stdout, cmd.Stderr = w, &stderr
	r.Close()
	err = cmd.Run()
	w.Close()
	if err != nil || strings.Contains(stderr.String(), "lost") {
		t.Errorf("%v\n%s", err, stderr.String())
	}
}

// What takes long to be written after the end of a command is told on the terminal,
// with the way out, which leaves good files and says what is not in them.
func TestLongEnd(t *testing.T) {
	needs(t, "curl")
	s := startServer(t)
	dir := t.TempDir()
	har, fifo := filepath.Join(dir, "a.har"), filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(fifo, os.O_RDWR, 0) // nobody reads it
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	args := []string{binary, "record", "-o", har, "-o", "jsonl:" + fifo, "--", "curl", "-s", "--cacert", s.CertFile}
	for range 4 {
		args = append(args, "-o", "/dev/null", s.URL+"/bytes/1000000")
	}
	p := startTerminal(t, args...)
	p.wait(t, "MiB left (Ctrl-C twice drops it)")
	waitFull(t, f)
	p.master.WriteString("\x03")
	p.wait(t, "MiB left (Ctrl-C drops it)")
	p.master.WriteString("\x03")
	p.end(t, 1)
	if text := p.text(); !strings.Contains(text, "MiB not waited for\r\n") || !strings.Contains(text, "ssltape: wrote "+har) {
		t.Errorf("what is missing is not said:\n%s", text)
	}
	h := readHAR(t, har)
	if len(h.Log.Entries) == 0 || !strings.Contains(h.Log.Comment, " bytes lost") {
		t.Errorf("the other file has %d exchanges and says %q", len(h.Log.Entries), h.Log.Comment)
	}
}

// The status line says what there is to say, fits the terminal also when that
// becomes narrower, and is taken away at the end.
func TestStatusLine(t *testing.T) {
	p, server, har := startStatus(t)
	p.wait(t, fmt.Sprintf("[%d]  1 exchange, 0 open", server.pid))
	p.wait(t, " B lost  "+har[:10])
	before := len(p.text())
	const width = 30
	if err := unix.IoctlSetWinsize(int(p.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 20, Col: width}); err != nil {
		t.Fatal(err)
	}
	narrow := func(line string) bool {
		return strings.HasSuffix(line, "…") && utf8.RuneCountInString(line) == width-1
	}
	waitFor(t, "a narrow line", func() bool {
		for line := range strings.SplitSeq(p.text()[before:], "\r") {
			if narrow(line) {
				return true
			}
		}
		return false
	})
	p.master.WriteString("\x03")
	p.end(t, 0)
	text := p.text()
	last, totals, _ := strings.Cut(text[strings.LastIndex(text, "…"):], "ssltape: 1 exchange")
	if blank := "…\r" + strings.Repeat(" ", width-1) + "\r"; !strings.HasSuffix(strings.ReplaceAll(last, "^C", ""), blank) {
		t.Errorf("the status line is not taken away: %q", last)
	}
	if !strings.Contains(totals, "ssltape: wrote "+har) {
		t.Errorf("no totals: %q", totals)
	}
}

// What is typed to interrupt a command that goes on, as an interpreter does, ends
// neither it nor its recording, however often that is.
func TestInterruptedCommand(t *testing.T) {
	needs(t, "python3")
	const python = `import signal, ssl, sys, urllib.request
signal.signal(signal.SIGINT, lambda *_: print('interrupted', flush=True))
print('started', flush=True)
for line in sys.stdin:
    print('answer', urllib.request.urlopen(line.strip(), context=ssl.create_default_context(cafile=sys.argv[1])).status, flush=True)`
	s := startServer(t)
	har := filepath.Join(t.TempDir(), "a.har")
	p := startTerminal(t, binary, "record", "-o", har, "--", "python3", "-c", python, s.CertFile)
	p.wait(t, "started")
	for n := 1; n <= 4; n++ {
		p.master.WriteString("\x03")
		waitFor(t, "the command to be interrupted", func() bool { return strings.Count(p.text(), "interrupted") == n })
		p.cmd.Process.Signal(syscall.SIGUSR1) // which the recorder deals with after that
		waitFor(t, "the recorder to be interrupted", func() bool { return strings.Count(p.text(), har+"\r\n") == n })
		if n > 1 { // two may come at once
			time.Sleep(600 * time.Millisecond)
		}
	}
	p.enter(t, s.URL+"/bytes/1000", "answer 200")
	p.master.WriteString("\x04")
	p.end(t, 0)
	if n := len(readHAR(t, har).Log.Entries); n != 1 {
		t.Errorf("%d entries, want 1\n%s", n, p.text())
	}
}

// The terminal's interrupt goes to the command, whose end is waited for, as its
// quit does; one that does not mind is left behind by the third at once. The exit
// code is the command's, or says its signal.
func TestCommandSignals(t *testing.T) {
	needs(t, "python3")
	// It is to go with the terminal in the end, also where the tests run under nohup.
	const python = "import signal, sys\nsignal.signal(signal.SIGHUP, signal.SIG_DFL)\nsignal.signal(signal.SIGINT, %s)\nprint('started', flush=True)\nwhile True: signal.pause()"
	record := func(handler string) *terminal {
		har := filepath.Join(t.TempDir(), "a.har")
		p := startTerminal(t, binary, "record", "-o", har, "--", "python3", "-c", fmt.Sprintf(python, handler))
		p.wait(t, "started")
		return p
	}
	p := record("lambda *_: (print('ending'), sys.exit(7))")
	p.master.WriteString("\x03")
	p.end(t, 7)
	if text := p.text(); !strings.Contains(text, "ending") || !strings.Contains(text, "ssltape: wrote ") {
		t.Errorf("not the command's end and then the totals:\n%s", text)
	}
	p = record("signal.SIG_DFL), signal.signal(signal.SIGQUIT, lambda *_: sys.exit(8)")
	p.master.WriteString("\x1c")
	p.end(t, 8)
	if text := p.text(); strings.Contains(text, "goroutine") || !strings.Contains(text, "ssltape: wrote ") {
		t.Errorf("not the totals:\n%s", text)
	}
	p = record("signal.SIG_IGN")
	waitFor(t, "the end", func() bool {
		p.cmd.Process.Signal(os.Interrupt)
		select {
		case <-p.done:
			return true
		default:
			return strings.Contains(p.text(), "ssltape: wrote ")
		}
	})
	p.end(t, 128+int(syscall.SIGINT))
	r := recordArgs(t, "--", "sh", "-c", "kill -TERM $$")
	if r.code != 128+int(syscall.SIGTERM) {
		t.Errorf("a command that was killed: exit code %d", r.code)
	}
	if !strings.Contains(r.stderr, "no TLS traffic was seen: sh has no TLS of its own\nhint: ssltape check sh ") {
		t.Errorf("why nothing was seen is not said: %s", r.stderr)
	}
}

// What cannot be recorded is refused with one line before anything starts, and
// what the flags of a command are wrong in with the code for that.
func TestRefused(t *testing.T) {
	needs(t)
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		args, says string
		code       int
	}{
		{"--exe nosuch", "ssltape: --exe nosuch: no such file or directory\nhint: ", 1},
		{"--exe .", "ssltape: --exe .: is no program\nhint: ", 1},
		{"--exe /etc/passwd", "ssltape: --exe /etc/passwd: not executable\nhint: ", 1},
		{"-p x", `"x" is no process id`, 2},
		{"-p 0", `"0" is no process id`, 2},
		{"-n x true", "must be an integer", 2},
		{"-n x -- true", "must be an integer", 125},
		{"-- nosuch", "ssltape: nosuch: command not found\nhint: give its path", 127},
		{"-- ./nosuch", "ssltape: ./nosuch: no such file\nhint: a command without a slash", 127},
		{"-- /etc/passwd", "ssltape: /etc/passwd: not executable\nhint: chmod +x", 126},
	} {
		out, err := exec.Command(binary, append([]string{"record"}, strings.Fields(c.args)...)...).CombinedOutput()
		exit, ok := err.(*exec.ExitError)
		if !ok || exit.ExitCode() != c.code || !strings.Contains(string(out), c.says) {
			t.Errorf("record %s: %v, want code %d and %q:\n%s", c.args, err, c.code, c.says, out)
		}
	}
	if files, _ := os.ReadDir("."); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
}

// A recording that could not begin takes its files away, but nothing that was
// no file.
func TestNotBegun(t *testing.T) {
	needs(t)
	dir := t.TempDir()
	device, file := filepath.Join(dir, "null"), filepath.Join(dir, "a.har")
	if err := unix.Mknod(device, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(binary, "record", "-o", "har:"+device, "-o", file, "--ready-file", filepath.Join(dir, "no/ready"), "--", "true")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("it began: %s", out)
	}
	if _, err := os.Lstat(device); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(file); err == nil {
		t.Errorf("%s is left", file)
	}
}

// A file that somebody takes away meanwhile is not told to be there. Where it
// was only given another name it is whole. The first that is there and that
// replay reads is told how to.
func TestFileGone(t *testing.T) {
	needs(t)
	t.Chdir(t.TempDir())
	cmd := exec.Command(binary, "record", "-o", "a.har", "-o", "t.txt", "-o", "b.jsonl", "-o", "d.har.gz", "-o", "c.pcapng", "--", "sh", "-c", "rm c.pcapng; mv a.har moved.har")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, line := range []string{"ssltape: a.har is no longer there: ", "ssltape: wrote t.txt\n", "ssltape: wrote b.jsonl   (ssltape replay b.jsonl)\n", "ssltape: wrote d.har.gz\n", "ssltape: c.pcapng is no longer there: "} {
		if !strings.Contains(string(out), line) {
			t.Errorf("%q is not said:\n%s", line, out)
		}
	}
	if out, err := exec.Command(binary, "replay", "moved.har").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
