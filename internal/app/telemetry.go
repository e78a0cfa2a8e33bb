package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/kedago/keda/internal/decide"
	"github.com/kedago/keda/internal/metrics"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/version"
)

// answers counts what HPAs were told.
type answers struct{ measured, fallback, failed atomic.Uint64 }

func (a *answers) count(got decide.Answer, err error) {
	switch {
	case err != nil:
		a.failed.Add(1)
	case got.Fallback:
		a.fallback.Add(1)
	default:
		a.measured.Add(1)
	}
}

func (a *answers) read() map[string]uint64 {
	return map[string]uint64{"measured": a.measured.Load(), "fallback": a.fallback.Load(), "failed": a.failed.Load()}
}

// metricsOf is what the operator shows of itself.
func (op *operator) metricsOf() metrics.Source {
	return metrics.Source{
		Workloads: func(f func(metrics.Workload)) {
			op.loop.Each(func(w *model.Workload, s model.Status) {
				entry, samples, _ := op.store.Get(w.Key)
				fallback, _ := s.Condition(model.ConditionFallback)
				f(metrics.Workload{
					Key: w.Key, Paused: w.Pause.Paused || w.Pause.Replicas != nil, Fallback: fallback.Status == "True",
					Metrics: entry.Metrics, Samples: samples,
				})
			})
		},
		Resources:    op.set.Resources,
		Decisions:    op.loop.Decisions,
		Answers:      op.answers.read,
		EventSources: eventSources(op.emitter),
	}
}

func buildOf() metrics.Build {
	v := version.Get()
	return metrics.Build{Version: v.Version, Commit: v.Commit, Go: v.GoVersion, OS: v.OS, Arch: v.Arch}
}

// exposeMetrics offers the operator's metrics where the options say so.
func (op *operator) exposeMetrics(ctx context.Context, mgr ctrl.Manager, o Options) error {
	if o.PrometheusMetrics {
		if err := ctrlmetrics.Registry.Register(metrics.NewCollector(op.metricsOf(), buildOf())); err != nil {
			return fmt.Errorf("registering the Prometheus metrics: %w", err)
		}
	}
	if !o.OpenTelemetryMetrics {
		return nil
	}
	exporter, err := metricExporter(ctx)
	if err != nil {
		return fmt.Errorf("--enable-opentelemetry-metrics: %w", err)
	}
	about, err := aboutUs(ctx)
	if err != nil {
		return err
	}
	provider := metric.NewMeterProvider(metric.WithResource(about), metric.WithReader(metric.NewPeriodicReader(exporter)))
	if err := metrics.Observe(provider.Meter("keda"), op.metricsOf(), buildOf()); err != nil {
		return err
	}
	return mgr.Add(flushed{provider.Shutdown})
}

// tracer is what traces go to; the SDK reads the rest of OTEL_EXPORTER_OTLP_*
// by itself.
func tracer(ctx context.Context, mgr ctrl.Manager, o Options) (trace.Tracer, error) {
	if !o.OpenTelemetryTraces {
		return nil, nil //nolint:nilnil // no tracer is the usual case
	}
	exporter, err := traceExporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("--enable-opentelemetry-traces: %w", err)
	}
	about, err := aboutUs(ctx)
	if err != nil {
		return nil, err
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return provider.Tracer("keda"), mgr.Add(flushed{provider.Shutdown})
}

// otlpProtocol is that of a signal ("METRICS" or "TRACES"), from the variables
// that the OpenTelemetry specification names.
func otlpProtocol(signal string) (string, error) {
	name := "OTEL_EXPORTER_OTLP_" + signal + "_PROTOCOL"
	p := os.Getenv(name)
	if p == "" {
		name = "OTEL_EXPORTER_OTLP_PROTOCOL"
		p = os.Getenv(name)
	}
	switch strings.ToLower(p) {
	case "", "http/protobuf", "http":
		return "http", nil
	case "grpc":
		return "grpc", nil
	}
	return "", fmt.Errorf("%s: found %q; expected grpc or http/protobuf", name, p)
}

func metricExporter(ctx context.Context) (metric.Exporter, error) {
	p, err := otlpProtocol("METRICS")
	switch {
	case err != nil:
		return nil, err
	case p == "grpc":
		return otlpmetricgrpc.New(ctx)
	default:
		return otlpmetrichttp.New(ctx)
	}
}

func traceExporter(ctx context.Context) (sdktrace.SpanExporter, error) {
	p, err := otlpProtocol("TRACES")
	switch {
	case err != nil:
		return nil, err
	case p == "grpc":
		return otlptracegrpc.New(ctx)
	default:
		return otlptracehttp.New(ctx)
	}
}

// aboutUs says who sends; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
func aboutUs(ctx context.Context) (*resource.Resource, error) {
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "keda-operator"), attribute.String("service.version", version.Get().Version)),
		resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("reading OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return about, nil
}

// flushed sends what is left when the operator ends.
type flushed struct {
	shutdown func(context.Context) error
}

// flushPatience bounds how long the end of the operator waits for a collector.
const flushPatience = 3 * time.Second

func (f flushed) Start(ctx context.Context) error {
	<-ctx.Done()
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushPatience)
	defer cancel()
	_ = f.shutdown(late) // a collector that is away does not fail the operator's end
	return nil
}

func (f flushed) NeedLeaderElection() bool { return false }
