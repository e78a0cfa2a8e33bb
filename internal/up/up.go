// Package up runs KEDA against a local control plane and shows it at work:
// `keda up`. It installs what a cluster needs, runs `keda all` under the
// identity that the deployed operator has, and feeds it with Kafka records.
//
// Tests and benchmarks use its parts. It decides nothing about scaling.
package up

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kedago/keda/internal/plane"
	"github.com/kedago/keda/internal/sleep"
)

//go:embed demo/*.yaml
var demoFiles embed.FS

// Options say what `keda up` does.
type Options struct {
	// Binary is the keda executable to run the operator with.
	Binary string
	// Kubeconfig is an existing cluster to use instead of a local one.
	Kubeconfig string
	// StateDir takes the control plane's and the operator's files.
	StateDir string
	// NoDemo starts everything but the demonstration.
	NoDemo        bool
	HPASyncPeriod time.Duration
	// Terminal says that Out is one.
	Terminal bool
	Out      io.Writer
}

// Run starts everything and blocks until ctx ends or something fails.
func Run(ctx context.Context, o Options) error {
	kubeconfig := o.Kubeconfig
	if kubeconfig == "" {
		p, err := startPlane(ctx, o)
		if err != nil {
			return err
		}
		defer func() { _ = p.Stop(context.WithoutCancel(ctx)) }()
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		defer cancel(nil)
		go func() {
			<-p.Done()
			cancel(fmt.Errorf("the local control plane ended: %w", firstOf(p.Err(), errors.New("no reason given"))))
		}()
		kubeconfig = p.Kubeconfig()
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("reading %s: %w", kubeconfig, err)
	}
	cfg.QPS = -1
	c, err := client.New(cfg, client.Options{Scheme: scheme.Scheme})
	if err != nil {
		return fmt.Errorf("preparing a client: %w", err)
	}
	op, err := startOperator(ctx, c, cfg, o)
	if err != nil {
		return err
	}
	defer op.Stop()
	header := fmt.Sprintf("KEDA is running. In another terminal:\n\n  export KUBECONFIG=%s\n  kubectl get sco,hpa        (or: %s kubectl get sco,hpa)\n\n", kubeconfig, shortPath(o.Binary))
	_, _ = io.WriteString(o.Out, header)
	if o.NoDemo {
		select {
		case <-ctx.Done():
			return endOf(ctx)
		case <-op.Done():
			return fmt.Errorf("keda all ended: %w", firstOf(op.Err(), errors.New("no reason given")))
		}
	}
	return demo(ctx, c, op, o, header)
}

// shortPath is a path as a person in the current folder would type it.
func shortPath(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	short, err := filepath.Rel(here, path)
	if err != nil || len(short) >= len(path) {
		return path
	}
	return short
}

// endOf is nil when the user ended us.
func endOf(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

func startPlane(ctx context.Context, o Options) (*plane.Plane, error) {
	binary, err := plane.Find()
	if err != nil {
		return nil, err
	}
	_, _ = fmt.Fprintln(o.Out, "starting the local control plane")
	return plane.Start(ctx, plane.Options{
		Binary: binary, StateDir: filepath.Join(o.StateDir, "plane"), HPASyncPeriod: o.HPASyncPeriod, Stderr: o.Out,
	})
}

func startOperator(ctx context.Context, c client.Client, cfg *rest.Config, o Options) (*Operator, error) {
	_, _ = fmt.Fprintln(o.Out, "installing the API and starting the operator")
	if err := Install(ctx, c); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("making the state folder: %w", err)
	}
	identity := filepath.Join(o.StateDir, "operator.kubeconfig")
	if err := OperatorKubeconfig(ctx, c, cfg, identity); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(o.StateDir, "operator.log"))
	if err != nil {
		return nil, fmt.Errorf("making the operator's log: %w", err)
	}
	op, err := StartOperator(ctx, c, OperatorOptions{Binary: o.Binary, Kubeconfig: identity, StateDir: o.StateDir, Log: log})
	if err != nil {
		return nil, fmt.Errorf("%w; its log is %s", err, log.Name())
	}
	return op, nil
}

// demo applies the example, feeds it and shows it until ctx ends.
func demo(ctx context.Context, c client.Client, op *Operator, o Options, header string) error {
	b, err := startBroker(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	for _, name := range []string{"deployment.yaml", "scaledobject.yaml"} {
		doc, err := demoFiles.ReadFile("demo/" + name)
		if err != nil {
			return err
		}
		if err := applyYAML(ctx, c, doc); err != nil {
			return err
		}
	}
	l, err := newLoad()
	if err != nil {
		return err
	}
	defer l.close()

	started := time.Now()
	latest := make(chan frame, 1)
	rest := func() bool {
		f := <-latest
		latest <- f
		return f.lag == 0 && f.replicas == 0
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.consume(ctx) })
	g.Go(func() error { return l.produce(ctx, rest) })
	g.Go(func() error {
		select {
		case <-op.Done():
			return fmt.Errorf("keda all ended: %w", firstOf(op.Err(), errors.New("no reason given")))
		case <-ctx.Done():
			return nil
		}
	})
	g.Go(func() error {
		s := &screen{out: o.Out, terminal: o.Terminal, header: header}
		for {
			f, err := observe(ctx, c, l, started)
			if err != nil {
				return ignoreEnd(ctx, err)
			}
			replace(latest, f)
			s.show(f)
			if !sleep.For(ctx, time.Second) {
				return nil
			}
		}
	})
	if err := g.Wait(); err != nil {
		return err
	}
	return endOf(ctx)
}

// replace keeps only the newest value in a channel of length one.
func replace(ch chan frame, f frame) {
	select {
	case <-ch:
	default:
	}
	ch <- f
}
