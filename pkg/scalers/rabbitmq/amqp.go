package rabbitmq

import (
	"context"
	"sync"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// amqpSource measures one queue by AMQP. It owns its share of the connection.
type amqpSource struct {
	config  *config
	conn    *connection
	key     string
	release func()
}

var (
	_ scaler.Batcher = (*amqpSource)(nil)
	_ scaler.Hosted  = (*amqpSource)(nil)
)

func (c *config) openAMQP(env scaler.Env) (scaler.Source, error) {
	key := scaler.PoolKey{
		Driver:      "rabbitmq",
		Address:     c.at.address + " " + c.at.vhost + " " + conn.OptionsKey(env.HTTP),
		Credentials: c.digest(env),
	}
	credential, err := c.openToken(env)
	if err != nil {
		return nil, err
	}
	k, release, err := scaler.Lease(env.Pool, key, func() (*connection, error) { return c.connect(env, credential) })
	if err != nil {
		credential.close()
		return nil, scaler.Misconfigured(err, "opening a rabbitmq trigger")
	}
	return &amqpSource{config: c, conn: k, key: key.Address + " " + key.Credentials, release: func() { release(); credential.close() }}, nil
}

// Host implements scaler.Hosted.
func (s *amqpSource) Host() string { return s.config.at.address }

// BatchKey implements scaler.Batcher.
func (s *amqpSource) BatchKey() string { return s.key }

// Close implements scaler.Source.
func (s *amqpSource) Close() error {
	s.release()
	return nil
}

// Measure implements scaler.Source.
func (s *amqpSource) Measure(ctx context.Context) (scaler.Reading, error) {
	n, err := s.conn.ready(ctx, s.config.queue)
	if err != nil {
		return scaler.Reading{}, failed(err, s.config.of())
	}
	return s.config.reading(stats{messages: float64(n)}), nil
}

// MeasureAll implements scaler.Batcher. Equal queues are asked about once.
func (s *amqpSource) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	type answer struct {
		n   int
		err error
	}
	queues := map[string]*answer{}
	for _, other := range sources {
		queues[other.(*amqpSource).config.queue] = &answer{}
	}
	var wait sync.WaitGroup
	for queue, a := range queues {
		wait.Go(func() { a.n, a.err = s.conn.ready(ctx, queue) })
	}
	wait.Wait()
	out := make([]scaler.Result, len(sources))
	for i, other := range sources {
		c := other.(*amqpSource).config
		if a := queues[c.queue]; a.err != nil {
			out[i].Err = failed(a.err, c.of())
		} else {
			out[i].Reading = c.reading(stats{messages: float64(a.n)})
		}
	}
	return out
}
