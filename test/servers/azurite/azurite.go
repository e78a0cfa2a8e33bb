// Package azuriteserver runs Azurite for tests: Azure's queues and blobs.
//
// It owns the process, which ends with the test and keeps all in memory. Tests
// that share a server keep apart by the names of their queues and containers.
package azuriteserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
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
	program, err := find()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("Azurite is needed in CI: %v", err)
		}
		t.Skipf("no Azurite: %v", err)
	}
	const tries = 3 // a port may be taken between looking and listening
	for range tries {
		s, err := start(t, program)
		if err == nil {
			return s
		}
		t.Logf("starting Azurite: %v", err)
	}
	t.Fatal("Azurite did not start")
	return nil
}

// find returns the program, installed if need be.
func find() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(here), "..", "..", "..", "hack", "servers", "azurite.sh")
	var problem bytes.Buffer
	cmd := exec.Command("sh", script)
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// freeAddresses finds n addresses that nobody listens on.
func freeAddresses(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // held until all are found, or one may come twice
		out = append(out, l.Addr().String())
	}
	return out, nil
}

func start(t testing.TB, program string) (*Server, error) {
	at, err := freeAddresses(3)
	if err != nil {
		return nil, err
	}
	port := func(i int) string { _, p, _ := net.SplitHostPort(at[i]); return p }
	var said bytes.Buffer
	cmd := exec.Command("node", program, "--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry",
		"--queuePort", port(0), "--blobPort", port(1), "--tablePort", port(2))
	cmd.Dir = t.TempDir()
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop := func() { _ = cmd.Process.Kill(); <-ended }
	s := &Server{Queue: at[0], Blob: at[1]}
	for _, address := range at[:2] {
		if err := waitReady(address, ended); err != nil {
			stop()
			return nil, fmt.Errorf("%w: %s", err, said.String())
		}
	}
	t.Cleanup(stop)
	return s, nil
}

// waitReady waits for any answer: the server refuses requests without
// credentials, and does so once it works.
func waitReady(address string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		select {
		case <-ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return errors.New("it did not become ready")
		case <-tick.C:
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/"+Account+"?comp=list", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		return nil
	}
}
