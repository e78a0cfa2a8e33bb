package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kedago/keda/internal/sleep"
)

// ticksPerSecond is the unit of CPU times in /proc, the same on every Linux.
const ticksPerSecond = 100

// cpuTime is what a process has used so far, user and system.
func cpuTime(pid int) (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the CPU time: %w", err)
	}
	// The second field is a name in brackets that may hold anything.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	const user, system = 11, 12
	if len(fields) <= system {
		return 0, fmt.Errorf("reading the CPU time: found %q", data)
	}
	u, err := strconv.ParseInt(fields[user], 10, 64)
	s, err2 := strconv.ParseInt(fields[system], 10, 64)
	if err = errors.Join(err, err2); err != nil {
		return 0, fmt.Errorf("reading the CPU time: %w", err)
	}
	return time.Duration(u+s) * time.Second / ticksPerSecond, nil
}

// memory is what a process has resident, in MiB.
type memory struct {
	// total is anonymous and file together: heap and stacks, and the parts of
	// the executable that were touched, which the kernel may drop.
	total, anonymous, file, peak float64
}

func memoryOf(pid int) (memory, error) {
	var m memory
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return m, fmt.Errorf("reading the memory: %w", err)
	}
	into := map[string]*float64{"VmRSS": &m.total, "RssAnon": &m.anonymous, "RssFile": &m.file, "VmHWM": &m.peak}
	for _, line := range strings.Split(string(data), "\n") {
		name, rest, _ := strings.Cut(line, ":")
		field, fields := into[name], strings.Fields(rest)
		if field == nil || len(fields) == 0 {
			continue
		}
		kib, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return m, fmt.Errorf("reading the memory: %w", err)
		}
		*field = kib / 1024
	}
	return m, nil
}

// child is a server that ends with us, however we end.
type child struct {
	life  io.Closer
	ended chan struct{}
	said  *tail
}

// startChild runs a server. The shell in between ends it when our end of its
// input closes, which the kernel does should we be killed.
func startChild(args ...string) (*child, error) {
	cmd := exec.Command("sh", append([]string{"-c", `"$@" </dev/null & p=$!; cat >/dev/null; kill $p 2>/dev/null; wait $p`, "sh"}, args...)...)
	life, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", args[0], err)
	}
	c := &child{life: life, ended: make(chan struct{}), said: &tail{}}
	cmd.Stdout, cmd.Stderr = c.said, c.said
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", args[0], err)
	}
	go func() { _ = cmd.Wait(); close(c.ended) }()
	return c, nil
}

func (c *child) stop() {
	_ = c.life.Close()
	<-c.ended
}

// awaitReady calls try until it succeeds. The error has what the child said.
func (c *child) awaitReady(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if !sleep.For(ctx, 100*time.Millisecond) {
			return fmt.Errorf("waiting for the server: %w; it said:\n%s", errors.Join(err, context.Cause(ctx)), c.said)
		}
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// tail keeps the end of what a process says.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	const most = 4 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-most):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
