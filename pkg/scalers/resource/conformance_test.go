package resource

import (
	"testing"

	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// TestConformance: the HPA measures; what is left is how the kinds are declared
// and decoded.
func TestConformance(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(kind.Name, func(t *testing.T) {
			scalertest.Run(t, scalertest.Case{Kind: kind, Metadata: map[string]string{"value": "60"}})
		})
	}
}
