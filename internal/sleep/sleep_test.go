package sleep

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestFor: it takes the time, or as long as the context lasts, and says which.
func TestFor(t *testing.T) {
	for name, tt := range map[string]struct {
		ends, took time.Duration
		passed     bool
	}{
		"the time passes first":  {2 * time.Minute, time.Minute, true},
		"the context ends first": {time.Second, time.Second, false},
		"the context has ended":  {0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.ends)
				defer cancel()
				began := time.Now()
				if passed := For(ctx, time.Minute); passed != tt.passed || time.Since(began) != tt.took {
					t.Errorf("passed %t after %s, expected %t after %s", passed, time.Since(began), tt.passed, tt.took)
				}
			})
		})
	}
}
