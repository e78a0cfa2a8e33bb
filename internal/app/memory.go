package app

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

const (
	// gcPercent spends a little CPU to save memory: three quarters of the live
	// heap instead of all of it on top. Half of it would save another tenth of
	// the memory and cost a tenth of the CPU at rest.
	gcPercent = 75
	// releaseEvery is how often the executable's pages are unmapped: many are
	// touched at the start or once a minute only. It takes about a millisecond,
	// and as much to map anew what is in use.
	releaseEvery = 30 * time.Second
	// collectAfter is when start-up is over, for most clusters, and the heap
	// gives back what only that needed; collectEvery is how often it does so
	// afterwards, which costs a collection.
	collectAfter, collectEvery = time.Minute, 10 * time.Minute
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
	collect := time.Now().Add(collectAfter)
	for {
		forget := false
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticks.C:
			if forget = now.After(collect); forget {
				debug.FreeOSMemory()
				collect = now.Add(collectEvery)
			}
		}
		_ = dropExecutable() // it only saves memory
		if forget {
			_ = forgetExecutable() // so does this
		}
	}
}
