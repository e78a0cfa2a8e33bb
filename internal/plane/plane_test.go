package plane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const roleVariable = "PLANE_TEST_ROLE"

const ready = `{"kubeconfig":"k","server":"https://127.0.0.1:1","caFile":"ca","stateDir":"s","pid":7,"components":{"etcd":8},"readySeconds":2.5}`

// TestMain lets this test binary play the helper binary.
func TestMain(m *testing.M) {
	role := os.Getenv(roleVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	fmt.Fprintln(os.Stderr, "arguments:", os.Args[1:])
	switch role {
	case "ready":
		fmt.Println(ready)
		waitForEnd()
	case "refuses":
		fmt.Fprintln(os.Stderr, "state folder is in use")
		os.Exit(1)
	case "dies":
		fmt.Println(ready)
		_, _ = fmt.Scanln() // until the test says so
		fmt.Fprintln(os.Stderr, "etcd ended unexpectedly")
		os.Exit(1)
	case "talks":
		fmt.Println("hello")
		waitForEnd()
	case "hangs":
		waitForEnd()
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println(ready)
		time.Sleep(time.Minute)
	}
}

// waitForEnd ends as the helper does: on SIGTERM or the end of its input.
func waitForEnd() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	<-ctx.Done()
}

func start(t *testing.T, role string, options Options) (*Plane, error) {
	t.Helper()
	t.Setenv(roleVariable, role)
	options.Binary = os.Args[0]
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return Start(ctx, options)
}

func TestStartAndStop(t *testing.T) {
	var stderr bytes.Buffer
	p, err := start(t, "ready", Options{StateDir: "dir", Stderr: &stderr})
	if err != nil {
		t.Fatal(err)
	}
	if p.Kubeconfig() != "k" || p.ReadyAfter() != 2500*time.Millisecond {
		t.Errorf("found %+v", p.report)
	}
	if p.Err() != nil {
		t.Errorf("while it runs: %v", p.Err())
	}
	for range 2 {
		if err := p.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	<-p.Done()
	if p.Err() != nil {
		t.Errorf("after Stop: %v", p.Err())
	}
	if got := stderr.String(); !strings.Contains(got, "arguments: [up --state-dir=dir --v=true]") {
		t.Errorf("found %q", got)
	}
}

func TestStartFails(t *testing.T) {
	for role, want := range map[string]string{
		"refuses": "state folder is in use",
		"talks":   `expected a line of JSON with a kubeconfig, found "hello\n"`,
	} {
		t.Run(role, func(t *testing.T) {
			_, err := start(t, role, Options{})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("found %v, expected %q", err, want)
			}
		})
	}
	if _, err := Start(t.Context(), Options{}); err == nil {
		t.Error("no error without a binary")
	}
	if _, err := Start(t.Context(), Options{Binary: "/does/not/exist"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("found %v, expected that the file does not exist", err)
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Setenv(roleVariable, "hangs")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := Start(ctx, Options{Binary: os.Args[0]})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("found %v", err)
	}
}

func TestAnUnexpectedEndIsReported(t *testing.T) {
	p, err := start(t, "dies", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.stdin.(io.Writer).Write([]byte("now\n")); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if p.Err() == nil || !strings.Contains(p.Err().Error(), "etcd ended unexpectedly") {
		t.Errorf("found %v", p.Err())
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("Stop of what has ended: %v", err)
	}
}

func TestStopKillsInTheEnd(t *testing.T) {
	p, err := start(t, "stubborn", Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("found %v", err)
	}
	<-p.Done()
}

func TestArguments(t *testing.T) {
	got := Options{HPASyncPeriod: time.Second, HPAClientQPS: 50, Nodes: 2, APIServerPort: 6443, KeepState: true}.arguments()
	want := []string{"up", "--hpa-sync-period=1s", "--hpa-client-qps=50", "--nodes=2", "--apiserver-port=6443", "--keep-state=true"}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, expected %q", got, want)
	}
	if got := (Options{}).arguments(); !slices.Equal(got, []string{"up"}) {
		t.Errorf("found %q", got)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	tail := newTail(failing{})
	for range 10 {
		if _, err := tail.Write(bytes.Repeat([]byte("x"), tailBytes/4)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tail.Write([]byte("end")); err != nil {
		t.Fatal(err)
	}
	if got := tail.String(); len(got) != tailBytes || !strings.HasSuffix(got, "xend") {
		t.Errorf("found %d bytes", len(got))
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("closed") }
