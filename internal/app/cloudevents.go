package app

import (
	"fmt"
	"math/rand/v2"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kedago/keda/internal/act"
	"github.com/kedago/keda/internal/cloudevents"
	"github.com/kedago/keda/internal/egress"
	"github.com/kedago/keda/internal/metrics"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

// newEmitter makes what sends events on. The set of controllers may still be
// missing.
func (op *operator) newEmitter(mgr ctrl.Manager, o Options, rules *egress.Policy) (*cloudevents.Emitter, error) {
	e := cloudevents.New(cloudevents.Options{
		Namespace: o.ClusterObjectNamespace, ClusterName: o.ClusterName, Clock: clock.RealClock{}, Jitter: rand.Float64, Log: o.Log,
		Open: func(src *model.EventSource, creds model.Credentials) (cloudevents.Sender, error) {
			// Credentials go where those of a trigger may.
			as := &model.Workload{Triggers: []model.Trigger{{Auth: src.Auth}}}
			env := scaler.Env{Log: o.Log, Pool: op.pool, Now: time.Now, HTTP: limited(o, rules, as, 0, creds)}
			return cloudevents.Open(env, src, creds)
		},
		Changed: func(k model.Key) { op.set.Again(k) },
	})
	if err := mgr.Add(manager.RunnableFunc(e.Run)); err != nil {
		return nil, fmt.Errorf("adding what sends CloudEvents: %w", err)
	}
	return e, nil
}

// toldTo lets an emitter know what Kubernetes events say.
func toldTo(e *cloudevents.Emitter) act.Sink {
	return func(kind, namespace, name, reason, message string) {
		e.Tell(cloudevents.Happening{Kind: kind, Namespace: namespace, Name: name, Reason: reason, Message: message})
	}
}

// eventSources is what metrics show of an emitter.
func eventSources(e *cloudevents.Emitter) func(func(metrics.EventSource)) {
	return func(f func(metrics.EventSource)) {
		e.Each(func(c cloudevents.Count) {
			f(metrics.EventSource{
				Namespace: c.Source.Key.Namespace, Name: c.Source.Key.Name, Sink: c.Source.Sink(),
				Emitted: c.Emitted, Failed: c.Failed, Dropped: c.Dropped, Queued: c.Queued,
			})
		})
	}
}
