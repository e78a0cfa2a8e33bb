package metricsapi

import (
	"crypto/x509"
	"net/http"
	"slices"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	x509request "k8s.io/apiserver/pkg/authentication/request/x509"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
)

const (
	// verifiedFor is how long a front proxy's certificate is taken for good
	// once it was verified; that it has run out is noticed as late as that.
	verifiedFor = 10 * time.Second
	// verifiedMost is how many connections of front proxies are remembered,
	// far more than a cluster has API servers.
	verifiedMost = 64
)

// proxied authenticates what comes through the cluster's front proxy, whose
// certificate it verifies every some seconds, and not for each request of a
// connection, which took a tenth of all the CPU at rest.
type proxied struct {
	trust   *authenticatorfactory.RequestHeaderConfig
	headers authenticator.Request
	verify  authenticator.Request
	// verified has a verification by certificate, that is, by connection.
	verified *lru.Cache
	clock    clock.PassiveClock
}

// verification is until when, and by whom, a certificate was found to be good.
type verification struct {
	authorities *x509.CertPool
	names       []string
	until       time.Time
}

func newProxied(trust *authenticatorfactory.RequestHeaderConfig, c clock.PassiveClock) *proxied {
	headers := headerrequest.NewDynamic(trust.UsernameHeaders, trust.UIDHeaders, trust.GroupHeaders, trust.ExtraHeaderPrefixes)
	return &proxied{
		trust: trust, headers: headers, clock: c, verified: lru.New(verifiedMost),
		verify: x509request.NewDynamicCAVerifier(trust.CAContentProvider.VerifyOptions, headers, trust.AllowedClientNames),
	}
}

// AuthenticateRequest implements authenticator.Request.
func (p *proxied) AuthenticateRequest(r *http.Request) (*authenticator.Response, bool, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, false, nil
	}
	options, known := p.trust.CAContentProvider.VerifyOptions()
	if !known {
		return nil, false, nil
	}
	certificate, names, now := r.TLS.PeerCertificates[0], p.trust.AllowedClientNames.Value(), p.clock.Now()
	if found, ok := p.verified.Get(certificate); ok {
		v := found.(verification)
		if v.authorities == options.Roots && now.Before(v.until) && slices.Equal(v.names, names) {
			return p.headers.AuthenticateRequest(r)
		}
	}
	response, ok, err := p.verify.AuthenticateRequest(r)
	if ok && err == nil {
		p.verified.Add(certificate, verification{options.Roots, slices.Clone(names), now.Add(verifiedFor)})
	}
	return response, ok, err
}
