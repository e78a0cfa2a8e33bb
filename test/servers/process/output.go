package process

import (
	"bytes"
	"strings"
	"sync"
)

// output keeps the end of what a process writes, and tells its lines.
type output struct {
	each func(line string) // may be nil

	mu   sync.Mutex
	last []byte
	line []byte // has not ended yet
}

const (
	mostKept = 8 << 10
	mostLine = 64 << 10 // what is longer counts as several
)

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = append(o.last, b...)
	o.last = o.last[max(0, len(o.last)-mostKept):]
	if o.each == nil {
		return len(b), nil
	}
	o.line = append(o.line, b...)
	for {
		line, rest, ended := bytes.Cut(o.line, []byte("\n"))
		if !ended && len(line) < mostLine {
			return len(b), nil
		}
		o.each(strings.TrimSuffix(string(line), "\r"))
		o.line = rest
	}
}

// String implements fmt.Stringer.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(string(o.last))
}
