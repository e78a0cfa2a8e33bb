package main

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
)

// source is an event source with a queue for each ScaledObject.
type source interface {
	// name says what server it is.
	name() string
	// prepare makes n queues, the i-th with items(i) items. ready lists those
	// that add will be called for.
	prepare(ctx context.Context, n int, items func(i int) int, ready []int) error
	// trigger is the type and metadata of the i-th queue's trigger.
	trigger(i int) (kind string, metadata map[string]any)
	// add puts items into a queue, all at once.
	add(ctx context.Context, i, items int) error
	// cost counts what the operator has asked of the server since the start.
	cost(ctx context.Context) (cost, error)
	stop()
}

// cost is the operator's use of a source so far.
type cost struct {
	connections, trips, bytes int64
	requests                  map[string]int64
}

// since is the cost after an earlier one. Connections are those open now.
func (c cost) since(before cost) cost {
	out := cost{connections: c.connections, trips: c.trips - before.trips, bytes: c.bytes - before.bytes, requests: map[string]int64{}}
	for kind, n := range c.requests {
		if n -= before.requests[kind]; n > 0 {
			out.requests[kind] = n
		}
	}
	return out
}

func (c cost) total() (n int64) {
	for v := range maps.Values(c.requests) {
		n += v
	}
	return n
}

// threshold is the items per replica that every ScaledObject asks for.
const threshold = 5

func startSource(ctx context.Context, o options, dir string) (source, error) {
	if o.source == "redis" {
		return startRedis(ctx, o)
	}
	switch o.broker {
	case "real":
		return startRealKafka(ctx, o, dir)
	case "fake":
		return startFakeKafka(ctx, o)
	}
	for _, tool := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			logf("no %s here, so the Kafka protocol is served by a Go process", tool)
			return startFakeKafka(ctx, o)
		}
	}
	s, err := startRealKafka(ctx, o, dir)
	if err != nil {
		return nil, fmt.Errorf("%w; -broker fake does without Java", err)
	}
	return s, nil
}
