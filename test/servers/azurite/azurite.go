// Package azuriteserver runs Azurite for tests: Azure's queues and blobs.
//
// It owns the process, which ends with the test and keeps all in memory. Tests
// that share a server keep apart by the names of their queues and containers.
package azuriteserver

import (
	"context"
	"fmt"
	"os/exec"
	"testing"

	"github.com/kedago/keda/test/servers/process"
)

// The account of every server; its key is public and the same in all Azurites.
const (
	Account = "devstoreaccount1"
	Key     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Server is a running Azurite.
type Server struct {
	// Queue and Blob are where its services listen, 127.0.0.1:port.
	Queue, Blob string
}

// Connection is the connection string of the account, for services that are
// reached at the addresses queue and blob.
func Connection(queue, blob string) string {
	return fmt.Sprintf("DefaultEndpointsProtocol=http;AccountName=%[1]s;AccountKey=%[2]s;QueueEndpoint=http://%[3]s/%[1]s;BlobEndpoint=http://%[4]s/%[1]s;", Account, Key, queue, blob)
}

// Start runs Azurite until the test ends. Without it, and without the means to
// install it, the test is skipped, or fails where the environment has CI=true.
func Start(t testing.TB) *Server {
	t.Helper()
	program := process.Script(t, "Azurite", "azurite")
	return process.Try(t, "Azurite", 3, func(at []string) (*Server, error) {
		s := &Server{Queue: at[0], Blob: at[1]}
		cmd := exec.Command("node", program, "--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry",
			"--queuePort", process.Port(s.Queue), "--blobPort", process.Port(s.Blob), "--tablePort", process.Port(at[2]))
		cmd.Dir = t.TempDir()
		return s, process.Run(t, cmd, s.ready)
	})
}

// ready wants any answers: the server refuses requests without credentials,
// and does so once it works.
func (s *Server) ready(ctx context.Context) error {
	for _, address := range []string{s.Queue, s.Blob} {
		if _, err := process.Get(ctx, "http://"+address+"/"+Account+"?comp=list"); err != nil {
			return err
		}
	}
	return nil
}
