package act

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kedago/keda/internal/certs"
)

func TestSecretFiles(t *testing.T) {
	c := newCluster(t)
	s := SecretFiles{Live: c.client, Client: c.client, Namespace: "keda", Name: "kedaorg-certs"}
	have, version, err := s.Load(t.Context())
	if err != nil || len(have) != 0 || version != "" {
		t.Fatalf("no Secret: %v, %q, %v", have, version, err)
	}
	first := certs.Files{"ca.crt": []byte("a"), "ca.key": []byte("b"), "tls.crt": []byte("c"), "tls.key": []byte("d")}
	if err := s.Save(t.Context(), first, version); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(t.Context(), first, ""); !errors.Is(err, certs.ErrOutdated) {
		t.Errorf("a second creation: %v, expected %v", err, certs.ErrOutdated)
	}
	have, version, err = s.Load(t.Context())
	if err != nil || version == "" {
		t.Fatalf("version %q, %v", version, err)
	}
	if diff := cmp.Diff(first, have); diff != "" {
		t.Errorf("what was saved (-want +got):\n%s", diff)
	}
	have["tls.crt"] = []byte("renewed")
	if err := s.Save(t.Context(), have, version); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(t.Context(), have, version); !errors.Is(err, certs.ErrOutdated) {
		t.Errorf("saving with an old version: %v, expected %v", err, certs.ErrOutdated)
	}
}

// TestSecretOfAUser: a Secret that was there before keeps what is not ours.
func TestSecretOfAUser(t *testing.T) {
	own := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "keda", Name: "kedaorg-certs", Labels: map[string]string{"team": "platform"}},
		Data:       map[string][]byte{"note": []byte("mine")},
	}
	c := newCluster(t, own)
	s := SecretFiles{Live: c.client, Client: c.client, Namespace: "keda", Name: "kedaorg-certs"}
	have, version, err := s.Load(t.Context())
	if err != nil || len(have) != 0 {
		t.Fatalf("%v, %v", have, err)
	}
	if err := s.Save(t.Context(), certs.Files{"ca.crt": []byte("a")}, version); err != nil {
		t.Fatal(err)
	}
	if err := c.client.Get(t.Context(), client.ObjectKeyFromObject(own), own); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]byte{"note": []byte("mine"), "ca.crt": []byte("a")}, own.Data); diff != "" || own.Labels["team"] != "platform" {
		t.Errorf("labels %v, data (-want +got):\n%s", own.Labels, diff)
	}
	if err := c.client.Delete(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(t.Context(), have, version); !errors.Is(err, certs.ErrOutdated) {
		t.Errorf("a Secret that was deleted meanwhile: %v, expected %v", err, certs.ErrOutdated)
	}
}
