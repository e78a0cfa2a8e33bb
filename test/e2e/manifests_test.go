package e2e

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestManifests: the API server takes the manifests of test/manifests as they
// are, and knows every field in them.
func TestManifests(t *testing.T) {
	s := newStory(t)
	names, err := filepath.Glob(filepath.Join(repository(), "test", "manifests", "*", "*.yaml"))
	s.must(err)
	const strict = client.FieldValidation(metav1.FieldValidationStrict)
	wrong := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication", "spec": map[string]any{"secretTargetRefs": []any{}},
		"metadata": map[string]any{"name": "wrong", "namespace": s.namespace},
	}}
	if err := s.client.Create(s.ctx, wrong, client.DryRunAll, strict); err == nil || !strings.Contains(err.Error(), "secretTargetRefs") {
		s.failf("a field that there isn't is answered with %v", err)
	}
	sent := 0
	for _, name := range names {
		file, err := os.Open(name)
		s.must(err)
		decoder := yamlutil.NewYAMLOrJSONDecoder(file, 4096)
		for {
			o := &unstructured.Unstructured{}
			err := decoder.Decode(&o.Object)
			if errors.Is(err, io.EOF) {
				break
			}
			s.must(err)
			if o.GetNamespace() != "" {
				o.SetNamespace(s.namespace)
			}
			sent++
			err = s.client.Create(s.ctx, o, client.DryRunAll, strict)
			if err != nil {
				s.Errorf("%s: %s %s: %v", filepath.Base(name), o.GetKind(), o.GetName(), err)
			}
		}
		s.must(file.Close())
	}
	if sent < 150 {
		s.Errorf("only %d objects were sent", sent)
	}
}
