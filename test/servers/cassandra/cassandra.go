// Package cassandraserver runs Apache Cassandra for tests: one node with
// logins and permissions, which takes TLS and plain connections on one port.
//
// It owns the process and its folder; both end with the test.
package cassandraserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/test/servers/process"
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
	process.Wanted(t, "Apache Cassandra")
	jars := process.Script(t, "Apache Cassandra", "cassandra")
	authority := conntest.NewAuthority(t)
	own := authority.Issue(t, "node")
	s := process.Try(t, "Apache Cassandra", 3, func(at []string) (*Server, error) {
		s := &Server{Addr: at[1], CA: authority.PEM}
		folder := t.TempDir()
		for name, content := range map[string]string{
			"cassandra.yaml": settings(process.Port(at[0]), process.Port(s.Addr), own, authority.PEM),
			"logback.xml":    `<configuration><appender name="out" class="ch.qos.logback.core.ConsoleAppender"><encoder><pattern>%-5level %msg%n</pattern></encoder></appender><root level="WARN"><appender-ref ref="out"/></root></configuration>`,
		} {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
				return nil, err
			}
		}
		cmd := exec.Command("java", arguments(folder, jars, process.Port(at[2]))...)
		cmd.Dir = folder
		return s, process.Run(t, cmd, s.login, process.Within(2*time.Minute))
	})
	t.Cleanup(s.session.Close)
	s.Exec(t, fmt.Sprintf("CREATE ROLE %s WITH PASSWORD = '%s' AND LOGIN = true", User, Password))
	return s
}

// login is as the node's first user, which it makes once it is up.
func (s *Server) login(context.Context) (err error) {
	cluster := gocql.NewCluster(s.Addr)
	cluster.ProtoVersion = 5
	cluster.Timeout, cluster.ConnectTimeout = 30*time.Second, 30*time.Second
	cluster.Logger = gocql.NewLogger(gocql.LogLevelNone)
	cluster.Authenticator = gocql.PasswordAuthenticator{Username: "cassandra", Password: "cassandra"}
	s.session, err = cluster.CreateSession()
	return err
}

// Exec runs a statement with all permissions.
func (s *Server) Exec(t testing.TB, statement string, values ...any) {
	t.Helper()
	if err := s.session.Query(statement, values...).Exec(); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
