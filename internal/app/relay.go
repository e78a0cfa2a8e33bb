package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"google.golang.org/grpc/credentials"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kedago/keda/internal/decide"
	"github.com/kedago/keda/internal/metricsapi"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/relay"
	"github.com/kedago/keda/internal/store"
)

// tellReplicas serves what HPAs are to be told to replicas that don't measure,
// while this process leads.
func (op *operator) tellReplicas(mgr ctrl.Manager, o Options) error {
	if off(o.RelayBindAddress) {
		return nil
	}
	creds, err := relayCredentials(o, "")
	if err != nil {
		return err
	}
	server := relay.NewServer(relaySource{op.metricSource()}, clock.RealClock{}, o.Log)
	op.store.OnChange(server.Changed)
	op.store.OnEntry(server.Changed)
	err = mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.RelayBindAddress)
		if err != nil {
			return fmt.Errorf("--metrics-service-bind-address: %w", err)
		}
		return server.Run(ctx, listener, creds)
	}))
	if err != nil {
		return fmt.Errorf("adding what serves replicas: %w", err)
	}
	return nil
}

// off says that an address is that of no listener.
func off(address string) bool { return address == "" || address == "0" }

// newCopy makes the copy of what the operator would tell HPAs, and keeps it
// for as long as the process runs.
func newCopy(mgr ctrl.Manager, o Options) (*relay.Copy, error) {
	host, _, err := net.SplitHostPort(o.RelayAddress)
	if err != nil || host == "" {
		return nil, fmt.Errorf("--metrics-service-address: found %q; expected host:port of the operator", o.RelayAddress)
	}
	creds, err := relayCredentials(o, cmp.Or(o.RelayAuthority, host))
	if err != nil {
		return nil, err
	}
	c, err := relay.NewCopy(relay.Options{Address: o.RelayAddress, Credentials: creds, Clock: clock.RealClock{}, Log: o.Log})
	if err != nil {
		return nil, err
	}
	if err := mgr.Add(everywhere{c.Run}); err != nil {
		return nil, fmt.Errorf("adding the copy of the operator's answers: %w", err)
	}
	return c, nil
}

func relayCredentials(o Options, server string) (credentials.TransportCredentials, error) {
	least, suites, err := serviceTLS(o)
	if err != nil {
		return nil, err
	}
	return relay.Credentials(relay.Files{
		CA: filepath.Join(o.CertDir, "ca.crt"), Cert: filepath.Join(o.CertDir, "tls.crt"), Key: filepath.Join(o.CertDir, "tls.key"),
		Names: ownNames(o), MinTLS: least, CipherSuites: suites,
	}, server), nil
}

// relaySource is what an operator tells its replicas.
type relaySource struct{ metricSource }

var _ relay.Source = relaySource{}

// Keys implements relay.Source.
func (s relaySource) Keys() []model.Key { return s.store.Keys() }

// Known implements relay.Source.
func (s relaySource) Known(ctx context.Context, k model.Key) (relay.Workload, bool) {
	entry, _, ok := s.store.Get(k)
	if !ok {
		return relay.Workload{}, false
	}
	out := relay.Workload{
		ID: k.String(), Namespace: k.Namespace, Interval: entry.Interval,
		SelectorKey: entry.SelectorKey, SelectorValue: entry.SelectorValue,
	}
	in, known := s.input(ctx, k)
	for _, m := range entry.Metrics {
		if m.External != "" {
			a, err := answerOf(in, known, m.Trigger)
			out.Answers = append(out.Answers, relayAnswer(in, m.External, a, err))
		}
	}
	if entry.Composite != nil {
		a, err := answerOf(in, known, store.CompositeIndex)
		out.Answers = append(out.Answers, relayAnswer(in, entry.Composite.External, a, err))
	}
	return out, true
}

// Ask implements relay.Source.
func (s relaySource) Ask(ctx context.Context, namespace, metric string) []relay.Workload {
	var out []relay.Workload
	for _, f := range s.store.Find(namespace, metric) {
		s.refresh(ctx, f)
		in, known := s.input(ctx, f.Trigger.Workload)
		a, err := answerOf(in, known, f.Trigger.Index)
		s.told(a, err)
		out = append(out, relay.Workload{
			ID: f.Trigger.Workload.String(), Namespace: namespace, Interval: f.Interval,
			SelectorKey: f.SelectorKey, SelectorValue: f.SelectorValue,
			Answers: []relay.Answer{relayAnswer(in, f.Metric.External, a, err)},
		})
	}
	return out
}

func relayAnswer(in decide.Input, metric string, a decide.Answer, err error) relay.Answer {
	if err != nil {
		return relay.Answer{Metric: metric, Failure: err.Error()}
	}
	return relay.Answer{Metric: metric, Value: a.Value, At: a.At, GoodUntil: a.GoodUntil(in.Workload), Idle: a.Idle}
}

// copied answers HPAs from a copy.
type copied struct{ copy *relay.Copy }

var _ metricsapi.Source = copied{}

// Names implements metricsapi.Source.
func (c copied) Names() []string { return c.copy.Names() }

// Metric implements metricsapi.Source.
func (c copied) Metric(ctx context.Context, namespace, name string, selector labels.Selector) ([]metricsapi.Value, error) {
	return valuesOf(c.copy.Metric(ctx, namespace, name), selector)
}

func valuesOf(workloads []relay.Workload, selector labels.Selector) ([]metricsapi.Value, error) {
	var out []metricsapi.Value
	for _, w := range workloads {
		set := labels.Set{w.SelectorKey: w.SelectorValue}
		if !selector.Matches(set) {
			continue
		}
		a := w.Answers[0]
		if a.Failure != "" {
			return nil, errors.New(a.Failure)
		}
		out = append(out, metricsapi.Value{Name: a.Metric, Labels: set, Value: a.Value, At: a.At})
	}
	if len(out) == 0 {
		return nil, metricsapi.ErrUnknownMetric
	}
	return out, nil
}

// eitherSource answers from what is measured here, or else from the copy of
// what another replica measures.
type eitherSource struct {
	measuring func() error
	own       metricsapi.Source
	other     copied
}

// ready says that one of the two can answer.
func (e eitherSource) ready() error {
	own := e.measuring()
	if own == nil {
		return nil
	}
	if err := e.other.copy.Ready(); err != nil {
		return fmt.Errorf("%w; %w", own, err)
	}
	return nil
}

func (e eitherSource) now() metricsapi.Source {
	if e.measuring() == nil {
		return e.own
	}
	return e.other
}

// Names implements metricsapi.Source.
func (e eitherSource) Names() []string { return e.now().Names() }

// Metric implements metricsapi.Source. What a new leader has not measured yet
// may be known from the one before.
func (e eitherSource) Metric(ctx context.Context, namespace, name string, selector labels.Selector) ([]metricsapi.Value, error) {
	got, err := e.now().Metric(ctx, namespace, name, selector)
	if err == nil || e.measuring() != nil {
		return got, err
	}
	if before, errCopy := valuesOf(e.other.copy.Held(namespace, name), selector); errCopy == nil {
		return before, nil
	}
	return got, err
}

// relayPort is where an operator serves its replicas, as upstream's does.
const relayPort = ":9666"

// RelayAddressIn is the operator's address in a cluster, by its Service.
func RelayAddressIn(service, namespace, domain string) string {
	return strings.Join([]string{service, namespace, "svc", domain}, ".") + relayPort
}
