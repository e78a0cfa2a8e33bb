package metrics

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Observe registers the source's metrics with an OpenTelemetry meter, under
// the names that KEDA 2.20 gives them there. They are read each time the
// meter's reader collects.
func Observe(m metric.Meter, s Source, b Build) error {
	f := newFamilies()
	instruments := map[*family]metric.Float64Observable{}
	var all []metric.Observable
	for _, x := range f.all() {
		var i metric.Float64Observable
		var err error
		if x.kind == counter {
			i, err = m.Float64ObservableCounter(x.otel, metric.WithDescription(x.help), metric.WithUnit(x.unit))
		} else {
			i, err = m.Float64ObservableGauge(x.otel, metric.WithDescription(x.help), metric.WithUnit(x.unit))
		}
		if err != nil {
			return fmt.Errorf("making the metric %s: %w", x.otel, err)
		}
		instruments[x] = i
		all = append(all, i)
	}
	info, err := m.Int64ObservableGauge("keda.build.info", metric.WithDescription("1, with the build in its attributes."))
	if err != nil {
		return fmt.Errorf("making the metric keda.build.info: %w", err)
	}
	built := metric.WithAttributes(attribute.String("version", b.Version), attribute.String("git_commit", b.Commit),
		attribute.String("goversion", b.Go), attribute.String("goos", b.OS), attribute.String("goarch", b.Arch))
	_, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(info, 1, built)
		f.collect(s, func(p point) {
			attributes := make([]attribute.KeyValue, len(p.values))
			for i, v := range p.values {
				attributes[i] = attribute.String(p.family.labels[i], v)
			}
			o.ObserveFloat64(instruments[p.family], p.value, metric.WithAttributes(attributes...))
		})
		return nil
	}, append(all, info)...)
	if err != nil {
		return fmt.Errorf("registering the metrics: %w", err)
	}
	return nil
}
