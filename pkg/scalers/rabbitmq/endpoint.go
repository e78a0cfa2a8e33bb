package rabbitmq

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler/param"
)

// endpoint is a server's address, taken apart.
type endpoint struct {
	http    bool
	secure  bool
	address string // host:port
	// path is what comes before /api, for servers behind a proxy.
	path     string
	vhost    string
	user     string
	password param.Hidden
}

// Texts about addresses never repeat them, they hold passwords.
var (
	errAddress = errors.New("expected an address such as amqp://rabbitmq.svc:5672/shop or http://rabbitmq.svc:15672/shop")
	errScheme  = errors.New("expected an address whose scheme agrees with protocol: amqp or amqps, http or https")
	errAPIHost = errors.New("expected an http or https address")
)

// parseEndpoint reads an address. The last part of its path is the virtual
// host, percent-encoded where need be; none means "/".
func parseEndpoint(text, protocol string, api bool) (endpoint, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Hostname() == "" {
		return endpoint{}, errAddress
	}
	e := endpoint{vhost: "/"}
	port := u.Port()
	switch u.Scheme {
	case "amqp", "amqps":
		e.secure = u.Scheme == "amqps"
		port = orElse(port, e.secure, "5671", "5672")
	case "http", "https":
		e.http, e.secure = true, u.Scheme == "https"
		port = orElse(port, e.secure, "443", "80")
	default:
		return endpoint{}, errAddress
	}
	if api && !e.http {
		return endpoint{}, errAPIHost
	}
	if protocol == "http" && !e.http || protocol == "amqp" && e.http {
		return endpoint{}, errScheme
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return endpoint{}, errAddress
	}
	e.address = net.JoinHostPort(u.Hostname(), port)
	path := strings.TrimPrefix(u.EscapedPath(), "/")
	if i := strings.LastIndexByte(path, '/'); i >= 0 && e.http {
		e.path, path = "/"+strings.Trim(path[:i], "/"), path[i+1:]
		e.path = strings.TrimSuffix(e.path, "/")
	}
	if path != "" && path != "/" {
		if e.vhost, err = url.PathUnescape(path); err != nil {
			return endpoint{}, errAddress
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		e.user, e.password = u.User.Username(), param.Hide(password)
	}
	return e, nil
}

func orElse(port string, secure bool, withTLS, plain string) string {
	switch {
	case port != "":
		return port
	case secure:
		return withTLS
	}
	return plain
}

// digest stands for the credentials.
func (e endpoint) digest(t *conn.TLS) string {
	return conn.Digest(e.user, e.password.Reveal(), t.Digest())
}
