package secret

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/model"
)

func TestResolveSource(t *testing.T) {
	source := func(namespace, kind, auth string) *model.EventSource {
		s := &model.EventSource{
			Key:  model.Key{Group: model.GroupEventing, Kind: model.KindCloudEventSource, Namespace: namespace, Name: "audit"},
			Auth: &model.AuthRef{Kind: kind, Name: auth},
		}
		if namespace == "" {
			s.Key.Kind = model.KindClusterCloudEventSource
		}
		return s
	}
	c := &cluster{
		secrets: map[string]map[string][]byte{"team/s": {"k": []byte("own")}, "keda/s": {"k": []byte("shared")}},
		auth: map[string]*model.AuthSpec{
			"team/creds keda.sh": {Secrets: []model.AuthKey{{Parameter: "accessKey", Name: "s", Key: "k"}}},
			"/creds keda.sh":     {ClusterWide: true, Secrets: []model.AuthKey{{Parameter: "accessKey", Name: "s", Key: "k"}}},
			"team/env keda.sh":   {Env: []model.AuthEnv{{Parameter: "accessKey", Name: "KEY"}}},
		},
	}
	r := &Resolver{Reader: c, ClusterNamespace: "keda"}
	tests := map[string]struct {
		source *model.EventSource
		want   string
		// problem is a part of the only one.
		problem string
	}{
		"a namespace's own":     {source: source("team", model.KindTriggerAuthentication, "creds"), want: "own"},
		"the cluster's":         {source: source("team", model.KindClusterTriggerAuthentication, "creds"), want: "shared"},
		"of a cluster-wide one": {source: source("", model.KindClusterTriggerAuthentication, "creds"), want: "shared"},
		"that do not exist":     {source: source("team", model.KindTriggerAuthentication, "gone"), problem: `spec.authenticationRef: names the TriggerAuthentication "gone"`},
		"from a target's pods":  {source: source("team", model.KindTriggerAuthentication, "env"), problem: "the CloudEventSource audit has no pod template"},
		"of another namespace":  {source: source("other", model.KindTriggerAuthentication, "creds"), problem: "does not exist in namespace other"},
		"that name no auth":     {source: source("", model.KindClusterTriggerAuthentication, "gone"), problem: "does not exist in the cluster"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			creds, problems := r.ResolveSource(t.Context(), tt.source)
			if got := creds.Values["accessKey"]; got != tt.want {
				t.Errorf("accessKey: got %q, want %q", got, tt.want)
			}
			if tt.problem == "" {
				if len(problems) > 0 {
					t.Errorf("problems: %v", problems)
				}
				return
			}
			if len(problems) != 1 || !strings.Contains(problems[0].String(), tt.problem) {
				t.Errorf("got %v, want one with %q", problems, tt.problem)
			}
		})
	}
	creds, _ := r.ResolveSource(t.Context(), source("team", model.KindTriggerAuthentication, "creds"))
	want := []model.Reference{
		{Kind: model.KindTriggerAuthentication, Namespace: "team", Name: "creds"}, {Kind: "Secret", Namespace: "team", Name: "s"},
	}
	if diff := cmp.Diff(want, creds.Used); diff != "" {
		t.Errorf("used (-want +got):\n%s", diff)
	}
}
