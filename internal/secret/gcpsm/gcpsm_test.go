package gcpsm

import (
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

const hidden = "s3cr3t-value"

// manager answers as the Secret Manager's REST interface does.
type manager struct {
	*httptest.Server
	google *conntest.Google

	mu    sync.Mutex // guards asked
	asked []string
}

func payload(value string) string {
	sum := crc32.Checksum([]byte(value), crc32.MakeTable(crc32.Castagnoli))
	return fmt.Sprintf(`{"payload":{"data":%q,"dataCrc32c":"%d"}}`, base64.StdEncoding.EncodeToString([]byte(value)), sum)
}

func startManager(t *testing.T) *manager {
	t.Helper()
	m := &manager{google: conntest.StartGoogle(t)}
	m.Server = httptest.NewServer(http.HandlerFunc(m.serve))
	t.Cleanup(m.Close)
	return m
}

func (m *manager) serve(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.asked = append(m.asked, r.URL.Path)
	m.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if !m.google.Knows(r) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	const own = "/v1/projects/" + conntest.GoogleProject + "/secrets/"
	answer, ok := map[string]string{
		own + "db/versions/latest:access":                      payload(hidden),
		own + "db/versions/2:access":                           payload(hidden + "-2"),
		own + "empty/versions/latest:access":                   payload(""),
		"/v1/projects/other/secrets/db/versions/latest:access": payload(hidden + "-other"),
		own + "damaged/versions/latest:access":                 strings.Replace(payload(hidden), `"dataCrc32c":"`, `"dataCrc32c":"1`, 1),
		own + "unchecked/versions/latest:access":               `{"payload":{"data":"` + base64.StdEncoding.EncodeToString([]byte(hidden)) + `"}}`,
		own + "no-payload/versions/latest:access":              `{}`,
		own + "no-base64/versions/latest:access":               `{"payload":{"data":"!"}}`,
		own + "no-json/versions/latest:access":                 hidden,
	}[r.URL.Path]
	switch {
	case ok:
		_, _ = fmt.Fprint(w, answer)
	case strings.Contains(r.URL.Path, "/forbidden/"):
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `{"error":{"code":403,"message":"Permission 'secretmanager.versions.access' denied for %s","status":"PERMISSION_DENIED"}}`, hidden)
	default:
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprintf(w, `{"error":{"code":404,"message":"Secret %s not found","status":"NOT_FOUND"}}`, hidden)
	}
}

func (m *manager) open(t *testing.T) secret.Store {
	t.Helper()
	s, err := New(Options{Env: scaler.Env{Pool: pool.New()}, Endpoint: m.URL})(secret.GCPAccess{Key: param.Hide(m.google.Key)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestFetch(t *testing.T) {
	m := startManager(t)
	s := m.open(t)
	tests := map[string]struct {
		item   secret.Item
		value  string
		reason scaler.Reason
		text   string
	}{
		"the latest":              {secret.Item{Name: "db"}, hidden, "", ""},
		"a version":               {secret.Item{Name: "db", Version: "2"}, hidden + "-2", "", ""},
		"of another project":      {secret.Item{Name: "projects/other/secrets/db"}, hidden + "-other", "", ""},
		"an empty value":          {secret.Item{Name: "empty"}, "", "", ""},
		"no checksum":             {secret.Item{Name: "unchecked"}, hidden, "", ""},
		"damaged":                 {secret.Item{Name: "damaged"}, "", scaler.ReasonBadAnswer, "the value was damaged on its way"},
		"no payload":              {secret.Item{Name: "no-payload"}, "", scaler.ReasonBadAnswer, "the answer holds no value"},
		"no base 64":              {secret.Item{Name: "no-base64"}, "", scaler.ReasonBadAnswer, "the value is not in base 64"},
		"no JSON":                 {secret.Item{Name: "no-json"}, "", scaler.ReasonBadAnswer, `reading "no-json"`},
		"no such secret":          {secret.Item{Name: "gone"}, "", scaler.ReasonMissing, `reading "gone" from Google's Secret Manager`},
		"no permission":           {secret.Item{Name: "forbidden"}, "", scaler.ReasonDenied, `reading "forbidden" from Google's Secret Manager`},
		"an ID that can't be":     {secret.Item{Name: "../../other/secrets/db"}, "", scaler.ReasonMisconfigured, "expected the ID of a secret"},
		"a version that can't be": {secret.Item{Name: "db", Version: "1/../../x"}, "", scaler.ReasonMisconfigured, "expected a number, an alias or latest"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := s.Fetch(t.Context(), []secret.Item{tt.item})[0]
			if got.Value != tt.value || (got.Err == nil) != (tt.text == "") {
				t.Errorf("got %q, %v; expected %q, an error with %q", got.Value, got.Err, tt.value, tt.text)
			}
			if got.Err != nil && (scaler.ReasonOf(got.Err) != tt.reason || !strings.Contains(got.Err.Error(), tt.text) || strings.Contains(got.Err.Error(), hidden)) {
				t.Errorf("error %s %v; expected %s %q, and no value", scaler.ReasonOf(got.Err), got.Err, tt.reason, tt.text)
			}
		})
	}
	if n := len(m.google.Asked()); n != 1 {
		t.Errorf("%d tokens; expected one login", n)
	}
}

func TestEqualItems(t *testing.T) {
	m := startManager(t)
	got := m.open(t).Fetch(t.Context(), []secret.Item{{Name: "db"}, {Name: "db"}})
	if got[0].Value != hidden || got[1] != got[0] {
		t.Errorf("got %v", got)
	}
	if diff := cmp.Diff([]string{"/v1/projects/" + conntest.GoogleProject + "/secrets/db/versions/latest:access"}, m.asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestOpen(t *testing.T) {
	tests := map[string]struct {
		access  secret.GCPAccess
		problem string
	}{
		"the operator's identity":  {secret.GCPAccess{Identity: scaler.Identity{Provider: "gcp"}}, ""},
		"no key":                   {secret.GCPAccess{}, "there are no Google Cloud credentials"},
		"no JSON":                  {secret.GCPAccess{Key: param.Hide(hidden)}, "credentials.clientSecret: found a value that is no JSON object"},
		"a file of the operator's": {secret.GCPAccess{Key: param.Hide(`{"type":"external_account","credential_source":{"file":"/etc/passwd"}}`)}, "not of the type service_account"},
		"another cloud's identity": {secret.GCPAccess{Identity: scaler.Identity{Provider: "aws"}}, "podIdentity aws gives no Google Cloud credentials"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			env := scaler.Env{Pool: pool.New()}
			s, err := New(Options{Env: env})(tt.access)
			if err == nil {
				s.Close()
			}
			if (err == nil) != (tt.problem == "") || err != nil && (!strings.Contains(err.Error(), tt.problem) || strings.Contains(err.Error(), hidden)) {
				t.Errorf("error %v; expected one with %q", err, tt.problem)
			}
			if left := env.Pool.(*pool.Pool).Len(); len(left) != 0 {
				t.Errorf("still held: %v", left)
			}
		})
	}
}
