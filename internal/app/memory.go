package app

import (
	"context"
	"os"
	"runtime/debug"
	"time"
)

const (
	// gcPercent spends a little CPU, of which hardly any is used at rest, to
	// save much memory: half of the live heap instead of all of it on top.
	gcPercent = 50
	// releaseAfter is when start-up is over, for most clusters; releaseEvery
	// gives back what later bursts have touched.
	releaseAfter, releaseEvery = time.Minute, 10 * time.Minute
)

// boundHeap sets how much garbage may gather, unless the user has said so in
// the way of the Go runtime.
func boundHeap() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// releaseStartup gives memory back that only start-up needed, until ctx ends.
func releaseStartup(ctx context.Context) error {
	for wait := releaseAfter; ; wait = releaseEvery {
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		debug.FreeOSMemory()
		_ = dropExecutable() // it only saves memory
	}
}
