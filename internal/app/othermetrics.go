package app

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/kedago/keda/internal/metricsapi"
	"github.com/kedago/keda/internal/othermetrics"
)

// withOthers adds the metrics of another server to a source of ours, if the
// options name one. We are known there by our service account's token; that a
// caller may see a metric was asked of the API server before.
func withOthers(own metricsapi.Source, cfg *rest.Config, o Options) (metricsapi.Source, error) {
	if o.MetricsFallback == "" {
		return own, nil
	}
	other, err := othermetrics.New(othermetrics.Options{
		Address: o.MetricsFallback, CAFile: o.MetricsFallbackCA,
		Token: cfg.BearerToken, TokenFile: cfg.BearerTokenFile, Clock: clock.RealClock{}, Log: o.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("--external-metrics-fallback: %w", err)
	}
	return joinedSource{own: own, other: other}, nil
}

// joinedSource has the metrics of two servers. What is ours is told by us,
// even when we can't give its value.
type joinedSource struct {
	own   metricsapi.Source
	other *othermetrics.Server
}

// Names implements metricsapi.Source.
func (j joinedSource) Names() []string { return append(j.own.Names(), j.other.Names()...) }

// Metric implements metricsapi.Source.
func (j joinedSource) Metric(ctx context.Context, namespace, name string, selector labels.Selector) ([]metricsapi.Value, error) {
	got, err := j.own.Metric(ctx, namespace, name, selector)
	if !errors.Is(err, metricsapi.ErrUnknownMetric) {
		return got, err
	}
	items, errOther := j.other.Metric(ctx, namespace, name, selector)
	switch {
	case errors.Is(errOther, othermetrics.ErrUnknown):
		return nil, err
	case errOther != nil:
		return nil, errOther
	}
	out := make([]metricsapi.Value, len(items))
	for i := range items {
		out[i].Item = &items[i]
	}
	return out, nil
}
