package conn

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSplitMaterial: the two parts are the whole, and set the same switch.
func TestSplitMaterial(t *testing.T) {
	c := &TLS{}
	parts := append(c.CertificateParams(), c.UnsafeField("unsafeSsl"))
	if diff := cmp.Diff(c.MaterialParams().Describe(), parts.Describe()); diff != "" {
		t.Errorf("-whole +parts:\n%s", diff)
	}
}
