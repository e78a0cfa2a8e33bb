package metricsapi

import (
	"context"

	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/metrics/pkg/apis/external_metrics"
)

// askBroadly saves access reviews. The HPA controller reads thousands of
// metric names, each with its own selector, and may read all of them; asked
// name by name, each question would be new to the delegate's cache. So a read
// of a metric is first asked for all metrics, in all namespaces and then in
// the one requested, and only then exactly.
//
// Only a permission makes the broad question the answer. A policy that allows
// all metrics but denies one by name is therefore not honoured; RBAC can't
// express one.
func askBroadly(delegate authorizer.Authorizer) authorizer.Authorizer {
	return authorizer.AuthorizerFunc(func(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		if !a.IsResourceRequest() || !a.IsReadOnly() || a.GetAPIGroup() != external_metrics.GroupName {
			return delegate.Authorize(ctx, a)
		}
		namespaces := []string{""}
		if a.GetNamespace() != "" {
			namespaces = append(namespaces, a.GetNamespace())
		}
		for _, ns := range namespaces {
			decision, reason, err := delegate.Authorize(ctx, authorizer.AttributesRecord{
				User: a.GetUser(), Verb: a.GetVerb(), Namespace: ns,
				APIGroup: a.GetAPIGroup(), APIVersion: a.GetAPIVersion(),
				Resource: "*", ResourceRequest: true,
			})
			// An error means that nobody answers: a further question would
			// only wait for the same delegate again.
			if decision == authorizer.DecisionAllow || err != nil {
				return decision, reason, err
			}
		}
		return delegate.Authorize(ctx, a)
	})
}
