// Package certs makes the keys and certificates of one local control plane.
//
// It owns two authorities (one for the cluster, one for the front proxy, kept
// apart as on a real cluster, since a header from the front proxy is believed),
// what they sign, and the service-account key pair. All of it is thrown away
// with the state folder: nothing here renews, revokes or reads a certificate.
package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// validity is long enough for a plane that someone forgets for weeks.
const validity = 365 * 24 * time.Hour

// Pair is a certificate and its key, PEM encoded.
type Pair struct{ Cert, Key []byte }

// Authority signs certificates.
type Authority struct {
	Pair
	cert *x509.Certificate
	key  crypto.Signer
	now  time.Time
}

// NewAuthority makes a self-signed authority that is valid from a little before now.
func NewAuthority(name string, now time.Time) (*Authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template, err := newTemplate(pkix.Name{CommonName: name}, now)
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	pair, cert, err := sign(template, template, key, key)
	if err != nil {
		return nil, fmt.Errorf("make authority %q: %w", name, err)
	}
	return &Authority{Pair: pair, cert: cert, key: key, now: now}, nil
}

// Client makes a client certificate: user is the name that the API server
// sees, groups are the groups that user is in.
func (a *Authority) Client(user string, groups ...string) (Pair, error) {
	return a.issue(pkix.Name{CommonName: user, Organization: groups}, nil, nil, x509.ExtKeyUsageClientAuth)
}

// Server makes a certificate to serve with. It can be used as a client too,
// because etcd's gateway dials its own listener with it.
func (a *Authority) Server(name string, hosts []string, addresses []net.IP) (Pair, error) {
	return a.issue(pkix.Name{CommonName: name}, hosts, addresses,
		x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
}

func (a *Authority) issue(name pkix.Name, hosts []string, addresses []net.IP, use ...x509.ExtKeyUsage) (Pair, error) {
	key, err := newKey()
	if err != nil {
		return Pair{}, err
	}
	template, err := newTemplate(name, a.now)
	if err != nil {
		return Pair{}, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = use
	template.DNSNames = hosts
	template.IPAddresses = addresses
	pair, _, err := sign(template, a.cert, key, a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("make certificate %q: %w", name.CommonName, err)
	}
	return pair, nil
}

// newKey uses P-256: an RSA key takes a noticeable part of the start to make.
func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return key, nil
}

func newTemplate(name pkix.Name, now time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      name,
		NotBefore:    now.Add(-time.Hour), // clocks that are a little apart
		NotAfter:     now.Add(validity),
	}, nil
}

func sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey, signer crypto.Signer) (Pair, *x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return Pair{}, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return Pair{}, nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return Pair{}, nil, err
	}
	return Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}),
	}, cert, nil
}
