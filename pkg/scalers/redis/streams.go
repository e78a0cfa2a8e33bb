package redis

import (
	"context"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// streamsConfig is one trigger on a stream. It stays unchanged once decoded.
type streamsConfig struct {
	server     server
	stream     string
	group      string
	pending    int64
	length     int64
	lag        int64
	activation int64
	has        struct{ group, pending, length, lag bool }
}

// Params implements scaler.Config.
func (c *streamsConfig) Params() param.Set {
	return param.Set{
		param.Text("stream", &c.stream).Required().Example("my-stream").Doc("Key of the stream."),
		param.Text("consumerGroup", &c.group).IsSet(&c.has.group).Example("my-group").
			Doc("Consumer group that is looked at; the length of the stream is measured when unset."),
		param.Int("pendingEntriesCount", &c.pending).Default(5).Max(1e12).IsSet(&c.has.pending).Target().
			Doc("Entries per replica that the group was given and has not acknowledged. A group without consumers is given none, so this can't activate it."),
		param.Int("streamLength", &c.length).Default(5).Max(1e12).IsSet(&c.has.length).Target().
			Doc("Length of the stream per replica, without consumerGroup. Reading does not shorten a stream, only deleting and trimming do."),
		param.Int("lagCount", &c.lag).Min(1).Max(1e12).IsSet(&c.has.lag).Target().
			Doc("Entries per replica that the group has not been given yet, in place of pendingEntriesCount; needs Redis 7. " +
				"All entries of the stream count until the group exists."),
		param.Int("activationLagCount", &c.activation).Min(0).Activation().Doc("Value above which the workload is active."),
	}.With(c.server.params())
}

// Check implements scaler.Checker.
func (c *streamsConfig) Check() param.Problems {
	ps := c.server.check()
	unused := func(name string, given bool, why string) {
		if given {
			ps.Warnf("metadata."+name, "has no effect %s", why)
		}
	}
	switch c.what() {
	case streamLength:
		unused("pendingEntriesCount", c.has.pending, "without consumerGroup; the length of the stream is measured")
		unused("lagCount", c.has.lag, "without consumerGroup; the length of the stream is measured")
	case lag:
		unused("pendingEntriesCount", c.has.pending, "with lagCount")
		unused("streamLength", c.has.length, "with lagCount")
	case pending:
		unused("streamLength", c.has.length, "with consumerGroup; its pending entries are measured")
	}
	return ps
}

func (c *streamsConfig) what() what {
	switch {
	case !c.has.group:
		return streamLength
	case c.has.lag:
		return lag
	}
	return pending
}

// Target implements scaler.Targeter.
func (c *streamsConfig) Target() (target, activation float64) {
	of := map[what]int64{streamLength: c.length, lag: c.lag, pending: c.pending}
	return float64(of[c.what()]), float64(c.activation)
}

// Metric implements scaler.Config.
func (c *streamsConfig) Metric() string { return "redis-streams-" + c.stream }

// Open implements scaler.Config.
func (c *streamsConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	return c.server.open(env, item{what: c.what(), key: c.stream, group: c.group})
}
