// Package ferretserver runs FerretDB, which speaks MongoDB's protocol, for
// tests. It has no change streams, no users and a part of the aggregation.
//
// It owns the process and its folder; both end with the test.
package ferretserver

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/kedago/keda/test/servers/process"
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
	program := process.Script(t, "FerretDB", "ferretdb")
	return process.Try(t, "FerretDB", 1, func(at []string) (*Server, error) {
		s := &Server{Address: at[0]}
		c, err := mongo.Connect(options.Client().SetHosts([]string{s.Address}).SetServerSelectionTimeout(30 * time.Second))
		if err != nil {
			return nil, err
		}
		s.Client = c
		folder := t.TempDir()
		cmd := exec.Command(program, s.Address, folder)
		cmd.Dir = folder
		if _, err := cmd.StdinPipe(); err != nil { // it ends when this end closes
			return nil, err
		}
		if err := process.Run(t, cmd, func(ctx context.Context) error { return c.Ping(ctx, nil) }); err != nil {
			return nil, errors.Join(err, c.Disconnect(context.Background()))
		}
		t.Cleanup(func() { _ = c.Disconnect(context.Background()) })
		return s, nil
	})
}
