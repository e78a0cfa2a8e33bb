package app

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

const (
	// gcPercent spends a little CPU, of which hardly any is used at rest, to
	// save much memory: half of the live heap instead of all of it on top.
	gcPercent = 50
	// releaseEvery is how often the executable's pages are unmapped, for the
	// first time when start-up is over in most clusters. Some are touched once a
	// minute only.
	releaseEvery = time.Minute
	// collectEvery is how many of these times memory of the heap is given back,
	// which costs a collection.
	collectEvery = 10
)

// boundHeap sets how much garbage may gather, unless the user has said so in
// the way of the Go runtime, and leaves out what only a profiler reads.
func boundHeap(profiled bool) {
	if !profiled {
		runtime.MemProfileRate = 0
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// releaseUnused gives memory back that is not in use, until ctx ends.
func releaseUnused(ctx context.Context) error {
	ticks := time.NewTicker(releaseEvery)
	defer ticks.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
		if i%collectEvery == 0 {
			debug.FreeOSMemory()
		}
		_ = dropExecutable() // it only saves memory
	}
}
