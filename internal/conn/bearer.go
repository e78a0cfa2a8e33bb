package conn

import "github.com/kedago/keda/pkg/scaler/param"

// MapBearer replaces the token of the mode bearer, for servers whose users give
// what a token is made of.
func (a *HTTPAuth) MapBearer(token func(given string) string) {
	if a.uses(AuthBearer) {
		a.bearer = param.Hide(token(a.bearer.Reveal()))
	}
}
