package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// told is a test that notes how it was told to stop.
type told struct {
	testing.TB
	how, why string
}

func (*told) Helper() {}

func (t *told) Skipf(f string, args ...any) {
	t.how, t.why = "skip", fmt.Sprintf(f, args...)
	runtime.Goexit()
}

func (t *told) Fatalf(f string, args ...any) {
	t.how, t.why = "fail", fmt.Sprintf(f, args...)
	runtime.Goexit()
}
func (*told) Logf(string, ...any) {}

func (t *told) try(f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	<-done
}

func shell(script string) *exec.Cmd { return exec.Command("sh", "-c", script) }

func never(context.Context) error { return errors.New("no answer yet") }

func yes(context.Context) error { return nil }

func TestNeed(t *testing.T) {
	for _, c := range []struct {
		ci       string
		err      error
		how, why string
	}{
		{"", errors.New("there is no exampled"), "skip", "no Example: there is no exampled"},
		{"true", errors.New("there is no exampled"), "fail", "Example is needed in CI: there is no exampled"},
		{"true", nil, "", ""},
	} {
		t.Setenv("CI", c.ci)
		got := &told{}
		got.try(func() { Need(got, "Example", c.err) })
		if got.how != c.how || got.why != c.why {
			t.Errorf("CI=%q, %v: %s %q, expected %s %q", c.ci, c.err, got.how, got.why, c.how, c.why)
		}
	}
}

func TestWanted(t *testing.T) {
	for value, how := range map[string]string{"": "skip", "1": ""} {
		t.Setenv("KEDA_TEST_REAL", value)
		got := &told{}
		got.try(func() { Wanted(got, "Example") })
		if got.how != how {
			t.Errorf("KEDA_TEST_REAL=%q: %q, expected %q", value, got.how, how)
		}
	}
}

func TestFinding(t *testing.T) {
	if path, err := Program("sh", "none"); err != nil || !filepath.IsAbs(path) {
		t.Errorf("sh: %q, %v", path, err)
	}
	if _, err := Program("keda-no-such-program", "example"); err == nil || !strings.Contains(err.Error(), "hack/servers/example.sh installs it") {
		t.Errorf("a program that is not there: %v", err)
	}
	t.Setenv("CI", "")
	got := &told{}
	got.try(func() { Script(got, "Example", "no-such-server") })
	if got.how != "skip" || !strings.Contains(got.why, "no-such-server.sh") {
		t.Errorf("a script that is not there: %s %q", got.how, got.why)
	}
}

func TestTry(t *testing.T) {
	var seen []string
	got := Try(t, "Example", 2, func(at []string) (string, error) {
		seen = append(seen, at...)
		if len(seen) < 4 {
			return "", errors.New("the port was taken")
		}
		l, err := net.Listen("tcp", at[1])
		if err != nil {
			return "", err
		}
		return "127.0.0.1:" + Port(at[1]), l.Close()
	})
	if len(seen) != 4 || got != seen[3] || seen[0] == seen[1] || seen[2] == seen[3] {
		t.Errorf("found %q of %q, expected the last of two pairs that differ", got, seen)
	}
	tries := 0
	bad := &told{}
	bad.try(func() {
		Try(bad, "Example", 1, func([]string) (int, error) { tries++; return 0, errors.New("no") })
	})
	if bad.how != "fail" || bad.why != "Example did not start" || tries != 3 {
		t.Errorf("one that never starts: %s %q after %d tries", bad.how, bad.why, tries)
	}
}

func TestRunEndsWithTheTest(t *testing.T) {
	cmd := shell("exec sleep 600")
	t.Run("life", func(t *testing.T) {
		if err := Run(t, cmd, yes); err != nil {
			t.Fatal(err)
		}
		if cmd.ProcessState != nil {
			t.Errorf("it ended before the test: %v", cmd.ProcessState)
		}
	})
	if cmd.ProcessState == nil {
		t.Error("it outlives the test")
	}
}

func TestReadyAfterSomeTries(t *testing.T) {
	asked := 0
	err := Run(t, shell("exec sleep 600"), func(context.Context) error {
		if asked++; asked < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || asked != 3 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}

func TestWhatFails(t *testing.T) {
	for name, c := range map[string]struct {
		cmd   *exec.Cmd
		ready func(context.Context) error
		limit time.Duration
		want  []string
	}{
		"no program": {exec.Command("keda-no-such-program"), never, time.Minute, []string{"keda-no-such-program"}},
		"it ends":    {shell("echo bad flag >&2; exit 3"), never, time.Minute, []string{"it ended: exit status 3: bad flag"}},
		"it ends well, another answers": {shell("exit 0"), func(ctx context.Context) error {
			<-ctx.Done() // until it has ended
			return nil
		}, time.Minute, []string{"it ended"}},
		"never ready": {shell("echo still busy; exec sleep 600"), never, 100 * time.Millisecond, []string{"within 100ms", "no answer yet"}},
	} {
		stop, err := Begin(c.cmd, c.ready, Within(c.limit))
		if err == nil {
			stop()
			t.Errorf("%s: no error", name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: found %q, expected %q in it", name, err, want)
			}
		}
		if c.cmd.Process != nil && c.cmd.ProcessState == nil {
			t.Errorf("%s: the process is still there", name)
		}
	}
}

func TestEndBy(t *testing.T) {
	goodbye := filepath.Join(t.TempDir(), "goodbye")
	cmd := shell(`trap 'echo bye >"$GOODBYE"; exit 0' INT; echo on port 7; while :; do sleep 0.01; done`)
	cmd.Env = append(os.Environ(), "GOODBYE="+goodbye)
	t.Run("life", func(t *testing.T) {
		port := ""
		err := RunUntil(t, cmd, func(line string) (found bool) {
			port, found = strings.CutPrefix(line, "on port ")
			return found
		}, EndBy(func(p *os.Process) { _ = p.Signal(os.Interrupt) }))
		if err != nil || port != "7" {
			t.Errorf("found the port %q, %v; expected 7", port, err)
		}
	})
	if _, err := os.Stat(goodbye); err != nil {
		t.Errorf("it was not told by the signal: %v", err)
	}
}

func TestRunUntilFails(t *testing.T) {
	err := RunUntil(t, shell("echo on a port; exec sleep 600"), func(string) bool { return false }, Within(100*time.Millisecond))
	if err == nil || !strings.Contains(err.Error(), "it has not said that it is: on a port") {
		t.Errorf("one that never says so: %v", err)
	}
}

func TestOutput(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	o := &output{each: func(line string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, line)
	}}
	for _, part := range []string{"fir", "st\r\nsecond\n\nthi", "rd\n", strings.Repeat("x", mostLine), "not ended"} {
		if n, err := o.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("wrote %d of %d: %v", n, len(part), err)
		}
	}
	if want := []string{"first", "second", "", "third", strings.Repeat("x", mostLine)}; !slices.Equal(lines, want) {
		t.Errorf("found the lines %.80q, expected %.80q", lines, want)
	}
	if got := o.String(); len(got) > mostKept || !strings.HasSuffix(got, "xnot ended") {
		t.Errorf("kept %d bytes, which end with %q", len(got), got[max(0, len(got)-20):])
	}
}
