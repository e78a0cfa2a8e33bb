// Package mariadbserver runs a real MariaDB for tests.
//
// It owns the process and its folder; both end with the test.
package mariadbserver

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/kedago/keda/test/servers/process"
)

// Server is a running MariaDB with an empty database "test".
type Server struct {
	// Address is where it listens, 127.0.0.1:port.
	Address string

	socket string
}

// Start runs MariaDB until the test ends. Without the binaries the test is
// skipped, or fails where the environment has CI=true. flags are the server's.
func Start(t testing.TB, flags ...string) *Server {
	t.Helper()
	server, err := process.Program("mariadbd", "mariadb")
	install, err2 := process.Program("mariadb-install-db", "mariadb")
	process.Need(t, "MariaDB", errors.Join(err, err2))
	folder, err := os.MkdirTemp("", "mariadb") // a short path, since a socket's is limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(folder, "data")
	out, err := exec.Command(install, "--no-defaults", "--datadir="+data, "--user="+me.Username,
		"--auth-root-authentication-method=normal", "--skip-test-db").CombinedOutput()
	if err != nil {
		t.Fatalf("mariadb-install-db: %v: %s", err, out)
	}
	flags = append(flags, "--datadir="+data, "--user="+me.Username)
	s := process.Try(t, "MariaDB", 1, func(at []string) (*Server, error) {
		s := &Server{Address: at[0], socket: filepath.Join(folder, "s")}
		args := append([]string{"--no-defaults"}, flags...) // this one has to be the first
		args = append(args, "--port="+process.Port(s.Address), "--bind-address=127.0.0.1", "--socket="+s.socket, "--pid-file="+filepath.Join(folder, "pid"))
		return s, process.Run(t, exec.Command(server, args...), s.ready)
	})
	s.Exec(t, "CREATE DATABASE test")
	return s
}

func (s *Server) ready(ctx context.Context) error {
	db, err := s.admin()
	if err != nil {
		return err
	}
	return errors.Join(db.PingContext(ctx), db.Close())
}

// admin is the connection of root, by the socket.
func (s *Server) admin() (*sql.DB, error) {
	m := mysql.NewConfig()
	m.User, m.Net, m.Addr, m.MultiStatements = "root", "unix", s.socket, true
	m.Logger = &mysql.NopLogger{}
	c, err := mysql.NewConnector(m)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(c), nil
}

// Exec runs statements as root.
func (s *Server) Exec(t testing.TB, statements string) {
	t.Helper()
	db, err := s.admin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(context.Background(), statements); err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
}
