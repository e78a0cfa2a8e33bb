// Package ferretserver runs FerretDB, which speaks MongoDB's protocol, for
// tests. It has no change streams, no users and a part of the aggregation.
//
// It owns the process and its folder; both end with the test.
package ferretserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Server is a running FerretDB.
type Server struct {
	// Address is where it listens, 127.0.0.1:port.
	Address string
	// Client is connected to it until the test ends.
	Client *mongo.Client
}

// Start runs FerretDB until the test ends. When it can't be built the test is
// skipped, or fails where the environment has CI=true.
func Start(t testing.TB) *Server {
	t.Helper()
	binary, err := build()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("FerretDB is needed in CI: %v", err)
		}
		t.Skipf("no FerretDB: %v", err)
	}
	const tries = 3 // the port may be taken between looking and listening
	for range tries {
		s, err := start(t, binary, t.TempDir())
		if err == nil {
			return s
		}
		t.Logf("starting FerretDB: %v", err)
	}
	t.Fatal("FerretDB did not start")
	return nil
}

// build returns the path of the server, built if need be.
func build() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(here), "..", "..", "..", "hack", "servers", "ferretdb.sh")
	var problem bytes.Buffer
	cmd := exec.Command(script)
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

func start(t testing.TB, binary, folder string) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{Address: l.Addr().String()}
	_ = l.Close()
	var said bytes.Buffer
	cmd := exec.Command(binary, s.Address, folder)
	cmd.Dir, cmd.Stdout, cmd.Stderr = folder, &said, &said
	if _, err := cmd.StdinPipe(); err != nil { // it ends when this end closes
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop := func() { _ = cmd.Process.Kill(); <-ended }
	if err := s.connect(ended); err != nil {
		stop()
		return nil, fmt.Errorf("%w: %s", err, said.String())
	}
	t.Cleanup(func() {
		_ = s.Client.Disconnect(context.Background())
		stop()
	})
	return s, nil
}

func (s *Server) connect(ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	go func() {
		select {
		case <-ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	c, err := mongo.Connect(options.Client().SetHosts([]string{s.Address}).SetServerSelectionTimeout(30 * time.Second))
	if err != nil {
		return err
	}
	if err := c.Ping(ctx, nil); err != nil {
		return errors.Join(err, c.Disconnect(context.Background()))
	}
	s.Client = c
	return nil
}
