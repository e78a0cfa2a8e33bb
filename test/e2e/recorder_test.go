package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/kedago/keda/deploy/rbac"
)

// recorder stands between the operator and the API server and notes what the
// operator asks, in the terms of permissions, and what is refused.
type recorder struct {
	server *httptest.Server
	infos  request.RequestInfoFactory

	mu     sync.Mutex // guards what follows
	calls  map[call]int
	denied map[string]int
}

// call is one kind of request. It is comparable.
type call struct{ verb, group, resource string }

// newRecorder passes requests on to the API server of a configuration. Who
// asks stays who it is: the token is the operator's.
func newRecorder(to *rest.Config) (*recorder, error) {
	at, err := url.Parse(to.Host)
	if err != nil {
		return nil, fmt.Errorf("reading the API server's address: %w", err)
	}
	data := to.CAData
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(data) {
		return nil, errors.New("the API server's authority is not in its configuration")
	}
	r := &recorder{
		infos: request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")},
		calls: map[call]int{}, denied: map[string]int{},
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(p *httputil.ProxyRequest) { p.SetURL(at) },
		Transport:      &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 100},
		FlushInterval:  -1, // watches are to be seen at once
		ModifyResponse: r.note,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }, // the operator was killed
	}
	r.server = httptest.NewUnstartedServer(proxy)
	r.server.EnableHTTP2 = true
	r.server.StartTLS()
	return r, nil
}

// config is that of the API server, by way of the recorder.
func (r *recorder) config(to *rest.Config) *rest.Config {
	c := rest.CopyConfig(to)
	c.Host, c.CAFile = r.server.URL, ""
	c.CAData = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.server.Certificate().Raw})
	return c
}

func (r *recorder) note(resp *http.Response) error {
	info, err := r.infos.NewRequestInfo(resp.Request)
	if err != nil || !info.IsResourceRequest {
		return nil // discovery and health are no matter of these rules
	}
	c := call{info.Verb, info.APIGroup, info.Resource}
	if info.Subresource != "" {
		c.resource += "/" + info.Subresource
	}
	r.mu.Lock()
	r.calls[c]++
	r.mu.Unlock()
	if resp.StatusCode != http.StatusForbidden {
		return nil
	}
	why, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(why))
	if !containsAny(string(why), goodReasons()) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.denied[fmt.Sprintf("%s %s.%s %s/%s", c.verb, c.resource, c.group, info.Namespace, info.Name)]++
	}
	return nil
}

// unneeded are permissions that no test of this run can use, each with why.
func unneeded() map[call]string {
	const (
		election = "with --leader-elect only, see test/ha"
		rotation = "with --enable-cert-rotation only, see test/install"
		apart    = "with keda webhooks in a process of its own only, see internal/app"
		server   = "asked for by the API server's admission, where it checks owners that block"
		applied  = "asked for by the API server, when what is applied does not exist"
		pods     = "the environment of a StatefulSet's pods, see internal/app TestPodSpec"
		lost     = "when a watch is behind, see internal/act"
		older    = "removes a finalizer of KEDA's that was there before, see internal/controller TestEventSourceGoes"
		sinks    = "see internal/controller TestClusterEventSource"
		roles    = "see internal/app TestServiceAccounts"
		again    = "an event that repeats for an object that has not changed, see internal/act TestEventRepeated"
		behind   = "metrics-api with aggregateFromKubeServiceEndpoints, see pkg/scalers/metricsapi TestServiceEndpoints"
	)
	const keda, eventing = "keda.sh", "eventing.keda.sh"
	return map[call]string{
		{"get", "coordination.k8s.io", "leases"}: election, {"create", "coordination.k8s.io", "leases"}: election, {"update", "coordination.k8s.io", "leases"}: election,
		{"create", "", "events"}: election, {"patch", "", "events"}: election,
		{"patch", "events.k8s.io", "events"}: again,
		{"create", "", "secrets"}:            rotation, {"update", "", "secrets"}: rotation,
		{"get", "apiregistration.k8s.io", "apiservices"}: rotation, {"patch", "apiregistration.k8s.io", "apiservices"}: rotation,
		{"get", "admissionregistration.k8s.io", "validatingwebhookconfigurations"}: rotation, {"patch", "admissionregistration.k8s.io", "validatingwebhookconfigurations"}: rotation,
		{"get", keda, "triggerauthentications"}: apart, {"get", "keda.k8s.io", "triggerauthentications"}: apart, {"get", keda, "clustertriggerauthentications"}: apart,
		{"list", "", "limitranges"}:                  apart,
		{"update", keda, "scaledobjects/finalizers"}: server, {"update", keda, "scaledjobs/finalizers"}: server, {"update", "keda.k8s.io", "scaledobjects/finalizers"}: server,
		{"create", "autoscaling", "horizontalpodautoscalers"}: applied,
		{"get", "apps", "statefulsets"}:                       pods,
		{"get", "batch", "jobs"}:                              lost,
		{"patch", eventing, "cloudeventsources"}:              older, {"patch", eventing, "clustercloudeventsources"}: older,
		{"patch", eventing, "clustercloudeventsources/status"}: sinks,
		{"get", "", "serviceaccounts"}:                         roles,
		{"list", "discovery.k8s.io", "endpointslices"}:         behind,
	}
}

// unused lists the permissions of the operator's roles that it has not used.
func (r *recorder) unused() ([]string, error) {
	docs, err := rbac.Documents()
	if err != nil {
		return nil, err
	}
	granted := map[call]bool{}
	for _, doc := range docs {
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal(doc, &role); err != nil {
			return nil, fmt.Errorf("reading the operator's roles: %w", err)
		}
		for _, rule := range role.Rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						granted[call{verb, group, resource}] = true
					}
				}
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for c := range granted {
		if unneeded()[c] == "" && !slices.ContainsFunc(slices.Collect(maps.Keys(r.calls)), c.allows) {
			out = append(out, fmt.Sprintf("%s %s.%s", c.verb, c.resource, c.group))
		}
	}
	slices.Sort(out)
	return out, nil
}

// allows says whether a permission is what a call needs. What is watched may be
// listed: where the API server can't begin a watch with what there is, the
// client lists first.
func (c call) allows(made call) bool {
	_, sub, _ := strings.Cut(c.resource, "*/")
	_, madeSub, _ := strings.Cut(made.resource, "/")
	verb := c.verb == made.verb || c.verb == "list" && made.verb == "watch"
	return verb && (c.group == "*" || c.group == made.group) && (c.resource == made.resource || sub != "" && sub == madeSub)
}

// judge says what is wrong with what the operator asked during the run. A
// permission that was not used counts when all tests have run.
func (r *recorder) judge(whole bool) error {
	var problems []error
	if whole {
		unused, err := r.unused()
		if err != nil {
			return err
		}
		for _, u := range unused {
			problems = append(problems, fmt.Errorf("deploy/rbac/operator.yaml allows %s, which no test has used", u))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for what, n := range r.denied {
		// TestIssuedToken asks for one before it is allowed.
		if !strings.HasPrefix(what, "create serviceaccounts/token.") {
			problems = append(problems, fmt.Errorf("%d requests of the operator were refused: %s", n, what))
		}
	}
	return errors.Join(problems...)
}
