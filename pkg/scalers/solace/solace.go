// Package solace measures queues and clients of Solace event brokers by SEMP,
// their management protocol over HTTP.
//
// It owns which of several brokers answers, and how several targets of one
// trigger become one number. It refuses brokers on which the message VPN is
// not up: their numbers are those of a standby.
package solace

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind { return []scaler.Kind{queueKind(), directKind()} }

// access says which brokers are asked, and by whom.
type access struct {
	addresses []string
	vpn       string
	username  string
	password  param.Hidden

	bases []*url.URL // set by Check
}

func (a *access) addressParam() *param.Field {
	return param.List("solaceSempBaseURL", &a.addresses).Required().Example("http://broker.solace:8080").
		Doc("Addresses of SEMP on one or more brokers; the first one that answers and has the message VPN up counts.")
}

func (a *access) vpnParam() *param.Field {
	return param.Text("messageVpn", &a.vpn).Required().Example("default").Doc("Message VPN.")
}

func (a *access) userParams(origins ...param.Origin) param.Set {
	return param.Group("Authentication",
		param.Text("username", &a.username).From(origins...).Required().Doc("User of SEMP."),
		param.Secret("password", &a.password).From(origins...).Required().Doc("Password of the user."),
	)
}

func (a *access) check() param.Problems {
	var ps param.Problems
	a.bases = nil
	for _, address := range a.addresses {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			ps.Errorf("metadata.solaceSempBaseURL", "expected addresses such as http://broker.solace:8080, separated by commas")
			return ps
		}
		u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), ""
		a.bases = append(a.bases, u)
	}
	if len(a.bases) == 0 {
		ps.Errorf("metadata.solaceSempBaseURL", "has no address in it; expected addresses separated by commas")
	}
	return ps
}

func (a *access) header(kind string) http.Header {
	r := http.Request{Header: http.Header{"Content-Type": {kind}}}
	r.SetBasicAuth(a.username, a.password.Reveal())
	return r.Header
}

// brokers tries the brokers in turn, first the one that answered last.
type brokers struct {
	bases []*url.URL
	last  atomic.Int64
}

// first calls try with one broker after the other until one succeeds.
func (b *brokers) first(ctx context.Context, try func(*url.URL) error) error {
	var texts []string
	var worst error
	start := int(b.last.Load())
	for i := range b.bases {
		at := (start + i) % len(b.bases)
		err := try(b.bases[at])
		if err == nil {
			b.last.Store(int64(at))
			return nil
		}
		texts = append(texts, err.Error())
		if worst == nil || scaler.ReasonOf(worst) == scaler.ReasonUnreachable {
			worst = err // that a broker can't be reached says less than what another one answers
		}
		if ctx.Err() != nil {
			break
		}
	}
	var known *scaler.Error
	if len(texts) == 1 || !errors.As(worst, &known) {
		return worst
	}
	return &scaler.Error{
		Reason: known.Reason, RetryAfter: known.RetryAfter, Err: errors.New(strings.Join(texts, "; ")),
		Doing: fmt.Sprintf("asking %d of %d Solace brokers", len(texts), len(b.bases)),
	}
}

// open takes a client from the pool.
func open(env scaler.Env, tls *conn.TLS) (*conn.HTTPClient, error) {
	auth := conn.WithTLS(tls)
	return conn.OpenHTTP(env, &auth, conn.HTTPSettings{BodyLimit: bodyLimit})
}

// bodyLimit is the largest answer read: many clients with their statistics.
const bodyLimit = 8 << 20
