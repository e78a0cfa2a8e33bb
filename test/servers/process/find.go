package process

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Need skips a test that needs what err says is not there; it fails where the
// environment has CI=true. Without an error it does nothing.
func Need(t testing.TB, what string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is needed in CI: %v", what, err)
	}
	t.Skipf("no %s: %v", what, err)
}

// Wanted skips a test unless the environment has KEDA_TEST_REAL=1, so that a
// plain run of the unit tests stays fast.
func Wanted(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("KEDA_TEST_REAL") != "1" {
		t.Skipf("needs KEDA_TEST_REAL=1, which runs %s", what)
	}
}

// Script returns what hack/servers/NAME.sh prints, which is where it has
// installed a server. Where it can't, the test is skipped, see Need.
func Script(t testing.TB, what, name string) string {
	t.Helper()
	path, err := Installed(name)
	Need(t, what, err)
	return path
}

// Installed is Script with an error.
func Installed(name string) (string, error) {
	_, here, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(here), "..", "..", "..", "hack", "servers", name+".sh")
	var problem bytes.Buffer
	cmd := exec.Command("sh", script)
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// Program returns the path of a program, which hack/servers/SCRIPT.sh installs
// where it is missing. It looks where Debian has servers too, which is not in
// everybody's PATH.
func Program(name, script string) (string, error) {
	for _, at := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(at); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no %s in PATH; hack/servers/%s.sh installs it", name, script)
}

// Try starts a server on as many Addresses as it wants. It tries again, with
// others, when that fails: a port may be taken between looking and listening.
func Try[S any](t testing.TB, what string, addresses int, start func(at []string) (S, error)) S {
	t.Helper()
	const tries = 3
	for range tries {
		at, err := Addresses(addresses)
		if err == nil {
			var s S
			if s, err = start(at); err == nil {
				return s
			}
		}
		t.Logf("starting %s: %v", what, err)
	}
	t.Fatalf("%s did not start", what)
	panic("not reached")
}

// Addresses finds n addresses that nobody listens on, 127.0.0.1:port.
func Addresses(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // held until all are found, or one may come twice
		out = append(out, l.Addr().String())
	}
	return out, nil
}

// Port is that of an address.
func Port(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// Get asks by HTTP and returns the status of the answer.
func Get(ctx context.Context, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
