package app

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/kedago/keda/internal/certs"
	"github.com/kedago/keda/internal/webhook"
)

// TestWebhookRotation asks the admission webhook a thousand times over new
// connections while the certificates are renewed until the authority is another
// one. Who asks trusts what was published one renewal ago.
func TestWebhookRotation(t *testing.T) {
	const requests, callers, renewals = 1000, 8, 12
	names := []string{"keda-admission-webhooks.keda.svc"}
	o := Options{CertDir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Webhook: WebhookOptions{Address: "127.0.0.1", Port: unusedPort(t)}}
	begin := time.Now()
	last, err := certs.Ensure(o.CertDir, names, nil, begin)
	if err != nil {
		t.Fatal(err)
	}
	address := serveWebhook(t, o)
	first := readAuthorityOf(t, last.CA)

	var now atomic.Pointer[time.Time]
	now.Store(&begin)
	var published publications
	published.add(last.CA)
	var asked atomic.Int64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for asked.Add(1) <= requests {
				p := published.use()
				err := askWebhook(address, &tls.Config{RootCAs: p.trusted, ServerName: names[0], Time: func() time.Time { return *now.Load() }})
				p.users.Done()
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range renewals {
		for seen := asked.Load(); asked.Load() < min(seen+requests/16, requests); {
			time.Sleep(time.Millisecond) // let requests be under way
		}
		published.add(last.CA)
		published.settle() // nobody is two renewals late
		at := last.Renew
		now.Store(&at)
		if last, err = certs.Ensure(o.CertDir, names, nil, at); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
	if readLeaf(t, o.CertDir).CheckSignatureFrom(first) == nil {
		t.Errorf("after %d renewals the authority is still the first one", renewals)
	}
}

// serveWebhook serves a webhook that allows everything, until the test ends.
func serveWebhook(t *testing.T, o Options) (url string) {
	t.Helper()
	server, err := newWebhookServer(admission.HandlerFunc(func(context.Context, admission.Request) admission.Response { return admission.Allowed("") }), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	for started := server.StartedChecker(); started(nil) != nil; {
		select {
		case err := <-ended:
			t.Fatalf("serving: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return fmt.Sprintf("https://127.0.0.1:%d%s", o.Webhook.Port, webhook.Path)
}

// askWebhook has an object judged over a connection of its own.
func askWebhook(url string, trust *tls.Config) error {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: trust}}
	body := `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE","object":{}}}`
	resp, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(text, &review); err != nil || review.Response == nil || !review.Response.Allowed {
		return fmt.Errorf("%s: %s: %w", resp.Status, text, err)
	}
	return nil
}

func unusedPort(t *testing.T) int {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}
