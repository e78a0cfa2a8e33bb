package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"

	"github.com/kedago/keda/internal/certs"
	"github.com/kedago/keda/internal/metricsapi"
)

type oneMetric struct{}

func (oneMetric) Names() []string { return []string{"s0-lag"} }

func (oneMetric) Metric(context.Context, string, string, labels.Selector) ([]metricsapi.Value, error) {
	return []metricsapi.Value{{Value: 7, At: time.Now()}}, nil
}

// TestRotationLosesNoRequest: no request to the metrics API is lost while its
// certificates are renewed.
func TestRotationLosesNoRequest(t *testing.T) {
	dir := t.TempDir()
	names := []string{"keda-metrics-apiserver.keda.svc"}
	begin := time.Now()
	first, err := certs.Ensure(dir, names, nil, begin)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, err := metricsapi.New(oneMetric{}, metricsapi.Options{
		Listener: listener, CertFile: first.CertFile, KeyFile: first.KeyFile, MinTLS: tls.VersionTLS13,
		Authenticator: authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
			return &authenticator.Response{User: &user.DefaultInfo{Name: "hpa"}}, true, nil
		}),
		Authorizer: authorizerfactory.NewAlwaysAllowAuthorizer(), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- server.Run(ctx) }()
	defer func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
	}()

	url := fmt.Sprintf("https://%s/apis/external.metrics.k8s.io/v1beta1/namespaces/default/s0-lag", listener.Addr())
	losesNoRequest(t, dir, names, begin, first, func(trust *tls.Config) error {
		client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: trust}}
		resp, err := client.Get(url)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s %w", resp.Status, body, err)
		}
		return nil
	})
}

// losesNoRequest asks a thousand times, each time over a new connection, while
// the certificates in dir are renewed again and again until the authority is
// another one. Who asks trusts what was published one renewal ago, as the API
// server may.
func losesNoRequest(t *testing.T, dir string, names []string, begin time.Time, first certs.Bundle, ask func(trust *tls.Config) error) {
	t.Helper()
	const requests, callers, renewals = 1000, 8, 12
	var now atomic.Pointer[time.Time]
	now.Store(&begin)
	var published publications
	published.add(first.CA)
	var asked, failed atomic.Int64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for asked.Add(1) <= requests {
				p := published.use()
				err := ask(&tls.Config{RootCAs: p.trusted, ServerName: names[0], Time: func() time.Time { return *now.Load() }})
				p.users.Done()
				if err != nil {
					failed.Add(1)
					t.Error(err)
				}
			}
		})
	}
	last := first
	for range renewals {
		for seen := asked.Load(); asked.Load() < min(seen+requests/16, requests); {
			time.Sleep(time.Millisecond) // let requests be under way
		}
		published.add(last.CA)
		published.settle() // nobody is two renewals late
		at := last.Renew
		now.Store(&at)
		next, err := certs.Ensure(dir, names, nil, at)
		if err != nil {
			t.Fatal(err)
		}
		last = next
	}
	all.Wait()
	if readLeaf(t, dir).CheckSignatureFrom(readAuthorityOf(t, first.CA)) == nil {
		t.Errorf("after %d renewals the authority is still the first one", renewals)
	}
	if n := failed.Load(); n > 0 {
		t.Errorf("%d of %d requests failed", n, requests)
	}
}

// publications are whom clients were told to trust, one after the other.
type publications struct {
	mu  sync.Mutex
	all []*publication
}

type publication struct {
	trusted *x509.CertPool
	users   sync.WaitGroup
}

func (p *publications) add(ca []byte) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, &publication{trusted: pool})
}

// use returns the last one; the caller says when it is done.
func (p *publications) use() *publication {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := p.all[len(p.all)-1]
	last.users.Add(1)
	return last
}

// settle waits for who trusts what was published before the last time.
func (p *publications) settle() {
	p.mu.Lock()
	earlier := p.all[:len(p.all)-1]
	p.mu.Unlock()
	for _, e := range earlier {
		e.users.Wait()
	}
}

func readLeaf(t *testing.T, dir string) *x509.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func readAuthorityOf(t *testing.T, ca []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(ca)
	if block == nil {
		t.Fatal("the authority is no PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
