package certs

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Files of a set, in its folder. A name without ending stands for NAME.crt and NAME.key.
const (
	CA         = "ca"
	FrontCA    = "front-proxy-ca"
	FrontProxy = "front-proxy-client"
	Serving    = "serving"
	EtcdClient = "etcd-client"
	Admin      = "admin"
	Manager    = "kube-controller-manager"
	Scheduler  = "kube-scheduler"
	KWOK       = "kwok"

	serviceAccountKey = "service-account.key"
	serviceAccountPub = "service-account.pub"
)

// ServiceIP is the address of the service "kubernetes", the first of its range.
var ServiceIP = net.IPv4(10, 96, 0, 1)

// Set is all key material of a plane, as files in Dir.
type Set struct {
	Dir   string
	pairs map[string]Pair
}

// clients lists who may talk to the API server, and as whom.
func clients() map[string][]string {
	return map[string][]string{
		Admin:     {"localplane-admin", "system:masters"},
		Manager:   {"system:kube-controller-manager"},
		Scheduler: {"system:kube-scheduler"},
		// KWOK stands for every kubelet at once, and plays any kind of object.
		KWOK:       {"localplane-kwok", "system:masters"},
		EtcdClient: {"kube-apiserver-etcd-client"},
	}
}

// WriteSet makes a new set and writes it to dir, readable by the owner only.
func WriteSet(dir string, now time.Time) (*Set, error) {
	s := &Set{Dir: dir, pairs: map[string]Pair{}}
	if err := s.make(now); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of certificates: %w", err)
	}
	for name, pair := range s.pairs {
		if err := s.write(name+".crt", pair.Cert); err != nil {
			return nil, err
		}
		if err := s.write(name+".key", pair.Key); err != nil {
			return nil, err
		}
	}
	return s, s.writeServiceAccountKey()
}

func (s *Set) make(now time.Time) error {
	ca, err := NewAuthority("localplane-ca", now)
	if err != nil {
		return err
	}
	front, err := NewAuthority("localplane-front-proxy-ca", now)
	if err != nil {
		return err
	}
	s.pairs[CA], s.pairs[FrontCA] = ca.Pair, front.Pair

	hosts := []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"kubernetes.default.svc.cluster.local"}
	addresses := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, ServiceIP}
	if s.pairs[Serving], err = ca.Server("localplane", hosts, addresses); err != nil {
		return err
	}
	if s.pairs[FrontProxy], err = front.Client(FrontProxy); err != nil {
		return err
	}
	for name, who := range clients() {
		if s.pairs[name], err = ca.Client(who[0], who[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// writeServiceAccountKey writes the key pair that signs and checks the tokens
// of service accounts. It is no certificate: the API server wants the bare key.
func (s *Set) writeServiceAccountKey() error {
	key, err := newKey()
	if err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the service-account key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encode the service-account public key: %w", err)
	}
	if err := s.write(serviceAccountKey, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})); err != nil {
		return err
	}
	return s.write(serviceAccountPub, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
}

func (s *Set) write(name string, data []byte) error {
	if err := os.WriteFile(filepath.Join(s.Dir, name), data, 0o600); err != nil {
		return fmt.Errorf("write certificate file: %w", err)
	}
	return nil
}

// Pair returns a member of the set.
func (s *Set) Pair(name string) Pair { return s.pairs[name] }

// CertFile is the path of a member's certificate.
func (s *Set) CertFile(name string) string { return filepath.Join(s.Dir, name+".crt") }

// KeyFile is the path of a member's key.
func (s *Set) KeyFile(name string) string { return filepath.Join(s.Dir, name+".key") }

// ServiceAccountKeyFile is the path of the key that signs service-account tokens.
func (s *Set) ServiceAccountKeyFile() string { return filepath.Join(s.Dir, serviceAccountKey) }

// ServiceAccountPublicFile is the path of the key that checks them.
func (s *Set) ServiceAccountPublicFile() string { return filepath.Join(s.Dir, serviceAccountPub) }
