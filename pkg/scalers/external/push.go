package external

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kedago/keda/internal/sleep"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scalers/external/externalscalerpb"
)

// retryLeast and retryMost bound the pause before a stream is opened again.
const retryLeast, retryMost = 100 * time.Millisecond, 30 * time.Second

// pushed is a source that also listens to StreamIsActive, from the first Watch
// to Close.
//
// A message decides the measurement that it causes. Later measurements ask
// IsActive, as there are external scalers that only ever send true; one that
// does not have IsActive is taken at its last message.
type pushed struct {
	*source
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu       sync.Mutex // guards what follows; never held over I/O or while calling watchers
	watchers map[*func(scaler.Signal)]struct{}
	started  bool
	live     bool
	last     *bool // the last message
	unread   bool  // no measurement has used it yet
}

var _ scaler.Watcher = (*pushed)(nil)

func newPushed(s *source) *pushed {
	p := &pushed{source: s, watchers: map[*func(scaler.Signal)]struct{}{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// Close implements scaler.Source.
func (p *pushed) Close() error {
	p.cancel()
	return p.source.Close()
}

// Measure implements scaler.Source.
func (p *pushed) Measure(ctx context.Context) (scaler.Reading, error) {
	said := p.take()
	if said == nil {
		return p.measure(ctx, p.asked)
	}
	r, err := p.measure(ctx, func(context.Context) (bool, error) { return *said, nil })
	if err != nil {
		p.giveBack(said)
	}
	return r, err
}

// asked is IsActive, or the last message for who has none.
func (p *pushed) asked(ctx context.Context) (bool, error) {
	answer, err := p.client.IsActive(ctx, p.ref)
	if err == nil {
		return answer.GetResult(), nil
	}
	p.mu.Lock()
	last := p.last
	p.mu.Unlock()
	if status.Code(err) == codes.Unimplemented && last != nil {
		return *last, nil
	}
	return false, p.channel.Error(err, "asking the external scaler whether the workload is active")
}

// take returns the last message if no measurement has used it.
func (p *pushed) take() *bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.unread {
		return nil
	}
	p.unread = false
	return p.last
}

// giveBack leaves a message to the next measurement, unless there is a newer one.
func (p *pushed) giveBack(said *bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unread = p.unread || p.last == said
}

// Watch implements scaler.Watcher.
func (p *pushed) Watch(on func(scaler.Signal)) (stop func()) {
	key := &on
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watchers[key] = struct{}{}
	if !p.started {
		p.started = true
		go p.run()
	}
	if p.live {
		go on(scaler.Signal{Kind: scaler.Watching})
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.watchers, key)
	}
}

// tell changes the state and then calls the watchers.
func (p *pushed) tell(change func(), signals ...scaler.Signal) {
	p.mu.Lock()
	change()
	watchers := slices.Collect(maps.Keys(p.watchers))
	p.mu.Unlock()
	for _, on := range watchers {
		for _, s := range signals {
			(*on)(s)
		}
	}
}

// run keeps a stream open until Close.
func (p *pushed) run() {
	pause := retryLeast
	for again := false; ; again = true {
		heard, err := p.listen(again)
		if p.ctx.Err() != nil {
			return
		}
		if heard {
			pause = retryLeast
		}
		s := p.failed(err)
		if s.Kind == scaler.Refused {
			pause = retryMost
		}
		p.tell(func() { p.live = false }, s)
		if !sleep.For(p.ctx, pause) {
			return
		}
		pause = min(2*pause, retryMost)
	}
}

// failed says what the end of a stream means.
func (p *pushed) failed(err error) scaler.Signal {
	if errors.Is(err, io.EOF) {
		return scaler.Signal{Kind: scaler.Broken, Err: errors.New("the external scaler ended its stream")}
	}
	err = p.channel.Error(err, "listening to the external scaler")
	switch scaler.ReasonOf(err) {
	case scaler.ReasonDenied, scaler.ReasonMisconfigured:
		return scaler.Signal{Kind: scaler.Refused, Err: err}
	}
	return scaler.Signal{Kind: scaler.Broken, Err: err}
}

// listen opens a stream and listens until it ends. After an interruption there
// is something to measure: messages may have been missed. heard says that a
// message came.
func (p *pushed) listen(again bool) (heard bool, err error) {
	stream, err := p.client.StreamIsActive(p.ctx, p.ref, grpc.WaitForReady(true))
	if err != nil {
		return false, err
	}
	// Servers send headers with their first message only, so that nothing tells
	// a stream that is accepted from one that will be refused.
	signals := []scaler.Signal{{Kind: scaler.Watching}}
	if again {
		signals = append(signals, scaler.Signal{Kind: scaler.Arrived})
	}
	p.tell(func() { p.live = true }, signals...)
	for {
		var message *externalscalerpb.IsActiveResponse
		if message, err = stream.Recv(); err != nil {
			return heard, err
		}
		heard = true
		said := message.GetResult()
		p.tell(func() { p.last, p.unread = &said, true }, scaler.Signal{Kind: scaler.Arrived})
	}
}
