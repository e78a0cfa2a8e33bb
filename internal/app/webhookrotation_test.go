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
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/kedago/keda/internal/certs"
	"github.com/kedago/keda/internal/webhook"
)

// TestWebhookRotation: no request to the admission webhook is lost while its
// certificates are renewed.
func TestWebhookRotation(t *testing.T) {
	names := []string{"keda-admission-webhooks.keda.svc"}
	o := Options{CertDir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Webhook: WebhookOptions{Address: "127.0.0.1", Port: unusedPort(t)}}
	begin := time.Now()
	first, err := certs.Ensure(o.CertDir, names, nil, begin)
	if err != nil {
		t.Fatal(err)
	}
	address := serveWebhook(t, o)
	losesNoRequest(t, o.CertDir, names, begin, first, func(trust *tls.Config) error { return askWebhook(address, trust) })
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
