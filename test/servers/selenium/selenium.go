// Package selenium runs a Selenium Grid for tests: a hub and a node in one
// process.
//
// It owns the process, which ends with the test. There is no browser: the
// node has slots, and sessions for other browsers wait in the queue.
package selenium

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
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
	program, err := find()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("Selenium Grid is needed in CI: %v", err)
		}
		t.Skipf("no Selenium Grid: %v", err)
	}
	const tries = 3 // a port may be taken between looking and listening
	for range tries {
		s, err := start(t, program, slots, stereotype)
		if err == nil {
			return s
		}
		t.Logf("starting Selenium Grid: %v", err)
	}
	t.Fatal("Selenium Grid did not start")
	return nil
}

// find returns the program, installed if need be.
func find() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(here), "..", "..", "..", "hack", "servers", "selenium.sh")
	var problem bytes.Buffer
	cmd := exec.Command("sh", script)
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

func start(t testing.TB, program string, slots int, stereotype string) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: l.Addr().String()}
	_ = l.Close()
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return nil, err
	}
	driver, err := exec.LookPath("false") // never started
	if err != nil {
		return nil, err
	}
	var said bytes.Buffer
	cmd := exec.Command("java", "-Xmx192m", "-XX:TieredStopAtLevel=1", "-jar", program, "standalone",
		"--host", host, "--port", port, "--username", User, "--password", Password, "--detect-drivers", "false",
		"--driver-configuration", "display-name=browser", fmt.Sprint("max-sessions=", slots), "webdriver-executable="+driver, "stereotype="+stereotype,
		"--max-sessions", fmt.Sprint(slots), "--override-max-sessions", "true")
	cmd.Dir = t.TempDir()
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop := func() { _ = cmd.Process.Kill(); <-ended }
	if err := s.waitReady(ended); err != nil {
		stop()
		return nil, fmt.Errorf("%w: %s", err, said.String())
	}
	t.Cleanup(stop)
	return s, nil
}

func (s *Server) waitReady(ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return errors.New("it did not become ready")
		case <-tick.C:
		}
		// It is ready once its node is there.
		if status, err := s.ask(ctx, http.MethodGet, "/readyz", ""); err == nil && status == http.StatusOK {
			return nil
		}
	}
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
