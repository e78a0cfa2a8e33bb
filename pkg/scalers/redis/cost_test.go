package redis

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	redisserver "github.com/kedago/keda/test/servers/redis"
)

// fleet opens n triggers, each on its own key.
func fleet(t *testing.T, env scaler.Env, kind, address string, n int) []scaler.Source {
	t.Helper()
	sources := make([]scaler.Source, n)
	for i := range sources {
		sources[i] = open(t, env, kind, map[string]string{"address": address, "listName": fmt.Sprint("fleet-", i)}, nil)
	}
	return sources
}

func pollAll(t *testing.T, sources []scaler.Source, want func(i int) float64) {
	t.Helper()
	for i, r := range sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources) {
		if r.Err != nil || r.Reading.Value != want(i) {
			t.Fatalf("trigger %d: %+v, want %v", i, r, want(i))
		}
	}
}

// TestCost checks that 100 triggers on one server cost one round trip a poll,
// one command each, and no more than 4 connections, watched or not.
func TestCost(t *testing.T) {
	const triggers = 100
	r := redisserver.Start(t, redisserver.Args("--notify-keyspace-events", notify))
	env := newEnv()
	sources := fleet(t, env, "redis", r.Addr, triggers)
	for i := range triggers {
		if i%10 == 9 {
			r.Do(t, "SADD", fmt.Sprint("fleet-", i), "a", "b")
		}
		if s := sources[i].(scaler.Batcher); s.BatchKey() != sources[0].(scaler.Batcher).BatchKey() {
			t.Fatal("triggers on one server are not measured together")
		}
	}
	want := func(i int) float64 {
		if i%10 == 9 {
			return 2
		}
		return 0
	}
	pollAll(t, sources, want) // learns which keys are sets
	reads := func() int64 { return r.Stat(t, "stats", "total_reads_processed") }
	ran := func() int64 { return r.Stat(t, "stats", "total_commands_processed") }
	const own = 2 // the test's own INFOs between the numbers
	for range 3 {
		beforeReads, beforeRan := reads(), ran()
		pollAll(t, sources, want)
		afterReads, afterRan := reads(), ran()
		if n := afterReads - beforeReads - own; n != 1 {
			t.Errorf("a poll takes %d round trips", n)
		}
		if n := afterRan - beforeRan - own; n != triggers {
			t.Errorf("a poll takes %d commands", n)
		}
	}

	recorders := make([]*recorder, triggers)
	for i, s := range sources {
		recorders[i] = watch(t, s)
	}
	for i, rec := range recorders {
		if i%10 != 9 {
			rec.await(t, scaler.Watching, 1)
		}
	}
	pollAll(t, sources, want)
	const admin = 1
	if n := r.Stat(t, "clients", "connected_clients") - admin; n > 4 {
		t.Errorf("%d connections", n)
	}
	if n := listening(t, r); n != 1 {
		t.Errorf("%d connections listen", n)
	}
	for i, rec := range recorders {
		rec.stop()
		_ = sources[i].Close()
	}
	redisserver.Eventually(t, func() error {
		if n := r.Stat(t, "clients", "connected_clients") - admin; n != 0 {
			return fmt.Errorf("%d connections are left", n)
		}
		return nil
	})
}

// TestClusterCost checks that a poll asks each master once, and nobody twice.
func TestClusterCost(t *testing.T) {
	const triggers, masters = 100, 3
	nodes := redisserver.StartCluster(t, masters, redisserver.Args("--notify-keyspace-events", notify))
	sources := fleet(t, newEnv(), "redis-cluster", nodes[0].Addr, triggers)
	zero := func(int) float64 { return 0 }
	pollAll(t, sources, zero)
	calls := func() (n int64) {
		for _, node := range nodes {
			for line := range strings.Lines(fmt.Sprint(node.Do(t, "INFO", "commandstats"))) {
				var of int64
				if _, err := fmt.Sscanf(line, "cmdstat_llen:calls=%d,", &of); err == nil {
					n += of
				}
			}
		}
		return n
	}
	before := calls()
	pollAll(t, sources, zero)
	if n := calls() - before; n != triggers {
		t.Errorf("a poll takes %d commands", n)
	}
	for i, s := range sources {
		rec := watch(t, s)
		rec.await(t, scaler.Watching, 1)
		rec.await(t, scaler.Arrived, 1)
		if i < 10 {
			key := fmt.Sprint("fleet-", i)
			push(t, nodes, key)
			rec.await(t, scaler.Arrived, 2)
			expect(t, s, 1, "")
		}
	}
	for _, node := range nodes {
		if n := listening(t, node); n != 1 {
			t.Errorf("%d connections listen on one node", n)
		}
	}
}

// listening counts a server's connections that have subscribed.
func listening(t *testing.T, r *redisserver.Server) int {
	t.Helper()
	return strings.Count(fmt.Sprint(r.Do(t, "CLIENT", "LIST", "TYPE", "pubsub")), "id=")
}

// push adds to a list on whichever node has it.
func push(t *testing.T, nodes []*redisserver.Server, key string) {
	t.Helper()
	for _, n := range nodes {
		if _, err := n.Try("RPUSH", key, "x"); err == nil {
			return
		}
	}
	t.Fatalf("no node takes %s", key)
}
