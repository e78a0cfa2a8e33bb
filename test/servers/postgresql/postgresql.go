// Package pgserver runs a real PostgreSQL for tests.
//
// It owns the process and its folder; both end with the test. As root the
// server runs as the user nobody, since it refuses to run as root.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/kedago/keda/test/servers/process"
)

// The administrator of a Server.
const (
	// User is the role.
	User = "postgres"
	// Password is its password.
	Password = "admin-password"
)

// Server is a running PostgreSQL.
type Server struct {
	// Address is where it listens, 127.0.0.1:port.
	Address string
}

// binary finds a program of PostgreSQL, in PATH or where Debian has it.
func binary(name string) (string, error) {
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	found, _ := filepath.Glob(filepath.Join("/usr/lib/postgresql/*/bin", name))
	if len(found) == 0 {
		return "", fmt.Errorf("there is no %s of PostgreSQL on this machine", name)
	}
	slices.Sort(found)
	return found[len(found)-1], nil
}

// Start runs PostgreSQL until the test ends. Without the binaries the test is
// skipped, or fails where the environment has CI=true. settings are lines of
// postgresql.conf; files are written into its folder, relative to it.
func Start(t testing.TB, settings []string, files map[string]string) *Server {
	t.Helper()
	server, err := binary("postgres")
	initdb, err2 := binary("initdb")
	process.Need(t, "PostgreSQL", errors.Join(err, err2))
	folder, attr := folderFor(t)
	data := filepath.Join(folder, "data")
	password := filepath.Join(folder, "password")
	write(t, password, Password, attr)
	run := exec.Command(initdb, "-D", data, "-U", User, "--pwfile", password, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync")
	run.SysProcAttr, run.Dir = attr, folder
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v: %s", err, out)
	}
	for name, text := range files {
		write(t, filepath.Join(data, name), text, attr)
	}
	args := []string{"-D", data, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"}
	for _, line := range settings {
		args = append(args, "-c", line)
	}
	atOnce := process.EndBy(func(p *os.Process) { _ = p.Signal(syscall.SIGQUIT) })
	return process.Try(t, "PostgreSQL", 1, func(at []string) (*Server, error) {
		s := &Server{Address: at[0]}
		cmd := exec.Command(server, append(args, "-p", process.Port(s.Address))...)
		cmd.SysProcAttr, cmd.Dir = attr, folder
		return s, process.Run(t, cmd, s.ready, atOnce)
	})
}

// folderFor makes a folder that the server's user owns.
func folderFor(t testing.TB) (string, *syscall.SysProcAttr) {
	t.Helper()
	folder, err := os.MkdirTemp("", "pgserver") // below TempDir's folders only root may enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if os.Geteuid() != 0 {
		return folder, &syscall.SysProcAttr{}
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.ParseUint(nobody.Uid, 10, 32)
	gid, _ := strconv.ParseUint(nobody.Gid, 10, 32)
	attr := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	if err := os.Chown(folder, int(uid), int(gid)); err != nil {
		t.Fatal(err)
	}
	return folder, attr
}

func write(t testing.TB, path, text string, attr *syscall.SysProcAttr) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := attr.Credential; c != nil {
		if err := os.Chown(path, int(c.Uid), int(c.Gid)); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *Server) ready(ctx context.Context) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	return c.Close(ctx)
}

func (s *Server) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, fmt.Sprintf("postgres://%s:%s@%s/postgres?sslmode=disable", User, Password, s.Address))
}

// Exec runs statements as the administrator, in the database postgres.
func (s *Server) Exec(t testing.TB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := s.connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	if _, err := c.PgConn().Exec(ctx, statement).ReadAll(); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
