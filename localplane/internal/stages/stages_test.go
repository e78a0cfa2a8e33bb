package stages

import (
	"strings"
	"testing"
)

func TestConfigHasEveryDocument(t *testing.T) {
	documents := strings.Split(Config(), "\n---\n")
	wants := []string{
		"kind: KwokConfiguration", "name: node-initialize", "name: node-heartbeat-with-lease",
		"name: pod-ready", "name: job-pod-complete", "name: pod-delete",
	}
	if len(documents) != len(wants) {
		t.Fatalf("found %d documents, expected %d", len(documents), len(wants))
	}
	for i, want := range wants {
		if !strings.Contains(documents[i], want) {
			t.Errorf("document %d lacks %q:\n%s", i, want, documents[i])
		}
	}
	if !strings.Contains(documents[0], "cidr: "+PodCIDR) {
		t.Errorf("options lack the pods' address range %s:\n%s", PodCIDR, documents[0])
	}
}
