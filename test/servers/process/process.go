// Package process runs the programs of the servers that tests use: it finds or
// installs them, starts them on free ports, waits until they answer, and ends
// them with the test.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/kedago/keda/internal/sleep"
)

// Option changes how a process runs.
type Option func(*life)

type life struct {
	within time.Duration
	end    func(*os.Process)
	lines  func(string)
}

// Within is how long a process may take to become ready, in place of a minute.
func Within(limit time.Duration) Option { return func(l *life) { l.within = limit } }

// EndBy is how a process is told to end, in place of killing it.
func EndBy(end func(*os.Process)) Option { return func(l *life) { l.end = end } }

// Run starts a command and waits until it is ready; the process ends with the
// test. See Begin.
func Run(t testing.TB, cmd *exec.Cmd, ready func(context.Context) error, options ...Option) error {
	t.Helper()
	stop, err := Begin(cmd, ready, options...)
	if err != nil {
		return err
	}
	t.Cleanup(stop)
	return nil
}

// RunUntil is Run for a process that says when it is ready: read gets the lines
// that it writes until it returns true.
func RunUntil(t testing.TB, cmd *exec.Cmd, read func(line string) bool, options ...Option) error {
	t.Helper()
	done, over := make(chan struct{}), false
	lines := func(line string) {
		if !over && read(line) {
			over = true
			close(done)
		}
	}
	ready := func(ctx context.Context) error {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return errors.New("it has not said that it is")
		}
	}
	return Run(t, cmd, ready, append(options, func(l *life) { l.lines = lines })...)
}

// Begin starts a command and asks until it is ready, which is when ready
// returns no error; the context ends with the process, or when it takes too
// long. stop ends the process and waits for that. After an error the process
// has ended, and the error has the end of what it wrote.
func Begin(cmd *exec.Cmd, ready func(context.Context) error, options ...Option) (stop func(), err error) {
	l := life{within: time.Minute, end: func(p *os.Process) { _ = p.Kill() }}
	for _, o := range options {
		o(&l)
	}
	said := &output{each: l.lines}
	cmd.Stdout, cmd.Stderr = said, said
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = time.Second // a process that it leaves behind may keep the pipe open
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	alive, over := context.WithCancelCause(context.Background())
	go func() {
		if err := cmd.Wait(); err != nil {
			over(fmt.Errorf("it ended: %w", err))
			return
		}
		over(errors.New("it ended"))
	}()
	stop = sync.OnceFunc(func() { l.end(cmd.Process); <-alive.Done() })
	if err := await(alive, l.within, ready); err != nil {
		stop()
		return nil, fmt.Errorf("%w: %s", err, said)
	}
	return stop, nil
}

func await(alive context.Context, limit time.Duration, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(alive, limit)
	defer cancel()
	const first, most = 10 * time.Millisecond, 100 * time.Millisecond
	for pause := first; ; pause = min(pause*5/4, most) {
		err := ready(ctx)
		if err == nil && alive.Err() == nil { // else what answered was not this one
			return nil
		}
		if !sleep.For(ctx, pause) {
			if alive.Err() != nil {
				return context.Cause(alive)
			}
			return fmt.Errorf("it did not become ready within %v: %w", limit, err)
		}
	}
}
