// Package certs keeps a certificate authority of our own and a serving
// certificate signed by it, for clusters where nobody else issues one: as files
// in a folder, which may be a copy of a Secret that several replicas share.
//
// It owns ca.crt, ca.key, tls.crt and tls.key and their renewal. It does not
// serve, does not tell clients whom to trust, and leaves alone where somebody
// else keeps certificates.
package certs

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"time"
)

// Lives of the certificates. The authority's last third is longer than the
// life of what it signs, so no certificate outlives its authority.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	servingLife   = 365 * 24 * time.Hour
)

// Names of the files, in a folder and in a Secret's data. Upstream's are the same.
const (
	fileCA, fileCAKey  = "ca.crt", "ca.key"
	fileCert, fileKey  = "tls.crt", "tls.key"
	modeOpen, modeOurs = fs.FileMode(0o644), fs.FileMode(0o600)
)

// Files are the four files by name, with what they hold (PEM).
type Files map[string][]byte

// FileNames are the names of the four, in the order in which they are written:
// keys first, since a certificate without its key is not ours.
func FileNames() []string { return []string{fileCAKey, fileCA, fileKey, fileCert} }

// Bundle is what there is.
type Bundle struct {
	// CA are the authorities to trust (PEM), the current one first. After the
	// authority was renewed, the one before is listed until it expires.
	CA []byte
	// CAFile, CertFile and KeyFile are the paths of the files.
	CAFile, CertFile, KeyFile string
	// Renew is when the next renewal is due.
	Renew time.Time
	// Changed says that this call made a new authority or certificate.
	Changed bool
}

// ErrForeign says that there is a serving certificate that this package did
// not make.
var ErrForeign = errors.New("there is a serving certificate without our authority's key")

// Ensure makes dir hold an authority and a serving certificate that is valid
// for all of dnsNames and ips. See Renew for what is made anew. Only one
// process may use a folder at a time.
func Ensure(dir string, dnsNames []string, ips []net.IP, now time.Time) (Bundle, error) {
	have, err := readFolder(dir)
	if err != nil {
		return Bundle{}, err
	}
	files, b, err := Renew(have, dnsNames, ips, now)
	if err != nil {
		return Bundle{}, fmt.Errorf("certificates in %s: %w", dir, err)
	}
	if err := writeFolder(dir, files); err != nil {
		return Bundle{}, err
	}
	return b.in(dir), nil
}

// in names the files' paths in a folder.
func (b Bundle) in(dir string) Bundle {
	b.CAFile, b.CertFile, b.KeyFile = filepath.Join(dir, fileCA), filepath.Join(dir, fileCert), filepath.Join(dir, fileKey)
	return b
}

// Renew returns files with an authority and a serving certificate that is
// valid for all of dnsNames and ips. What is missing, broken, does not cover a
// name or has lived two thirds of its life is made anew; what is good is kept.
// A new certificate covers the names of the one before as well: those who
// share the files may each know other names.
func Renew(have Files, dnsNames []string, ips []net.IP, now time.Time) (Files, Bundle, error) {
	if len(have[fileCert]) > 0 && len(have[fileCAKey]) == 0 {
		return nil, Bundle{}, ErrForeign
	}
	files, b := maps.Clone(have), Bundle{}
	if files == nil {
		files = Files{}
	}
	ca, changed, err := files.authority(now)
	if err != nil {
		return nil, Bundle{}, err
	}
	cert, made, err := files.serving(ca, dnsNames, ips, now)
	if err != nil {
		return nil, Bundle{}, err
	}
	b.CA, b.Changed = encodeCertificates(ca.trusted), changed || made
	b.Renew = twoThirds(ca.current())
	if r := twoThirds(cert); r.Before(b.Renew) {
		b.Renew = r
	}
	return files, b, nil
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
func (f Files) authority(now time.Time) (authority, bool, error) {
	a, ok := f.readAuthority(now)
	if ok && now.Before(twoThirds(a.current())) {
		return a, false, nil
	}
	made, err := newAuthority(now)
	if err != nil {
		return authority{}, false, err
	}
	made.trusted = append(made.trusted, a.trusted...)
	if f[fileCAKey], err = encodeKey(made.key); err != nil {
		return authority{}, false, err
	}
	f[fileCA] = encodeCertificates(made.trusted)
	return made, true, nil
}

// readAuthority returns what can be trusted of the files: ok is false when
// there is no usable pair.
func (f Files) readAuthority(now time.Time) (authority, bool) {
	key, err := decodeKey(f[fileCAKey])
	if err != nil {
		return authority{}, false
	}
	var a authority
	for _, c := range decodeCertificates(f[fileCA]) {
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
func (f Files) serving(ca authority, dnsNames []string, ips []net.IP, now time.Time) (*x509.Certificate, bool, error) {
	if pair, err := tls.X509KeyPair(f[fileCert], f[fileKey]); err == nil {
		if good(pair.Leaf, ca, dnsNames, ips, now) {
			return pair.Leaf, false, nil
		}
		dnsNames = union(dnsNames, pair.Leaf.DNSNames)
	}
	cert, key, err := newServing(ca, dnsNames, ips, now)
	if err != nil {
		return nil, false, err
	}
	if f[fileKey], err = encodeKey(key); err != nil {
		return nil, false, err
	}
	f[fileCert] = encodeCertificates([]*x509.Certificate{cert})
	return cert, true, nil
}

func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
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
	for _, use := range uses {
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{use}}); err != nil {
			return false
		}
	}
	return true
}

// twoThirds is when two thirds of a certificate's life have passed.
func twoThirds(c *x509.Certificate) time.Time {
	return c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore) / 3 * 2)
}
