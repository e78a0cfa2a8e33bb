package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
)

const externalMetrics = "/apis/external.metrics.k8s.io/v1beta1"

// raw reads a path as `kubectl get --raw` does.
func raw(ctx context.Context, config *rest.Config, path string) ([]byte, error) {
	c := rest.CopyConfig(config)
	c.APIPath, c.GroupVersion, c.NegotiatedSerializer = "/", nil, scheme.Codecs.WithoutConversion()
	getter, err := rest.UnversionedRESTClientFor(c)
	if err != nil {
		return nil, err
	}
	result := getter.Get().RequestURI(path).Do(ctx)
	if err := result.Error(); err != nil {
		return nil, err // with what the server says, which Raw leaves out
	}
	return result.Raw()
}

func TestExternalMetrics(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 3.5)
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(m.trigger(2)))
	o.ready()
	const metric = "s0-metric-api-value"
	path := externalMetrics + "/namespaces/" + s.namespace + "/" + metric

	t.Run("list", func(*testing.T) {
		body, err := raw(s.ctx, s.config, externalMetrics)
		s.must(err)
		var list metav1.APIResourceList
		s.must(json.Unmarshal(body, &list))
		if !slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == metric && r.Namespaced }) {
			s.failf("the list is %s", body)
		}
	})
	t.Run("get", func(*testing.T) {
		body, err := raw(s.ctx, s.config, path+"?labelSelector=scaledobject.keda.sh%2Fname%3D"+worker)
		s.must(err)
		var list v1beta1.ExternalMetricValueList
		s.must(json.Unmarshal(body, &list))
		if len(list.Items) != 1 || list.Items[0].Value.AsApproximateFloat64() != 3.5 || list.Items[0].MetricName != metric ||
			time.Since(list.Items[0].Timestamp.Time) > time.Minute {
			s.failf("the answer is %s", body)
		}
	})
	t.Run("unknown", func(*testing.T) {
		for unknown, text := range map[string]string{
			externalMetrics + "/namespaces/" + s.namespace + "/s0-metric-api-valu": "no ScaledObject in namespace " + s.namespace + " has the metric s0-metric-api-valu",
			path + "?labelSelector=scaledobject.keda.sh%2Fname%3Dother":            "has the metric " + metric + " with the labels scaledobject.keda.sh/name=other",
			externalMetrics + "/namespaces/default/" + metric:                      "no ScaledObject in namespace default",
		} {
			_, err := raw(s.ctx, s.config, unknown)
			if !apierrors.IsNotFound(err) || !strings.Contains(err.Error(), text) {
				s.failf("%s: found %v; expected 404 and %q", unknown, err, text)
			}
		}
	})
}

// TestExternalMetricsRefused: who may not read metrics does not.
func TestExternalMetricsRefused(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 1)
	s.create(deployment(worker, 0))
	s.apply(scaledObject(m.trigger(1))).ready()
	path := externalMetrics + "/namespaces/" + s.namespace + "/s0-metric-api-value"
	stranger := strangersToken(s)

	anonymous := rest.AnonymousClientConfig(s.config)
	if _, err := raw(s.ctx, anonymous, path); !apierrors.IsUnauthorized(err) && !apierrors.IsForbidden(err) {
		s.failf("anonymous: found %v; expected to be refused", err)
	}
	withToken := rest.AnonymousClientConfig(s.config)
	withToken.BearerToken = stranger
	if _, err := raw(s.ctx, withToken, path); !apierrors.IsForbidden(err) {
		s.failf("a service account without permissions: found %v; expected 403", err)
	}
	// Past the API server, too.
	address, ca := servingAddress(s)
	for _, tt := range []struct {
		name, token string
		want        []int
	}{
		{"nobody", "", []int{http.StatusUnauthorized, http.StatusForbidden}},
		{"a made-up token", "made-up", []int{http.StatusUnauthorized}},
		{"a service account without permissions", stranger, []int{http.StatusForbidden}},
	} {
		code, body, err := direct(s.ctx, address, ca, path, tt.token)
		s.must(err)
		if !slices.Contains(tt.want, code) {
			s.failf("%s at the metrics server itself: found %d %s; expected %v", tt.name, code, body, tt.want)
		}
	}
}

// strangersToken is of a service account without any permission.
func strangersToken(s *story) string {
	s.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "stranger"}}
	s.create(account)
	request := &authv1.TokenRequest{}
	s.must(s.client.SubResource("token").Create(s.ctx, account, request))
	return request.Status.Token
}

// servingAddress is where the operator serves metrics, and its authority.
func servingAddress(s *story) (string, []byte) {
	s.Helper()
	api := &unstructured.Unstructured{}
	api.SetAPIVersion("apiregistration.k8s.io/v1")
	api.SetKind("APIService")
	s.must(s.client.Get(s.ctx, client.ObjectKey{Name: "v1beta1.external.metrics.k8s.io"}, api))
	var spec struct {
		CABundle []byte `json:"caBundle"`
		Service  struct {
			Port int `json:"port"`
		} `json:"service"`
	}
	text, err := json.Marshal(api.Object["spec"])
	s.must(err)
	s.must(json.Unmarshal(text, &spec))
	return fmt.Sprintf("localhost:%d", spec.Service.Port), spec.CABundle
}

// direct asks the metrics server without the API server in between.
func direct(ctx context.Context, address string, ca []byte, path, token string) (int, string, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+path, nil)
	if err != nil {
		return 0, "", err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	return resp.StatusCode, string(body), err
}

// TestCachedMetrics: with useCachedMetrics, reads never reach the source.
func TestCachedMetrics(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 4)
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(m.trigger(1, func(t *kedav1.ScaleTriggers) { t.UseCachedMetrics = true }), func(o *kedav1.ScaledObject) {
		o.Spec.PollingInterval = new(int32(600))
	}))
	o.decided("JumpStart", 0, 4)
	s.settled(4)
	before := m.requests()
	for range 20 {
		_, err := raw(s.ctx, s.config, externalMetrics+"/namespaces/"+s.namespace+"/s0-metric-api-value")
		s.must(err)
	}
	// An activated workload is measured more often for some seconds, by us.
	if after := m.requests(); after-before > 10 {
		s.failf("20 reads led to %d requests of the source", after-before)
	}
}
