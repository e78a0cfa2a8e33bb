package certs

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func writeSet(t *testing.T) *Set {
	t.Helper()
	s, err := WriteSet(filepath.Join(t.TempDir(), "certs"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func leaf(t *testing.T, p Pair) *x509.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil {
		t.Fatalf("certificate and key do not belong together: %v", err)
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func pool(s *Set, name string) *x509.CertPool {
	p := x509.NewCertPool()
	p.AppendCertsFromPEM(s.Pair(name).Cert)
	return p
}

func TestClients(t *testing.T) {
	s := writeSet(t)
	for name, who := range clients() {
		cert := leaf(t, s.Pair(name))
		if cert.Subject.CommonName != who[0] || !slices.Equal(cert.Subject.Organization, who[1:]) {
			t.Errorf("%s: found user %q in %q, expected %q in %q", name,
				cert.Subject.CommonName, cert.Subject.Organization, who[0], who[1:])
		}
		use := x509.VerifyOptions{Roots: pool(s, CA), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		if _, err := cert.Verify(use); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		use.KeyUsages[0] = x509.ExtKeyUsageServerAuth
		if _, err := cert.Verify(use); err == nil {
			t.Errorf("%s can be served with", name)
		}
	}
}

func TestServing(t *testing.T) {
	s := writeSet(t)
	cert := leaf(t, s.Pair(Serving))
	for _, host := range []string{"localhost", "127.0.0.1", "::1", "10.96.0.1", "kubernetes.default.svc"} {
		if _, err := cert.Verify(x509.VerifyOptions{Roots: pool(s, CA), DNSName: host}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestFrontProxyIsApart(t *testing.T) {
	s := writeSet(t)
	cert := leaf(t, s.Pair(FrontProxy))
	client := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: pool(s, FrontCA), KeyUsages: client}); err != nil {
		t.Errorf("by its own authority: %v", err)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: pool(s, CA), KeyUsages: client}); err == nil {
		t.Error("the cluster's authority vouches for the front proxy")
	}
	if _, err := leaf(t, s.Pair(Admin)).Verify(x509.VerifyOptions{Roots: pool(s, FrontCA), KeyUsages: client}); err == nil {
		t.Error("the front proxy's authority vouches for the admin")
	}
}

func TestFilesAreForTheOwnerOnly(t *testing.T) {
	s := writeSet(t)
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2*len(s.pairs)+2 {
		t.Errorf("found %d files, expected %d", len(entries), 2*len(s.pairs)+2)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, expected 0600", e.Name(), info.Mode())
		}
	}
}

func TestServiceAccountKeys(t *testing.T) {
	s := writeSet(t)
	private, err := x509.ParseECPrivateKey(block(t, s.ServiceAccountKeyFile()))
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(block(t, s.ServiceAccountPublicFile()))
	if err != nil {
		t.Fatal(err)
	}
	if !private.PublicKey.Equal(public.(*ecdsa.PublicKey)) {
		t.Error("the two keys are no pair")
	}
}

func block(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := pem.Decode(data)
	if b == nil {
		t.Fatalf("%s: no PEM", path)
	}
	return b.Bytes
}

func TestKubeconfig(t *testing.T) {
	s := writeSet(t)
	path := filepath.Join(s.Dir, "kubeconfig")
	if err := s.WriteKubeconfig(path, "https://127.0.0.1:6443", Admin); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"server: https://127.0.0.1:6443\n", "user: admin\n", "- name: admin\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "%!") {
		t.Errorf("badly formatted:\n%s", text)
	}
	if err := s.WriteKubeconfig(path, "https://127.0.0.1:6443", "nobody"); err == nil {
		t.Error("no error for an unknown client")
	}
}
