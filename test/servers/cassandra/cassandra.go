// Package cassandraserver runs Apache Cassandra for tests: one node with
// logins and permissions, which takes TLS and plain connections on one port.
//
// It owns the process and its folder; both end with the test.
package cassandraserver

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/kedago/keda/internal/conn/conntest"
)

// User is one that may log in and nothing else, until a test allows it more.
const (
	User     = "keda"
	Password = "password-of-keda"
)

// Server is a running node.
type Server struct {
	// Addr is where it listens, 127.0.0.1:port.
	Addr string
	// CA is the authority (PEM) of its certificate.
	CA string

	session *gocql.Session // the owner's
}

// Start runs a node until the test ends. It skips the test unless the
// environment has KEDA_TEST_REAL=1, so that a plain run of the unit tests stays
// fast. Without a JDK, Maven or the network the test is skipped too, or fails
// where the environment has CI=true.
func Start(t testing.TB) *Server {
	t.Helper()
	if os.Getenv("KEDA_TEST_REAL") != "1" {
		t.Skip("needs KEDA_TEST_REAL=1, which runs Apache Cassandra")
	}
	jars, err := resolve()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("Apache Cassandra is needed in CI: %v", err)
		}
		t.Skipf("no Apache Cassandra: %v", err)
	}
	const tries = 3 // a port may be taken between looking and listening
	for range tries {
		s, err := start(t, jars)
		if err == nil {
			s.Exec(t, fmt.Sprintf("CREATE ROLE %s WITH PASSWORD = '%s' AND LOGIN = true", User, Password))
			return s
		}
		t.Logf("starting Apache Cassandra: %v", err)
	}
	t.Fatal("Apache Cassandra did not start")
	return nil
}

// resolve returns the folder of Cassandra's jars, downloaded if need be.
func resolve() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(here), "..", "..", "..", "hack", "servers", "cassandra.sh")
	var problem bytes.Buffer
	cmd := exec.Command("sh", script)
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

func freePorts(n int) ([]int, error) {
	var out []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // held until all are found, or one may come twice
		out = append(out, l.Addr().(*net.TCPAddr).Port)
	}
	return out, nil
}

func start(t testing.TB, jars string) (*Server, error) {
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	authority := conntest.NewAuthority(t)
	own := authority.Issue(t, "node")
	folder := t.TempDir()
	for name, content := range map[string]string{
		"cassandra.yaml": settings(ports[0], ports[1], own, authority.PEM),
		"logback.xml":    `<configuration><appender name="out" class="ch.qos.logback.core.ConsoleAppender"><encoder><pattern>%-5level %msg%n</pattern></encoder></appender><root level="WARN"><appender-ref ref="out"/></root></configuration>`,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	said := &output{}
	cmd := exec.Command("java", arguments(folder, jars, ports[2])...)
	cmd.Dir = folder
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop := func() { _ = cmd.Process.Kill(); <-ended }
	s := &Server{Addr: fmt.Sprintf("127.0.0.1:%d", ports[1]), CA: authority.PEM}
	if err := s.login(ended); err != nil {
		stop()
		return nil, fmt.Errorf("%w: %s", err, said)
	}
	t.Cleanup(func() { s.session.Close(); stop() })
	return s, nil
}

// login waits for the node's first user, which it makes once it is up.
func (s *Server) login(ended <-chan struct{}) error {
	late := time.NewTimer(2 * time.Minute)
	defer late.Stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	cluster := gocql.NewCluster(s.Addr)
	cluster.ProtoVersion = 5
	cluster.Timeout, cluster.ConnectTimeout = 30*time.Second, 30*time.Second
	cluster.Logger = gocql.NewLogger(gocql.LogLevelNone)
	cluster.Authenticator = gocql.PasswordAuthenticator{Username: "cassandra", Password: "cassandra"}
	for {
		select {
		case <-ended:
			return errors.New("it ended")
		case <-late.C:
			return errors.New("it did not become ready")
		case <-tick.C:
		}
		if session, err := cluster.CreateSession(); err == nil {
			s.session = session
			return nil
		}
	}
}

// Exec runs a statement with all permissions.
func (s *Server) Exec(t testing.TB, statement string, values ...any) {
	t.Helper()
	if err := s.session.Query(statement, values...).Exec(); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// output keeps the end of what a process writes.
type output struct {
	mu   sync.Mutex
	last []byte
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	const most = 8 << 10
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = append(o.last, p...)
	o.last = o.last[max(0, len(o.last)-most):]
	return len(p), nil
}

// String implements fmt.Stringer.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.last)
}
