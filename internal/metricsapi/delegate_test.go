package metricsapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// fakeCluster answers what a delegating API server asks of the real one, over
// HTTP: whom to trust, token reviews and access reviews.
type fakeCluster struct {
	trust corev1.ConfigMap

	mu      sync.Mutex
	reviews []string
}

func (c *fakeCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	var answer any
	switch r.URL.Path {
	case "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication":
		answer = c.trust
	case "/api/v1/namespaces/kube-system/configmaps":
		switch {
		case r.URL.Query().Get("sendInitialEvents") == "true":
			w.WriteHeader(http.StatusUnprocessableEntity)
			answer = metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Code: 422, Reason: metav1.StatusReasonInvalid}
		case r.URL.Query().Get("watch") != "":
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		default:
			answer = corev1.ConfigMapList{TypeMeta: metav1.TypeMeta{Kind: "ConfigMapList", APIVersion: "v1"}, ListMeta: metav1.ListMeta{ResourceVersion: "7"}, Items: []corev1.ConfigMap{c.trust}}
		}
	case "/apis/authentication.k8s.io/v1/tokenreviews":
		var review authenticationv1.TokenReview
		_ = json.NewDecoder(r.Body).Decode(&review)
		review.Status.Authenticated = review.Spec.Token == "good"
		review.Status.User.Username = "person"
		answer = review
	case "/apis/authorization.k8s.io/v1/subjectaccessreviews":
		var review authorizationv1.SubjectAccessReview
		_ = json.NewDecoder(r.Body).Decode(&review)
		review.Status.Allowed = review.Spec.User == "hpa"
		c.mu.Lock()
		if a := review.Spec.ResourceAttributes; a != nil {
			c.reviews = append(c.reviews, review.Spec.User+" "+a.Verb+" "+a.Namespace+"/"+a.Resource)
		}
		c.mu.Unlock()
		w.WriteHeader(http.StatusCreated)
		answer = review
	default:
		http.NotFound(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// authority is a front-proxy CA with a client certificate of it.
func authority(t *testing.T) (caPEM string, client tls.Certificate) {
	t.Helper()
	issue := func(name string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: parent == nil, BasicConstraintsValid: true,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
		if parent == nil {
			parent, parentKey = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert, key
	}
	ca, caKey := issue("front-proxy-ca", nil, nil)
	leaf, leafKey := issue("front-proxy-client", ca, caKey)
	caPEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}))
	return caPEM, tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: leafKey}
}

func TestDelegation(t *testing.T) {
	ca, proxy := authority(t)
	cluster := &fakeCluster{trust: corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Namespace: trustNamespace, Name: trustName, ResourceVersion: "7"},
		Data: map[string]string{
			"client-ca-file": ca, "requestheader-client-ca-file": ca,
			"requestheader-allowed-names": `["front-proxy-client"]`, "requestheader-username-headers": `["X-Remote-User"]`,
			"requestheader-group-headers": `["X-Remote-Group"]`, "requestheader-extra-headers-prefix": `["X-Remote-Extra-"]`,
		},
	}}
	api := httptest.NewServer(cluster)
	t.Cleanup(api.Close)
	t.Cleanup(api.CloseClientConnections)
	r := start(t, func(o *Options) {
		o.Authenticator, o.Authorizer = nil, nil
		o.Cluster = &rest.Config{Host: api.URL}
	})
	one := root + "/namespaces/default/s0-redis-jobs" + bySelector

	// Probes need no name. The server is ready once it knows whom to trust.
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		code, body := r.get(t, "/readyz")
		if code == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not ready: status %d, body %s", code, body)
		}
	}
	if code, body := r.get(t, one, "X-Remote-User", "hpa"); code != http.StatusForbidden {
		t.Errorf("headers without the front proxy's certificate: status %d, want 403; body %s", code, body)
	}
	if code, body := r.get(t, one, "Authorization", "Bearer bad"); code != http.StatusUnauthorized {
		t.Errorf("a bad token: status %d, want 401; body %s", code, body)
	}
	if code, body := r.get(t, one, "Authorization", "Bearer good"); code != http.StatusForbidden {
		t.Errorf("a token of somebody who may not: status %d, want 403; body %s", code, body)
	}

	transport := r.client.Transport.(*http.Transport)
	transport.CloseIdleConnections()
	transport.TLSClientConfig.Certificates = []tls.Certificate{proxy}
	if code, body := r.get(t, one, "X-Remote-User", "hpa", "X-Remote-Group", "system:authenticated"); code != http.StatusOK {
		t.Fatalf("through the front proxy: status %d, want 200; body %s", code, body)
	}
	for i := range 50 {
		path := fmt.Sprintf("%s/namespaces/default/s0-other-%d?labelSelector=n%%3D%d", root, i, i)
		if code, body := r.get(t, path, "X-Remote-User", "hpa", "X-Remote-Group", "system:authenticated"); code != http.StatusNotFound {
			t.Fatalf("metric %d: status %d, want 404; body %s", i, code, body)
		}
	}
	cluster.mu.Lock()
	defer cluster.mu.Unlock()
	var ofHPA []string
	for _, review := range cluster.reviews {
		if review[:4] == "hpa " {
			ofHPA = append(ofHPA, review)
		}
	}
	if len(ofHPA) != 1 || ofHPA[0] != "hpa list /*" {
		t.Errorf("51 metrics were read with the access reviews %q, want one for all metrics everywhere", ofHPA)
	}
}
