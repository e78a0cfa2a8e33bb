package redis

import (
	"context"
	"fmt"

	"github.com/kedago/keda/pkg/scaler"
)

// what says which number of a key is measured.
type what string

const (
	collection   what = "collection"
	streamLength what = "length"
	pending      what = "pending"
	lag          what = "lag"
)

// item is what one trigger measures.
type item struct {
	what       what
	key, group string
}

// doing says what measuring the item is, for errors.
func (i item) doing() string {
	switch i.what {
	case streamLength:
		return fmt.Sprintf("reading the length of stream %q", i.key)
	case pending:
		return fmt.Sprintf("reading the pending entries of group %q on stream %q", i.group, i.key)
	case lag:
		return fmt.Sprintf("reading the lag of group %q on stream %q", i.group, i.key)
	}
	return fmt.Sprintf("reading the length of list %q", i.key)
}

// source measures one trigger. It owns a share of the connection.
type source struct {
	item    item
	conn    *connection
	key     string
	release func()
}

// watchable is a source that the server tells of arrivals. Pending entries
// are no arrivals: nothing is told when a consumer takes them.
type watchable struct{ *source }

var (
	_ scaler.Batcher = (*source)(nil)
	_ scaler.Watcher = watchable{}
)

// open leases the connection for an item.
func (s *server) open(env scaler.Env, i item) (scaler.Source, error) {
	if err := s.check().Err(); err != nil {
		return nil, scaler.Misconfigured(err, "preparing the redis trigger")
	}
	if len(s.targets) == 0 {
		return nil, scaler.Misconfigured(nil, "preparing the redis trigger: its address is not known")
	}
	key := s.poolKey(env)
	k, release, err := scaler.Lease(env.Pool, key, func() (*connection, error) { return connect(s, env) })
	if err != nil {
		return nil, scaler.Misconfigured(err, "preparing the redis trigger")
	}
	own := &source{item: i, conn: k, key: key.Address + " " + key.Credentials, release: release}
	if i.what == pending {
		return own, nil
	}
	return watchable{own}, nil
}

// Close implements scaler.Source.
func (s *source) Close() error {
	s.release()
	return nil
}

// BatchKey implements scaler.Batcher.
func (s *source) BatchKey() string { return s.key }

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	r := s.MeasureAll(ctx, []scaler.Source{s})[0]
	return r.Reading, r.Err
}

// MeasureAll implements scaler.Batcher.
func (s *source) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	p := newPoll(ctx, s.conn)
	for _, other := range sources {
		p.want(itemOf(other))
	}
	p.run()
	results := make([]scaler.Result, len(sources))
	for i, other := range sources {
		results[i].Reading, results[i].Err = p.read(itemOf(other))
	}
	return results
}

func itemOf(s scaler.Source) item {
	if w, ok := s.(watchable); ok {
		return w.item
	}
	return s.(*source).item
}
