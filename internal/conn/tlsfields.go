package conn

import "github.com/kedago/keda/pkg/scaler/param"

// UnsafeField declares only the switch that skips checking certificates, for
// scalers that spell it differently or take it from elsewhere.
func (t *TLS) UnsafeField(name string) *param.Field {
	return param.Group("TLS", param.Bool(name, &t.unsafe).Default(false).Doc("Whether to skip checking the server's certificate."))[0]
}

// CertificateParams declares the certificates without that switch.
func (t *TLS) CertificateParams() param.Set {
	all := t.MaterialParams()
	return all[:len(all)-1]
}
