package conn

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
)

const gcpOther = "worker@shop-1.iam.gserviceaccount.com"

// gcpMachineAnswering is a metadata server, and the only place where the
// operator finds credentials.
func gcpMachineAnswering(t *testing.T, token http.HandlerFunc) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/computeMetadata/v1/instance/service-accounts/default/token":
			token(w, r)
		case "/computeMetadata/v1/project/project-id":
			_, _ = fmt.Fprint(w, "machine-project")
		default:
			t.Errorf("the metadata server was asked for %s", r.URL.Path)
		}
	}))
	t.Cleanup(s.Close)
	for name, value := range map[string]string{
		"GOOGLE_APPLICATION_CREDENTIALS": "", "HOME": t.TempDir(), "CLOUDSDK_CORE_PROJECT": "", "GOOGLE_CLOUD_PROJECT": "",
		"GCE_METADATA_HOST": strings.TrimPrefix(s.URL, "http://"),
	} {
		t.Setenv(name, value)
	}
}

func machineToken(w http.ResponseWriter, r *http.Request) {
	_, _ = fmt.Fprintf(w, `{"access_token":"machine for %s","expires_in":3599,"token_type":"Bearer"}`, r.URL.Query().Get("scopes"))
}

func gcpOperator(t *testing.T, as string) *gcpTokens {
	t.Helper()
	tokens, err := newGCPTokens(scaler.Env{HTTP: scaler.HTTPOptions{Timeout: 2 * time.Second}}, gcpIdentity{operator: true, as: as}, []string{"scope-a"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func TestGCPMachine(t *testing.T) {
	gcpMachineAnswering(t, machineToken)
	tokens := gcpOperator(t, "")
	got, err := tokens.token(t.Context())
	if err != nil || got.AccessToken != "machine for scope-a" || time.Until(got.Expiry) < 50*time.Minute {
		t.Errorf("got %v, %v", got, err)
	}
	if project, err := tokens.projectID(t.Context()); project != "machine-project" || err != nil {
		t.Errorf("the project is %q, %v", project, err)
	}
}

func TestGCPMachineWithout(t *testing.T) {
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		reason scaler.Reason
	}{
		"no account":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, scaler.ReasonDenied},
		"no permission": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, scaler.ReasonDenied},
		"no token":      {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) }, scaler.ReasonBadAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			gcpMachineAnswering(t, tc.answer)
			_, err := gcpOperator(t, "").token(t.Context())
			if scaler.ReasonOf(err) != tc.reason || !strings.Contains(fmt.Sprint(err), "operator's own Google Cloud token") {
				t.Errorf("got %s: %v", scaler.ReasonOf(err), err)
			}
		})
	}
}

func TestGCPMachineAway(t *testing.T) {
	gcpMachineAnswering(t, machineToken)
	t.Setenv("GCE_METADATA_HOST", "127.0.0.1:1")
	if _, err := gcpOperator(t, "").token(t.Context()); scaler.ReasonOf(err) != scaler.ReasonUnreachable {
		t.Errorf("got %v", err)
	}
}

// TestGCPOperatorFile checks that the operator's own file goes before the
// machine, and that a project named for the operator goes before the file's.
func TestGCPOperatorFile(t *testing.T) {
	gcpMachineAnswering(t, func(http.ResponseWriter, *http.Request) { t.Error("the metadata server was asked") })
	google := conntest.StartGoogle(t)
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, []byte(google.Key), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	tokens := gcpOperator(t, "")
	if got, err := tokens.token(t.Context()); err != nil || got.AccessToken != "token-1" {
		t.Errorf("got %v, %v", got, err)
	}
	if project, err := tokens.projectID(t.Context()); project != conntest.GoogleProject || err != nil {
		t.Errorf("the project is %q, %v", project, err)
	}
	t.Setenv("CLOUDSDK_CORE_PROJECT", "other")
	if project, err := gcpOperator(t, "").projectID(t.Context()); project != "other" || err != nil {
		t.Errorf("the project is %q, %v", project, err)
	}
	if err := os.WriteFile(file, []byte("no JSON"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := gcpOperator(t, "").token(t.Context()); scaler.ReasonOf(err) != scaler.ReasonMisconfigured {
		t.Errorf("a file that is none: got %v", err)
	}
}

// TestGCPImpersonation checks that the operator's token, good for all of
// Google Cloud, is exchanged for one of the service account with the scopes asked for.
func TestGCPImpersonation(t *testing.T) {
	gcpMachineAnswering(t, machineToken)
	end := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	iam := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Scope []string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		if r.URL.Path != "/v1/projects/-/serviceAccounts/"+gcpOther+":generateAccessToken" ||
			r.Header.Get("Authorization") != "Bearer machine for "+gcpPlatformScope || len(in.Scope) != 1 || in.Scope[0] != "scope-a" {
			t.Errorf("asked %s with %q for %v", r.URL.Path, r.Header.Get("Authorization"), in.Scope)
		}
		_, _ = fmt.Fprintf(w, `{"accessToken":"worker","expireTime":%q}`, end.Format(time.RFC3339))
	}))
	t.Cleanup(iam.Close)
	tokens := gcpOperator(t, gcpOther)
	tokens.iam = iam.URL
	got, err := tokens.token(t.Context())
	if err != nil || got.AccessToken != "worker" || !got.Expiry.Equal(end) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestGCPImpersonationRefused(t *testing.T) {
	gcpMachineAnswering(t, machineToken)
	for name, tc := range map[string]struct {
		status int
		body   string
		reason scaler.Reason
		want   string
	}{
		"not allowed": {403, `{"error":{"code":403,"message":"Permission 'iam.serviceAccounts.getAccessToken' denied on resource"}}`, scaler.ReasonDenied, "iam.serviceAccounts.getAccessToken"},
		"no account":  {404, `{}`, scaler.ReasonMissing, gcpOther},
		"no end":      {200, `{"accessToken":"worker"}`, scaler.ReasonBadAnswer, "no token"},
		"no token":    {200, `{"expireTime":"2099-01-01T00:00:00Z"}`, scaler.ReasonBadAnswer, "no token"},
	} {
		t.Run(name, func(t *testing.T) {
			iam := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			}))
			defer iam.Close()
			tokens := gcpOperator(t, gcpOther)
			tokens.iam = iam.URL
			_, err := tokens.token(t.Context())
			if err == nil || scaler.ReasonOf(err) != tc.reason || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %s: %v", scaler.ReasonOf(err), err)
			}
		})
	}
}
