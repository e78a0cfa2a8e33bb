// Package metricsapi serves external.metrics.k8s.io/v1beta1 to the HPA
// controller and to people with kubectl.
//
// It owns the protocol: discovery, statuses, quantities, delegated
// authentication and authorization, serving certificates. It refuses to know
// where values come from: they are asked of a Source for every request, and
// nothing is cached here.
package metricsapi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/metrics/pkg/apis/external_metrics"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/kedago/keda/pkg/scaler/param"
)

// Source answers metric queries. It must be safe for concurrent use.
type Source interface {
	// Metric returns the values of a metric in a namespace whose labels the
	// selector matches. ErrUnknownMetric says that there is no such metric;
	// any other error says that its value can't be given now.
	Metric(ctx context.Context, namespace, name string, selector labels.Selector) ([]Value, error)
	// Names lists the names of all metrics.
	Names() []string
}

// Value is one value of a metric.
type Value struct {
	// Name is the metric's name; the requested one when empty.
	Name string
	// Labels are the labels that the selector matched.
	Labels map[string]string
	Value  float64
	// At is when the value was measured.
	At time.Time
	// Item, when set, is told as it is, instead of all of the above.
	Item *external_metrics.ExternalMetricValue
}

// ErrUnknownMetric says that no workload has the metric that was asked for.
var ErrUnknownMetric = errors.New("there is no such metric")

// metricsProvider is what the library asks.
type metricsProvider struct{ source Source }

var _ provider.ExternalMetricsProvider = metricsProvider{}

// GetExternalMetric implements provider.ExternalMetricsProvider. Whatever is
// no number becomes a status that makes the HPA keep its replica count.
func (p metricsProvider) GetExternalMetric(ctx context.Context, namespace string, selector labels.Selector, info provider.ExternalMetricInfo) (*external_metrics.ExternalMetricValueList, error) {
	values, err := p.source.Metric(ctx, namespace, info.Metric, selector)
	if errors.Is(err, ErrUnknownMetric) || err == nil && len(values) == 0 {
		return nil, p.notFound(namespace, info.Metric, selector)
	}
	if err != nil {
		return nil, apierrors.NewServiceUnavailable(fmt.Sprintf("metric %s in namespace %s: %v", info.Metric, namespace, err))
	}
	list := &external_metrics.ExternalMetricValueList{Items: make([]external_metrics.ExternalMetricValue, 0, len(values))}
	for _, v := range values {
		item, err := toItem(v, info.Metric)
		if err != nil {
			return nil, apierrors.NewServiceUnavailable(fmt.Sprintf("metric %s in namespace %s: %v", info.Metric, namespace, err))
		}
		list.Items = append(list.Items, item)
	}
	return list, nil
}

// ListAllExternalMetrics implements provider.ExternalMetricsProvider: every
// name once, sorted.
func (p metricsProvider) ListAllExternalMetrics() []provider.ExternalMetricInfo {
	names := slices.Clone(p.source.Names())
	slices.Sort(names)
	names = slices.Compact(names)
	out := make([]provider.ExternalMetricInfo, len(names))
	for i, n := range names {
		out[i].Metric = n
	}
	return out
}

// notFound is a 404 that names the nearest metric, if one is near.
func (p metricsProvider) notFound(namespace, name string, selector labels.Selector) error {
	err := provider.NewMetricNotFoundError(schema.GroupResource{Group: external_metrics.GroupName, Resource: "metrics"}, name)
	message := fmt.Sprintf("no ScaledObject in namespace %s has the metric %s", namespace, name)
	if !selector.Empty() {
		message += " with the labels " + selector.String()
	}
	names := p.source.Names()
	near, ok := param.Nearest(name, names)
	switch {
	case slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }):
		message += "; the name is known with another namespace or label"
	case ok:
		message += "; did you mean " + near + "?"
	}
	err.ErrStatus.Message = message
	return err
}

func toItem(v Value, name string) (external_metrics.ExternalMetricValue, error) {
	if v.Item != nil {
		return *v.Item, nil
	}
	q, err := toQuantity(v.Value)
	if err != nil {
		return external_metrics.ExternalMetricValue{}, err
	}
	if v.Name == "" {
		v.Name = name
	}
	return external_metrics.ExternalMetricValue{
		MetricName:   v.Name,
		MetricLabels: v.Labels,
		Timestamp:    metav1.NewTime(v.At),
		Value:        q,
	}, nil
}

// toQuantity rounds to thousandths. What is not zero never becomes zero: it
// is rounded away from it. The largest magnitude is what a count of
// thousandths can hold, since the HPA reads an overflow of
// Quantity.MilliValue as 0.
func toQuantity(v float64) (resource.Quantity, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return resource.Quantity{}, fmt.Errorf("the value is %v, which is no number to scale by", v)
	}
	milli := math.Round(v * 1000)
	switch {
	case milli >= math.MaxInt64:
		return *resource.NewMilliQuantity(math.MaxInt64, resource.DecimalSI), nil
	case milli <= -math.MaxInt64:
		return *resource.NewMilliQuantity(-math.MaxInt64, resource.DecimalSI), nil
	case milli == 0 && v > 0:
		milli = 1
	case milli == 0 && v < 0:
		milli = -1
	}
	return *resource.NewMilliQuantity(int64(milli), resource.DecimalSI), nil
}
