// Package plane starts and stops the local control plane: the helper binary that
// holds etcd, kube-apiserver, kube-controller-manager, kube-scheduler and KWOK.
//
// It owns one process and what that process reports. It knows nothing of
// Kubernetes' API: callers get a kubeconfig. It builds nothing: where the binary
// is missing, the error says how to make it. Standard library only.
package plane

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// Options choose a plane. The zero value of each but Binary means the helper
// binary's own default.
type Options struct {
	Binary        string        // path of the helper binary, see Find
	StateDir      string        // default: one folder per user, so one plane at a time
	HPASyncPeriod time.Duration // default 15 s, as on real clusters
	HPAClientQPS  int           // requests a second of each controller; default as Kubernetes has it
	Nodes         int           // simulated nodes, default 4
	APIServerPort int           // default: a free one
	KeepState     bool          // leave the state folder behind, for its logs
	Stderr        io.Writer     // gets what the helper binary says, in verbose form; default: kept for errors only
}

func (o Options) arguments() []string {
	args := []string{"up"}
	add := func(flag, value string) { args = append(args, "--"+flag+"="+value) }
	if o.StateDir != "" {
		add("state-dir", o.StateDir)
	}
	if o.HPASyncPeriod != 0 {
		add("hpa-sync-period", o.HPASyncPeriod.String())
	}
	if o.HPAClientQPS != 0 {
		add("hpa-client-qps", strconv.Itoa(o.HPAClientQPS))
	}
	if o.Nodes != 0 {
		add("nodes", strconv.Itoa(o.Nodes))
	}
	if o.APIServerPort != 0 {
		add("apiserver-port", strconv.Itoa(o.APIServerPort))
	}
	if o.KeepState {
		add("keep-state", "true")
	}
	if o.Stderr != nil {
		add("v", "true")
	}
	return args
}

// stopTimeout bounds the end of a plane that failed to start. The helper gives
// its components 5 s, twice, before it kills them.
const stopTimeout = 15 * time.Second

// report is what we need of the line that the helper binary prints when the
// plane is ready.
type report struct {
	Kubeconfig   string  `json:"kubeconfig"`
	ReadySeconds float64 `json:"readySeconds"`
}

// Plane is a control plane that is ready. Its methods may be called from any
// goroutine. Who started it stops it; should this process end without doing so,
// the plane ends by itself.
type Plane struct {
	report report
	cmd    *exec.Cmd
	stdin  io.Closer // held open: its end tells the helper that we are gone
	tail   *tail

	done chan struct{}
	err  error // read after done is closed

	mu       sync.Mutex
	stopping bool
}

// Start starts a plane and returns when it is ready. The context bounds the
// start only; a start that fails leaves nothing running.
func Start(ctx context.Context, options Options) (*Plane, error) {
	if options.Binary == "" {
		return nil, errors.New("start the local control plane: no path of its binary given")
	}
	p := &Plane{tail: newTail(options.Stderr), done: make(chan struct{})}
	p.cmd = exec.Command(options.Binary, options.arguments()...)
	p.cmd.Stderr = p.tail
	separate(p.cmd)
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the local control plane: %w", err)
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start the local control plane: %w", err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the local control plane: %w", err)
	}
	first := make(chan string, 1)
	go p.follow(stdout, first)
	if err := p.awaitReport(ctx, first); err != nil {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		return nil, errors.Join(err, p.Stop(limited))
	}
	return p, nil
}

// follow hands on the first line of output and then waits for the end.
func (p *Plane) follow(stdout io.Reader, first chan<- string) {
	reader := bufio.NewReader(stdout)
	if line, err := reader.ReadString('\n'); err == nil {
		first <- line
	}
	_, _ = io.Copy(io.Discard, reader)
	err := p.cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stopping {
		p.err = p.unexpected(err)
	}
	close(p.done)
}

func (p *Plane) unexpected(err error) error {
	if err == nil {
		err = errors.New("exit status 0")
	}
	if said := p.tail.String(); said != "" {
		return fmt.Errorf("the local control plane ended (%w):\n%s", err, said)
	}
	return fmt.Errorf("the local control plane ended (%w) and said nothing", err)
}

func (p *Plane) awaitReport(ctx context.Context, first <-chan string) error {
	select {
	case line := <-first:
		if err := json.Unmarshal([]byte(line), &p.report); err != nil || p.report.Kubeconfig == "" {
			return fmt.Errorf("start the local control plane: expected a line of JSON with a kubeconfig, found %q", line)
		}
		return nil
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("start the local control plane: %w; it said:\n%s", context.Cause(ctx), p.tail)
	}
}

// Stop ends the plane and returns when it has ended: at once if it has already.
// When the context is done first, the plane is killed, all its parts with it.
func (p *Plane) Stop(ctx context.Context) error {
	p.mu.Lock()
	first := !p.stopping
	p.stopping = true
	p.mu.Unlock()
	if first {
		terminate(p.cmd)
		_ = p.stdin.Close()
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	return fmt.Errorf("stop the local control plane: killed it, since it had not ended in time: %w", context.Cause(ctx))
}

// Done is closed when the plane has ended, for whatever reason.
func (p *Plane) Done() <-chan struct{} { return p.done }

// Err says why the plane ended on its own; nil while it runs and after Stop.
func (p *Plane) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// Kubeconfig is the path of the administrator's kubeconfig.
func (p *Plane) Kubeconfig() string { return p.report.Kubeconfig }

// ReadyAfter is how long the plane took to be ready.
func (p *Plane) ReadyAfter() time.Duration {
	return time.Duration(p.report.ReadySeconds * float64(time.Second))
}
