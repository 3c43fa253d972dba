package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"ssltape/record/session/program"
	"ssltape/record/session/shim"
	"ssltape/replay"
)

// ShimCommand is the hidden command by which this program, started as a child
// of itself, becomes the command to record.
const ShimCommand = shim.Command

// A command is the program to record, held back until release is called.
type command struct {
	launch shim.Launch
	cmd    *exec.Cmd
	pipe   *os.File
}

// startCommand starts the shim for the command of o, with the streams of this
// process. The command itself does not run before release.
func startCommand(o *Options) (*command, error) {
	path, err := program.LookPath(o.Command[0])
	if err != nil {
		return nil, notStarted(o.Command[0], err)
	}
	l := shim.Launch{Path: path, Args: o.Command, Env: os.Environ(), UID: -1, GID: -1}
	if err := become(&l, o.User); err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := exec.Command("/proc/self/exe", ShimCommand)
	cmd.Args[0] = "ssltape"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{r} // becomes shim.FD
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, fmt.Errorf("start %s: %w", o.Command[0], err)
	}
	return &command{launch: l, cmd: cmd, pipe: w}, nil
}

// notStarted is the error for a command that cannot run, with the exit code
// that a shell gives (POSIX, section 2.8.2).
func notStarted(name string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return &replay.Error{Code: replay.ExitNotExecutable, Err: fmt.Errorf("%s: not executable", name), Hint: "chmod +x, or name the interpreter before it"}
	}
	return notFound(name, replay.ExitNotFound)
}

// notFound is the error for a command that is not there: with a slash in its name
// it is a path, and PATH is not looked at.
func notFound(name string, code int) error {
	if strings.Contains(name, "/") {
		return &replay.Error{Code: code, Err: fmt.Errorf("%s: no such file", name), Hint: "a command without a slash is looked for in PATH"}
	}
	return &replay.Error{Code: code, Err: fmt.Errorf("%s: command not found", name), Hint: "give its path, or look at PATH"}
}

// become sets the user that the command runs as: the one named, else who
// called sudo, else whoever runs us.
func become(l *shim.Launch, name string) error {
	if name == "" && os.Getuid() == 0 && os.Getenv("SUDO_UID") != "" {
		name = os.Getenv("SUDO_USER")
	}
	if name == "" {
		return nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return &replay.Error{Code: replay.ExitNotRecorded, Err: fmt.Errorf("user %s: %w", name, err), Hint: "--user names who runs the command"}
	}
	if os.Geteuid() != 0 {
		if u.Uid != strconv.Itoa(os.Getuid()) {
			return &replay.Error{Code: replay.ExitNotRecorded, Err: fmt.Errorf("--user %s: needs root", name), Hint: "run with sudo"}
		}
		return nil
	}
	groups, err := u.GroupIds()
	if err != nil {
		return &replay.Error{Code: replay.ExitNotRecorded, Err: fmt.Errorf("groups of %s: %w", name, err)}
	}
	for _, g := range groups {
		if id, err := strconv.Atoi(g); err == nil {
			l.Groups = append(l.Groups, id)
		}
	}
	if l.UID, err = strconv.Atoi(u.Uid); err != nil {
		return fmt.Errorf("user %s: %w", name, err)
	}
	if l.GID, err = strconv.Atoi(u.Gid); err != nil {
		return fmt.Errorf("user %s: %w", name, err)
	}
	l.Env = userEnv(l.Env, u)
	return nil
}

// userEnv gives env the identity of u and takes out what sudo put in.
func userEnv(env []string, u *user.User) []string {
	var out []string
	for _, kv := range env {
		k, _, _ := strings.Cut(kv, "=")
		switch k {
		case "HOME", "USER", "LOGNAME", "MAIL", "SUDO_USER", "SUDO_UID", "SUDO_GID", "SUDO_COMMAND":
		default:
			out = append(out, kv)
		}
	}
	return append(out, "HOME="+u.HomeDir, "USER="+u.Username, "LOGNAME="+u.Username)
}

// files returns the ELF files that the command is known to run from, and the
// TLS libraries that these load; and those that its arguments name: env,
// timeout, npx and the like run one of them. Searching them now saves the time
// that a program waits when it starts.
func (c *command) files() (files []string) {
	names := []string{c.launch.Path}
	const most = 8 // arguments further back name no program
	for _, arg := range c.launch.Args[1:min(most, len(c.launch.Args))] {
		if path, err := program.LookPath(arg); err == nil {
			names = append(names, path)
		} else if path := filepath.Join("node_modules", ".bin", arg); filepath.IsLocal(arg) && isExecutable(path) {
			names = append(names, path) // as npx and bunx look it up
		}
	}
	for _, name := range names {
		for _, file := range program.Files(name) {
			libs, _ := program.Needed(file, libraryPath(c.launch.Env)...)
			files = append(append(files, file), libs...)
		}
	}
	return files
}

func isExecutable(path string) bool {
	_, err := exec.LookPath("./" + path)
	return err == nil
}

func (c *command) pid() int { return c.cmd.Process.Pid }

// release lets the command run.
func (c *command) release() error {
	defer c.pipe.Close()
	if err := json.NewEncoder(c.pipe).Encode(c.launch); err != nil {
		return fmt.Errorf("start %s: %w", c.launch.Path, err)
	}
	return nil
}

// abandon ends the shim of a command that is not to run after all.
func (c *command) abandon() {
	c.pipe.Close()
	c.cmd.Process.Kill()
	c.cmd.Wait()
}

// wait returns the exit code of the command, as a shell has it.
func (c *command) wait() int {
	c.cmd.Wait()
	if status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); ok {
		return shellStatus(status)
	}
	return c.cmd.ProcessState.ExitCode()
}

// shellStatus is the exit code, or that of the signal that ended the process.
func shellStatus(s syscall.WaitStatus) int {
	if s.Signaled() {
		return replay.ExitSignal + int(s.Signal())
	}
	return s.ExitStatus()
}

// Shim says why the [ShimCommand] has not become the command, which it does
// before the program begins.
func Shim() error {
	l, err := shim.Err()
	identity := new(shim.IdentityError)
	switch {
	case err == nil || errors.Is(err, shim.ErrNoPipe):
		return &replay.Error{Code: replay.ExitNotRecorded, Err: shim.ErrNoPipe, Hint: "ssltape record -- COMMAND"}
	case errors.Is(err, shim.ErrAbandoned):
		return &replay.Error{Code: replay.ExitNotRecorded}
	case errors.As(err, &identity):
		return &replay.Error{Code: replay.ExitNotRecorded, Err: fmt.Errorf("run %s as another user: %w", l.Path, identity.Err)}
	case len(l.Args) == 0:
		return &replay.Error{Code: replay.ExitNotRecorded, Err: err}
	}
	return notStarted(l.Args[0], err)
}
