// Package redis measures lists, sets, sorted sets, hashes and streams of Redis
// and servers that speak its protocol: single servers, clusters, and masters
// that sentinels name.
//
// It owns one client per server, database and credentials, which all triggers
// on them share, and one listening connection per server that tells of
// arrivals. It never changes a server's configuration, runs no script, and
// refuses to guess: an answer without a number is an error, never zero.
package redis

import "github.com/kedago/keda/pkg/scaler"

// topology is how the servers of a trigger belong together.
type topology string

const (
	single   topology = "single"
	cluster  topology = "cluster"
	sentinel topology = "sentinel"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{
		listKind("redis", single, "Redis lists", "1.0"),
		listKind("redis-cluster", cluster, "Redis lists (Redis Cluster)", "2.1"),
		listKind("redis-sentinel", sentinel, "Redis lists (Redis Sentinel)", "2.5"),
		streamsKind("redis-streams", single, "Redis Streams", "1.5"),
		streamsKind("redis-cluster-streams", cluster, "Redis Streams (Redis Cluster)", "2.1"),
		streamsKind("redis-sentinel-streams", sentinel, "Redis Streams (Redis Sentinel)", "2.5"),
	}
}

const watchNote = " Notifications wake idle workloads at once where the server sends them: `notify-keyspace-events` with `K` and "

func listKind(name string, at topology, title, since string) scaler.Kind {
	return scaler.Kind{
		Name: name, Title: title, Since: since,
		About: "The length of a list, or the number of members of a set, a sorted set or a hash. " +
			"A key that does not exist counts as 0, as it does for Redis." + watchNote + "`l` (lists), `s`, `z` or `h`.",
		Permissions: "ACL `+llen +scard +zcard +hlen +type ~KEY`; `+subscribe +unsubscribe +ping +config|get &__keyspace@*` lets arrivals wake idle workloads at once." +
			also(at),
		Cost:     cost(at),
		ByHand:   byHand(at) + "llen my-list",
		Examples: listExamples(at),
		New:      func() scaler.Config { return &listConfig{server: server{topology: at}} },
	}
}

func streamsKind(name string, at topology, title, since string) scaler.Kind {
	return scaler.Kind{
		Name: name, Title: title, Since: since,
		About: "What a stream holds for a consumer group: the entries not delivered yet (`lagCount`), or those delivered and not acknowledged " +
			"(`pendingEntriesCount`); without a group, the length of the stream." + watchNote + "`t` (streams).",
		Permissions: "ACL `+xinfo|groups +xpending +xlen +type ~KEY`; `+subscribe +unsubscribe +ping +config|get &__keyspace@*` lets arrivals wake idle workloads at once." +
			also(at),
		Cost:     cost(at),
		ByHand:   byHand(at) + "xinfo groups my-stream",
		Examples: streamExamples(at),
		New:      func() scaler.Config { return &streamsConfig{server: server{topology: at}} },
	}
}

func also(at topology) string {
	switch at {
	case cluster:
		return " `+cluster|slots +cluster|shards` finds the nodes."
	case sentinel:
		return " On the sentinels `" + sentinelRules + "`."
	}
	return ""
}

func cost(at topology) string {
	const listening = " While workloads are idle one more connection listens, and `CONFIG GET` is asked every minute."
	if at == cluster {
		return "Per poll, for all triggers of one cluster together: one pipelined round trip per master that has their keys, a command or two each. " +
			"At most 2 connections per node." + listening
	}
	return "Per poll, for all triggers of one server together: one pipelined round trip, a command or two each. At most 2 connections." + listening
}

func byHand(at topology) string {
	switch at {
	case cluster:
		return "redis-cli -c -h redis-0.redis.svc "
	case sentinel:
		return "redis-cli -h $(redis-cli -h sentinel.svc -p 26379 sentinel get-master-addr-by-name mymaster | head -1) "
	}
	return "redis-cli -h redis.svc "
}

// addressExample is how the examples of a topology name their servers.
func addressExample(at topology, more map[string]string) map[string]string {
	switch at {
	case cluster:
		more["addresses"] = "redis-0.redis.svc:6379,redis-1.redis.svc:6379"
	case sentinel:
		more["addresses"] = "sentinel-0.sentinel.svc:26379,sentinel-1.sentinel.svc:26379"
		more["sentinelMaster"] = "mymaster"
	default:
		more["address"] = "redis.svc:6379"
	}
	return more
}

func listExamples(at topology) []scaler.Example {
	return []scaler.Example{
		{Title: "A list", Metadata: addressExample(at, map[string]string{"listName": "my-list", "listLength": "10"})},
		{
			Title:    "An ACL user over TLS",
			Metadata: addressExample(at, map[string]string{"listName": "my-list", "listLength": "10", "activationListLength": "5", "enableTLS": "true"}),
			Auth:     map[string]string{"username": "keda", "password": "the-password"},
		},
	}
}

func streamExamples(at topology) []scaler.Example {
	return []scaler.Example{
		{
			Title:    "Entries that a group has not been given yet",
			Metadata: addressExample(at, map[string]string{"stream": "my-stream", "consumerGroup": "my-group", "lagCount": "5", "activationLagCount": "3"}),
		},
		{
			Title:    "Entries that a group has not acknowledged",
			Metadata: addressExample(at, map[string]string{"stream": "my-stream", "consumerGroup": "my-group", "pendingEntriesCount": "10"}),
		},
		{
			Title:    "Length of the stream, password from the container's environment",
			Metadata: addressExample(at, map[string]string{"stream": "my-stream", "streamLength": "50", "passwordFromEnv": "REDIS_PASSWORD"}),
			Env:      map[string]string{"REDIS_PASSWORD": "the-password"},
		},
	}
}
