package metricsapi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// source asks one address, or all endpoints of a Service. It owns its share
// of the client.
type source struct {
	client    *conn.HTTPClient
	config    *config
	find      finder
	cluster   scaler.Cluster
	service   string
	namespace string
}

var _ scaler.Hosted = (*source)(nil)

// Host implements scaler.Hosted.
func (s *source) Host() string { return s.config.address.Host }

// Close implements scaler.Source.
func (s *source) Close() error { return s.client.Close() }

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	if s.config.aggregate {
		return s.measureService(ctx)
	}
	v, err := s.ask(ctx, s.config.address)
	if err != nil {
		return scaler.Reading{}, err
	}
	return scaler.Reading{Value: v}, nil
}

func (s *source) ask(ctx context.Context, at *url.URL) (float64, error) {
	doing := "asking " + at.Host
	body, err := s.client.Ask(ctx, conn.NewGet(at, nil), conn.Refusals{}, doing)
	if err != nil {
		return 0, err
	}
	v, err := s.find(body)
	if err != nil {
		return 0, scaler.BadAnswer(err, "reading the %s answer of %s at %q", s.config.format, at.Host, s.config.location)
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, scaler.BadAnswer(fmt.Errorf("found %v; expected a finite number", v), "reading the %s answer of %s at %q", s.config.format, at.Host, s.config.location)
	}
	return v, nil
}

// measureService asks all endpoints, a few at a time.
func (s *source) measureService(ctx context.Context) (scaler.Reading, error) {
	const atOnce = 8
	doing := fmt.Sprintf("asking the endpoints of Service %s/%s", s.namespace, s.service)
	addresses, err := s.cluster.ServiceAddresses(ctx, s.namespace, s.service, s.config.address.Port())
	if err != nil {
		var known *scaler.Error
		if errors.As(err, &known) {
			return scaler.Reading{}, fmt.Errorf("%s: %w", doing, err)
		}
		return scaler.Reading{}, scaler.Unreachable(err, "%s", doing)
	}
	if len(addresses) == 0 {
		return scaler.Reading{}, scaler.Missing(errors.New("there is no ready endpoint"), "%s", doing)
	}
	values, failures := make([]float64, len(addresses)), make([]error, len(addresses))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, a := range addresses {
		g.Go(func() error {
			at := *s.config.address
			at.Host = a
			values[i], failures[i] = s.ask(ctx, &at)
			return nil
		})
	}
	_ = g.Wait()
	return s.combine(values, failures, doing)
}

// combine makes one number. An endpoint that did not answer could only have
// added to a sum or raised a maximum, so these need all; an average or a
// minimum of those that answered stands for the rest.
func (s *source) combine(values []float64, failures []error, doing string) (scaler.Reading, error) {
	var got []float64
	var failure error
	for i, v := range values {
		if failures[i] == nil {
			got = append(got, v)
		} else if failure == nil {
			failure = failures[i]
		}
	}
	failed := len(values) - len(got)
	kind := s.config.aggregation
	if failed > 0 && (len(got) == 0 || kind == "sum" || kind == "max") {
		return scaler.Reading{}, fmt.Errorf("%s: %d of %d failed, the first with: %w", doing, failed, len(values), failure)
	}
	var r scaler.Reading
	switch kind {
	case "sum", "average":
		for _, v := range got {
			r.Value += v
		}
		if kind == "average" {
			r.Value /= float64(len(got))
		}
	case "max":
		r.Value = slices.Max(got)
	case "min":
		r.Value = slices.Min(got)
	}
	if failed > 0 {
		r.Note = fmt.Sprintf("%d of %d endpoints did not answer", failed, len(values))
	}
	return r, nil
}
