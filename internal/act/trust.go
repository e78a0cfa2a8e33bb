package act

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TrustAPIService makes an APIService trust the authorities ca (PEM), and says
// whether anything had to be written. Nothing else of it is touched.
func TrustAPIService(ctx context.Context, live client.Reader, w client.Writer, name string, ca []byte) (bool, error) {
	have := &unstructured.Unstructured{}
	have.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"})
	if err := live.Get(ctx, client.ObjectKey{Name: name}, have); err != nil {
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
	if err := w.Patch(ctx, have, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(FieldManager)); err != nil {
		return false, fmt.Errorf("writing whom APIService %s trusts: %w", name, err)
	}
	return true, nil
}

// TrustWebhooks makes every webhook of a ValidatingWebhookConfiguration trust
// the authorities ca (PEM), and says whether anything had to be written.
// Nothing else of it is touched.
func TrustWebhooks(ctx context.Context, live client.Reader, w client.Writer, name string, ca []byte) (bool, error) {
	var have admissionv1.ValidatingWebhookConfiguration
	if err := live.Get(ctx, client.ObjectKey{Name: name}, &have); err != nil {
		return false, fmt.Errorf("reading ValidatingWebhookConfiguration %s: %w", name, err)
	}
	var changes []any
	for _, hook := range have.Webhooks {
		if !bytes.Equal(hook.ClientConfig.CABundle, ca) {
			changes = append(changes, map[string]any{"name": hook.Name, "clientConfig": map[string]any{"caBundle": ca}})
		}
	}
	if len(changes) == 0 {
		return false, nil
	}
	patch, err := json.Marshal(map[string]any{"webhooks": changes}) // merged by name
	if err != nil {
		return false, err
	}
	if err := w.Patch(ctx, &have, client.RawPatch(types.StrategicMergePatchType, patch), client.FieldOwner(FieldManager)); err != nil {
		return false, fmt.Errorf("writing whom ValidatingWebhookConfiguration %s trusts: %w", name, err)
	}
	return true, nil
}
