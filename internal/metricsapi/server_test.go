package metricsapi

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

var measuredAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fakeSource has one metric that answers, one that fails and one that is not
// a number.
type fakeSource struct{}

func (fakeSource) Names() []string {
	return []string{"s0-redis-jobs", "s0-kafka-orders", "s0-redis-jobs", "s0-broken"}
}

func (fakeSource) Metric(_ context.Context, namespace, name string, selector labels.Selector) ([]Value, error) {
	own := labels.Set{"scaledobject.keda.sh/name": "worker"}
	switch {
	case namespace != "default" || !selector.Matches(own):
		return nil, fmt.Errorf("looking up %s: %w", name, ErrUnknownMetric)
	case name == "s0-redis-jobs":
		return []Value{{Labels: own, Value: 12.5, At: measuredAt}}, nil
	case name == "s0-broken":
		return nil, errors.New("reading list jobs: connection refused")
	case name == "s0-empty":
		return nil, nil
	}
	return nil, ErrUnknownMetric
}

// authenticateAll makes every caller the HPA controller, except one that says
// in a header that it is nobody.
func authenticateAll(r *http.Request) (*authenticator.Response, bool, error) {
	if r.Header.Get("X-Test-User") == "nobody" {
		return nil, false, nil
	}
	name := "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
	if n := r.Header.Get("X-Test-User"); n != "" {
		name = n
	}
	return &authenticator.Response{User: &user.DefaultInfo{Name: name}}, true, nil
}

func allowAllBut(denied string) authorizer.Authorizer {
	return authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		if a.GetUser().GetName() == denied {
			return authorizer.DecisionNoOpinion, "not in this test", nil
		}
		return authorizer.DecisionAllow, "", nil
	})
}

type running struct {
	url    string
	dir    string
	client *http.Client
}

// start serves on loopback until the test ends.
func start(t *testing.T, change func(*Options)) *running {
	t.Helper()
	dir := t.TempDir()
	writePair(t, dir, 1)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Listener: listener, CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key"),
		Authenticator: authenticator.RequestFunc(authenticateAll), Authorizer: allowAllBut("mallory"),
	}
	if change != nil {
		change(&o)
	}
	s, err := New(fakeSource{}, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	return &running{url: "https://" + listener.Addr().String(), dir: dir, client: &http.Client{Transport: transport}}
}

// writePair puts a self-signed pair in place the way a mounted Secret would
// not: file by file, so that for a moment they do not match.
func writePair(t *testing.T, dir string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "keda"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: der},
		"tls.key": {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// get returns the status code and body.
func (r *running) get(t *testing.T, path string, headers ...string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

const (
	root       = "/apis/external.metrics.k8s.io/v1beta1"
	bySelector = "?labelSelector=scaledobject.keda.sh%2Fname%3Dworker"
)

func TestAnswers(t *testing.T) {
	r := start(t, nil)
	status := func(code int, reason, message string) any {
		return map[string]any{"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure",
			"code": float64(code), "reason": reason, "message": message}
	}
	tests := map[string]struct {
		path     string
		headers  []string
		wantCode int
		want     any
	}{
		"a value by the selector that the HPA sends": {
			path: root + "/namespaces/default/s0-redis-jobs" + bySelector, wantCode: 200,
			want: map[string]any{
				"kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1", "metadata": map[string]any{},
				"items": []any{map[string]any{
					"metricName": "s0-redis-jobs", "metricLabels": map[string]any{"scaledobject.keda.sh/name": "worker"},
					"timestamp": "2026-03-01T12:00:00Z", "value": "12500m",
				}},
			},
		},
		"a source that fails": {
			path: root + "/namespaces/default/s0-broken" + bySelector, wantCode: 503,
			want: status(503, "ServiceUnavailable", "metric s0-broken in namespace default: reading list jobs: connection refused"),
		},
		"a mistyped name": {
			path: root + "/namespaces/default/s0-redis-job" + bySelector, wantCode: 404,
			want: status(404, "NotFound", "no ScaledObject in namespace default has the metric s0-redis-job with the labels scaledobject.keda.sh/name=worker; did you mean s0-redis-jobs?"),
		},
		"another namespace": {
			path: root + "/namespaces/other/s0-redis-jobs", wantCode: 404,
			want: status(404, "NotFound", "no ScaledObject in namespace other has the metric s0-redis-jobs; the name is known with another namespace or label"),
		},
		"no value and no error is not zero": {
			path: root + "/namespaces/default/s0-empty", wantCode: 404,
			want: status(404, "NotFound", "no ScaledObject in namespace default has the metric s0-empty"),
		},
		"a broken selector": {
			path: root + "/namespaces/default/s0-redis-jobs?labelSelector=%3D%3D", wantCode: 400,
		},
		"somebody who may not": {
			path: root + "/namespaces/default/s0-redis-jobs", headers: []string{"X-Test-User", "mallory"}, wantCode: 403,
		},
		"nobody": {
			path: root + "/namespaces/default/s0-redis-jobs", headers: []string{"X-Test-User", "nobody"}, wantCode: 401,
			want: status(401, "Unauthorized", "Unauthorized"),
		},
		"the list of all metrics": {
			path: root, wantCode: 200,
			want: map[string]any{
				"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "external.metrics.k8s.io/v1beta1",
				"resources": []any{listed("s0-broken"), listed("s0-kafka-orders"), listed("s0-redis-jobs")},
			},
		},
		"healthz":                     {path: "/healthz", wantCode: 200},
		"livez":                       {path: "/livez", wantCode: 200},
		"readyz":                      {path: "/readyz", wantCode: 200},
		"OpenAPI v2":                  {path: "/openapi/v2", wantCode: 200},
		"OpenAPI v3":                  {path: "/openapi/v3/apis/external.metrics.k8s.io/v1beta1", wantCode: 200},
		"no profiles unless asked":    {path: "/debug/pprof/", wantCode: 404},
		"watching is not supported":   {path: root + "/namespaces/default/s0-redis-jobs?watch=true", wantCode: 405},
		"a table, as kubectl prefers": {path: root + "/namespaces/default/s0-redis-jobs", headers: []string{"Accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}, wantCode: 200},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			code, body := r.get(t, tt.path, tt.headers...)
			if code != tt.wantCode {
				t.Fatalf("status %d, want %d; body %s", code, tt.wantCode, body)
			}
			if tt.want == nil {
				return
			}
			var got any
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatalf("%v in %s", err, body)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}

func listed(name string) any {
	return map[string]any{"name": name, "singularName": "", "namespaced": true, "kind": "ExternalMetricValueList", "verbs": []any{"get"}}
}

func TestReadyFails(t *testing.T) {
	var reason atomic.Pointer[error]
	notYet := errors.New("nothing is measured yet")
	reason.Store(&notYet)
	r := start(t, func(o *Options) { o.Ready = func() error { return *reason.Load() } })
	if code, body := r.get(t, "/readyz?verbose"); code != http.StatusInternalServerError || !strings.Contains(string(body), "[-]metrics") {
		t.Errorf("while not ready: status %d, body %s", code, body)
	}
	var none error
	reason.Store(&none)
	if code, body := r.get(t, "/readyz"); code != http.StatusOK {
		t.Errorf("when ready: status %d, body %s", code, body)
	}
}

// TestRotation replaces the certificate while requests run, each on its own
// connection: none fails, and the new certificate is served.
func TestRotation(t *testing.T) {
	r := start(t, nil)
	serial := func() int64 {
		conn, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "https://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Fatalf("serving certificate %d before the rotation, want 1", got)
	}
	r.client.Transport.(*http.Transport).DisableKeepAlives = true
	read := func() {
		code, body := r.get(t, root+"/namespaces/default/s0-redis-jobs"+bySelector)
		if code != http.StatusOK {
			t.Fatalf("status %d while rotating: %s", code, body)
		}
	}
	const requests = 200
	for i := range requests {
		if i == requests/4 {
			writePair(t, r.dir, 2)
		}
		read()
	}
	for deadline := time.Now().Add(30 * time.Second); serial() != 2; read() {
		if time.Now().After(deadline) {
			t.Fatal("the new certificate is not served")
		}
	}
}

func TestNewRefuses(t *testing.T) {
	tests := map[string]struct {
		source  Source
		options Options
		want    string
	}{
		"no source":      {nil, Options{}, "the metrics server has no source of metrics"},
		"no certificate": {fakeSource{}, Options{CertFile: "tls.crt"}, "the metrics server needs a serving certificate: CertFile and KeyFile"},
		"no cluster":     {fakeSource{}, Options{CertFile: "tls.crt", KeyFile: "tls.key"}, "the metrics server needs a cluster to ask who its callers are and what they may do"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := New(tt.source, tt.options)
			if err == nil || err.Error() != tt.want {
				t.Errorf("New: %v, want %s", err, tt.want)
			}
		})
	}
}

func TestRunRefusesMissingCertificate(t *testing.T) {
	s, err := New(fakeSource{}, Options{
		BindAddress: "127.0.0.1", CertFile: filepath.Join(t.TempDir(), "none"), KeyFile: "none",
		Authenticator: authenticator.RequestFunc(authenticateAll), Authorizer: allowAllBut(""),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Run: %v, want it to say that the file does not exist", err)
	}
}
