package conn

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kedago/keda/pkg/scaler"
)

// sharedHTTP is what the pool holds.
type sharedHTTP struct{ *http.Client }

// Close implements io.Closer.
func (s *sharedHTTP) Close() error {
	s.CloseIdleConnections()
	return nil
}

// optionsKey names the operator-wide settings that change a client.
func optionsKey(o scaler.HTTPOptions) string {
	return fmt.Sprintf("keepalive=%t ca=%s tls=%s egress=%s", !o.DisableKeepAlives, strings.Join(o.CAFiles, ","), o.MinTLS, egressKey(o))
}

func newSharedHTTP(o scaler.HTTPOptions, auth *HTTPAuth) (*sharedHTTP, error) {
	config, err := auth.tls.Always()
	if err != nil {
		return nil, err
	}
	if !auth.Uses(AuthTLS) {
		config.Certificates = nil
	}
	if err := bounds(config, o); err != nil {
		return nil, err
	}
	if err := trust(config, o.CAFiles); err != nil {
		return nil, err
	}
	network := NewNetwork(o)
	return &sharedHTTP{&http.Client{
		CheckRedirect: sameServer,
		Transport: &http.Transport{
			Proxy:                 network.proxy,
			DialContext:           network.dialResolved,
			TLSClientConfig:       config,
			TLSHandshakeTimeout:   10 * time.Second,
			ForceAttemptHTTP2:     true,
			DisableKeepAlives:     o.DisableKeepAlives,
			MaxIdleConns:          cmp.Or(o.MaxIdle, 256),
			MaxIdleConnsPerHost:   cmp.Or(o.MaxIdlePerHost, 4),
			MaxConnsPerHost:       16,
			IdleConnTimeout:       cmp.Or(o.IdleTimeout, 90*time.Second),
			ExpectContinueTimeout: time.Second,
			// Go's own limit is ten times as much.
			MaxResponseHeaderBytes: 1 << 20,
		},
	}}, nil
}

// bounds limits what TLS agrees on.
func bounds(config *tls.Config, o scaler.HTTPOptions) (err error) {
	if config.MinVersion, err = minTLS(o.MinTLS); err != nil {
		return err
	}
	for _, name := range o.CipherSuites {
		for _, c := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			if c.Name == name {
				config.CipherSuites = append(config.CipherSuites, c.ID)
			}
		}
	}
	if len(config.CipherSuites) < len(o.CipherSuites) {
		return fmt.Errorf("the cipher suites are %s; expected Go's names of them", strings.Join(o.CipherSuites, ", "))
	}
	return nil
}

func minTLS(name string) (uint16, error) {
	switch name {
	case "", "TLS12":
		return tls.VersionTLS12, nil
	case "TLS13":
		return tls.VersionTLS13, nil
	case "TLS11":
		return tls.VersionTLS11, nil
	case "TLS10":
		return tls.VersionTLS10, nil
	}
	return 0, fmt.Errorf("the smallest TLS version is %q; expected TLS10, TLS11, TLS12 or TLS13", name)
}

// trust adds the authorities of files, and of the files in folders, to those
// that the settings trust already.
func trust(config *tls.Config, paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	if config.RootCAs == nil {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		config.RootCAs = roots
	}
	for _, p := range paths {
		files := []string{p}
		if info, err := os.Stat(p); err != nil {
			return fmt.Errorf("reading the authorities to trust: %w", err)
		} else if info.IsDir() {
			files, _ = filepath.Glob(filepath.Join(p, "*")) // the only error is a bad pattern
		}
		for _, f := range files {
			// A mounted ConfigMap has dot-named folders beside its files.
			if info, err := os.Stat(f); err != nil || !info.Mode().IsRegular() {
				continue
			}
			pem, err := readSmall(f)
			if err != nil {
				return fmt.Errorf("reading the authorities to trust: %w", err)
			}
			config.RootCAs.AppendCertsFromPEM(pem)
		}
	}
	return nil
}

// readSmall reads a file of at most 4 MiB.
func readSmall(path string) ([]byte, error) {
	const most = 4 << 20
	f, err := os.Open(path) //nolint:gosec // a path from the operator's own flags
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	got, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && len(got) > most {
		err = fmt.Errorf("%s is larger than %d bytes", path, most)
	}
	return got, err
}

// redirectError is a redirect that is not followed.
type redirectError struct{ why string }

func (e *redirectError) Error() string { return e.why }

// sameServer follows redirects within one server, and from http to https of
// one host. Anything else would carry headers, keys and client certificates
// to where the user did not send them.
func sameServer(req *http.Request, via []*http.Request) error {
	const most = 5
	if len(via) > most {
		return &redirectError{fmt.Sprintf("redirected more than %d times", most)}
	}
	from, last, to := via[0].URL, via[len(via)-1].URL, req.URL
	switch {
	case last.Scheme == "https" && to.Scheme != "https":
		return &redirectError{"redirected from https to " + to.Scheme + ", which is not followed"}
	case !strings.EqualFold(from.Hostname(), to.Hostname()):
		return &redirectError{fmt.Sprintf("redirected to another host (%s), which is not followed; use the final address", to.Host)}
	case from.Scheme == to.Scheme && portOf(from) != portOf(to):
		return &redirectError{fmt.Sprintf("redirected to another port (%s), which is not followed; use the final address", to.Host)}
	case !slices.Contains([]string{"http", "https"}, to.Scheme):
		return &redirectError{"redirected to the scheme " + to.Scheme + ", which is not followed"}
	}
	return nil
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}
