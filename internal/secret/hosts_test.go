package secret

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/model"
)

// TestAllowedHosts checks that the hosts of a ClusterTriggerAuthentication go
// with its credentials, and that the hardened mode gives none without them.
func TestAllowedHosts(t *testing.T) {
	hosts := &model.Hosts{List: []string{"kafka.prod.svc:9092"}}
	keys := []model.AuthKey{{Parameter: "password", Name: "redis", Key: "password"}}
	tests := map[string]struct {
		spec    model.AuthSpec
		require bool
		problem string
		want    *model.Hosts
	}{
		"none":                       {spec: model.AuthSpec{ClusterWide: true, Secrets: keys}},
		"none although required":     {spec: model.AuthSpec{ClusterWide: true, Secrets: keys}, require: true, problem: model.AllowedHostsAnnotation},
		"some":                       {spec: model.AuthSpec{ClusterWide: true, Secrets: keys, Hosts: hosts}, want: hosts},
		"some, as required":          {spec: model.AuthSpec{ClusterWide: true, Secrets: keys, Hosts: hosts}, require: true, want: hosts},
		"required, but not for this": {spec: model.AuthSpec{Secrets: keys}, require: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			const operators = "keda"
			kind, at := model.KindTriggerAuthentication, "default"
			if tc.spec.ClusterWide {
				kind, at = model.KindClusterTriggerAuthentication, ""
			}
			c := &cluster{
				secrets: map[string]map[string][]byte{"default/redis": {"password": []byte("p")}, operators + "/redis": {"password": []byte("p")}},
				auth:    map[string]*model.AuthSpec{at + "/creds keda.sh": &tc.spec},
			}
			w := workload(model.Trigger{Type: "redis", Auth: &model.AuthRef{Kind: kind, Name: "creds"}})
			r := &Resolver{Reader: c, ClusterNamespace: operators, RequireHosts: tc.require}
			got, problems := r.Resolve(t.Context(), w, 1)
			if tc.problem != "" {
				if problems.Err() == nil || !strings.Contains(problems.Err().Error(), tc.problem) || len(got.Values) > 0 {
					t.Errorf("got %d values and the problems %v; want none and one with %q", len(got.Values), problems, tc.problem)
				}
				return
			}
			if problems.Err() != nil || got.Values["password"] != "p" {
				t.Errorf("problems %v, %d values", problems, len(got.Values))
			}
			if diff := cmp.Diff(tc.want, got.Hosts); diff != "" {
				t.Errorf("hosts (-want +got):\n%s", diff)
			}
		})
	}
}
