// Package selenium runs a Selenium Grid for tests: a hub and a node in one
// process.
//
// It owns the process, which ends with the test. There is no browser: the
// node has slots, and sessions for other browsers wait in the queue.
package selenium

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/kedago/keda/test/servers/process"
)

// User asks the Grid, with Password.
const User = "keda"

// Password is that of User.
const Password = "password-of-keda"

// Server is a running Grid.
type Server struct {
	// Addr is where it listens, 127.0.0.1:port.
	Addr string
}

// Start runs a Grid until the test ends, whose node has slots as the
// stereotype (JSON) says, as many as given. Without it, and without the means
// to install it, the test is skipped, or fails where the environment has
// CI=true.
func Start(t testing.TB, slots int, stereotype string) *Server {
	t.Helper()
	program := process.Script(t, "Selenium Grid", "selenium")
	driver, err := exec.LookPath("false") // never started
	process.Need(t, "program that stands for a driver", err)
	return process.Try(t, "Selenium Grid", 1, func(at []string) (*Server, error) {
		s := &Server{Addr: at[0]}
		cmd := exec.Command("java", "-Xmx192m", "-XX:TieredStopAtLevel=1", "-jar", program, "standalone",
			"--host", "127.0.0.1", "--port", process.Port(s.Addr), "--username", User, "--password", Password, "--detect-drivers", "false",
			"--driver-configuration", "display-name=browser", fmt.Sprint("max-sessions=", slots), "webdriver-executable="+driver, "stereotype="+stereotype,
			"--max-sessions", fmt.Sprint(slots), "--override-max-sessions", "true")
		cmd.Dir = t.TempDir()
		return s, process.Run(t, cmd, s.ready)
	})
}

// ready is so once the node is there.
func (s *Server) ready(ctx context.Context) error {
	status, err := s.ask(ctx, http.MethodGet, "/readyz", "")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the Grid answered %d", status)
	}
	return err
}

// Wait begins a session that asks for capabilities (JSON), which waits in the
// queue until the test ends.
func (s *Server) Wait(t testing.TB, capabilities string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = s.ask(ctx, http.MethodPost, "/session", `{"capabilities": {"alwaysMatch": `+capabilities+`}}`)
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func (s *Server) ask(ctx context.Context, method, path, body string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.Addr+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.SetBasicAuth(User, Password)
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	_ = resp.Body.Close()
	return resp.StatusCode, nil
}
