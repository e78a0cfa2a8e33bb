package metricsapi

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// question is what the delegate is asked.
type question struct{ verb, namespace, group, resource, path, selector string }

func TestAskBroadly(t *testing.T) {
	const group = "external.metrics.k8s.io"
	read := authorizer.AttributesRecord{
		User: &user.DefaultInfo{Name: "hpa"}, Verb: "list", Namespace: "team-a", APIGroup: group, APIVersion: "v1beta1",
		Resource: "s0-redis-jobs", ResourceRequest: true, LabelSelectorRequirements: requirements(t, "app=worker"),
	}
	everywhere := question{verb: "list", group: group, resource: "*"}
	inNamespace := question{verb: "list", namespace: "team-a", group: group, resource: "*"}
	exactly := question{verb: "list", namespace: "team-a", group: group, resource: "s0-redis-jobs", selector: "app=worker"}
	down := errors.New("the API server is away")

	tests := map[string]struct {
		attributes authorizer.AttributesRecord
		answers    map[question]authorizer.Decision
		err        error
		asked      []question
		want       authorizer.Decision
	}{
		"all metrics everywhere allowed": {
			attributes: read, answers: map[question]authorizer.Decision{everywhere: authorizer.DecisionAllow},
			asked: []question{everywhere}, want: authorizer.DecisionAllow,
		},
		"all metrics of the namespace allowed": {
			attributes: read, answers: map[question]authorizer.Decision{inNamespace: authorizer.DecisionAllow},
			asked: []question{everywhere, inNamespace}, want: authorizer.DecisionAllow,
		},
		"one metric allowed": {
			attributes: read, answers: map[question]authorizer.Decision{exactly: authorizer.DecisionAllow},
			asked: []question{everywhere, inNamespace, exactly}, want: authorizer.DecisionAllow,
		},
		"a broad denial is not the answer": {
			attributes: read, answers: map[question]authorizer.Decision{everywhere: authorizer.DecisionDeny, exactly: authorizer.DecisionAllow},
			asked: []question{everywhere, inNamespace, exactly}, want: authorizer.DecisionAllow,
		},
		"nothing allowed": {
			attributes: read, asked: []question{everywhere, inNamespace, exactly}, want: authorizer.DecisionNoOpinion,
		},
		"denied exactly": {
			attributes: read, answers: map[question]authorizer.Decision{exactly: authorizer.DecisionDeny},
			asked: []question{everywhere, inNamespace, exactly}, want: authorizer.DecisionDeny,
		},
		"nobody answers": {
			attributes: read, err: down, asked: []question{everywhere}, want: authorizer.DecisionNoOpinion,
		},
		"a write is asked exactly": {
			attributes: authorizer.AttributesRecord{Verb: "create", Namespace: "team-a", APIGroup: group, Resource: "s0-redis-jobs", ResourceRequest: true},
			asked:      []question{{verb: "create", namespace: "team-a", group: group, resource: "s0-redis-jobs"}}, want: authorizer.DecisionNoOpinion,
		},
		"another group is asked exactly": {
			attributes: authorizer.AttributesRecord{Verb: "list", Namespace: "team-a", Resource: "secrets", ResourceRequest: true},
			asked:      []question{{verb: "list", namespace: "team-a", resource: "secrets"}}, want: authorizer.DecisionNoOpinion,
		},
		"a path is asked exactly": {
			attributes: authorizer.AttributesRecord{Verb: "get", Path: "/metrics"},
			asked:      []question{{verb: "get", path: "/metrics"}}, want: authorizer.DecisionNoOpinion,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var asked []question
			delegate := authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
				if a.GetUser() != nil && a.GetUser().GetName() != "hpa" {
					t.Errorf("asked for the user %q, want hpa", a.GetUser().GetName())
				}
				q := question{a.GetVerb(), a.GetNamespace(), a.GetAPIGroup(), a.GetResource(), a.GetPath(), ""}
				if rs, _ := a.GetLabelSelector(); len(rs) > 0 {
					q.selector = rs[0].String()
				}
				asked = append(asked, q)
				decision, known := tt.answers[q]
				if !known {
					decision = authorizer.DecisionNoOpinion
				}
				return decision, "", tt.err
			})
			got, _, err := askBroadly(delegate).Authorize(t.Context(), tt.attributes)
			if got != tt.want {
				t.Errorf("decision %s, want %s", got, tt.want)
			}
			if !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.asked, asked, cmp.AllowUnexported(question{})); diff != "" {
				t.Errorf("questions (-want +got):\n%s", diff)
			}
		})
	}
}

func requirements(t *testing.T, selector string) labels.Requirements {
	t.Helper()
	parsed, err := labels.Parse(selector)
	if err != nil {
		t.Fatal(err)
	}
	rs, _ := parsed.Requirements()
	return rs
}
