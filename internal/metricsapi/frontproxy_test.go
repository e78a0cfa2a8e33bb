package metricsapi

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	x509request "k8s.io/apiserver/pkg/authentication/request/x509"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	testingclock "k8s.io/utils/clock/testing"
)

// trusted is a changing set of authorities.
type trusted struct {
	dynamiccertificates.CAContentProvider
	roots *x509.CertPool
}

func (p *trusted) VerifyOptions() (x509.VerifyOptions, bool) {
	options := x509request.DefaultVerifyOptions()
	options.Roots = p.roots
	return options, p.roots != nil
}

func (p *trusted) set(t *testing.T, caPEM string) {
	t.Helper()
	p.roots = x509.NewCertPool()
	if !p.roots.AppendCertsFromPEM([]byte(caPEM)) {
		t.Fatal("no authority in", caPEM)
	}
}

// TestProxiedVerifiesSometimes: a certificate is verified once for many
// requests, and at once when whom to trust changes.
func TestProxiedVerifiesSometimes(t *testing.T) {
	ca, pair := authority(t)
	otherCA, _ := authority(t)
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	authorities, names := &trusted{}, []string{"front-proxy-client"}
	clock := testingclock.NewFakePassiveClock(time.Now())
	p := newProxied(&authenticatorfactory.RequestHeaderConfig{
		CAContentProvider: authorities, AllowedClientNames: headerrequest.StringSliceProviderFunc(func() []string { return names }),
		UsernameHeaders: headerrequest.StaticStringSlice{"X-Remote-User"}, UIDHeaders: headerrequest.StaticStringSlice{},
		GroupHeaders: headerrequest.StaticStringSlice{"X-Remote-Group"}, ExtraHeaderPrefixes: headerrequest.StaticStringSlice{},
	}, clock)
	verified, verify := 0, p.verify
	p.verify = authenticator.RequestFunc(func(r *http.Request) (*authenticator.Response, bool, error) {
		verified++
		return verify.AuthenticateRequest(r)
	})
	ask := func(user string, certificates ...*x509.Certificate) (*authenticator.Response, bool, error) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.TLS = &tls.ConnectionState{PeerCertificates: certificates}
		if user != "" {
			r.Header.Set("X-Remote-User", user)
		}
		return p.AuthenticateRequest(r)
	}
	good := func(what string, wantVerified int) {
		t.Helper()
		for _, user := range []string{"hpa", "person", "hpa"} {
			got, ok, err := ask(user, leaf)
			if !ok || err != nil || got.User.GetName() != user {
				t.Errorf("%s: %v, %v, %v; expected the user %s", what, got, ok, err, user)
			}
		}
		if verified != wantVerified {
			t.Errorf("%s: verified %d times so far, want %d", what, verified, wantVerified)
		}
	}
	bad := func(what string, wantError bool, user string, certificates ...*x509.Certificate) {
		t.Helper()
		if got, ok, err := ask(user, certificates...); ok || (err != nil) != wantError {
			t.Errorf("%s: %v, %v, %v; expected nobody, and an error: %v", what, got, ok, err, wantError)
		}
	}

	bad("authorities not known yet", false, "hpa", leaf)
	authorities.set(t, ca)
	bad("no certificate", false, "hpa")
	bad("nobody named", false, "", leaf)
	good("known", 2)
	clock.SetTime(clock.Now().Add(verifiedFor - time.Millisecond))
	good("a moment later", 2)
	bad("nobody named, certificate known", false, "", leaf)
	clock.SetTime(clock.Now().Add(time.Millisecond))
	good("when the verification is old", 3)

	authorities.set(t, otherCA)
	bad("another authority", true, "hpa", leaf)
	bad("still another authority", true, "hpa", leaf)
	authorities.set(t, ca)
	good("the authority is back", 6)
	names = []string{"somebody-else"}
	bad("another name", true, "hpa", leaf)
	names = nil
	good("any name", 8)
}
