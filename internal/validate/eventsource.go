package validate

import (
	"context"

	"github.com/kedago/keda/internal/lint"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scaler/param"
)

// checkSource applies the operator's rules to one source of CloudEvents.
func checkSource(src *model.EventSource, o Options, around *surroundings) param.Problems {
	ps := lint.EventSource(src)
	if ps.Err() != nil || src.Auth == nil {
		return ps
	}
	resolver := secret.Resolver{Reader: around, ClusterNamespace: o.ClusterNamespace}
	creds, problems := resolver.ResolveSource(context.Background(), src)
	ps = append(ps, problems...)
	if problems.Err() == nil {
		ps = append(ps, lint.EventCredentials(src, creds)...)
	}
	return ps
}
