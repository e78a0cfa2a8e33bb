package secret

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// DefaultEvery is how often values are asked for again.
	DefaultEvery = 5 * time.Minute

	fetchLimit = 10 * time.Second
	mostAtOnce = 16
	// firstRetry is the pause after a first failure; it doubles up to Every.
	firstRetry = 15 * time.Second
	// freshFor is how old a value must be to be asked for again because a
	// source has refused it; issuedFor is for values that are made by asking.
	freshFor  = 10 * time.Second
	issuedFor = time.Minute
	// unusedFor is how long values are kept that nobody asks for: a workload is
	// known as a user only after its credentials have been resolved.
	unusedFor = time.Minute
	// together lets items of one store that are due at about the same time be
	// asked for with one Fetch.
	together = time.Second
)

// CacheOptions are required unless said otherwise.
type CacheOptions struct {
	// Every is how often values are asked for again; DefaultEvery when 0.
	Every time.Duration
	// Changed is told, outside of any lock, that values of a reference, or why
	// there are none, have changed.
	Changed func(model.Reference)
	// Used says whether a workload uses a reference.
	Used  func(model.Reference) bool
	Clock clock.Clock
	// Jitter returns a number from 0 up to 1.
	Jitter func() float64
	Log    *slog.Logger
}

// Cache holds the values of Stores: each is asked for once, however many
// workloads use it, and again from time to time, so that a rotated value is
// noticed. A value once got stays until there is another one; a failure comes
// beside it. It owns the Stores.
type Cache struct {
	opts    CacheOptions
	wake    chan struct{}
	slots   chan struct{}
	running sync.WaitGroup

	mu      sync.Mutex // guards entries, what is in them, and closed; never held during a Fetch
	entries map[model.Reference]*entry
	closed  bool // Run has ended
}

// entry is one Store with the items that are asked of it.
type entry struct {
	ref   model.Reference
	items []Item
	open  func() (Store, error)
	store Store // touched by the fetch at work only, and by nobody else before it has ended

	held     []held
	failures int
	askedAt  time.Time
	busy     chan struct{} // closed when the fetch at work ends; nil when none is
	ready    bool          // the first fetch has ended
}

// held is what is known of an item: a value once it was got, and why it can't
// be asked for again.
type held struct {
	value  string
	has    bool
	err    error
	at     time.Time // of the last fetch
	due    time.Time
	issued bool // the value is made by asking for it
	// doubted has the next fetch be due to a refusal; second says that the
	// value came from such a fetch.
	doubted, second bool
}

// NewCache returns an empty cache. Without Run values are got once only.
func NewCache(o CacheOptions) *Cache {
	o.Every = cmp.Or(o.Every, DefaultEvery)
	return &Cache{opts: o, wake: make(chan struct{}, 1), slots: make(chan struct{}, mostAtOnce), entries: map[model.Reference]*entry{}}
}

// get returns what is known of items, one result each. The first time it
// waits for the store. ref stands for store, login and items; open and items
// are of no interest later.
func (c *Cache) get(ctx context.Context, ref model.Reference, items []Item, open func() (Store, error)) []held {
	c.mu.Lock()
	e := c.entries[ref]
	if e == nil && c.closed {
		c.mu.Unlock()
		return failed(len(items), context.Canceled)
	}
	if e == nil {
		e = &entry{ref: ref, items: items, open: open, held: make([]held, len(items))}
		c.entries[ref] = e
		c.start(ctx, e, indexes(len(items)))
	}
	e.askedAt = c.opts.Clock.Now()
	busy, ready := e.busy, e.ready
	c.mu.Unlock()
	if !ready {
		select {
		case <-busy:
		case <-ctx.Done():
			return failed(len(items), ctx.Err())
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(e.held)
}

// failed is what is known of items that could not be waited for.
func failed(n int, err error) []held {
	out := make([]held, n)
	for i := range out {
		out[i].err = scaler.Unreachable(err, "waiting for the first answer")
	}
	return out
}

// Distrust has values of a reference asked for again soon, since a source has
// refused them. One that is made by asking is made anew once only: with a new
// one after every refusal, nobody would see that the source keeps refusing.
func (c *Cache) Distrust(ref model.Reference) {
	now := c.opts.Clock.Now()
	c.mu.Lock()
	e, sooner := c.entries[ref], false
	if e != nil {
		for i := range e.held {
			h := &e.held[i]
			old := freshFor
			if h.issued {
				old = issuedFor
			}
			if now.Sub(h.at) >= old && h.due.After(now) && !(h.issued && h.second) {
				h.due, h.doubted, sooner = now, true, true
			}
		}
	}
	c.mu.Unlock()
	if sooner {
		c.poke()
	}
}

// Run keeps values up to date until ctx ends. Then it closes the stores.
func (c *Cache) Run(ctx context.Context) error {
	defer c.close()
	for {
		timer := c.opts.Clock.NewTimer(c.sweep(ctx))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C():
		case <-c.wake:
			timer.Stop()
		}
	}
}

// sweep starts fetching what is due, drops what nobody uses any more, and
// returns how long nothing else is to be done.
func (c *Cache) sweep(ctx context.Context) time.Duration {
	now := c.opts.Clock.Now()
	next := now.Add(c.opts.Every)
	var due []*entry
	c.mu.Lock()
	for _, e := range c.entries {
		switch at := e.due(); {
		case e.busy != nil:
		case at.After(now):
			next = earlier(next, at)
		default:
			due = append(due, e)
		}
	}
	c.mu.Unlock()
	for _, e := range due {
		used := c.opts.Used(e.ref)
		c.mu.Lock()
		switch {
		case e.busy != nil || c.entries[e.ref] != e:
		case !used && now.Sub(e.askedAt) >= unusedFor:
			delete(c.entries, e.ref)
			e.close()
		default:
			c.start(ctx, e, e.dueBy(now.Add(together)))
		}
		c.mu.Unlock()
	}
	return next.Sub(now)
}

// start fetches items in the background. Called with the lock held.
func (c *Cache) start(ctx context.Context, e *entry, which []int) {
	e.busy = make(chan struct{})
	c.running.Go(func() {
		c.slots <- struct{}{}
		defer func() { <-c.slots }()
		// Others wait for it too, so it outlives who asked first.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchLimit)
		defer cancel()
		got := c.fetch(ctx, e, which)
		c.mu.Lock()
		changed := e.take(which, got, c.opts)
		e.ready = true
		close(e.busy)
		e.busy = nil
		c.mu.Unlock()
		if changed {
			c.opts.Changed(e.ref)
		}
		c.poke()
	})
}

// fetch asks the store, opened if need be. A panic in somebody's client, on
// an answer that it did not expect, is one more failure.
func (c *Cache) fetch(ctx context.Context, e *entry, which []int) (got []Fetched) {
	all := func(err error) []Fetched {
		got := make([]Fetched, len(which))
		for i := range got {
			got[i].Err = err
		}
		return got
	}
	defer func() {
		if r := recover(); r != nil {
			c.opts.Log.Error("a client of a secret store panicked", "store", e.ref.Kind, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			got = all(scaler.BadAnswer(nil, "the answer could not be read"))
		}
	}()
	if e.store == nil {
		store, err := e.open()
		if err != nil {
			return all(err)
		}
		e.store = store
	}
	items := make([]Item, len(which))
	for i, n := range which {
		items[i] = e.items[n]
	}
	return e.store.Fetch(ctx, items)
}

func (c *Cache) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *Cache) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.running.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for ref, e := range c.entries {
		delete(c.entries, ref)
		e.close()
	}
}
