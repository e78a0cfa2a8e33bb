package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kedago/keda/internal/metricsapi"
	"github.com/kedago/keda/internal/sleep"
	"github.com/kedago/keda/internal/version"
	"github.com/kedago/keda/pkg/scaler"
)

// RunAll runs all roles in this process until ctx ends.
func RunAll(ctx context.Context, catalog scaler.Catalog, o Options) error {
	return runOperator(ctx, catalog, o, func(op *operator, cfg *rest.Config, mgr ctrl.Manager, o Options, measuring *readiness) error {
		if o.Webhook.Port != 0 {
			if _, err := addWebhook(ctx, cfg, mgr, catalog, o); err != nil {
				return err
			}
		}
		return op.serveHPAs(cfg, mgr, o, measuring)
	})
}

// RunOperator measures, decides and scales until ctx ends, and tells replicas
// what to tell HPAs.
func RunOperator(ctx context.Context, catalog scaler.Catalog, o Options) error {
	return runOperator(ctx, catalog, o, func(_ *operator, _ *rest.Config, mgr ctrl.Manager, _ Options, measuring *readiness) error {
		return mgr.AddReadyzCheck("started", func(*http.Request) error { return standbyOr(mgr.Elected(), measuring.check) })
	})
}

// standbyOr is ready while another replica leads.
func standbyOr(elected <-chan struct{}, check func() error) error {
	select {
	case <-elected:
		return check()
	default:
		return nil
	}
}

func runOperator(ctx context.Context, catalog scaler.Catalog, o Options, more func(*operator, *rest.Config, ctrl.Manager, Options, *readiness) error) error {
	cfg, mgr, err := newRole(ctx, o)
	if err != nil {
		return err
	}
	op, err := build(ctx, cfg, mgr, catalog, o)
	if err != nil {
		return err
	}
	if err := keepMetricsAPITrusted(mgr, o); err != nil {
		return err
	}
	if err := keepWebhookTrusted(mgr, o); err != nil {
		return err
	}
	var measuring readiness
	if err := more(op, cfg, mgr, o, &measuring); err != nil {
		return err
	}
	if err := op.tellReplicas(mgr, o); err != nil {
		return err
	}
	if err := op.exposeMetrics(ctx, mgr, o); err != nil {
		return err
	}
	ready := func(ctx context.Context) error { return measuring.await(ctx, mgr.GetClient()) }
	for _, r := range []func(context.Context) error{op.poller.Run, op.loop.Run, ready, op.reread(o)} {
		if err := mgr.Add(manager.RunnableFunc(r)); err != nil {
			return fmt.Errorf("adding a part of the operator: %w", err)
		}
	}
	return start(ctx, mgr, o, "operator")
}

// newRole prepares what all roles have: a client, probes, certificates, bounds
// of memory.
func newRole(ctx context.Context, o Options) (*rest.Config, ctrl.Manager, error) {
	boundHeap(!off(o.ProfilingAddress))
	cfg, err := restConfig(o)
	if err != nil {
		return nil, nil, err
	}
	mgr, err := newManager(ctx, cfg, o)
	if err != nil {
		return nil, nil, err
	}
	if err := keepCertificates(ctx, mgr, o); err != nil {
		return nil, nil, err
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, nil, fmt.Errorf("adding the liveness check: %w", err)
	}
	if err := mgr.Add(everywhere{releaseUnused}); err != nil {
		return nil, nil, fmt.Errorf("adding the release of memory: %w", err)
	}
	return cfg, mgr, nil
}

func start(ctx context.Context, mgr ctrl.Manager, o Options, role string) error {
	o.Log.Info("starting", "role", role, "version", version.Get().String())
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("running the %s: %w", role, err)
	}
	return nil
}

// serveHPAs serves the external metrics API beside the operator. It is ready
// when this process measures, with leader election on the leader only; or, if
// it is told where the leader is, when it has a copy of what that knows.
func (op *operator) serveHPAs(cfg *rest.Config, mgr ctrl.Manager, o Options, measuring *readiness) error {
	var source metricsapi.Source = op.metricSource()
	ready := measuring.check
	if o.RelayAddress != "" {
		c, err := newCopy(mgr, o)
		if err != nil {
			return err
		}
		either := eitherSource{measuring: measuring.check, own: source, other: copied{c}}
		source, ready = either, either.ready
	}
	return addMetricsAPI(cfg, mgr, o, source, ready)
}

// RunMetricsServer serves the external metrics API until ctx ends, from what
// an operator tells it.
func RunMetricsServer(ctx context.Context, o Options) error {
	o.LeaderElect = false
	cfg, mgr, err := newRole(ctx, o)
	if err != nil {
		return err
	}
	if err := awaitCertificates(ctx, o); err != nil {
		return err
	}
	c, err := newCopy(mgr, o)
	if err != nil {
		return err
	}
	if err := addMetricsAPI(cfg, mgr, o, copied{c}, c.Ready); err != nil {
		return err
	}
	return start(ctx, mgr, o, "metrics server")
}

// awaitCertificates waits for the certificate that another role makes.
func awaitCertificates(ctx context.Context, o Options) error {
	told := false
	for {
		missing := ""
		for _, name := range []string{"ca.crt", "tls.crt", "tls.key"} {
			if _, err := os.Stat(filepath.Join(o.CertDir, name)); err != nil {
				missing = name
			}
		}
		if missing == "" {
			return nil
		}
		if !told {
			o.Log.Info("waiting for the certificate, which the operator makes with --enable-cert-rotation", "folder", o.CertDir, "missing", missing)
			told = true
		}
		if !sleep.For(ctx, time.Second) {
			return errors.New("ended while waiting for " + missing + " in --cert-dir " + o.CertDir)
		}
	}
}

// addMetricsAPI serves the external metrics API from a source.
func addMetricsAPI(cfg *rest.Config, mgr ctrl.Manager, o Options, source metricsapi.Source, ready func() error) error {
	least, suites, err := serviceTLS(o)
	if err != nil {
		return err
	}
	if source, err = withOthers(source, cfg, o); err != nil {
		return err
	}
	server, err := metricsapi.New(source, metricsapi.Options{
		BindAddress: o.BindAddress, SecurePort: o.SecurePort,
		CertFile: filepath.Join(o.CertDir, "tls.crt"), KeyFile: filepath.Join(o.CertDir, "tls.key"),
		MinTLS: least, CipherSuites: suites,
		Cluster: cfg, Ready: ready, Logger: slog.New(o.Log.Handler()),
	})
	if err != nil {
		return err
	}
	if err := mgr.Add(everywhere{server.Run}); err != nil {
		return fmt.Errorf("adding the metrics API: %w", err)
	}
	return mgr.AddReadyzCheck("started", func(*http.Request) error { return ready() })
}
