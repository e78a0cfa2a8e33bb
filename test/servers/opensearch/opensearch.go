// Package opensearchserver runs OpenSearch for tests: one node, without the
// plug-in for logins. Elasticsearch's searches are the same.
//
// It owns the process and its folder; both end with the test. Tests that share
// a server keep apart by the names of their indices.
package opensearchserver

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/test/servers/process"
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
	process.Wanted(t, "OpenSearch")
	jars := process.Script(t, "OpenSearch", "opensearch")
	return process.Try(t, "OpenSearch", 0, func([]string) (*Server, error) {
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
		s := &Server{client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
		return s, process.RunUntil(t, cmd, s.reads(), process.Within(2*time.Minute))
	})
}

// reads takes the lines that the node writes: where it listens, and last that it
// has started.
func (s *Server) reads() func(line string) (started bool) {
	address := regexp.MustCompile(`HttpServerTransport\s*\] .*publish_address \{(127\.0\.0\.1:\d+)\}`)
	return func(line string) bool {
		if m := address.FindStringSubmatch(line); m != nil {
			s.Addr = m[1]
		}
		return s.Addr != "" && strings.Contains(line, "recovered [")
	}
}

const settings = `
cluster.name: test
network.host: 127.0.0.1
transport.port: 0
discovery.type: single-node
cluster.routing.allocation.disk.threshold_enabled: false
`

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
