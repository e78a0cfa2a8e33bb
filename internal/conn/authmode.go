package conn

import "strings"

// Uses says whether a mode is chosen.
func (a *HTTPAuth) Uses(mode string) bool { return a.uses(mode) }

// UsePair chooses the mode tls where a client certificate is given, for
// scalers with a switch of their own for it.
func (a *HTTPAuth) UsePair() {
	if a.tls.HasPair() && !a.uses(AuthTLS) {
		a.modes = append(a.modes, AuthTLS)
	}
}

// Digest stands for all that proves who asks, revealing none, for the keys of
// batches.
func (a *HTTPAuth) Digest() string {
	return Digest(strings.Join(a.modes, ","), a.tlsDigest(), a.username, a.password.Reveal(), a.bearer.Reveal(), a.apiKey.Reveal(),
		a.method, a.keyName, a.header, a.value.Reveal(), a.oauth.safeDigest())
}

// safeDigest is digest, also without an address for tokens.
func (o *oauthParams) safeDigest() string {
	if o.tokenURL == nil {
		return ""
	}
	return o.digest()
}
