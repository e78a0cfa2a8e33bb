package convert

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

func TestAllowedHostsAnnotation(t *testing.T) {
	tests := map[string]struct {
		annotations map[string]string
		want        *model.Hosts
	}{
		"absent":  {},
		"another": {annotations: map[string]string{"keda.sh/other": "a"}},
		"some":    {annotations: map[string]string{model.AllowedHostsAnnotation: "a:1, *.b.org,\n c"}, want: &model.Hosts{List: []string{"a:1", "*.b.org", "c"}}},
		"empty":   {annotations: map[string]string{model.AllowedHostsAnnotation: " "}, want: &model.Hosts{List: []string{}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			o := &kedav1.ClusterTriggerAuthentication{}
			o.Annotations = tc.annotations
			if diff := cmp.Diff(tc.want, ClusterAuth(o).Hosts); diff != "" {
				t.Errorf("hosts (-want +got):\n%s", diff)
			}
			namespaced := &kedav1.TriggerAuthentication{}
			namespaced.Annotations = tc.annotations
			if got := Auth(namespaced).Hosts; got != nil {
				t.Errorf("a TriggerAuthentication has hosts: %v", got)
			}
		})
	}
}
