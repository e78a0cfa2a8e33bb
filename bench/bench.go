package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/kedago/keda/internal/sleep"
	"github.com/kedago/keda/internal/up"
)

const (
	// backlogItems ask for maxReplicas replicas by the threshold.
	backlogItems = 500
	maxReplicas  = 100
	// patience is how long a try may take before it counts as missed.
	itemPatience    = 2 * time.Minute
	backlogPatience = 5 * time.Minute
	setupPatience   = 30 * time.Minute
	betweenTries    = 1300 * time.Millisecond // no divisor of the polling interval
)

// bench is one run. Its parts are set as they start.
type bench struct {
	options
	started  time.Time
	dir      string
	profiler string
	source   source
	cluster  *cluster
	operator *up.Operator
	report   *report
}

func logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
}

// isActive says which ScaledObjects have items from the start: 30 %, evenly
// spread.
func isActive(i int) bool { return i%10 < 3 }

// idle lists the first k of n ScaledObjects that have none, or all of them.
func idle(n, k int) []int {
	var out []int
	for i := 0; i < n && len(out) < k; i++ {
		if !isActive(i) {
			out = append(out, i)
		}
	}
	return out
}

func (b *bench) run(ctx context.Context) (*report, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := b.start(ctx); err != nil {
		return nil, err
	}
	go b.guard(ctx, cancel)
	for _, phase := range []func(context.Context) error{b.setUp, b.atRest, b.items, b.backlogs} {
		if err := phase(ctx); err != nil {
			return nil, err
		}
	}
	return b.report, nil
}

// start runs everything, with no ScaledObject yet.
func (b *bench) start(ctx context.Context) error {
	var err error
	if b.state != "" {
		if err = os.MkdirAll(b.state, 0o700); err != nil {
			return fmt.Errorf("making the state folder: %w", err)
		}
	}
	if b.dir, err = os.MkdirTemp(b.state, "keda-bench-"); err != nil {
		return fmt.Errorf("making the state folder: %w", err)
	}
	logf("logs and state are in %s", b.dir)
	if b.profile != "" {
		port, err := freePort()
		if err != nil {
			return err
		}
		b.profiler = local(port)
	}
	if b.source, err = startSource(ctx, b.options, b.dir); err != nil {
		return err
	}
	logf("%s runs; preparing %d queues", b.source.name(), b.n)
	items := func(i int) int {
		if isActive(i) {
			return threshold
		}
		return 0
	}
	if err := b.source.prepare(ctx, b.n, items, idle(b.n, b.tries+b.backlogTries)); err != nil {
		return err
	}
	if b.cluster, err = startCluster(ctx, b.options, b.dir, io.Discard); err != nil {
		return err
	}
	logf("the control plane runs, ready after %s", b.cluster.plane.ReadyAfter().Round(time.Millisecond))
	if b.operator, err = b.cluster.startOperator(ctx, b.options, b.dir, b.profiler); err != nil {
		return err
	}
	b.report = newReport(b.options, b.source.name(), b.started)
	return nil
}

// guard ends the run when a process of ours ends before its time.
func (b *bench) guard(ctx context.Context, cancel context.CancelCauseFunc) {
	select {
	case <-ctx.Done():
	case <-b.operator.Done():
		cancel(fmt.Errorf("the operator ended: %w; its log is in %s", errors.Join(errors.New("unexpectedly"), b.operator.Err()), b.dir))
	case <-b.cluster.plane.Done():
		cancel(errors.Join(errors.New("the control plane ended"), b.cluster.plane.Err()))
	}
}

func (b *bench) close() {
	if b.operator != nil {
		b.operator.Stop()
	}
	if b.cluster != nil {
		b.cluster.stop()
	}
	if b.source != nil {
		b.source.stop()
	}
	if b.state == "" && b.dir != "" && b.report != nil {
		_ = os.RemoveAll(b.dir)
	}
}

// setUp creates the objects and measures how long until all HPAs exist.
func (b *bench) setUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, setupPatience)
	defer cancel()
	if err := eachOf(ctx, b.n, b.cluster.createDeployment); err != nil {
		return err
	}
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	empty, err := memoryOf(b.operator.PID)
	if err != nil {
		return err
	}
	b.report.Rest.EmptyMiB = round(empty.total, 1)
	used, err := b.usage(ctx)
	if err != nil {
		return err
	}
	logf("%d Deployments exist; creating ScaledObjects", b.n)

	w, begin := b.cluster.watch, time.Now()
	created, profiled := make(chan error, 1), make(chan error, 1)
	go func() { profiled <- b.takeProfile(ctx, "profile?seconds=20", "setup-cpu.pprof") }()
	go func() {
		err := eachOf(ctx, b.n, func(ctx context.Context, i int) error {
			return b.cluster.createScaledObject(ctx, b.api, i, b.source)
		})
		b.report.ApplySeconds = seconds(time.Since(begin))
		if err != nil {
			cancel()
		}
		created <- err
	}()
	hpaErr := w.until(ctx, "all HPAs exist", func() bool { return len(w.hpas) == b.n })
	b.report.HPASeconds = seconds(time.Since(begin))
	if err := errors.Join(<-created, hpaErr); err != nil {
		return err
	}
	logf("%d HPAs exist after %.1f s", b.n, b.report.HPASeconds)
	err = w.until(ctx, "all active workloads have a replica", func() bool {
		for i := range b.n {
			if isActive(i) && w.replicas[workload(i)] == 0 {
				return false
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	b.report.ActiveSeconds = seconds(time.Since(begin))
	logf("all active workloads have replicas after %.1f s; settling for %s", b.report.ActiveSeconds, b.settle)
	if err := pause(ctx, b.settle); err != nil {
		return err
	}
	if err := <-profiled; err != nil {
		return err
	}
	after, err := b.usage(ctx)
	if err != nil {
		return err
	}
	b.report.SetUpCPUSeconds = round((after.cpu - used.cpu).Seconds(), 2)
	b.report.SetUpRequests = map[string]float64{}
	for method, n := range after.requests {
		b.report.SetUpRequests[method] = round((n-used.requests[method])/float64(b.n), 2)
	}
	b.report.SetUpSource = after.source.since(used.source).requests
	return nil
}

// usage is the operator's CPU time, its requests to the API server and what
// it has cost the source so far.
type usage struct {
	cpu      time.Duration
	requests map[string]float64
	source   cost
}

func (b *bench) usage(ctx context.Context) (u usage, err error) {
	if u.cpu, err = cpuTime(b.operator.PID); err != nil {
		return u, err
	}
	if u.requests, err = apiRequests(ctx, b.operator.MetricsURL); err != nil {
		return u, err
	}
	u.source, err = b.source.cost(ctx)
	return u, err
}

// atRest measures cost while nothing changes.
func (b *bench) atRest(ctx context.Context) error {
	profiled := make(chan error, 1)
	go func() {
		profiled <- b.takeProfile(ctx, fmt.Sprintf("profile?seconds=%d", int(b.rest.Seconds())), "cpu.pprof")
	}()
	before, err := b.source.cost(ctx)
	if err != nil {
		return err
	}
	cpuBefore, err := cpuTime(b.operator.PID)
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := pause(ctx, b.rest); err != nil {
		return err
	}
	cpuAfter, err := cpuTime(b.operator.PID)
	if err != nil {
		return err
	}
	span := time.Since(begin).Seconds()
	after, err := b.source.cost(ctx)
	if err != nil {
		return err
	}
	m, err := memoryOf(b.operator.PID)
	if err != nil {
		return err
	}
	if err := errors.Join(<-profiled, b.takeProfile(ctx, "heap", "heap.pprof"), b.takeProfile(ctx, "goroutine?debug=1", "goroutines.txt")); err != nil {
		return err
	}
	b.report.Rest.fill(span, m, cpuAfter-cpuBefore, after.since(before))
	logf("at rest: %.1f MiB, %.1f millicores, %d connections, %.2f round trips/s", m.total, b.report.Rest.CPUMillicores,
		after.connections, b.report.Rest.RoundTripsPerSec)
	return nil
}

func (r *resting) fill(span float64, m memory, cpu time.Duration, used cost) {
	r.Seconds, r.MemoryMiB, r.PeakMiB = round(span, 1), round(m.total, 1), round(m.peak, 1)
	r.AnonymousMiB, r.FileMiB = round(m.anonymous, 1), round(m.file, 1)
	r.CPUMillicores = round(cpu.Seconds()/span*1000, 1)
	r.Connections = used.connections
	r.RoundTripsPerSec = round(float64(used.trips)/span, 2)
	r.BytesPerSecond = round(float64(used.bytes)/span, 0)
	r.RequestsPerSecond = round(float64(used.total())/span, 2)
	r.Requests = map[string]float64{}
	for kind, n := range used.requests {
		r.Requests[kind] = round(float64(n)/span, 2)
	}
}

// takeProfile saves what the operator's profiler says, if it was asked for.
func (b *bench) takeProfile(ctx context.Context, what, file string) error {
	if b.profile == "" {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.profiler+"/debug/pprof/"+what, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("profiling: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := os.MkdirAll(b.profile, 0o755); err != nil {
		return fmt.Errorf("profiling: %w", err)
	}
	data, err := io.ReadAll(resp.Body)
	if err == nil {
		err = os.WriteFile(filepath.Join(b.profile, file), data, 0o644)
	}
	if err != nil {
		return fmt.Errorf("profiling: %w", err)
	}
	return nil
}

// items adds single items to idle workloads, one after the other.
func (b *bench) items(ctx context.Context) error {
	var took []time.Duration
	for _, i := range idle(b.n, b.tries) {
		_, d, _, err := b.try(ctx, i, 1, 1, itemPatience)
		if err != nil {
			return err
		}
		took = append(took, d)
	}
	b.report.Item = summarize(took)
	logf("item to replica: p50 %.3f s, p90 %.3f s", b.report.Item.P50, b.report.Item.P90)
	return nil
}

// backlogs adds many items at once to idle workloads.
func (b *bench) backlogs(ctx context.Context) error {
	var took, first []time.Duration
	for _, i := range idle(b.n, b.tries+b.backlogTries)[b.tries:] {
		begin, d, steps, err := b.try(ctx, i, backlogItems, maxReplicas, backlogPatience)
		if err != nil {
			return err
		}
		took = append(took, d)
		if len(steps) > 0 {
			first = append(first, steps[0].at.Sub(begin))
			b.report.Backlog.FirstWrite = append(b.report.Backlog.FirstWrite, steps[0].replicas)
		}
	}
	b.report.Backlog.Seconds, b.report.Backlog.FirstSeconds = summarize(took), summarize(first)
	logf("backlog to %d replicas: p50 %.3f s; the first write asked for %v", maxReplicas, b.report.Backlog.Seconds.P50, b.report.Backlog.FirstWrite)
	return nil
}

// try adds items to an idle workload and waits until its Deployment asks for
// enough replicas. The time counts from begin, before the items are sent; it
// is negative when patience ends first.
func (b *bench) try(ctx context.Context, i, items int, replicas int32, patience time.Duration) (begin time.Time, took time.Duration, steps []step, err error) {
	if err := pause(ctx, betweenTries); err != nil {
		return begin, 0, nil, err
	}
	w := b.cluster.watch
	begin = time.Now()
	if err := b.source.add(ctx, i, items); err != nil {
		return begin, 0, nil, err
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = w.until(limited, "the Deployment asks for replicas", func() bool { return w.replicas[workload(i)] >= replicas })
	steps = w.stepsOf(workload(i), begin)
	if err != nil {
		return begin, -1, steps, context.Cause(ctx) // nil when only the patience ended
	}
	for _, s := range steps {
		if s.replicas >= replicas {
			return begin, s.at.Sub(begin), steps, nil
		}
	}
	return begin, 0, nil, fmt.Errorf("workload %s had its replicas before the items came", workload(i))
}

func pause(ctx context.Context, d time.Duration) error {
	if !sleep.For(ctx, d) {
		return context.Cause(ctx)
	}
	return nil
}
