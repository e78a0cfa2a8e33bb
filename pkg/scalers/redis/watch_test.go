package redis

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/pkg/scaler"
	redisserver "github.com/kedago/keda/test/servers/redis"
)

// TestWatch checks what wakes a trigger and what does not.
func TestWatch(t *testing.T) {
	r := redisserver.Start(t, redisserver.Args("--notify-keyspace-events", notify))
	env := newEnv()
	at := func(key string) scaler.Source {
		return open(t, env, "redis", map[string]string{"address": r.Addr, "listName": key}, nil)
	}
	a, b := watch(t, at("a")), watch(t, at("b"))
	twin := watch(t, at("a"))
	for _, rec := range []*recorder{a, b, twin} {
		rec.await(t, scaler.Watching, 1)
		rec.await(t, scaler.Arrived, 1) // what came before it was watched
	}
	r.Do(t, "RPUSH", "a", "x")
	a.await(t, scaler.Arrived, 2)
	twin.await(t, scaler.Arrived, 2)
	twin.stop()
	r.Do(t, "LPOP", "a")
	r.Do(t, "RPUSH", "a", "x")
	a.await(t, scaler.Arrived, 3)
	r.Do(t, "RENAME", "a", "b")
	b.await(t, scaler.Arrived, 2)
	// All notifications pass through one connection in order.
	if n := a.count(scaler.Arrived); n != 3 {
		t.Errorf("a was woken %d times; want 3, not by what leaves", n)
	}
	if n := twin.count(scaler.Arrived); n != 2 {
		t.Errorf("woken %d times, also after stop", n)
	}
}

// TestWatchNeedsSetting checks that a server that sends nothing is told apart.
func TestWatchNeedsSetting(t *testing.T) {
	r := redisserver.Start(t)
	s := open(t, newEnv(), "redis", map[string]string{"address": r.Addr, "listName": "jobs"}, nil)
	rec := watch(t, s)
	got := rec.await(t, scaler.Refused, 1).Err
	if got == nil || !strings.Contains(got.Error(), "CONFIG SET notify-keyspace-events Kl") {
		t.Errorf("refused with %v", got)
	}
	// Somebody follows the advice: the first notification proves it.
	r.Do(t, "CONFIG", "SET", "notify-keyspace-events", "Kl")
	r.Do(t, "RPUSH", "jobs", "x")
	rec.await(t, scaler.Watching, 1)
	rec.await(t, scaler.Arrived, 1)

	stream := open(t, newEnv(), "redis-streams", map[string]string{"address": r.Addr, "stream": "stream"}, nil)
	got = watch(t, stream).await(t, scaler.Refused, 1).Err
	if got == nil || !strings.Contains(got.Error(), "notify-keyspace-events is \"lK\"") || !strings.Contains(got.Error(), "lKt") {
		t.Errorf("refused with %v", got)
	}
	if _, can := open(t, newEnv(), "redis-streams", map[string]string{"address": r.Addr, "stream": "stream", "consumerGroup": "g"}, nil).(scaler.Watcher); can {
		t.Error("pending entries can be watched, of which no server tells")
	}
}

// TestWatchPermissions checks a user who may less and less.
func TestWatchPermissions(t *testing.T) {
	r := redisserver.Start(t, redisserver.Args("--notify-keyspace-events", notify))
	r.Do(t, "ACL", "SETUSER", "limited", "on", ">s3cret", "~jobs", "&__keyspace@*", "+llen", "+subscribe", "+unsubscribe", "+ping", "+config|get")
	at := func() scaler.Source {
		return open(t, newEnv(), "redis", map[string]string{"address": r.Addr, "listName": "jobs"},
			map[string]string{"username": "limited", "password": "s3cret"})
	}
	watch(t, at()).await(t, scaler.Watching, 1) // the documented permissions are enough

	r.Do(t, "ACL", "SETUSER", "limited", "-config|get")
	rec := watch(t, at())
	if got := rec.await(t, scaler.Refused, 1).Err; got == nil || !strings.Contains(got.Error(), "config|get") {
		t.Errorf("refused with %v", got)
	}
	r.Do(t, "RPUSH", "jobs", "x")
	rec.await(t, scaler.Watching, 1) // the first notification shows that they come
	rec.await(t, scaler.Arrived, 1)

	r.Do(t, "ACL", "SETUSER", "limited", "resetchannels")
	got := watch(t, at()).await(t, scaler.Refused, 1).Err
	if scaler.ReasonOf(got) != scaler.ReasonDenied || !strings.Contains(got.Error(), "&__keyspace@0__:*") {
		t.Errorf("refused with %v", got)
	}
}

// TestFailover checks that sentinels are followed to another master.
func TestFailover(t *testing.T) {
	setting := redisserver.Args("--notify-keyspace-events", notify, "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
	master := redisserver.Start(t, setting)
	_, port, _ := net.SplitHostPort(master.Addr)
	replica := redisserver.Start(t, setting, redisserver.Args("--replicaof", "127.0.0.1 "+port))
	guard := redisserver.StartSentinel(t, "mymaster", master.Addr, 300*time.Millisecond)
	redisserver.Eventually(t, func() error {
		got, err := guard.Try("SENTINEL", "REPLICAS", "mymaster")
		if err == nil && !strings.Contains(fmt.Sprint(got), "master-link-status ok") {
			err = errors.New("the sentinel does not know the replica")
		}
		return err
	})
	s := open(t, newEnv(), "redis-sentinel", map[string]string{"address": guard.Addr, "sentinelMaster": "mymaster", "listName": "jobs"}, nil)
	master.Do(t, "RPUSH", "jobs", "a", "b")
	expect(t, s, 2, "")
	redisserver.Eventually(t, func() error {
		if n, err := replica.Try("LLEN", "jobs"); err != nil || n != int64(2) {
			return fmt.Errorf("the replica has %v, %w", n, err)
		}
		return nil
	})
	rec := watch(t, s)
	rec.await(t, scaler.Watching, 1)
	master.Stop()
	rec.await(t, scaler.Broken, 1)
	rec.await(t, scaler.Watching, 2)
	rec.await(t, scaler.Arrived, 2)
	seen := rec.count(scaler.Arrived)
	replica.Do(t, "RPUSH", "jobs", "c")
	rec.await(t, scaler.Arrived, seen+1)
	expect(t, s, 3, "")
}

// TestClusterPermissions checks that the documented permissions are enough in
// a cluster, for measuring and for watching.
func TestClusterPermissions(t *testing.T) {
	node := redisserver.StartCluster(t, 1, redisserver.Args("--notify-keyspace-events", notify))[0]
	node.Do(t, "ACL", "SETUSER", "limited", "on", ">s3cret", "~*", "&__keyspace@*", "+llen", "+scard", "+type",
		"+xinfo|groups", "+xlen", "+xpending", "+cluster|slots", "+cluster|shards", "+subscribe", "+unsubscribe", "+ping", "+config|get")
	auth := map[string]string{"username": "limited", "password": "s3cret"}
	node.Do(t, "SADD", "set", "a", "b")
	expect(t, open(t, newEnv(), "redis-cluster", map[string]string{"address": node.Addr, "listName": "set"}, auth), 2, "")
	m := map[string]string{"address": node.Addr, "stream": "stream", "consumerGroup": "group", "lagCount": "5"}
	s := open(t, newEnv(), "redis-cluster-streams", m, auth)
	expect(t, s, 0, "does not exist")
	rec := watch(t, s)
	rec.await(t, scaler.Watching, 1)
	rec.await(t, scaler.Arrived, 1)
	node.Do(t, "XADD", "stream", "*", "a", "b")
	rec.await(t, scaler.Arrived, 2)
	expect(t, s, 1, `group "group" does not exist yet`)
}
