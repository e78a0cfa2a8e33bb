package plane

import (
	"io"
	"strings"
	"sync"
)

// tailBytes is how much of what the helper said is kept for errors.
const tailBytes = 8 << 10

// tail passes on what is written to it and keeps the end. A next that fails is
// not written to again, so that a closed terminal does not end the plane.
type tail struct {
	mu   sync.Mutex
	next io.Writer
	end  []byte
}

func newTail(next io.Writer) *tail { return &tail{next: next} }

func (t *tail) Write(data []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, data...)
	if extra := len(t.end) - tailBytes; extra > 0 {
		t.end = append(t.end[:0], t.end[extra:]...)
	}
	if t.next != nil {
		if _, err := t.next.Write(data); err != nil {
			t.next = nil
		}
	}
	return len(data), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.end))
}
