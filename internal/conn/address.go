package conn

import "net/url"

// Join is a URL below base. The elements are escaped where they need to be,
// and stay so also where base has no path, unlike with base.JoinPath.
func Join(base *url.URL, elements ...string) *url.URL {
	at := *base
	if at.Path == "" {
		at.Path = "/"
	}
	return at.JoinPath(elements...)
}
