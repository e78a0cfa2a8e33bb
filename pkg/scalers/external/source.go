package external

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scalers/external/externalscalerpb"
)

// maxMetrics is how many metrics one external scaler may have for an object.
const maxMetrics = 100

// source asks an external scaler about one object.
type source struct {
	address string
	channel *conn.GRPC
	release func()
	client  externalscalerpb.ExternalScalerClient
	ref     *externalscalerpb.ScaledObjectRef
}

var _ scaler.Hosted = (*source)(nil)

// Host implements scaler.Hosted.
func (s *source) Host() string { return s.address }

// Close implements scaler.Source.
func (s *source) Close() error {
	s.release()
	return nil
}

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	return s.measure(ctx, s.isActive)
}

func (s *source) isActive(ctx context.Context) (bool, error) {
	answer, err := s.client.IsActive(ctx, s.ref)
	if err != nil {
		return false, s.channel.Error(err, "asking the external scaler whether the workload is active")
	}
	return answer.GetResult(), nil
}

// measured is one of the external scaler's metrics. given is false when it
// answered and had no value.
type measured struct {
	name          string
	target, value float64
	given         bool
}

// measure asks for everything; active says whether there is something to do.
func (s *source) measure(ctx context.Context, active func(context.Context) (bool, error)) (scaler.Reading, error) {
	var metrics []measured
	var on bool
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		on, err = active(ctx)
		return err
	})
	group.Go(func() (err error) {
		metrics, err = s.specs(ctx)
		if err != nil {
			return err
		}
		for i := range metrics {
			group.Go(func() error { return s.value(ctx, &metrics[i]) })
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return scaler.Reading{}, err
	}
	return reading(metrics, on)
}

// specs asks for the metrics and their targets.
func (s *source) specs(ctx context.Context) ([]measured, error) {
	const doing = "asking the external scaler for its metrics and their targets"
	answer, err := s.client.GetMetricSpec(ctx, s.ref)
	if err != nil {
		return nil, s.channel.Error(err, doing)
	}
	specs := answer.GetMetricSpecs()
	if n := len(specs); n == 0 || n > maxMetrics {
		return nil, scaler.BadAnswer(fmt.Errorf("found %d metrics; expected 1 to %d", n, maxMetrics), doing)
	}
	out := make([]measured, 0, len(specs))
	for _, spec := range specs {
		m := measured{name: spec.GetMetricName(), target: float64(spec.GetTargetSize())}
		if spec.GetTargetSizeFloat() > 0 {
			m.target = spec.GetTargetSizeFloat()
		}
		if !(m.target > 0) {
			return nil, scaler.BadAnswer(fmt.Errorf("the target of the metric %.100q is %v; expected a number above 0", m.name, m.target), doing)
		}
		out = append(out, m)
	}
	return out, nil
}

// value asks for one metric. Several values of it are added up, as an HPA does.
func (s *source) value(ctx context.Context, m *measured) error {
	answer, err := s.client.GetMetrics(ctx, &externalscalerpb.GetMetricsRequest{ScaledObjectRef: s.ref, MetricName: m.name})
	if err != nil {
		return s.channel.Error(err, fmt.Sprintf("asking the external scaler for the metric %.100q", m.name))
	}
	for _, v := range answer.GetMetricValues() {
		m.given = true
		if v.GetMetricValueFloat() > 0 {
			m.value += v.GetMetricValueFloat()
		} else {
			m.value += float64(v.GetMetricValue())
		}
	}
	return nil
}

// reading makes one number of several metrics: that of the metric which calls
// for most, counted in targets of the first. An HPA with all of them would
// settle at the same count, since it takes the greatest of their quotients.
//
// A metric without a value is 0 only if the external scaler itself says that
// there is nothing to do.
func reading(metrics []measured, active bool) (scaler.Reading, error) {
	out := scaler.Reading{Active: &active, Target: metrics[0].target}
	lead := 0
	for i, m := range metrics {
		if !m.given {
			out.Empty = true
			if active {
				err := fmt.Errorf("the metric %.100q has no value; expected one, as the workload is active", m.name)
				return scaler.Reading{Empty: true}, scaler.BadAnswer(err, "asking the external scaler for its metrics")
			}
		}
		if m.value/m.target > metrics[lead].value/metrics[lead].target {
			lead = i
		}
	}
	out.Value = metrics[lead].value
	if lead > 0 {
		out.Value *= out.Target / metrics[lead].target
	}
	if len(metrics) > 1 {
		out.Note = fmt.Sprintf("%d metrics, of which %.100q calls for most", len(metrics), metrics[lead].name)
	}
	return out, nil
}
