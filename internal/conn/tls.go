// Package conn holds parameter groups and client settings that many scalers
// share: TLS, HTTP, OAuth. It is the only place where TLS is configured.
//
// It owns no connection: clients built from it live in the pool.
package conn

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/youmark/pkcs8"

	"github.com/kedago/keda/pkg/scaler/param"
)

// TLS are the parameters of a TLS client, the same names in every scaler.
type TLS struct {
	mode        string
	ca          param.Hidden
	cert        param.Hidden
	key         param.Hidden
	keyPassword param.Hidden
	unsafe      bool
	hasCert     bool
	hasKey      bool
	// caName, certName and keyName are what the user knows the material by,
	// where it is not called ca, cert and key.
	caName, certName, keyName string
}

// Params declares the group: tls (enable|disable), ca, cert, key, keyPassword, unsafeSsl.
func (t *TLS) Params() param.Set {
	return append(param.Set{t.ModeField()}, t.MaterialParams()...)
}

// ModeField declares only the switch, for scalers that spell it differently.
func (t *TLS) ModeField() *param.Field {
	return param.Group("TLS", param.Text("tls", &t.mode).From(param.Metadata, param.Auth).
		OneOf("enable", "disable", "true", "false").Default("disable").
		Doc("Whether to connect with TLS."))[0]
}

// MaterialParams declares certificates and checks, for scalers whose address
// says whether TLS is used.
func (t *TLS) MaterialParams() param.Set {
	return append(t.CertificateParams(), t.UnsafeField("unsafeSsl"))
}

// CertificateParams declares the certificates only, for scalers that spell the
// switch for checks differently or take it from elsewhere.
func (t *TLS) CertificateParams() param.Set {
	return param.Group("TLS",
		param.Secret("ca", &t.ca).Doc("Certificate authorities (PEM) that the server's certificate is checked with; the system's when unset."),
		param.Secret("cert", &t.cert).IsSet(&t.hasCert).Doc("Client certificate (PEM)."),
		param.Secret("key", &t.key).IsSet(&t.hasKey).Doc("Private key of the client certificate (PEM)."),
		param.Secret("keyPassword", &t.keyPassword).Doc("Password of the private key."),
	)
}

// UnsafeField declares only the switch that skips checking certificates.
func (t *TLS) UnsafeField(name string) *param.Field {
	return param.Group("TLS", param.Bool(name, &t.unsafe).Default(false).Doc("Whether to skip checking the server's certificate."))[0]
}

// NamedParams declares certificates and checks under other names than usual.
func (t *TLS) NamedParams(ca, cert, key string) param.Set {
	t.caName, t.certName, t.keyName = ca, cert, key
	return param.Group("TLS",
		param.Secret(ca, &t.ca).Doc("Certificate authorities (PEM) that the server's certificate is checked with; the system's when unset."),
		param.Secret(cert, &t.cert).IsSet(&t.hasCert).Doc("Client certificate (PEM)."),
		param.Secret(key, &t.key).IsSet(&t.hasKey).Doc("Private key of the client certificate (PEM)."),
		t.UnsafeField("unsafeSsl"),
	)
}

// names are what the user knows the authorities, the certificate and its key by.
func (t *TLS) names() (ca, cert, key string) {
	return cmp.Or(t.caName, "ca"), cmp.Or(t.certName, "cert"), cmp.Or(t.keyName, "key")
}

// Trust sets the authorities (PEM), for those that come from a file.
func (t *TLS) Trust(pem string) { t.ca = param.Hide(pem) }

// HasPair says whether a client certificate and its key are given, or will be
// once the authenticationRef is resolved.
func (t *TLS) HasPair() bool { return t.hasCert && t.hasKey }

// HasCA says whether an authority of the trigger's own is given.
func (t *TLS) HasCA() bool { return !t.ca.IsZero() }

// Unsafe says whether the server's certificate is not to be checked.
func (t *TLS) Unsafe() bool { return t.unsafe }

// Enabled says whether the switch is on.
func (t *TLS) Enabled() bool { return t.mode == "enable" || t.mode == "true" }

// Enable turns the switch on, for scalers where something else implies it.
func (t *TLS) Enable() { t.mode = "enable" }

// Check finds certificates and keys that can't be used, without echoing them.
func (t *TLS) Check() param.Problems {
	var ps param.Problems
	ca, cert, key := t.names()
	if t.cert.IsZero() != t.key.IsZero() {
		ps.Errorf("authenticationRef", "only one of %s and %s is given; expected both for a client certificate, or neither", cert, key)
	}
	if _, err := t.build(); err != nil {
		ps.Errorf("authenticationRef", "%v", err)
	}
	if t.unsafe {
		ps.Warnf("metadata.unsafeSsl", "the server's certificate is not checked")
		ps.Hint("give the authority in %s instead", ca)
	}
	return ps
}

// Config returns the client settings, or nil when the switch is off.
func (t *TLS) Config() (*tls.Config, error) {
	if !t.Enabled() {
		return nil, nil
	}
	return t.build()
}

// Always returns the client settings whatever the switch says, for protocols
// whose address scheme decides.
func (t *TLS) Always() (*tls.Config, error) { return t.build() }

func (t *TLS) build() (*tls.Config, error) {
	caName, certName, keyName := t.names()
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.unsafe} //nolint:gosec // the user's explicit choice, warned about in Check
	if !t.ca.IsZero() {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if !roots.AppendCertsFromPEM([]byte(t.ca.Reveal())) {
			return nil, fmt.Errorf("%s holds no certificate in PEM form", caName)
		}
		c.RootCAs = roots
	}
	if t.cert.IsZero() || t.key.IsZero() {
		return c, nil
	}
	keyPEM, err := decryptKey([]byte(t.key.Reveal()), t.keyPassword)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair([]byte(t.cert.Reveal()), keyPEM)
	if err != nil {
		return nil, fmt.Errorf("%s and %s are not a matching pair in PEM form", certName, keyName)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

// decryptKey returns the key in plain PEM. Encrypted PKCS#8 is supported.
func decryptKey(keyPEM []byte, password param.Hidden) ([]byte, error) {
	if password.IsZero() {
		return keyPEM, nil
	}
	block, _ := pem.Decode(keyPEM)
	if block == nil {
		return nil, errors.New("key is not in PEM form")
	}
	if block.Type != "ENCRYPTED PRIVATE KEY" {
		return keyPEM, nil
	}
	key, err := pkcs8.ParsePKCS8PrivateKey(block.Bytes, []byte(password.Reveal()))
	if err != nil {
		return nil, errors.New("key can't be decrypted with keyPassword")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("key has an unsupported type: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// Digest stands for the settings in a pool key, revealing none.
func (t *TLS) Digest() string {
	return Digest(t.mode, t.ca.Reveal(), t.cert.Reveal(), t.key.Reveal(), t.keyPassword.Reveal(), fmt.Sprint(t.unsafe))
}

// Digest hashes parts so that a pool key reveals none of them. Parts are
// separated, so moving a character from one to the next changes it.
func Digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s;", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}
