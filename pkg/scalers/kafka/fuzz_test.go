package kafka

import (
	"testing"

	"github.com/kedago/keda/pkg/scaler/param"
)

// FuzzKerberosFiles checks that no keytab and no krb5.conf of a trigger harms
// the process: the library's parsers panic at some.
func FuzzKerberosFiles(f *testing.F) {
	f.Add("\x05\x02\x00\x00\x00\x2f\x00\x01\x00\x01R\x00\x01u\x00\x00\x00\x01\x00\x00\x00\x00\x01\x00\x12\x00\x10aaaaaaaaaaaaaaaa", "[realms]\n R = {\n  kdc = k:88\n }\n")
	f.Add("\x05\x02\xff\xff\xff\xff", "[libdefaults]\n default_realm = R\n dns_lookup_kdc = yes\n[domain_realm]\n .r = R\n")
	f.Add("BQIAAAAA", "[realms]\nR = {\n auth_to_local_names = {\n a = b\n }\n}\n")
	f.Fuzz(func(t *testing.T, keytab, config string) {
		k := &krb{realm: "R", keytab: param.Hide(keytab), config: param.Hide(config)}
		if kt, err := k.readKeytab("u"); err == nil && len(kt.Entries) == 0 {
			t.Error("a keytab without keys is taken")
		}
		if c, err := k.readConfig(); err == nil && len(c.Realms) == 0 && !c.LibDefaults.DNSLookupKDC {
			t.Error("a configuration without KDCs is taken")
		}
	})
}
