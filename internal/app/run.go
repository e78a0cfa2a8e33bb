package app

import (
	"context"
	"math/rand/v2"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kedago/keda/internal/act"
	"github.com/kedago/keda/internal/cloudevents"
	"github.com/kedago/keda/internal/controller"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/poll"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/internal/scaling"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/internal/store"
	"github.com/kedago/keda/internal/targets"
	"github.com/kedago/keda/internal/version"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// operator is everything that one process runs.
type operator struct {
	store  *store.Store
	pool   *pool.Pool
	poller *poll.Poller
	loop   *scaling.Loop
	set    *controller.Set

	actor   *act.Actor
	emitter *cloudevents.Emitter
	answers answers
}

// build makes the operator's parts and connects them.
func build(ctx context.Context, cfg *rest.Config, mgr ctrl.Manager, catalog scaler.Catalog, o Options) (*operator, error) {
	scales, err := newScales(cfg, mgr)
	if err != nil {
		return nil, err
	}
	rules, err := egressRules(o, cfg)
	if err != nil {
		return nil, err
	}
	o.HTTP.Egress = rules
	op := &operator{store: store.New(), pool: pool.New()}
	if op.emitter, err = op.newEmitter(mgr, o, rules); err != nil {
		return nil, err
	}
	op.actor = act.New(mgr.GetClient(), mgr.GetAPIReader(), scales, mgr.GetEventRecorder("keda-operator")).WithSink(toldTo(op.emitter))
	view := clusterView{cached: mgr.GetClient(), live: mgr.GetAPIReader(), eventView: eventView{mgr.GetCache()}}
	now := time.Now
	tracker := targets.New(mgr.GetCache(), scales, mgr.GetRESTMapper(), now, func(id targets.ID) { op.set.TargetChanged(id, op.loop.Notify) })

	jobTracker, err := newJobs(cfg, mgr, o, now, func(k model.Key) { op.loop.Notify(k) })
	if err != nil {
		return nil, err
	}
	external, err := op.newExternal(mgr, o, rules)
	if err != nil {
		return nil, err
	}
	byName, err := unwatched(ctx, mgr.GetClient(), o)
	if err != nil {
		return nil, err
	}
	options := &controller.Options{
		Client: mgr.GetClient(), Catalog: catalog, Writer: op.actor, Targets: tracker, Store: op.store, Emitter: op.emitter, Unwatched: byName,
		Resolver: &secret.Resolver{
			Reader: newClusterReader(mgr), External: external, ClusterNamespace: o.ClusterObjectNamespace, RequireHosts: o.RequireAllowedHosts, Params: parametersOf(catalog),
		},
		Log: o.Log, Version: version.Get().Version,
		Env: func(w *model.Workload, trigger int, creds model.Credentials) scaler.Env {
			return scaler.Env{
				Log:  o.Log.With("workload", w.Key.String(), "trigger", trigger),
				Pool: op.pool, Namespace: w.Key.Namespace, Object: w.Key.Name,
				Cluster: view, Now: now, Identity: creds.Identity, HTTP: limited(o, rules, w, trigger, creds), ReadFile: reader(external.Files),
			}
		},
	}
	spans, err := tracer(ctx, mgr, o)
	if err != nil {
		return nil, err
	}
	op.set = controller.NewSet(options)
	op.poller = poll.New(poll.Options{
		Store: op.store, Log: o.Log, ProbeInterval: o.IdleProbeInterval,
		OnDenied: op.denied(external.Cache), Jitter: rand.Float64, Tracer: spans,
	})
	op.loop = scaling.New(scaling.Options{
		Store: op.store, Targets: tracker, Jobs: jobTracker, Writer: writer{op.actor, op.set}, JobWriter: op.actor, Poller: op.poller,
		Clock: clock.RealClock{}, Log: o.Log, Workers: o.ScalingWorkers, Tracer: spans, Version: version.Get().Version,
	})
	options.Poller, options.Loop = op.poller, op.loop
	return op, op.set.Register(mgr, o.ScaledObjectReconciles, o.ScaledJobReconciles)
}

// parametersOf describes the parameters of a catalog's trigger types.
func parametersOf(catalog scaler.Catalog) func(string) []param.Info {
	return func(triggerType string) []param.Info {
		kind, ok := catalog.Lookup(triggerType)
		if !ok {
			return nil
		}
		return kind.New().Params().Describe()
	}
}

// writer is the scaling loop's: counts by the actor, statuses by the kinds.
type writer struct {
	*act.Actor
	*controller.Set
}

// metricSource answers from what is measured here.
func (op *operator) metricSource() metricSource {
	return metricSource{store: op.store, poller: op.poller, input: op.loop.Input, told: op.answers.count}
}

// everywhere is a runnable that does not wait for leadership.
type everywhere struct {
	run func(context.Context) error
}

func (e everywhere) Start(ctx context.Context) error { return e.run(ctx) }

func (e everywhere) NeedLeaderElection() bool { return false }
