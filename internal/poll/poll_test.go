package poll

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/store"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// server is a source of numbers that counts what it is asked.
type server struct {
	mu       sync.Mutex
	values   map[string]float64
	err      error
	delay    time.Duration
	trips    int
	asked    map[string]int
	watchers map[string]func(scaler.Signal)
	closed   int
	refuse   bool
	panics   bool
}

func newServer() *server {
	return &server{values: map[string]float64{}, asked: map[string]int{}, watchers: map[string]func(scaler.Signal){}}
}

func (s *server) set(name string, v float64) {
	s.mu.Lock()
	s.values[name] = v
	on := s.watchers[name]
	s.mu.Unlock()
	if on != nil {
		on(scaler.Signal{Kind: scaler.Arrived})
	}
}

func (s *server) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *server) counts(name string) (trips, asked, closed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trips, s.asked[name], s.closed
}

func (s *server) answer(ctx context.Context, names ...string) []scaler.Result {
	s.mu.Lock()
	delay := s.delay
	s.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.panics {
		panic("broken scaler")
	}
	s.trips++
	out := make([]scaler.Result, len(names))
	for i, n := range names {
		s.asked[n]++
		switch {
		case ctx.Err() != nil:
			out[i].Err = scaler.Unreachable(ctx.Err(), "asking")
		case s.err != nil:
			out[i].Err = s.err
		default:
			out[i].Reading.Value = s.values[n]
		}
	}
	return out
}

type config struct {
	server *server
	name   string
	batch  bool
	watch  bool
}

func (c config) Params() param.Set { return nil }
func (c config) Metric() string    { return c.name }

func (c config) Open(context.Context, scaler.Env) (scaler.Source, error) {
	switch {
	case c.watch:
		return watched{batched{single{c}}}, nil
	case c.batch:
		return batched{single{c}}, nil
	}
	return single{c}, nil
}

type single struct{ c config }

func (s single) Measure(ctx context.Context) (scaler.Reading, error) {
	r := s.c.server.answer(ctx, s.c.name)[0]
	return r.Reading, r.Err
}

func (s single) Host() string { return fmt.Sprintf("%p", s.c.server) }

func (s single) Close() error {
	s.c.server.mu.Lock()
	defer s.c.server.mu.Unlock()
	s.c.server.closed++
	return nil
}

type batched struct{ single }

func (b batched) BatchKey() string { return fmt.Sprintf("%p", b.c.server) }

func (b batched) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	names := make([]string, len(sources))
	for i, s := range sources {
		switch s := s.(type) {
		case batched:
			names[i] = s.c.name
		case watched:
			names[i] = s.c.name
		}
	}
	return b.c.server.answer(ctx, names...)
}

type watched struct{ batched }

func (w watched) Watch(on func(scaler.Signal)) func() {
	s := w.c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := scaler.Watching
	if s.refuse {
		kind = scaler.Refused
	}
	go on(scaler.Signal{Kind: kind, Err: errors.New("notifications are off")})
	if kind == scaler.Watching {
		s.watchers[w.c.name] = on
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, w.c.name)
	}
}

// bench is a running poller in a bubble of fake time.
type bench struct {
	t      *testing.T
	poller *Poller
	store  *store.Store
	server *server
	stop   context.CancelFunc
	done   chan struct{}
}

func start(t *testing.T, o Options) *bench {
	t.Helper()
	o.Store = store.New()
	ctx, stop := context.WithCancel(t.Context())
	b := &bench{t: t, poller: New(o), store: o.Store, server: newServer(), stop: stop, done: make(chan struct{})}
	go func() {
		defer close(b.done)
		_ = b.poller.Run(ctx)
	}()
	return b
}

func (b *bench) end() {
	b.stop()
	<-b.done
}

func keyOf(name string) model.Key {
	return model.Key{Group: model.GroupToday, Kind: model.KindScaledObject, Namespace: "default", Name: name}
}

func (b *bench) add(object string, c config, interval time.Duration) {
	c.server = b.server
	b.addTo(object, c, interval)
}

func (b *bench) addTo(object string, c config, interval time.Duration) {
	key := keyOf(object)
	b.store.SetEntry(store.Entry{Key: key, Metrics: []model.Metric{{External: "s0-" + c.name}}})
	b.poller.Set(b.t.Context(), key, []Trigger{{
		Identity: fmt.Sprintf("%p %s %v", c.server, c.name, c.batch), Kind: "test", Config: c, Interval: interval,
	}})
}

func (b *bench) sample(object string) model.Sample {
	b.t.Helper()
	s, ok := b.store.Sample(model.TriggerKey{Workload: keyOf(object)})
	if !ok {
		b.t.Fatalf("no sample of %s", object)
	}
	return s
}

// pass lets fake time go by until everything that can happen has happened.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestEqualTriggersAreMeasuredOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, Options{})
		defer b.end()
		b.server.set("jobs", 7)
		for i := range 50 {
			b.add("object-"+strconv.Itoa(i), config{name: "jobs"}, 30*time.Second)
		}
		pass(time.Second)
		if _, asked, _ := b.server.counts("jobs"); asked != 1 {
			t.Errorf("the source was asked %d times; expected once for all 50", asked)
		}
		if got := b.sample("object-49"); got.Value != 7 || !got.Active {
			t.Errorf("sample is %+v; expected value 7, active", got)
		}
	})
}

// TestNewTriggersShareRoundTrips: the first of many that appear one after the
// other is measured at once, the others once a second together.
func TestNewTriggersShareRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, Options{})
		defer b.end()
		const every = 5 * time.Millisecond
		first := config{name: "list-0", batch: true}
		b.add("object-0", first, time.Minute)
		pass(gatherDelay)
		if got := b.sample("object-0"); !got.Known() {
			t.Error("the first one is not measured at once")
		}
		for i := range 1000 {
			b.add("object-"+strconv.Itoa(1+i), config{name: "list-" + strconv.Itoa(1+i), batch: true}, time.Minute)
			pass(every)
		}
		pass(gatherEvery)
		if trips, _, _ := b.server.counts(""); trips > 8 {
			t.Errorf("%d round trips for what appeared within 5 seconds; expected about one a second", trips)
		}
		if got := b.sample("object-1000"); !got.Known() {
			t.Error("the last one is not measured")
		}
		pass(2 * gatherEvery)
		b.add("object-late", config{name: "late", batch: true}, time.Minute)
		pass(gatherDelay)
		if got := b.sample("object-late"); !got.Known() {
			t.Error("one that appears later is not measured at once")
		}
	})
}

func TestTriggersOfOneServerShareARoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, Options{})
		defer b.end()
		for i := range 1000 {
			b.add("object-"+strconv.Itoa(i), config{name: "list-" + strconv.Itoa(i), batch: true}, 30*time.Second)
			if i%100 == 0 {
				pass(10 * time.Millisecond)
			}
		}
		pass(10 * time.Minute)
		trips, asked, _ := b.server.counts("list-500")
		if asked < 20 {
			t.Errorf("list-500 was measured %d times in ten minutes; expected one every 30 s", asked)
		}
		if trips > 2*asked {
			t.Errorf("%d round trips for %d measurements of each of 1,000 triggers; expected them to be shared", trips, asked)
		}
	})
}

func TestASlowSourceDelaysNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, Options{})
		defer b.end()
		slow := newServer()
		slow.delay = time.Hour
		for i := range 100 {
			b.addTo("slow-"+strconv.Itoa(i), config{server: slow, name: strconv.Itoa(i)}, 10*time.Second)
		}
		b.add("quick", config{name: "jobs"}, 10*time.Second)
		pass(61 * time.Second)
		if _, asked, _ := b.server.counts("jobs"); asked != 7 {
			t.Errorf("the quick source was asked %d times in 61 s; expected 7", asked)
		}
		if got := b.sample("slow-0"); !got.Failing() || got.Reason != scaler.ReasonUnreachable || got.Known() {
			t.Errorf("sample of the hanging source is %+v; expected failures and no value", got)
		}
	})
}

func TestAFailureKeepsTheLastValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var denied []model.Key
		b := start(t, Options{OnDenied: func(k model.Key) { denied = append(denied, k) }})
		defer b.end()
		b.server.set("jobs", 40)
		b.add("object", config{name: "jobs"}, 10*time.Second)
		pass(time.Second)
		b.server.fail(scaler.Denied(errors.New("wrong password"), "reading jobs"))
		pass(10 * time.Second)
		got := b.sample("object")
		if got.Value != 40 || !got.Active || got.Failures != 1 || got.Reason != scaler.ReasonDenied {
			t.Errorf("after a failure the sample is %+v; expected value 40 and one failure", got)
		}
		if len(denied) != 1 || denied[0] != keyOf("object") {
			t.Errorf("told of denied credentials for %v; expected the object once", denied)
		}
		b.server.fail(nil)
		b.server.set("jobs", 3)
		pass(time.Minute)
		if got := b.sample("object"); got.Value != 3 || got.Failing() {
			t.Errorf("after recovery the sample is %+v; expected value 3 and no failure", got)
		}
	})
}

func TestNumbersThatNobodyCanScaleOnAreFailures(t *testing.T) {
	for name, v := range map[string]float64{"NaN": math.NaN(), "infinity": math.Inf(1), "minus infinity": math.Inf(-1)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, Options{})
				defer b.end()
				b.server.set("jobs", v)
				b.add("object", config{name: "jobs"}, 10*time.Second)
				pass(time.Second)
				if got := b.sample("object"); got.Known() || got.Reason != scaler.ReasonBadAnswer {
					t.Errorf("sample is %+v; expected a bad answer and no value", got)
				}
			})
		})
	}
}

func TestAPanicFailsItsOwnMeasurement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, Options{})
		defer b.end()
		broken := newServer()
		broken.panics = true
		b.addTo("broken", config{server: broken, name: "x"}, 10*time.Second)
		b.add("object", config{name: "jobs"}, 10*time.Second)
		pass(time.Second)
		if got := b.sample("broken"); got.Reason != scaler.ReasonBadAnswer {
			t.Errorf("sample of the broken scaler is %+v; expected a bad answer", got)
		}
		if got := b.sample("object"); !got.Known() {
			t.Errorf("the other trigger was not measured")
		}
	})
}

func TestAnArrivalIsMeasuredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, Options{})
		defer b.end()
		b.add("object", config{name: "jobs", batch: true, watch: true}, 30*time.Second)
		pass(time.Second)
		if got := b.sample("object"); got.Active || got.Watch.State != model.WatchOn {
			t.Fatalf("sample is %+v; expected an idle trigger that is watched", got)
		}
		b.server.set("jobs", 12)
		pass(100 * time.Millisecond)
		if got := b.sample("object"); got.Value != 12 || !got.Active {
			t.Errorf("100 ms after the arrival the sample is %+v; expected value 12", got)
		}
		pass(2 * time.Minute)
		b.server.mu.Lock()
		watching := len(b.server.watchers)
		b.server.mu.Unlock()
		if watching != 0 {
			t.Errorf("a trigger that stays active is still watched")
		}
		b.server.set("jobs", 0)
		pass(31 * time.Second)
		b.server.set("jobs", 1)
		pass(100 * time.Millisecond)
		if got := b.sample("object"); got.Value != 1 {
			t.Errorf("after the trigger became idle again the sample is %+v; expected value 1 at once", got)
		}
	})
}

func TestAServerThatCantTellIsProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, Options{ProbeInterval: time.Second})
		defer b.end()
		b.server.refuse = true
		b.add("object", config{name: "jobs", batch: true, watch: true}, 30*time.Second)
		pass(5 * time.Second)
		if got := b.sample("object"); got.Watch.State != model.WatchRefused || got.Watch.Message == "" {
			t.Errorf("watch is %+v; expected refused, with the reason", got.Watch)
		}
		b.server.set("jobs", 5)
		pass(1100 * time.Millisecond)
		if got := b.sample("object"); got.Value != 5 {
			t.Errorf("the arrival was not noticed within the probe interval: %+v", got)
		}
		_, before, _ := b.server.counts("jobs")
		pass(29 * time.Second)
		if _, after, _ := b.server.counts("jobs"); after-before > 1 {
			t.Errorf("an active trigger was measured %d times in 29 s; expected its polling interval", after-before)
		}
	})
}

func TestReadsAreAnsweredFromMemoryWhileFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, Options{})
		defer b.end()
		key := model.TriggerKey{Workload: keyOf("object")}
		b.server.set("jobs", 4)
		b.add("object", config{name: "jobs"}, 5*time.Minute)
		pass(9 * time.Second)
		b.poller.Read(t.Context(), key, false)
		if _, asked, _ := b.server.counts("jobs"); asked != 1 {
			t.Errorf("a fresh sample was measured again")
		}
		pass(10 * time.Second)
		b.server.set("jobs", 9)
		if got, _ := b.poller.Read(t.Context(), key, true); got.Value != 4 {
			t.Errorf("a cached read gave %v; expected the last poll's 4", got.Value)
		}
		var readers sync.WaitGroup
		for range 20 {
			readers.Go(func() {
				if got, _ := b.poller.Read(t.Context(), key, false); got.Value != 9 {
					t.Errorf("read %v; expected 9", got.Value)
				}
			})
		}
		readers.Wait()
		if _, asked, _ := b.server.counts("jobs"); asked != 2 {
			t.Errorf("20 readers made the source be asked %d times; expected one refresh", asked-1)
		}
	})
}

// TestAServerIsNotKeptBusy adds triggers for two seconds, faster than the
// server answers. They are all measured, in few round trips.
func TestAServerIsNotKeptBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, Options{})
		defer b.end()
		b.server.delay = 50 * time.Millisecond
		const n = 400
		for i := range n {
			b.add(strconv.Itoa(i), config{name: strconv.Itoa(i), batch: true}, time.Minute)
			pass(5 * time.Millisecond)
		}
		pass(300 * time.Millisecond)
		for i := range n {
			if !b.sample(strconv.Itoa(i)).Known() {
				t.Fatalf("trigger %d has not been measured", i)
			}
		}
		// One that takes 50 ms may start every 200 ms.
		if trips, _, _ := b.server.counts(""); trips > 13 {
			t.Errorf("it took %d round trips of 50 ms in 2.3 s; expected 13 at most", trips)
		}
	})
}

// TestReadsOfManyShareARoundTrip has HPAs read one active trigger after the
// other, each for the first time: the first read measures them all. What is
// idle at zero is not read, so it waits for its poll.
func TestReadsOfManyShareARoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, Options{})
		defer b.end()
		for i := range 10 {
			name := strconv.Itoa(i)
			b.server.set(name, float64(i%2))
			b.add(name, config{name: name, batch: true}, 5*time.Minute)
		}
		pass(20 * time.Second)
		before, _, _ := b.server.counts("")
		for i := 1; i < 10; i += 2 {
			key := model.TriggerKey{Workload: keyOf(strconv.Itoa(i))}
			if got, _ := b.poller.Read(t.Context(), key, false); time.Since(got.At) > freshFor {
				t.Errorf("trigger %d: a sample %s old answered an HPA", i, time.Since(got.At))
			}
			pass(time.Second)
		}
		if trips, _, _ := b.server.counts(""); trips != before+1 {
			t.Errorf("five reads in five seconds took %d round trips; expected 1", trips-before)
		}
		if _, asked, _ := b.server.counts("0"); asked != 1 {
			t.Errorf("an idle trigger was asked for %d times; expected its poll only", asked)
		}
	})
}

func TestAReaderDoesNotWaitLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, Options{})
		defer b.end()
		b.server.set("jobs", 4)
		b.add("object", config{name: "jobs"}, time.Minute)
		pass(20 * time.Second)
		b.server.mu.Lock()
		b.server.delay = time.Hour
		b.server.mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		from := time.Now()
		got, _ := b.poller.Read(ctx, model.TriggerKey{Workload: keyOf("object")}, false)
		if got.Value != 4 || time.Since(from) != time.Second {
			t.Errorf("read %v after %s; expected the last value 4 after 1 s", got.Value, time.Since(from))
		}
	})
}

func TestHurryMeasuresMoreOftenForSomeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, Options{})
		defer b.end()
		b.add("object", config{name: "jobs"}, 30*time.Second)
		pass(time.Second)
		b.poller.Hurry(keyOf("object"))
		pass(20 * time.Second)
		if _, asked, _ := b.server.counts("jobs"); asked != 1+len(hurrySteps) {
			t.Errorf("measured %d times; expected once and %d more", asked, len(hurrySteps))
		}
	})
}

func TestSetIsIdempotentAndRemoveCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, Options{})
		for range 10 {
			b.add("object", config{name: "jobs"}, 30*time.Second)
			pass(time.Second)
		}
		if _, asked, _ := b.server.counts("jobs"); asked != 1 {
			t.Errorf("setting the same trigger again measured it %d times; expected its schedule to stay", asked)
		}
		b.add("object", config{name: "other"}, 30*time.Second)
		pass(time.Second)
		if _, asked, closed := b.server.counts("other"); asked != 1 || closed != 1 {
			t.Errorf("after a change: %d measurements, %d closed; expected 1 and 1", asked, closed)
		}
		b.poller.Remove(keyOf("object"))
		pass(5 * time.Minute)
		if _, asked, closed := b.server.counts("other"); asked != 1 || closed != 2 {
			t.Errorf("after removal: %d measurements, %d closed; expected 1 and 2", asked, closed)
		}
		b.add("last", config{name: "jobs"}, 30*time.Second)
		b.end()
		if _, _, closed := b.server.counts("jobs"); closed != 3 {
			t.Errorf("%d sources closed at the end; expected all 3", closed)
		}
	})
}

func TestWhatOnlyAPersonCanMendIsAskedLessOften(t *testing.T) {
	asked := func(t *testing.T, err error) (n int) {
		synctest.Test(t, func(t *testing.T) {
			b := start(t, Options{})
			defer b.end()
			b.server.fail(err)
			b.add("object", config{name: "jobs"}, 10*time.Second)
			pass(5 * time.Minute)
			_, n, _ = b.server.counts("jobs")
		})
		return n
	}
	unreachable := asked(t, scaler.Unreachable(nil, "asking"))
	denied := asked(t, scaler.Denied(nil, "asking"))
	if unreachable < 30 {
		t.Errorf("an unreachable source was asked %d times in 5 minutes; expected every 10 s", unreachable)
	}
	if denied > 12 || denied < 5 {
		t.Errorf("a source that denies was asked %d times in 5 minutes; expected about every 40 s", denied)
	}
}
