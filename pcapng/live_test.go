package pcapng_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"ssltape/pcapng"
	"ssltape/record"
)

// What tcpdump captures of an HTTP server is read, on the loopback interface
// (Ethernet) and on any (cooked), from the pipe that tcpdump writes to.
func TestTcpdump(t *testing.T) {
	if _, err := exec.LookPath("tcpdump"); err != nil || os.Geteuid() != 0 {
		if err = errors.Join(err, errors.New("capturing needs root and tcpdump")); os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	answer := strings.Repeat("a real packet\n", 30000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, answer) }))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-i", "lo"}, {"-i", "any"}, {"-i", "any", "-y", "LINUX_SLL"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			out, stop := tcpdump(t, append(args, "-U", "-B", "16384", "-w", "-", "tcp port "+port)...)
			defer stop()
			go func() {
				client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
				resp, err := client.Get(server.URL + "/page")
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				io.Copy(io.Discard, resp.Body)
			}()
			var data [2]strings.Builder
			for c, err := range pcapng.Read(out) {
				if err != nil {
					t.Fatal(err)
				}
				data[c.Dir].Write(c.Data)
				if c.Dir == record.In && c.End != record.EndNone {
					break
				}
			}
			if !strings.HasPrefix(data[record.Out].String(), "GET /page HTTP/1.1\r\n") {
				t.Errorf("request: %q", data[record.Out].String())
			}
			// The server writes a long answer in chunks (RFC 9112, section 7.1).
			resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(data[record.In].String())), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil || string(body) != answer {
				t.Errorf("answer of %d bytes, want %d: %v", len(body), len(answer), err)
			}
		})
	}
}

// tcpdump starts tcpdump and waits until it captures.
func tcpdump(t *testing.T, args ...string) (stdout io.Reader, stop func()) {
	t.Helper()
	cmd := exec.Command("tcpdump", args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	messages, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	said := ""
	for lines := bufio.NewScanner(messages); lines.Scan(); {
		said = fmt.Sprintln(said, lines.Text())
		if strings.Contains(lines.Text(), "listening on") {
			return out, stop
		}
	}
	stop()
	t.Fatal("tcpdump:", said)
	return nil, nil
}
