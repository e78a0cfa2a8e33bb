package supervise

import (
	"context"
	"io"
	"os"
	"time"
)

// parentInterval is how often a process looks whether its parent is still there.
const parentInterval = 200 * time.Millisecond

// WatchParent calls gone once when this process has lost the parent it had at
// the call, because a child that lost its parent is given another one.
func WatchParent(ctx context.Context, gone func()) {
	parent := os.Getppid()
	go func() {
		tick := time.NewTicker(parentInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if os.Getppid() != parent {
				gone()
				return
			}
		}
	}()
}

// WatchPipe calls closed once when file, if it is a pipe, has no writer left.
// What is written to it is thrown away. Terminals, files and devices are not
// watched: they say nothing about who started this process.
func WatchPipe(file *os.File, closed func()) {
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, file)
		closed()
	}()
}
