package lint

import (
	"strings"
	"testing"

	"github.com/kedago/keda/internal/model"
)

// TestAllowedHosts: an annotation that can't be read, with which the
// credentials could be used for no host, is an error of the object.
func TestAllowedHosts(t *testing.T) {
	keys := []model.AuthKey{{Parameter: "password", Name: "redis", Key: "password"}}
	for host, bad := range map[string]bool{"kafka.prod.svc:9092": false, "*.example.org": false, "https://kafka.prod": true, "*": true} {
		err := Auth(&model.AuthSpec{ClusterWide: true, Secrets: keys, Hosts: &model.Hosts{List: []string{host}}}).Err()
		if bad != (err != nil) || bad && !strings.Contains(err.Error(), "metadata.annotations[keda.sh/allowed-hosts]: found") {
			t.Errorf("%s: got %v, want an error %t that names the annotation", host, err, bad)
		}
	}
}
