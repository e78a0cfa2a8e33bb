package act

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kedago/keda/internal/certs"
)

// SecretFiles keeps the certificates that replicas share in a Secret. Other
// keys of the Secret are left as they are.
type SecretFiles struct {
	// Live reads from the API server.
	Live   client.Reader
	Client client.Writer
	// Namespace and Name are the Secret's.
	Namespace, Name string
}

var _ certs.Vault = SecretFiles{}

// Load implements certs.Vault.
func (s SecretFiles) Load(ctx context.Context) (certs.Files, string, error) {
	var have corev1.Secret
	err := s.Live.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: s.Name}, &have)
	if apierrors.IsNotFound(err) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading the certificates in Secret %s/%s: %w", s.Namespace, s.Name, err)
	}
	files := certs.Files{}
	for _, name := range certs.FileNames() {
		if content := have.Data[name]; len(content) > 0 {
			files[name] = content
		}
	}
	return files, have.ResourceVersion, nil
}

// Save implements certs.Vault. The version is the Secret's resourceVersion,
// empty for a Secret that does not exist.
func (s SecretFiles) Save(ctx context.Context, files certs.Files, version string) error {
	to := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name}}
	if version == "" {
		to.Labels = map[string]string{"app.kubernetes.io/part-of": "keda", "app.kubernetes.io/managed-by": "keda-operator"}
		to.Data = files
		return s.saved(s.Client.Create(ctx, to, client.FieldOwner(FieldManager)))
	}
	if err := s.Live.Get(ctx, client.ObjectKeyFromObject(to), to); err != nil {
		return s.saved(err)
	}
	if to.ResourceVersion != version {
		return certs.ErrOutdated
	}
	if to.Data == nil {
		to.Data = map[string][]byte{}
	}
	maps.Copy(to.Data, files)
	return s.saved(s.Client.Update(ctx, to, client.FieldOwner(FieldManager)))
}

func (s SecretFiles) saved(err error) error {
	lost := []func(error) bool{apierrors.IsConflict, apierrors.IsAlreadyExists, apierrors.IsNotFound}
	switch {
	case err == nil:
		return nil
	case slices.ContainsFunc(lost, func(is func(error) bool) bool { return is(err) }):
		return certs.ErrOutdated
	}
	return fmt.Errorf("keeping the certificates in Secret %s/%s: %w", s.Namespace, s.Name, err)
}
