package act

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TrustAPIService makes an APIService trust the authorities ca (PEM), and says
// whether anything had to be written. Nothing else of it is touched.
func (a *Actor) TrustAPIService(ctx context.Context, name string, ca []byte) (bool, error) {
	have := &unstructured.Unstructured{}
	have.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"})
	if err := a.live.Get(ctx, client.ObjectKey{Name: name}, have); err != nil {
		return false, fmt.Errorf("reading APIService %s: %w", name, err)
	}
	now, _, err := unstructured.NestedString(have.Object, "spec", "caBundle")
	if err != nil {
		return false, fmt.Errorf("reading APIService %s: %w", name, err)
	}
	if known, err := base64.StdEncoding.DecodeString(now); err == nil && bytes.Equal(known, ca) {
		return false, nil
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"caBundle": ca}})
	if err != nil {
		return false, err
	}
	if err := a.client.Patch(ctx, have, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(FieldManager)); err != nil {
		return false, fmt.Errorf("writing whom APIService %s trusts: %w", name, err)
	}
	return true, nil
}
