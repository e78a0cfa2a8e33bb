package external

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// listen watches a source and waits until the external scaler has its stream.
func listen(t *testing.T, s *service, w scaler.Watcher) <-chan scaler.Signal {
	t.Helper()
	signals := make(chan scaler.Signal, 16)
	t.Cleanup(w.Watch(func(sig scaler.Signal) { signals <- sig }))
	want(t, signals, scaler.Watching)
	until(t, "the stream is open", func() bool { return s.listeners() == 1 })
	return signals
}

func want(t *testing.T, signals <-chan scaler.Signal, kind scaler.SignalKind) scaler.Signal {
	t.Helper()
	over := time.After(20 * time.Second)
	for {
		select {
		case got := <-signals:
			if got.Kind == kind {
				return got
			}
		case <-over:
			t.Fatalf("no signal of kind %v in time", kind)
		}
	}
}

func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func active(t *testing.T, s scaler.Source) bool {
	t.Helper()
	r, err := measure(t, s)
	if err != nil || r.Active == nil {
		t.Fatalf("got %+v, %v", r, err)
	}
	return *r.Active
}

// TestMessageDecides checks that a message decides one measurement, and that
// IsActive decides those after it.
func TestMessageDecides(t *testing.T) {
	for name, tt := range map[string]struct {
		asked, pushed, first, second bool
	}{
		"only ever pushes true": {asked: false, pushed: true, first: true, second: false},
		"pushes false":          {asked: true, pushed: false, first: false, second: true},
		"agrees":                {asked: true, pushed: true, first: true, second: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			source := open(t, "external-push", param.Values{Metadata: at(s.address)})
			signals := listen(t, s, source.(scaler.Watcher))
			s.change(func() { s.active = tt.asked })
			s.push(tt.pushed)
			want(t, signals, scaler.Arrived)
			if got := active(t, source); got != tt.first {
				t.Errorf("after the message: active is %t", got)
			}
			if got := active(t, source); got != tt.second {
				t.Errorf("at the next poll: active is %t", got)
			}
		})
	}
}

// TestLastMessage checks external scalers that have no IsActive.
func TestLastMessage(t *testing.T) {
	s := start(t)
	s.change(func() { s.noActive = true })
	source := open(t, "external-push", param.Values{Metadata: at(s.address)})
	if r, err := measure(t, source); scaler.ReasonOf(err) != scaler.ReasonMisconfigured {
		t.Errorf("before any message: got %+v, %v", r, err)
	}
	signals := listen(t, s, source.(scaler.Watcher))
	for _, said := range []bool{true, false, true} {
		s.push(said)
		want(t, signals, scaler.Arrived)
		for range 2 {
			if got := active(t, source); got != said {
				t.Errorf("after %t: active is %t", said, got)
			}
		}
	}
}

// TestMessageKept checks that a failed measurement leaves the message to the next.
func TestMessageKept(t *testing.T) {
	s := start(t)
	source := open(t, "external-push", param.Values{Metadata: at(s.address)})
	signals := listen(t, s, source.(scaler.Watcher))
	s.push(true)
	want(t, signals, scaler.Arrived)
	s.change(func() { s.refuse = codes.Internal })
	if r, err := measure(t, source); err == nil {
		t.Fatalf("got %+v from a scaler that fails", r)
	}
	s.change(func() { s.refuse = codes.OK })
	if !active(t, source) {
		t.Error("the message is forgotten")
	}
}

// TestStreamRefused checks that an external scaler without streams is polled,
// and that the status can say why.
func TestStreamRefused(t *testing.T) {
	s := start(t)
	s.change(func() { s.refuse = codes.Unimplemented })
	source := open(t, "external-push", param.Values{Metadata: at(s.address)})
	signals := make(chan scaler.Signal, 16)
	t.Cleanup(source.(scaler.Watcher).Watch(func(sig scaler.Signal) { signals <- sig }))
	if got := want(t, signals, scaler.Refused); scaler.ReasonOf(got.Err) != scaler.ReasonMisconfigured {
		t.Errorf("refused with %v", got.Err)
	}
}

// TestStreamOutlivesWatch checks that messages count while nobody watches, and
// that the stream ends with the source.
func TestStreamOutlivesWatch(t *testing.T) {
	s := start(t)
	source := open(t, "external-push", param.Values{Metadata: at(s.address)})
	signals := make(chan scaler.Signal, 16)
	stop := source.(scaler.Watcher).Watch(func(sig scaler.Signal) { signals <- sig })
	want(t, signals, scaler.Watching)
	until(t, "the stream is open", func() bool { return s.listeners() == 1 })
	stop()
	s.push(true)
	until(t, "the message is read", func() bool { return active(t, source) })
	if err := source.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "the stream is closed", func() bool { return s.listeners() == 0 })
}
