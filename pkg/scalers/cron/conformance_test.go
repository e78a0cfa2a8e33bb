package cron

import (
	"testing"

	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// TestConformance: there is no server to fail; what is left is how it is
// declared and decoded.
func TestConformance(t *testing.T) {
	scalertest.Run(t, scalertest.Case{Kind: Kinds()[0], Metadata: metadata()})
}
