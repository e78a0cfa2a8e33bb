package conn

import (
	"context"
	"errors"
	"math"

	"github.com/kedago/keda/pkg/scaler"
)

// HTTPSource is a source that asks one server for one number.
type HTTPSource struct {
	client *HTTPClient
	host   string
	ask    func(context.Context) (scaler.Reading, error)
}

var _ scaler.Hosted = (*HTTPSource)(nil)

// NewHTTPSource makes a source of a function that measures. It owns the
// client. host is the server's "host:port", for the limit of requests at once.
func NewHTTPSource(client *HTTPClient, host string, ask func(context.Context) (scaler.Reading, error)) *HTTPSource {
	return &HTTPSource{client: client, host: host, ask: ask}
}

// Host implements scaler.Hosted.
func (s *HTTPSource) Host() string { return s.host }

// Close implements scaler.Source.
func (s *HTTPSource) Close() error { return s.client.Close() }

// Measure implements scaler.Source. A number that is not finite is a bad
// answer, whoever gave it.
func (s *HTTPSource) Measure(ctx context.Context) (scaler.Reading, error) {
	r, err := s.ask(ctx)
	if err == nil && (math.IsNaN(r.Value) || math.IsInf(r.Value, 0)) {
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the number is not finite"), "reading the answer of %s", s.host)
	}
	return r, err
}
