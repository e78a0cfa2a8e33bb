// Package temporal reads the backlog of a task queue of Temporal.
//
// It owns the two calls that tell it, in Temporal's protocol. Their messages
// are read and written here, since the generated ones register hundreds of
// others in every process.
package temporal

import (
	"context"
	"crypto/tls"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "temporal",
		Title:       "Temporal",
		About:       "About how many tasks wait in a task queue of Temporal, for any worker or for one version of a worker deployment.",
		Since:       "2.17",
		Permissions: "Reading the namespace: the role Read of an API key or of a client certificate's account.",
		Cost:        "One call per type of task queue and poll, three unless queueTypes says otherwise; one with a worker deployment.",
		ByHand:      "temporal task-queue describe --address temporal.shop:7233 --namespace default --task-queue orders",
		Examples: []scaler.Example{
			{
				Title:    "Workflow and activity tasks",
				Metadata: map[string]string{"endpoint": "temporal-frontend.temporal:7233", "taskQueue": "orders", "queueTypes": "workflow,activity", "targetQueueSize": "10"},
			},
			{
				Title: "One version of a worker deployment, with an API key",
				Metadata: map[string]string{
					"endpoint": "eu-west-1.aws.api.temporal.io:7233", "namespace": "shop.a1b2c", "taskQueue": "orders",
					"workerDeploymentName": "packers", "workerDeploymentBuildId": "v2",
				},
				Auth: map[string]string{"apiKey": "the-key"},
			},
		},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	endpoint   string
	namespace  string
	queue      string
	types      []string
	target     int64
	activation int64
	deployment string
	ofBuild    string
	build      string
	active     bool
	plain      bool
	apiKey     param.Hidden
	hasKey     bool
	connect    int64
	serverName string
	tls        conn.TLS
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	const instead = "use workerDeploymentName and workerDeploymentBuildId; Temporal is to drop these versions"
	return param.Set{
		param.Text("endpoint", &c.endpoint).From(param.Metadata, param.Env).Required().Example("temporal-frontend.temporal:7233").
			Doc("Address of the frontend, host:port."),
		param.Text("namespace", &c.namespace).From(param.Metadata, param.Env).Default("default").Doc("Namespace of the task queue."),
		param.Text("taskQueue", &c.queue).From(param.Metadata, param.Env).Required().Example("orders").Doc("Name of the task queue."),
		param.List("queueTypes", &c.types).Example("workflow,activity").
			Doc("Which tasks count: workflow, activity, nexus; all when unset."),
		param.Int("targetQueueSize", &c.target).Default(5).Min(1).Target().Doc("Tasks per replica."),
		param.Int("activationTargetQueueSize", &c.activation).Default(0).Min(0).Activation().Doc("Tasks above which the workload is active."),
		param.Text("workerDeploymentName", &c.deployment).From(param.Metadata, param.Env).Since("2.20").Example("packers").
			Doc("Worker deployment whose tasks count, with workerDeploymentBuildId."),
		param.Text("workerDeploymentBuildId", &c.ofBuild).From(param.Metadata, param.Env).Since("2.20").Example("v2").
			Doc("Build ID of the worker deployment's version whose tasks count."),
		param.Text("buildId", &c.build).From(param.Metadata, param.Env).Deprecated(instead).
			Doc("Build ID whose tasks count, of the first kind of versions."),
		param.Bool("selectAllActive", &c.active).Default(false).Deprecated(instead).
			Doc("Whether tasks of all active build IDs count, of the first kind of versions."),
		param.Bool("selectUnversioned", &c.plain).Default(false).Deprecated(instead).
			Doc("Whether tasks without a build ID count, of the first kind of versions."),
		param.Int("minConnectTimeout", &c.connect).Default(5).Min(0).
			Doc("How long connecting may take at least, in seconds; without effect, as connecting may take all the time that a measurement has."),
	}.With(param.Group("Authentication",
		param.Secret("apiKey", &c.apiKey).From(param.Auth, param.Env).IsSet(&c.hasKey).Doc("API key, which is sent over TLS only."),
	), c.tls.MaterialParams(), param.Group("TLS",
		param.Text("tlsServerName", &c.serverName).Doc("Name that the server's certificate is checked for; the endpoint's when unset."),
	))
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := append(c.tls.Check(), conn.CheckGRPCAddress("endpoint", c.endpoint)...)
	for _, name := range c.types {
		if kind(name) == 0 {
			ps.Errorf("metadata.queueTypes", "found %.50q; expected one or more of workflow, activity, nexus", name)
		}
	}
	switch versioned := c.deployment != "" || c.ofBuild != ""; {
	case versioned && c.deployment == "":
		ps.Errorf("metadata.workerDeploymentName", "is missing; expected one with workerDeploymentBuildId")
	case versioned && c.ofBuild == "":
		ps.Errorf("metadata.workerDeploymentBuildId", "is missing; expected one with workerDeploymentName")
	case versioned && c.firstVersions():
		ps.Errorf("metadata.workerDeploymentName", "found beside buildId, selectAllActive or selectUnversioned; expected one kind of versions")
	}
	return ps
}

// firstVersions says whether versions of the first kind are asked for.
func (c *config) firstVersions() bool { return c.build != "" || c.active || c.plain }

// The types of task queues, see TaskQueueType in
// https://github.com/temporalio/api/blob/master/temporal/api/enums/v1/task_queue.proto
func kind(name string) uint64 {
	switch strings.ToLower(name) {
	case "workflow":
		return 1
	case "activity":
		return 2
	case "nexus":
		return 3
	}
	return 0
}

// kinds are the types that count.
func (c *config) kinds() []uint64 {
	if len(c.types) == 0 {
		return []uint64{1, 2, 3}
	}
	var out []uint64
	seen := map[uint64]bool{}
	for _, name := range c.types {
		if k := kind(name); !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	return out
}

// Metric implements scaler.Config.
func (c *config) Metric() string {
	parts := []string{"temporal", c.namespace, c.queue}
	switch {
	case c.deployment != "":
		parts = append(parts, c.deployment, c.ofBuild)
	case c.build != "":
		parts = append(parts, c.build)
	}
	return strings.Join(parts, "-")
}

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	var settings *tls.Config
	if c.hasKey || c.tls.HasPair() || c.tls.HasCA() {
		var err error
		if settings, err = conn.AlwaysTLS(&c.tls, env.HTTP); err != nil {
			return nil, scaler.Misconfigured(err, "preparing TLS")
		}
		settings.ServerName = c.serverName
	}
	channel, release, err := conn.OpenGRPC(env, c.endpoint, settings, conn.Digest(c.tls.Digest(), c.serverName))
	if err != nil {
		return nil, err
	}
	return &source{config: c, channel: channel, release: release}, nil
}
