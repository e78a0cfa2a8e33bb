package redis

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	redisserver "github.com/kedago/keda/test/servers/redis"
)

const (
	user, password = "keda", "keda-password"
	notify         = "KA"
)

// rig is a server behind a proxy, as a topology has it.
type rig struct {
	server   *redisserver.Server
	proxy    *scalertest.Proxy
	metadata map[string]string
	at       topology
}

// newRig starts what a topology needs. Clients see the proxy's address only.
func newRig(t *testing.T, at topology) *rig {
	t.Helper()
	r := &rig{at: at}
	if at == cluster {
		r.server = redisserver.StartCluster(t, 1)[0]
	} else {
		r.server = redisserver.Start(t)
	}
	r.proxy = scalertest.NewProxy(t, r.server.Addr)
	r.metadata = map[string]string{"address": r.proxy.Addr}
	switch at {
	case cluster:
		_, port := splitAddress(t, r.proxy.Addr)
		r.server.Do(t, "CONFIG", "SET", "cluster-announce-port", port)
		redisserver.Eventually(t, func() error {
			if slots := fmt.Sprint(r.server.Do(t, "CLUSTER", "SLOTS")); !contains(slots, port) {
				return fmt.Errorf("the cluster announces %s", slots)
			}
			return nil
		})
	case sentinel:
		s := redisserver.StartSentinel(t, "mymaster", r.proxy.Addr, time.Hour, "requirepass sentinel-password")
		r.metadata = map[string]string{"address": s.Addr, "sentinelMaster": "mymaster", "sentinelPassword": "sentinel-password"}
	}
	r.server.Do(t, "CONFIG", "SET", "notify-keyspace-events", notify)
	r.allow(t)
	return r
}

func (r *rig) allow(t *testing.T) {
	r.server.Do(t, "ACL", "SETUSER", user, "on", ">"+password, "~*", "&*", "+@all")
}

func (r *rig) deny(t *testing.T) { r.server.Do(t, "ACL", "SETUSER", user, "resetkeys") }

// setter makes a key hold n of something.
type setter func(t *testing.T, r *rig, key string, n int)

func setList(t *testing.T, r *rig, key string, n int) {
	r.server.Do(t, "DEL", key)
	addEach(t, r, n, func(int) []any { return []any{"RPUSH", key, "x"} })
}

// addEach sends n commands.
func addEach(t *testing.T, r *rig, n int, command func(i int) []any) {
	for i := range n {
		r.server.Do(t, command(i)...)
	}
}

// setStream adds entries that the group "group" has not been given.
func setStream(t *testing.T, r *rig, key string, n int) {
	r.server.Do(t, "DEL", key)
	r.server.Do(t, "XGROUP", "CREATE", key, "group", "$", "MKSTREAM")
	addEach(t, r, n, func(i int) []any { return []any{"XADD", key, "*", "n", i} })
}

// setPending has the group's consumer take entries and acknowledge none.
func setPending(t *testing.T, r *rig, key string, n int) {
	setStream(t, r, key, n)
	if n > 0 {
		r.server.Do(t, "XREADGROUP", "GROUP", "group", "consumer", "COUNT", n, "STREAMS", key, ">")
	}
}

// conformance runs the suite for one kind.
func conformance(t *testing.T, kind, name string, set setter, metadata map[string]string, bad map[string]string) {
	k := kindOf(t, kind)
	at := k.New().(interface{ at() topology }).at()
	start := sync.OnceValue(func() *rig { return newRig(t, at) })
	auth := map[string]string{"username": user, "password": password}
	start()
	scalertest.Run(t, scalertest.Case{
		Kind:     k,
		Metadata: over(start().metadata, metadata, map[string]string{name: "conformance"}),
		Auth:     auth,
		Fixture: func(t *testing.T) scalertest.Fixture {
			r := start()
			r.proxy.Up()
			at := func(key string) func(context.Context, float64) {
				return func(_ context.Context, n float64) { set(t, r, key, int(n)) }
			}
			f := scalertest.Fixture{
				Proxy:  r.proxy,
				Set:    at("conformance"),
				Values: []float64{0, 3, 100, 1, 0},
				Deny:   func() { r.deny(t) },
				Allow:  func() { r.allow(t) },
				Connections: func() int {
					return int(r.server.Stat(t, "stats", "total_connections_received"))
				},
				Bad:  bad,
				Busy: r.at == sentinel,
			}
			for i := range 3 {
				key := "sibling-" + strconv.Itoa(i)
				f.Siblings = append(f.Siblings, scalertest.Sibling{Metadata: map[string]string{name: key}, Set: at(key)})
			}
			r.server.Do(t, "SET", "text", "no list")
			return f
		},
	})
}

func TestConformance(t *testing.T) {
	group := map[string]string{"consumerGroup": "group"}
	lagging := map[string]string{"consumerGroup": "group", "lagCount": "5"}
	for _, tc := range []struct {
		title, kind, name string
		set               setter
		metadata          map[string]string
	}{
		{"list", "redis", "listName", setList, nil},
		{"list in a cluster", "redis-cluster", "listName", setList, nil},
		{"list by sentinel", "redis-sentinel", "listName", setList, nil},
		{"stream length", "redis-streams", "stream", setStream, nil},
		{"stream lag", "redis-streams", "stream", setStream, lagging},
		{"pending entries", "redis-streams", "stream", setPending, group},
		{"stream lag in a cluster", "redis-cluster-streams", "stream", setStream, lagging},
		{"stream lag by sentinel", "redis-sentinel-streams", "stream", setStream, lagging},
	} {
		t.Run(tc.title, func(t *testing.T) {
			conformance(t, tc.kind, tc.name, tc.set, tc.metadata, map[string]string{tc.name: "text"})
		})
	}
}

func kindOf(t testing.TB, name string) scaler.Kind {
	t.Helper()
	return scalertest.Kind(t, Kinds(), name)
}
