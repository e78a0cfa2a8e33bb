// Package supervise runs child processes that must not outlive this one.
//
// It owns their start, their log files and their end. A child gets a process
// group of its own, so that Ctrl-C reaches only the supervisor, which then stops
// the children in its own order. It never restarts a child: what a lost child
// means is for the caller to decide.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Spec is what to run.
type Spec struct {
	Name string   // for messages
	Path string   // executable
	Args []string // without the executable
	Env  []string // the whole environment
	Dir  string   // working folder
	Log  string   // file for both output streams
}

// Process is a child that was started.
type Process struct {
	Name string
	Log  string
	PID  int

	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended; read after done is closed
}

// Starter starts children from one thread that lasts as long as this process:
// Linux kills a child when the thread that started it ends, not the process.
type Starter struct {
	requests chan func()
	once     sync.Once
}

// NewStarter returns a Starter. Its thread is never given back.
func NewStarter() *Starter { return &Starter{requests: make(chan func())} }

func (s *Starter) onThread(work func()) {
	s.once.Do(func() {
		go func() {
			runtime.LockOSThread()
			for r := range s.requests {
				r()
			}
		}()
	})
	finished := make(chan struct{})
	s.requests <- func() { defer close(finished); work() }
	<-finished
}

// Start starts a child.
func (s *Starter) Start(spec Spec) (*Process, error) {
	log, err := os.OpenFile(spec.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", spec.Name, err)
	}
	defer log.Close() // the child has its own copy
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Env, cmd.Dir = spec.Env, spec.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = childAttributes()
	s.onThread(func() { err = cmd.Start() })
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	p := &Process{Name: spec.Name, Log: spec.Log, PID: cmd.Process.Pid, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the child ended; valid once Done is closed.
func (p *Process) Err() error {
	if p.err == nil {
		return errors.New("exit status 0")
	}
	return p.err
}

// Alive tells whether the child still runs.
func (p *Process) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Stop ends children together: it asks all of them, and kills those that still
// run when the grace is over or the context is done. It returns when all ended.
func Stop(ctx context.Context, grace time.Duration, children ...*Process) {
	for _, p := range children {
		if p.Alive() {
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	for _, p := range children {
		select {
		case <-p.done:
		case <-ctx.Done():
			_ = p.cmd.Process.Kill()
			<-p.done
		}
	}
}

// tailBytes bounds what is read of a log; tailLines what is shown.
const (
	tailBytes = 16 << 10
	tailLines = 15
)

// Tail returns the last lines of a log file, or why it could not be read.
func Tail(path string) string {
	text, err := readEnd(path)
	if err != nil {
		return fmt.Sprintf("(its log cannot be read: %v)", err)
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return strings.Join(lines, "\n")
}

func readEnd(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	from := max(0, info.Size()-tailBytes)
	text, err := io.ReadAll(io.NewSectionReader(file, from, tailBytes))
	return string(text), err
}
