package app

import (
	"context"
	"crypto/tls"
	"log/slog"
	"path/filepath"
	"testing"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func TestKeepCertificates(t *testing.T) {
	o := Options{CertDir: t.TempDir(), CertRotation: true, ServiceName: "metrics", Namespace: "keda", Log: slog.New(slog.DiscardHandler)}
	mgr, err := ctrl.NewManager(&rest.Config{Host: "http://127.0.0.1:1"}, ctrl.Options{
		Metrics: metricsserver.Options{BindAddress: "0"}, BaseContext: func() context.Context { return t.Context() },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := keepCertificates(t.Context(), mgr, o); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(o.CertDir, "tls.crt"), filepath.Join(o.CertDir, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := pair.Leaf.VerifyHostname("metrics.keda.svc"); err != nil {
		t.Error(err)
	}
}

func TestCertificatesOfOthers(t *testing.T) {
	o := Options{CertDir: filepath.Join(t.TempDir(), "none"), Log: slog.New(slog.DiscardHandler)}
	if err := keepCertificates(t.Context(), nil, o); err != nil {
		t.Errorf("without rotation: %v", err)
	}
	if files, _ := filepath.Glob(o.CertDir); files != nil {
		t.Errorf("without rotation, %v was made", files)
	}
}
