package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
)

// rig stands for a test, so that servers that are made to run until a test ends
// run until this program does. What it lacks of testing.TB panics.
type rig struct {
	testing.TB
	ctx  context.Context
	name string

	mu      sync.Mutex
	cleanup []func()
	why     string // it can't go on
}

func newRig(ctx context.Context, name string) *rig { return &rig{ctx: ctx, name: name} }

// try runs a start in a goroutine of its own, which it may end.
func (r *rig) try(start func(testing.TB) string) (where, why string) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		where = start(r)
	}()
	<-done
	r.mu.Lock()
	defer r.mu.Unlock()
	return where, r.why
}

// end undoes what was started, the last first.
func (r *rig) end() {
	for {
		r.mu.Lock()
		if len(r.cleanup) == 0 {
			r.mu.Unlock()
			return
		}
		last := r.cleanup[len(r.cleanup)-1]
		r.cleanup = r.cleanup[:len(r.cleanup)-1]
		r.mu.Unlock()
		last()
	}
}

func (r *rig) stop(why string) {
	r.mu.Lock()
	r.why = why
	r.mu.Unlock()
	runtime.Goexit()
}

func (r *rig) Helper()      {}
func (r *rig) Name() string { return r.name }

func (r *rig) Context() context.Context { return r.ctx }

func (r *rig) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanup = append(r.cleanup, f)
}

func (r *rig) TempDir() string {
	dir, err := os.MkdirTemp("", "keda-server-"+r.name+"-")
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (r *rig) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.why != ""
}

func (r *rig) Log(args ...any)            { fmt.Fprintln(os.Stderr, append([]any{r.name + ":"}, args...)...) }
func (r *rig) Logf(f string, args ...any) { r.Log(fmt.Sprintf(f, args...)) }

func (r *rig) Error(args ...any)            { r.Log(args...) }
func (r *rig) Errorf(f string, args ...any) { r.Logf(f, args...) }

func (r *rig) Fatal(args ...any)            { r.stop(fmt.Sprint(args...)) }
func (r *rig) Fatalf(f string, args ...any) { r.stop(fmt.Sprintf(f, args...)) }
func (r *rig) Skip(args ...any)             { r.stop(fmt.Sprint(args...)) }
func (r *rig) Skipf(f string, args ...any)  { r.stop(fmt.Sprintf(f, args...)) }
