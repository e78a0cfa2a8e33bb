package supervise

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const roleVariable = "SUPERVISE_TEST_ROLE"

// TestMain lets this test binary play the children.
func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "":
		os.Exit(m.Run())
	case "sleep":
		time.Sleep(time.Minute)
	case "fail":
		fmt.Println("cannot go on")
		os.Exit(3)
	case "parent": // starts a child and waits to be killed
		p, err := NewStarter().Start(spec("sleep", os.Getenv("LOG")))
		if err != nil {
			panic(err)
		}
		fmt.Println(p.PID)
		time.Sleep(time.Minute)
	}
}

func spec(role, log string) Spec {
	return Spec{Name: role, Path: os.Args[0], Env: []string{roleVariable + "=" + role}, Log: log}
}

func start(t *testing.T, role string) *Process {
	t.Helper()
	p, err := NewStarter().Start(spec(role, filepath.Join(t.TempDir(), "log")))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestStop(t *testing.T) {
	a, b := start(t, "sleep"), start(t, "sleep")
	Stop(context.Background(), 10*time.Second, a, b)
	for _, p := range []*Process{a, b} {
		if p.Alive() {
			t.Errorf("process %d still runs", p.PID)
		}
	}
	Stop(context.Background(), 10*time.Second, a, b) // again: nothing to do
}

func TestAFailureLeavesItsReason(t *testing.T) {
	p := start(t, "fail")
	<-p.Done()
	if p.Err().Error() != "exit status 3" {
		t.Errorf("found %q, expected exit status 3", p.Err())
	}
	if got := Tail(p.Log); got != "cannot go on" {
		t.Errorf("found log %q", got)
	}
}

func TestTailIsShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(strings.Repeat("line\n", 10000)+"end\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(Tail(path), "\n")
	if len(lines) != tailLines || lines[tailLines-1] != "end" {
		t.Errorf("found %d lines that end in %q", len(lines), lines[len(lines)-1])
	}
	if got := Tail(path + "-missing"); !strings.Contains(got, "cannot be read") {
		t.Errorf("found %q", got)
	}
}

func TestAKilledParentLeavesNoChild(t *testing.T) {
	if !KernelKills {
		t.Skip("this system does not kill children; they watch their parent")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{roleVariable + "=parent", "LOG=" + filepath.Join(t.TempDir(), "log")}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if !running(pid) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("child %d still runs", pid)
		}
	}
}

// running counts a dead child that nobody has collected yet as gone.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestWatchPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	closed := make(chan struct{})
	WatchPipe(r, func() { close(closed) })
	if _, err := w.WriteString("ignored"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-closed:
		t.Fatal("closed while there is a writer")
	default:
	}
	w.Close()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Fatal("the end of the pipe went unseen")
	}
}
