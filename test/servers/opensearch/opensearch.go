// Package opensearchserver runs OpenSearch for tests: one node, without the
// plug-in for logins. Elasticsearch's searches are the same.
//
// It owns the process and its folder; both end with the test. Tests that share
// a server keep apart by the names of their indices.
package opensearchserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Server is a running node.
type Server struct {
	// Addr is where it listens, 127.0.0.1:port.
	Addr string

	client *http.Client
}

// Start runs a node until the test ends. It skips the test unless the
// environment has KEDA_TEST_REAL=1, so that a plain run of the unit tests stays
// fast. Without a JDK, Maven or the network the test is skipped too, or fails
// where the environment has CI=true.
func Start(t testing.TB) *Server {
	t.Helper()
	if os.Getenv("KEDA_TEST_REAL") != "1" {
		t.Skip("needs KEDA_TEST_REAL=1, which runs OpenSearch")
	}
	jars, err := resolve()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("OpenSearch is needed in CI: %v", err)
		}
		t.Skipf("no OpenSearch: %v", err)
	}
	const tries = 3 // a port may be taken between looking and listening
	for range tries {
		s, err := start(t, jars)
		if err == nil {
			return s
		}
		t.Logf("starting OpenSearch: %v", err)
	}
	t.Fatal("OpenSearch did not start")
	return nil
}

// resolve returns the folder of OpenSearch's jars, downloaded if need be.
func resolve() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(here), "..", "..", "..", "hack", "servers", "opensearch.sh")
	var problem bytes.Buffer
	cmd := exec.Command("sh", script)
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

const settings = `
cluster.name: test
network.host: 127.0.0.1
transport.port: 0
discovery.type: single-node
cluster.routing.allocation.disk.threshold_enabled: false
`

func start(t testing.TB, jars string) (*Server, error) {
	folder := t.TempDir()
	config := filepath.Join(folder, "node_1", "config")
	if err := os.MkdirAll(config, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(config, "opensearch.yml"), []byte(settings), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command("java", "-Xms384m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-cp", filepath.Join(jars, "*"), "org.codelibs.opensearch.runner.OpenSearchRunner",
		"-basePath", folder, "-numOfNode", "1", "-clusterName", "test",
		"-moduleTypes", "org.opensearch.transport.Netty4Plugin,org.opensearch.script.mustache.MustachePlugin")
	cmd.Dir = folder
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	where, ended := make(chan string, 1), make(chan struct{})
	go func() {
		watch(out, where)
		_ = cmd.Wait()
		close(ended)
	}()
	stop := func() { _ = cmd.Process.Kill(); <-ended }
	late := time.NewTimer(2 * time.Minute)
	defer late.Stop()
	select {
	case address := <-where:
		t.Cleanup(stop)
		return &Server{Addr: address, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}, nil
	case <-ended:
		return nil, errors.New("it ended")
	case <-late.C:
		stop()
		return nil, errors.New("it did not become ready")
	}
}

// watch reads what the node writes, and tells the address that it chose once
// it has started.
func watch(out io.Reader, where chan<- string) {
	address := regexp.MustCompile(`HttpServerTransport\s*\] .*publish_address \{(127\.0\.0\.1:\d+)\}`)
	found := ""
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := address.FindStringSubmatch(lines.Text()); m != nil {
			found = m[1]
		}
		if found != "" && strings.Contains(lines.Text(), "recovered [") {
			where <- found
			found = ""
		}
	}
	_, _ = io.Copy(io.Discard, out) // a line too long for the scanner
}

// Put sends a JSON body to a path, such as that of a document, and waits until
// searches see it.
func (s *Server) Put(t testing.TB, path, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if strings.Contains(path, "/_doc/") {
		path += "?refresh=true"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+s.Addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatalf("PUT %s: %v", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		t.Fatalf("PUT %s: %d %s", path, resp.StatusCode, text)
	}
}
