package redis

import (
	"context"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// listConfig is one trigger on a list. It stays unchanged once decoded.
type listConfig struct {
	server     server
	name       string
	length     int64
	activation int64
}

// Params implements scaler.Config.
func (c *listConfig) Params() param.Set {
	return param.Set{
		param.Text("listName", &c.name).Required().Example("my-list").Doc("Key of the list, set, sorted set or hash."),
		param.Int("listLength", &c.length).Default(5).Max(1e12).Target().Doc("Length per replica."),
		param.Int("activationListLength", &c.activation).Min(0).Activation().Doc("Length above which the workload is active."),
	}.With(c.server.params())
}

// Check implements scaler.Checker.
func (c *listConfig) Check() param.Problems { return c.server.check() }

// Metric implements scaler.Config.
func (c *listConfig) Metric() string { return "redis-" + c.name }

// Open implements scaler.Config.
func (c *listConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	return c.server.open(env, item{what: collection, key: c.name})
}
