package secret

import (
	"errors"
	"time"

	"github.com/kedago/keda/pkg/scaler"
)

// take notes what was fetched, and says whether users see a difference.
func (e *entry) take(which []int, got []Fetched, o CacheOptions) (changed bool) {
	now, failed := o.Clock.Now(), false
	for i, n := range which {
		h, f := &e.held[n], got[i]
		before := *h
		h.at, h.err = now, f.Err
		h.second, h.doubted = h.doubted, false
		if alike(before.err, f.Err) {
			h.err = before.err // a port or a duration in it is no news
		}
		switch {
		case f.Err != nil:
			failed = true
		case f.Again > 0:
			h.value, h.has, h.issued, h.due = f.Value, true, f.Issued, now.Add(f.Again)
		default:
			h.value, h.has, h.issued = f.Value, true, f.Issued
			h.due = now.Add(o.Every + time.Duration(o.Jitter()*float64(o.Every)/10))
		}
		changed = changed || h.value != before.value || h.has != before.has || !alike(h.err, before.err)
	}
	if !failed {
		e.failures = 0
		return changed
	}
	pause := min(firstRetry<<min(e.failures, 10), o.Every)
	e.failures++
	for i, n := range which {
		if err := got[i].Err; err != nil {
			e.held[n].due = now.Add(max(pause, min(scaler.RetryAfterOf(err), o.Every)))
		}
	}
	return changed
}

// alike says whether two failures are the same to a user.
func alike(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	var x, y *scaler.Error
	if errors.As(a, &x) && errors.As(b, &y) {
		return x.Reason == y.Reason && x.Doing == y.Doing
	}
	return a.Error() == b.Error()
}

// due is when the first item is to be asked for again.
func (e *entry) due() time.Time {
	at := e.held[0].due
	for _, h := range e.held[1:] {
		at = earlier(at, h.due)
	}
	return at
}

// dueBy lists the items that are due by then.
func (e *entry) dueBy(then time.Time) []int {
	var out []int
	for i, h := range e.held {
		if !h.due.After(then) {
			out = append(out, i)
		}
	}
	return out
}

func (e *entry) close() {
	if e.store != nil {
		e.store.Close()
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func indexes(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
