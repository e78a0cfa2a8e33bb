//go:build realplane

package realtest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

type report struct {
	Kubeconfig   string
	Server       string
	StateDir     string
	PID          int
	Components   map[string]int
	ReadySeconds float64
}

func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("LOCALPLANE_BINARY")
	if path == "" {
		t.Fatal("LOCALPLANE_BINARY is empty, expected the path of the built binary (hack/localplane.sh path)")
	}
	return path
}

type running struct {
	report
	cmd    *exec.Cmd
	stderr *strings.Builder
}

func up(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{stderr: &strings.Builder{}}
	state := filepath.Join(t.TempDir(), "state")
	r.cmd = exec.Command(binary(t), append([]string{"up", "-v", "--state-dir", state}, args...)...)
	r.cmd.Stderr = r.stderr
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = r.cmd.Wait()
		t.Fatalf("no report: %v\n%s", err, r.stderr)
	}
	if err := json.Unmarshal([]byte(line), &r.report); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	return r
}

func (r *running) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(t), append([]string{"kubectl", "--kubeconfig", r.Kubeconfig}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// alive counts a dead process that nobody has collected yet as gone.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

func (r *running) expectNoChild(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for name, pid := range r.Components {
		for alive(pid) {
			if time.Now().After(deadline) {
				t.Errorf("%s (%d) still runs", name, pid)
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

func TestWorkloadsAndSIGTERM(t *testing.T) {
	r := up(t)
	t.Logf("ready in %.1f s", r.ReadySeconds)
	if r.ReadySeconds > 10 {
		t.Errorf("ready after %.1f s, expected at most 10", r.ReadySeconds)
	}
	if len(r.Components) != 5 || r.PID != r.cmd.Process.Pid {
		t.Errorf("found %+v", r.report)
	}
	if nodes := r.kubectl(t, "get", "nodes", "--no-headers"); strings.Count(nodes, " Ready ") != 4 {
		t.Errorf("expected 4 nodes that are Ready, found\n%s", nodes)
	}
	r.kubectl(t, "create", "deployment", "web", "--image=none", "--replicas=3")
	r.kubectl(t, "rollout", "status", "deployment/web", "--timeout=20s")
	if got := r.kubectl(t, "get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}"); got != "3" {
		t.Errorf("found %s ready replicas, expected 3", got)
	}
	r.kubectl(t, "create", "job", "once", "--image=none")
	r.kubectl(t, "wait", "job/once", "--for=condition=Complete", "--timeout=20s")
	r.kubectl(t, "delete", "deployment/web", "job/once", "--timeout=20s")
	r.kubectl(t, "wait", "pods", "--all", "--for=delete", "--timeout=20s")

	if token := r.kubectl(t, "create", "token", "default"); strings.Count(token, ".") != 2 {
		t.Errorf("found no token: %q", token)
	}

	began := time.Now()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, r.stderr)
	}
	t.Logf("stopped in %.1f s", time.Since(began).Seconds())
	r.expectNoChild(t)
	if _, err := os.Stat(r.StateDir); err == nil {
		t.Errorf("the state folder is still there")
	}
}

func TestSIGKILLLeavesNoChildAndAStaleFolderThatIsTaken(t *testing.T) {
	r := up(t, "--nodes=1")
	second := exec.Command(binary(t), "up", "--state-dir", r.StateDir)
	out, err := second.CombinedOutput()
	if err == nil || !strings.Contains(string(out), fmt.Sprintf("process id %d", r.PID)) {
		t.Errorf("a second plane on the same folder: %v\n%s", err, out)
	}
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = r.cmd.Wait()
	r.expectNoChild(t)
	if _, err := os.Stat(r.StateDir); err != nil {
		t.Fatalf("expected a stale folder: %v", err)
	}
	again := up(t, "--state-dir", r.StateDir, "--nodes=1")
	_ = again.cmd.Process.Signal(syscall.SIGINT)
	if err := again.cmd.Wait(); err != nil {
		t.Errorf("after SIGINT: %v\n%s", err, again.stderr)
	}
}

func TestALostComponentEndsThePlane(t *testing.T) {
	r := up(t, "--nodes=0")
	if err := syscall.Kill(r.Components["kube-scheduler"], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	err := r.cmd.Wait()
	if r.cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("found %v, expected exit status 1", err)
	}
	if !strings.Contains(r.stderr.String(), "kube-scheduler: ended unexpectedly: signal: killed") {
		t.Errorf("found no reason:\n%s", r.stderr)
	}
	r.expectNoChild(t)
}

func TestATakenPortIsAClearError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	out, err := exec.Command(binary(t), "up", "--state-dir", filepath.Join(t.TempDir(), "state"),
		fmt.Sprintf("--apiserver-port=%d", port)).CombinedOutput()
	if err == nil || !strings.Contains(string(out), fmt.Sprintf("port %d on 127.0.0.1", port)) {
		t.Errorf("found %v\n%s", err, out)
	}
}

func TestAClosedPipeEndsThePlane(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	cmd := exec.Command(binary(t), "up", "--state-dir", state, "--nodes=0")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond) // in the middle of starting
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(state); err == nil {
		t.Error("the state folder is still there")
	}
}
