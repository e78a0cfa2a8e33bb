// Package sleep waits for a time to pass, or for a context to end. It owns
// nothing. Standard library only.
package sleep

import (
	"context"
	"time"
)

// For says whether the time has passed before ctx ended.
func For(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
