// Package mariadbserver runs a real MariaDB for tests.
//
// It owns the process and its folder; both end with the test.
package mariadbserver

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
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
	server, err := exec.LookPath("mariadbd")
	install, err2 := exec.LookPath("mariadb-install-db")
	if errors.Join(err, err2) != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no mariadbd in PATH; CI needs one")
		}
		t.Skip("there is no mariadbd in PATH")
	}
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
	const tries = 3 // the port may be taken between looking and listening
	for range tries {
		s, err := start(t, server, folder, append(flags, "--no-defaults", "--datadir="+data, "--user="+me.Username))
		if err == nil {
			s.Exec(t, "CREATE DATABASE test")
			return s
		}
		t.Logf("starting MariaDB: %v", err)
	}
	t.Fatal("MariaDB did not start")
	return nil
}

func start(t testing.TB, server, folder string, flags []string) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{Address: l.Addr().String(), socket: filepath.Join(folder, "s")}
	_ = l.Close()
	_, port, _ := net.SplitHostPort(s.Address)
	var args []string
	for _, f := range flags { // this one has to be the first
		if strings.HasPrefix(f, "--no-defaults") {
			args = append([]string{f}, args...)
		} else {
			args = append(args, f)
		}
	}
	var said bytes.Buffer
	cmd := exec.Command(server, append(args, "--port="+port, "--bind-address=127.0.0.1", "--socket="+s.socket, "--pid-file="+filepath.Join(folder, "pid"))...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop := func() { _ = cmd.Process.Signal(syscall.SIGKILL); <-ended }
	if err := s.waitReady(ended); err != nil {
		stop()
		return nil, fmt.Errorf("%w: %s", err, said.String())
	}
	t.Cleanup(stop)
	return s, nil
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

func (s *Server) waitReady(ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db, err := s.admin()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for {
		if err = db.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case <-ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return fmt.Errorf("it did not become ready: %w", err)
		case <-tick.C:
		}
	}
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
