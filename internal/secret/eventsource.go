package secret

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

// ResolveSource resolves the authenticationRef of a source of CloudEvents,
// which must have one. There is no target, so environments give nothing.
func (r *Resolver) ResolveSource(ctx context.Context, src *model.EventSource) (model.Credentials, param.Problems) {
	const asTrigger, own = "spec.triggers[0].", "spec."
	w := &model.Workload{
		Key:      model.Key{Group: model.GroupToday, Kind: src.Key.Kind, Namespace: src.Key.Namespace, Name: src.Key.Name},
		Target:   model.Target{Kind: src.Key.Kind, Name: src.Key.Name},
		Triggers: []model.Trigger{{Auth: src.Auth}},
	}
	untargeted := *r
	untargeted.Reader = targetless{r.Reader}
	creds, problems := untargeted.Resolve(ctx, w, 0)
	for i, p := range problems {
		if rest, ok := strings.CutPrefix(p.Path, asTrigger); ok {
			problems[i].Path = own + rest
		}
	}
	return creds, problems
}

// targetless is a Reader for what has no target.
type targetless struct{ Reader }

// PodSpec implements Reader.
func (targetless) PodSpec(context.Context, string, model.Target) (*corev1.PodSpec, error) {
	return nil, ErrNoPods
}
