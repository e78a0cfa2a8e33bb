// Package plane brings a local Kubernetes control plane up, watches over it and
// takes it down.
//
// It owns the order of things and the one report that it is ready. It refuses
// to repair: a component that ends ends the plane, with the reason from its
// log, since a test against half a control plane proves nothing. Everything
// listens on loopback only, and nothing is left behind.
package plane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/kedago/keda/localplane/internal/certs"
	"github.com/kedago/keda/localplane/internal/component"
	"github.com/kedago/keda/localplane/internal/ports"
	"github.com/kedago/keda/localplane/internal/statedir"
	"github.com/kedago/keda/localplane/internal/supervise"
)

// stopGrace is how long components may take to end before they are killed.
const stopGrace = 5 * time.Second

// portAttempts bounds how often a start is tried again because another process
// took a port between its choice and its use.
const portAttempts = 3

// Report is printed, as one line of JSON, when the plane is ready.
type Report struct {
	Kubeconfig   string         `json:"kubeconfig"`
	Server       string         `json:"server"`
	CAFile       string         `json:"caFile"`
	StateDir     string         `json:"stateDir"`
	PID          int            `json:"pid"`
	Components   map[string]int `json:"components"`
	ReadySeconds float64        `json:"readySeconds"`
}

// ComponentError says which component failed, and what its log says.
type ComponentError struct {
	Component string
	Reason    error
	Tail      string // last lines of its log, which may be gone with the state folder

	lostPort bool
}

func (e *ComponentError) Error() string {
	return fmt.Sprintf("%s: %v; its log ends with:\n%s", e.Component, e.Reason, e.Tail)
}

func (e *ComponentError) Unwrap() error { return e.Reason }

// Plane is one control plane of this process.
type Plane struct {
	config     Config
	executable string
	log        io.Writer
	began      time.Time

	dir      *statedir.Dir
	starter  *supervise.Starter
	children []*supervise.Process
	died     chan *supervise.Process
	layout   *layout
}

// Up runs a plane until ctx is done, and returns nil then; every other end is
// an error. The report goes to stdout, progress (if wanted) to stderr. The
// executable is this program: its sub-commands are the components.
func Up(ctx context.Context, config Config, executable string, stdout, stderr io.Writer) (err error) {
	p := &Plane{config: config, executable: executable, log: io.Discard, began: time.Now(), starter: supervise.NewStarter()}
	if config.Verbose {
		p.log = stderr
	}
	if config.APIServerPort != 0 {
		if err := ports.Check(config.APIServerPort, "--apiserver-port"); err != nil {
			return err
		}
	}
	if p.dir, err = statedir.Open(config.StateDir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.dir.Release(config.KeepState)) }()
	defer p.stop()

	if err := p.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // asked to stop while starting
		}
		return err
	}
	if err := p.report(stdout); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case child := <-p.died:
		return p.ended(child)
	}
}

// start brings the plane up, on other ports when some were lost.
func (p *Plane) start(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, p.config.StartTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		err := p.tryStart(limited)
		var failed *ComponentError
		if err == nil || attempt == portAttempts || !errors.As(err, &failed) || !failed.lostPort {
			return err
		}
		p.say("%s lost its port to another process, starting again", failed.Component)
		p.stop()
		if err := p.dir.Wipe(); err != nil {
			return err
		}
	}
}

func (p *Plane) tryStart(ctx context.Context) error {
	p.children, p.died = nil, make(chan *supervise.Process, len(component.Names()))
	if err := p.prepare(); err != nil {
		return err
	}
	p.say("files written")
	return p.bringUp(ctx)
}

func (p *Plane) launch(name string) (*supervise.Process, error) {
	child, err := p.starter.Start(supervise.Spec{
		Name: name,
		Path: p.executable,
		Args: append([]string{name}, p.layout.arguments(name, p.config)...),
		Env:  environment(p.dir.Path),
		Dir:  p.dir.Path,
		Log:  p.logFile(name),
	})
	if err != nil {
		return nil, err
	}
	p.children = append(p.children, child)
	died := p.died // of this attempt
	go func() {
		<-child.Done()
		died <- child
	}()
	p.say("%s started, process id %d", name, child.PID)
	return child, nil
}

// stop ends what runs: first who talks to the store, then the store.
func (p *Plane) stop() {
	began := time.Now()
	var store, others []*supervise.Process
	for _, child := range p.children {
		if child.Name == component.Etcd {
			store = append(store, child)
		} else {
			others = append(others, child)
		}
	}
	supervise.Stop(context.Background(), stopGrace, others...)
	supervise.Stop(context.Background(), stopGrace, store...)
	p.say("stopped in %.1f s", time.Since(began).Seconds())
}

// ended makes the error for a component that ended on its own.
func (p *Plane) ended(child *supervise.Process) error {
	tail := supervise.Tail(child.Log)
	return &ComponentError{
		Component: child.Name,
		Reason:    fmt.Errorf("ended unexpectedly: %w", child.Err()),
		Tail:      tail,
		lostPort:  ports.Lost(tail),
	}
}

func (p *Plane) report(stdout io.Writer) error {
	r := Report{
		Kubeconfig:   p.layout.kubeconfig[certs.Admin],
		Server:       url(p.layout.ports.apiServer),
		CAFile:       p.layout.certs.CertFile(certs.CA),
		StateDir:     p.dir.Path,
		PID:          os.Getpid(),
		Components:   map[string]int{},
		ReadySeconds: float64(time.Since(p.began).Milliseconds()) / 1000,
	}
	for _, child := range p.children {
		r.Components[child.Name] = child.PID
	}
	if err := json.NewEncoder(stdout).Encode(r); err != nil {
		return fmt.Errorf("report that the plane is ready: %w", err)
	}
	return nil
}

func (p *Plane) say(format string, args ...any) {
	fmt.Fprintf(p.log, "localplane: %6.2f s  %s\n", time.Since(p.began).Seconds(), fmt.Sprintf(format, args...))
}
