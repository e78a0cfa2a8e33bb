package redis

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	redisserver "github.com/kedago/keda/test/servers/redis"
)

// TestTypes checks that the length of all types that have one is measured,
// also when a key changes its type, and that others are refused.
func TestTypes(t *testing.T) {
	r := redisserver.Start(t)
	s := open(t, newEnv(), "redis", map[string]string{"address": r.Addr, "listName": "key"}, nil)
	expect(t, s, 0, "")
	for _, step := range []struct {
		command []any
		want    float64
	}{
		{[]any{"RPUSH", "key", "a", "a", "b"}, 3},
		{[]any{"SADD", "key", "a", "b"}, 2},
		{[]any{"ZADD", "key", 1, "a", 2, "b", 3, "c", 4, "d"}, 4},
		{[]any{"HSET", "key", "a", 1}, 1},
		{[]any{"RPUSH", "key", "a", "b", "c", "d", "e"}, 5},
	} {
		r.Do(t, "DEL", "key")
		r.Do(t, step.command...)
		expect(t, s, step.want, "") // as it is found
		expect(t, s, step.want, "") // as it is remembered
	}
	r.Do(t, "DEL", "key")
	expect(t, s, 0, "")
	r.Do(t, "SET", "key", "text")
	refuse(t, s, scaler.ReasonMisconfigured, "string", "a list, a set, a sorted set or a hash")
	r.Do(t, "DEL", "key")
	r.Do(t, "XADD", "key", "*", "a", "b")
	refuse(t, s, scaler.ReasonMisconfigured, "stream", "key")
}

func TestStreams(t *testing.T) {
	r := redisserver.Start(t)
	at := func(more ...string) scaler.Source {
		m := map[string]string{"address": r.Addr, "stream": "stream"}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return open(t, newEnv(), "redis-streams", m, nil)
	}
	length, waiting := at(), at("consumerGroup", "group", "pendingEntriesCount", "3")
	behind := at("consumerGroup", "group", "lagCount", "3")

	expect(t, length, 0, "")
	expect(t, behind, 0, "the stream does not exist")
	refuse(t, waiting, scaler.ReasonMissing, "NOGROUP", "group", "stream")
	for range 5 {
		r.Do(t, "XADD", "stream", "*", "a", "b")
	}
	expect(t, length, 5, "")
	expect(t, behind, 5, `group "group" does not exist yet`)
	refuse(t, waiting, scaler.ReasonMissing, "NOGROUP")

	r.Do(t, "XGROUP", "CREATE", "stream", "another", "$")
	r.Do(t, "XGROUP", "CREATE", "stream", "group", "0")
	expect(t, behind, 5, "")
	expect(t, waiting, 0, "")
	r.Do(t, "XREADGROUP", "GROUP", "group", "c", "COUNT", 2, "STREAMS", "stream", ">")
	expect(t, behind, 3, "")
	expect(t, waiting, 2, "")
	expect(t, length, 5, "")

	// A group in the middle of the stream: Redis itself does not know.
	last := fmt.Sprint(r.Do(t, "XADD", "stream", "*", "a", "b"))
	r.Do(t, "XADD", "stream", "*", "a", "b")
	r.Do(t, "XADD", "stream", "*", "a", "b")
	r.Do(t, "XGROUP", "SETID", "stream", "group", last)
	refuse(t, behind, scaler.ReasonBadAnswer, "can't tell the lag")

	r.Do(t, "DEL", "stream")
	r.Do(t, "SET", "stream", "text")
	for _, s := range []scaler.Source{length, waiting, behind} {
		refuse(t, s, scaler.ReasonMisconfigured, "string", "a stream")
	}
}

// TestDenials checks what is said of credentials.
func TestDenials(t *testing.T) {
	r := redisserver.Start(t)
	meta := map[string]string{"address": r.Addr, "listName": "jobs"}
	at := func(user, password string) scaler.Source {
		return open(t, newEnv(), "redis", meta, map[string]string{"username": user, "password": password})
	}
	r.Do(t, "ACL", "SETUSER", "limited", "on", ">s3cret-two", "~other", "+llen")
	refuse(t, at("limited", "s3cret-one"), scaler.ReasonDenied, "WRONGPASS")
	refuse(t, at("limited", "s3cret-two"), scaler.ReasonDenied, "NOPERM", "jobs")
	r.Do(t, "ACL", "SETUSER", "limited", "~jobs")
	expect(t, at("limited", "s3cret-two"), 0, "") // nothing but the documented permission
	r.Do(t, "CONFIG", "SET", "requirepass", "s3cret-three")
	refuse(t, at("", ""), scaler.ReasonDenied, "NOAUTH")
	expect(t, at("", "s3cret-three"), 0, "")
}

// TestLackingRules gives a user one ACL rule after the other, and checks that
// each refusal names the next one.
func TestLackingRules(t *testing.T) {
	r := redisserver.Start(t)
	r.Do(t, "SADD", "set", "a")
	r.Do(t, "XGROUP", "CREATE", "stream", "group", "$", "MKSTREAM")
	auth := map[string]string{"username": "limited", "password": "s3cret"}
	for name, tc := range map[string]struct {
		kind     string
		metadata map[string]string
		rules    []string
		value    float64
	}{
		"a set":           {"redis", map[string]string{"listName": "set"}, []string{"+llen", "~set", "+type", "+scard"}, 1},
		"a stream":        {"redis-streams", map[string]string{"stream": "stream"}, []string{"+xlen", "~stream"}, 0},
		"pending entries": {"redis-streams", map[string]string{"stream": "stream", "consumerGroup": "group"}, []string{"+xpending", "~stream"}, 0},
		"a group's lag":   {"redis-streams", map[string]string{"stream": "stream", "consumerGroup": "group", "lagCount": "5"}, []string{"+xinfo|groups", "~stream"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r.Do(t, "ACL", "SETUSER", "limited", "reset", "on", ">s3cret")
			s := open(t, newEnv(), tc.kind, over(tc.metadata, map[string]string{"address": r.Addr}), auth)
			for i, rule := range tc.rules {
				refuse(t, s, scaler.ReasonDenied, "NOPERM", " "+rule)
				for _, later := range tc.rules[i+1:] {
					if _, err := measure(s); strings.Contains(err.Error(), " "+later) {
						t.Errorf("%v names %s too early", err, later)
					}
				}
				r.Do(t, "ACL", "SETUSER", "limited", rule)
			}
			expect(t, s, tc.value, "")
		})
	}
}

// TestSlotMoves moves a key's slot to another node of a cluster, step by step,
// and measures in between.
func TestSlotMoves(t *testing.T) {
	nodes := redisserver.StartCluster(t, 2)
	const slot = 9631 // of the key "jobs", on the second node
	from, to := nodes[1], nodes[0]
	s := open(t, newEnv(), "redis-cluster", map[string]string{"address": from.Addr, "listName": "jobs"}, nil)
	idle := open(t, newEnv(), "redis-cluster", map[string]string{"address": from.Addr, "listName": "{jobs}:none"}, nil)
	from.Do(t, "RPUSH", "jobs", "a", "b", "c")
	id := func(of *redisserver.Server) string { return of.Do(t, "CLUSTER", "MYID").(string) }
	for _, step := range []func(){
		func() {},
		func() { to.Do(t, "CLUSTER", "SETSLOT", slot, "IMPORTING", id(from)) },
		func() { from.Do(t, "CLUSTER", "SETSLOT", slot, "MIGRATING", id(to)) },
		func() { from.Do(t, "MIGRATE", "127.0.0.1", to.Port, "jobs", 0, 5000) },
		func() { to.Do(t, "CLUSTER", "SETSLOT", slot, "NODE", id(to)) },
		func() { from.Do(t, "CLUSTER", "SETSLOT", slot, "NODE", id(to)) },
		func() { to.Do(t, "RPUSH", "jobs", "d"); to.Do(t, "LPOP", "jobs") },
	} {
		step()
		expect(t, s, 3, "")
		expect(t, idle, 0, "")
	}
}

func TestDatabases(t *testing.T) {
	r := redisserver.Start(t)
	env := newEnv()
	at := func(db string) scaler.Source {
		return open(t, env, "redis", map[string]string{"address": r.Addr, "listName": "jobs", "databaseIndex": db}, nil)
	}
	r.Do(t, "RPUSH", "jobs", "a")
	expect(t, at("0"), 1, "")
	expect(t, at("1"), 0, "")
	refuse(t, at("99"), scaler.ReasonMisconfigured, "database")
}

func TestTLS(t *testing.T) {
	authority, other := conntest.NewAuthority(t), conntest.NewAuthority(t)
	r := redisserver.Start(t, redisserver.TLS(t, authority))
	r.Do(t, "RPUSH", "jobs", "a")
	meta := map[string]string{"address": r.Addr, "listName": "jobs", "enableTLS": "true"}
	pair, wrong := authority.Issue(t, "keda"), other.Issue(t, "keda")
	with := func(ca string, p conntest.Pair) scaler.Source {
		return open(t, newEnv(), "redis", meta, map[string]string{"ca": ca, "cert": p.Cert, "key": p.Key})
	}
	expect(t, with(authority.PEM, pair), 1, "")
	refuse(t, with(other.PEM, pair), scaler.ReasonMisconfigured, "certificate")
	for _, s := range []scaler.Source{with(authority.PEM, wrong), open(t, newEnv(), "redis", meta, map[string]string{"ca": authority.PEM})} {
		// With TLS 1.3 the refusal comes after the handshake, where the reset
		// of the connection may overtake it.
		got, err := measure(s)
		if reason := scaler.ReasonOf(err); err == nil || reason != scaler.ReasonDenied && reason != scaler.ReasonUnreachable {
			t.Errorf("a wrong or missing client certificate gives %+v, %v", got, err)
		}
	}
	expect(t, open(t, newEnv(), "redis", map[string]string{"address": r.Addr, "listName": "jobs", "unsafeSsl": "true"},
		map[string]string{"tls": "enable", "Cert": pair.Cert, "key": pair.Key}), 1, "")
	plain := map[string]string{"address": r.Addr, "listName": "jobs"}
	refuse(t, open(t, newEnv(), "redis", plain, nil), scaler.ReasonUnreachable)
}

// TestWrongTopology checks what is said when the type does not fit the server.
func TestWrongTopology(t *testing.T) {
	alone := redisserver.Start(t)
	meta := map[string]string{"address": alone.Addr, "listName": "jobs", "sentinelMaster": "mymaster"}
	refuse(t, open(t, newEnv(), "redis-cluster", meta, nil), scaler.ReasonMisconfigured, "cluster")
	refuse(t, open(t, newEnv(), "redis-sentinel", meta, nil), scaler.ReasonMisconfigured)
	nodes := redisserver.StartCluster(t, 2)
	reasons := map[string]bool{}
	for i := range 20 { // some key is on the other node
		s := open(t, newEnv(), "redis", map[string]string{"address": nodes[0].Addr, "listName": fmt.Sprint("jobs-", i)}, nil)
		if _, err := measure(s); err != nil {
			reasons[string(scaler.ReasonOf(err))] = strings.Contains(err.Error(), "redis-cluster")
		}
	}
	if !reasons[string(scaler.ReasonMisconfigured)] || len(reasons) != 1 {
		t.Errorf("keys of another node give %v", reasons)
	}
}

// TestSentinelDenials checks what is said of the sentinels' own credentials
// and of the name of the master.
func TestSentinelDenials(t *testing.T) {
	master := redisserver.Start(t)
	guard := redisserver.StartSentinel(t, "mymaster", master.Addr, time.Hour, "requirepass sentinel-password")
	at := func(name, password string) scaler.Source {
		m := map[string]string{"hosts": "127.0.0.1", "ports": guard.Port, "sentinelMaster": name, "listName": "jobs"}
		return open(t, newEnv(), "redis-sentinel", m, map[string]string{"sentinelPassword": password})
	}
	expect(t, at("mymaster", "sentinel-password"), 0, "")
	refuse(t, at("mymaster", "wrong-password"), scaler.ReasonDenied, "WRONGPASS")
	refuse(t, at("mymaster", ""), scaler.ReasonDenied, "NOAUTH")
	refuse(t, at("another", "sentinel-password"), scaler.ReasonMissing, "no master of that name")
}

// TestSentinelUsers checks that the documented permissions are enough for an
// ACL user of the sentinels, and what is said when one is missing.
func TestSentinelUsers(t *testing.T) {
	master := redisserver.Start(t)
	master.Do(t, "RPUSH", "jobs", "a")
	const documented = "&* +sentinel|get-master-addr-by-name +sentinel|sentinels +subscribe"
	guard := redisserver.StartSentinel(t, "mymaster", master.Addr, time.Hour,
		"user enough on >s3cret "+documented, "user lacking on >s3cret &* +subscribe", "user default off")
	at := func(user, password string) scaler.Source {
		m := map[string]string{"address": guard.Addr, "sentinelMaster": "mymaster", "listName": "jobs"}
		return open(t, newEnv(), "redis-sentinel", m, map[string]string{"sentinelUsername": user, "sentinelPassword": password})
	}
	expect(t, at("enough", "s3cret"), 1, "")
	refuse(t, at("enough", "wr0ng"), scaler.ReasonDenied, "WRONGPASS", "sentinelPassword")
	refuse(t, at("lacking", "s3cret"), scaler.ReasonDenied, "NOPERM", "+sentinel|get-master-addr-by-name", "sentinels")
	refuse(t, at("", ""), scaler.ReasonDenied, "NOAUTH", "sentinelPassword")
}

// TestSentinelTLS checks that the trigger's TLS is for sentinels and master.
func TestSentinelTLS(t *testing.T) {
	authority := conntest.NewAuthority(t)
	master := redisserver.Start(t, redisserver.TLS(t, authority))
	guard := redisserver.StartSecureSentinel(t, "mymaster", master.Addr, authority)
	master.Do(t, "RPUSH", "jobs", "a")
	pair := authority.Issue(t, "keda")
	meta := map[string]string{"address": guard.Addr, "sentinelMaster": "mymaster", "listName": "jobs", "enableTLS": "true"}
	auth := map[string]string{"ca": authority.PEM, "cert": pair.Cert, "key": pair.Key}
	expect(t, open(t, newEnv(), "redis-sentinel", meta, auth), 1, "")
	delete(auth, "ca")
	refuse(t, open(t, newEnv(), "redis-sentinel", meta, auth), scaler.ReasonMisconfigured, "certificate")
	expect(t, open(t, newEnv(), "redis-sentinel", over(meta, map[string]string{"unsafeSsl": "true"}), auth), 1, "")
	refuse(t, open(t, newEnv(), "redis-sentinel", over(meta, map[string]string{"enableTLS": "false"}), nil), scaler.ReasonUnreachable)
}

func TestRestart(t *testing.T) {
	r := redisserver.Start(t, redisserver.Args("--notify-keyspace-events", notify))
	s := open(t, newEnv(), "redis", map[string]string{"address": r.Addr, "listName": "jobs"}, nil)
	expect(t, s, 0, "")
	rec := watch(t, s)
	rec.await(t, scaler.Watching, 1)
	r.Stop()
	refuse(t, s, scaler.ReasonUnreachable)
	rec.await(t, scaler.Broken, 1)
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	redisserver.Eventually(t, func() error { _, err := measure(s); return err })
	expect(t, s, 0, "")
	rec.await(t, scaler.Watching, 2)
	rec.await(t, scaler.Arrived, 2)
	seen := rec.count(scaler.Arrived)
	r.Do(t, "RPUSH", "jobs", "a")
	rec.await(t, scaler.Arrived, seen+1)
	expect(t, s, 1, "")
}
