package up

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kedago/keda/deploy/crd"
	"github.com/kedago/keda/deploy/rbac"
)

// fieldManager owns what this package applies.
const fieldManager = "keda-up"

// Namespace is where the operator's identity lives.
const Namespace = "keda"

// applyYAML applies every document by server-side apply.
func applyYAML(ctx context.Context, c client.Client, docs ...[]byte) error {
	for _, doc := range docs {
		r := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(doc), 4096)
		for {
			u := &unstructured.Unstructured{}
			err := r.Decode(u)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("reading a manifest: %w", err)
			}
			if len(u.Object) == 0 {
				continue
			}
			if err := apply(ctx, c, u); err != nil {
				return err
			}
		}
	}
	return nil
}

// apply applies one object; a kind whose CRD has just been made is waited for.
func apply(ctx context.Context, c client.Client, obj client.Object) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", obj.GetName(), err)
	}
	u := &unstructured.Unstructured{Object: content}
	if u.GetKind() == "" {
		gvk, err := c.GroupVersionKindFor(obj)
		if err != nil {
			return fmt.Errorf("encoding %s: %w", obj.GetName(), err)
		}
		u.SetGroupVersionKind(gvk)
	}
	unstructured.RemoveNestedField(u.Object, "status")
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	var last error
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 15*time.Second, true, func(ctx context.Context) (bool, error) {
		last = c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u.DeepCopy()), client.FieldOwner(fieldManager), client.ForceOwnership)
		if meta.IsNoMatchError(last) {
			return false, nil
		}
		return true, last
	})
	if err != nil {
		return fmt.Errorf("applying %s %s: %w", u.GetKind(), u.GetName(), errors.Join(last, ignoreTimeout(err, last)))
	}
	return nil
}

func ignoreTimeout(err, last error) error {
	if last != nil {
		return nil
	}
	return err
}

// Install applies CRDs, the operator's identity and its permissions, and waits
// until the API server serves the new kinds.
func Install(ctx context.Context, c client.Client) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}}
	if err := apply(ctx, c, ns); err != nil {
		return err
	}
	crds, err := crd.Documents()
	if err != nil {
		return err
	}
	roles, err := rbac.Documents()
	if err != nil {
		return err
	}
	// The user of a local plane owns all its Secrets.
	secrets, err := rbac.ClusterSecrets()
	if err != nil {
		return err
	}
	if err := applyYAML(ctx, c, append(append(crds, roles...), secrets)...); err != nil {
		return err
	}
	return waitForCRDs(ctx, c, len(crds))
}

func waitForCRDs(ctx context.Context, c client.Client, n int) error {
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("apiextensions.k8s.io/v1")
	list.SetKind("CustomResourceDefinitionList")
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		if err := c.List(ctx, list); err != nil {
			return false, err
		}
		ready := 0
		for _, item := range list.Items {
			if hasTrueCondition(item, "Established") {
				ready++
			}
		}
		return ready >= n, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the CustomResourceDefinitions to be served: %w", err)
	}
	return nil
}

func hasTrueCondition(u unstructured.Unstructured, kind string) bool {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		m, ok := c.(map[string]any)
		if ok && m["type"] == kind && m["status"] == "True" {
			return true
		}
	}
	return false
}
