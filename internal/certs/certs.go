// Package certs keeps a certificate authority of our own and a serving
// certificate signed by it, as files in a folder, for clusters where nobody
// else issues one.
//
// It owns the files ca.crt, ca.key, tls.crt and tls.key of its folder and
// their renewal. It does not serve, does not tell clients whom to trust, and
// leaves a folder alone in which somebody else keeps certificates.
package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Lives of the certificates. The authority's last third is longer than the
// life of what it signs, so no certificate outlives its authority.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	servingLife   = 365 * 24 * time.Hour
)

// Bundle is what a folder holds.
type Bundle struct {
	// CA are the authorities to trust (PEM), the current one first. After the
	// authority was renewed, the one before is listed until it expires.
	CA []byte
	// CAFile, CertFile and KeyFile are the paths of the files.
	CAFile, CertFile, KeyFile string
	// Renew is when the next renewal is due.
	Renew time.Time
	// Changed says that this call wrote a new authority or certificate.
	Changed bool
}

// ErrForeign says that the folder holds a serving certificate that this
// package did not make.
var ErrForeign = errors.New("the folder holds a serving certificate without our authority's key")

// Ensure makes dir hold an authority and a serving certificate that is valid
// for all of dnsNames and ips. What is missing, broken, does not cover a name
// or has lived two thirds of its life is made anew; what is good is kept.
// Only one process may use a folder at a time.
func Ensure(dir string, dnsNames []string, ips []net.IP, now time.Time) (Bundle, error) {
	b := Bundle{CAFile: filepath.Join(dir, "ca.crt"), CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key")}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Bundle{}, fmt.Errorf("making the folder for certificates: %w", err)
	}
	if err := refuseForeign(dir); err != nil {
		return Bundle{}, err
	}
	ca, err := b.authority(dir, now)
	if err != nil {
		return Bundle{}, err
	}
	cert, err := b.serving(ca, dnsNames, ips, now)
	if err != nil {
		return Bundle{}, err
	}
	b.Renew = twoThirds(ca.current())
	if r := twoThirds(cert); r.Before(b.Renew) {
		b.Renew = r
	}
	return b, nil
}

func refuseForeign(dir string) error {
	_, errCert := os.Stat(filepath.Join(dir, "tls.crt"))
	_, errKey := os.Stat(filepath.Join(dir, "ca.key"))
	if errCert == nil && errors.Is(errKey, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s", ErrForeign, dir)
	}
	return nil
}

// authority is the current authority's key, and the authorities to trust with
// the current one first.
type authority struct {
	key     *ecdsa.PrivateKey
	trusted []*x509.Certificate
}

func (a authority) current() *x509.Certificate { return a.trusted[0] }

// authority reads the authority or makes one. The one before stays trusted,
// and what it signed stays in use until its own renewal: clients have time to
// learn of the new one.
func (b *Bundle) authority(dir string, now time.Time) (authority, error) {
	keyFile := filepath.Join(dir, "ca.key")
	a, ok := readAuthority(b.CAFile, keyFile, now)
	if !ok || !now.Before(twoThirds(a.current())) {
		made, err := newAuthority(now)
		if err != nil {
			return authority{}, err
		}
		made.trusted = append(made.trusted, a.trusted...)
		a = made
		keyPEM, err := encodeKey(a.key)
		if err != nil {
			return authority{}, err
		}
		// The key goes first: a certificate without its key is not ours.
		if err := replace(keyFile, keyPEM, 0o600); err != nil {
			return authority{}, err
		}
		if err := replace(b.CAFile, encodeCertificates(a.trusted), 0o644); err != nil {
			return authority{}, err
		}
		b.Changed = true
	}
	b.CA = encodeCertificates(a.trusted)
	return a, nil
}

// readAuthority returns what can be trusted of the files: ok is false when
// there is no usable pair.
func readAuthority(certFile, keyFile string, now time.Time) (authority, bool) {
	certPEM, errCert := os.ReadFile(certFile)
	keyPEM, errKey := os.ReadFile(keyFile)
	if errCert != nil || errKey != nil {
		return authority{}, false
	}
	key, err := decodeKey(keyPEM)
	if err != nil {
		return authority{}, false
	}
	var a authority
	for _, c := range decodeCertificates(certPEM) {
		if now.Before(c.NotAfter) {
			a.trusted = append(a.trusted, c)
		}
	}
	if len(a.trusted) == 0 {
		return authority{}, false
	}
	a.key = key
	public, ok := a.current().PublicKey.(*ecdsa.PublicKey)
	if !ok || !public.Equal(key.Public()) {
		return authority{trusted: a.trusted}, false
	}
	return a, true
}

// serving reads the serving certificate or makes one.
func (b *Bundle) serving(ca authority, dnsNames []string, ips []net.IP, now time.Time) (*x509.Certificate, error) {
	if cert, ok := readServing(b.CertFile, b.KeyFile); ok && good(cert, ca, dnsNames, ips, now) {
		return cert, nil
	}
	cert, key, err := newServing(ca, dnsNames, ips, now)
	if err != nil {
		return nil, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	if err := replace(b.KeyFile, keyPEM, 0o600); err != nil {
		return nil, err
	}
	if err := replace(b.CertFile, encodeCertificates([]*x509.Certificate{cert}), 0o644); err != nil {
		return nil, err
	}
	b.Changed = true
	return cert, nil
}

func readServing(certFile, keyFile string) (*x509.Certificate, bool) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, false
	}
	return pair.Leaf, true
}

func good(cert *x509.Certificate, ca authority, dnsNames []string, ips []net.IP, now time.Time) bool {
	if !now.Before(twoThirds(cert)) || now.Before(cert.NotBefore) {
		return false
	}
	for _, n := range dnsNames {
		if cert.VerifyHostname(n) != nil {
			return false
		}
	}
	for _, ip := range ips {
		if cert.VerifyHostname(ip.String()) != nil {
			return false
		}
	}
	roots := x509.NewCertPool()
	for _, c := range ca.trusted {
		roots.AddCert(c)
	}
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return err == nil
}

// twoThirds is when two thirds of a certificate's life have passed.
func twoThirds(c *x509.Certificate) time.Time {
	return c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore) / 3 * 2)
}

// replace puts a file in place at once, so that no reader sees a part of it.
func replace(path string, content []byte, mode fs.FileMode) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	part, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() { _ = os.Remove(part.Name()) }() // gone already when renamed
	_, err = part.Write(content)
	err = errors.Join(err, part.Chmod(mode), part.Close())
	if err == nil {
		err = os.Rename(part.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
