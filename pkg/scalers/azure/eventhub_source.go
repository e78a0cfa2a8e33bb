package azure

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/kedago/keda/pkg/scaler"
)

// checkpointsAtOnce bounds the checkpoints read at the same time, to the
// connections to one server that are kept.
const checkpointsAtOnce = 4

// eventhubSource measures one consumer group. It owns its share of the
// connection to the hub and of the storage client.
type eventhubSource struct {
	hub         *hubClient
	key         string
	checkpoints *checkpointReader
	target      float64
	stale       int64
	release     []func()
}

var (
	_ scaler.Batcher = (*eventhubSource)(nil)
	_ scaler.Hosted  = (*eventhubSource)(nil)
)

// Host implements scaler.Hosted.
func (s *eventhubSource) Host() string { return s.hub.bus.host }

// BatchKey implements scaler.Batcher: consumer groups of one hub.
func (s *eventhubSource) BatchKey() string { return s.key }

// Close implements scaler.Source: it gives the clients back.
func (s *eventhubSource) Close() error {
	for _, r := range slices.Backward(s.release) {
		r()
	}
	return nil
}

// Measure implements scaler.Source.
func (s *eventhubSource) Measure(ctx context.Context) (scaler.Reading, error) {
	got := s.MeasureAll(ctx, []scaler.Source{s})[0]
	return got.Reading, got.Err
}

// MeasureAll implements scaler.Batcher. The hub is asked once, and the
// consumer groups' checkpoints are listed or read.
//
// Checkpoints are read after the partitions: what is processed meanwhile can
// only make the number smaller, and is no work for anybody.
func (s *eventhubSource) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	results := make([]scaler.Result, len(sources))
	partitions, err := s.hub.partitions(ctx)
	if err != nil {
		for i := range results {
			results[i].Err = err
		}
		return results
	}
	found := make([]*hubProgress, len(sources))
	reads := map[*blobService][]hubRead{}
	for i, src := range sources {
		src := src.(*eventhubSource)
		found[i] = newHubProgress(partitions)
		for j, p := range partitions {
			if p.retained() > 0 {
				reads[src.checkpoints.api] = append(reads[src.checkpoints.api], hubRead{found[i], src.checkpoints, j})
			}
		}
	}
	// One storage account that is slow must not hold up others.
	var accounts errgroup.Group
	roots := checkpointRoots(hostOnly(s.hub.bus.host), s.hub.hub)
	for _, some := range reads {
		accounts.Go(func() error { readCheckpoints(ctx, roots, some); return nil })
	}
	_ = accounts.Wait() // errors are in found
	for i, src := range sources {
		results[i].Reading, results[i].Err = src.(*eventhubSource).reading(found[i])
	}
	return results
}

// hubProgress is how far one consumer group has come in each partition.
type hubProgress struct {
	partitions  []hubPartition
	checkpoints []hubCheckpoint

	mu  sync.Mutex // guards err
	err error      // the first failure; nothing more is read then
}

func newHubProgress(partitions []hubPartition) *hubProgress {
	return &hubProgress{partitions: partitions, checkpoints: make([]hubCheckpoint, len(partitions))}
}

func (g *hubProgress) failed() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// fail notes the first failure.
func (g *hubProgress) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil {
		g.err = err
	}
}

// hubRead is the checkpoint of one partition, and where it is noted.
type hubRead struct {
	into      *hubProgress
	from      *checkpointReader
	partition int
}

// listed is the container whose listing may show the checkpoint; empty for none.
func (r hubRead) listed() string {
	if first := r.from.places[0]; first.inMetadata {
		return first.container
	}
	return ""
}

// do reads the checkpoint.
func (r hubRead) do(ctx context.Context, list *checkpointList) {
	if r.into.failed() != nil {
		return
	}
	c, err := r.from.read(ctx, r.into.partitions[r.partition].id, list)
	r.into.checkpoints[r.partition] = c
	if err != nil {
		r.into.fail(err)
	}
}

// readCheckpoints reads checkpoints of one storage account.
func readCheckpoints(ctx context.Context, roots []string, reads []hubRead) {
	wanted := map[string]int{}
	for _, r := range reads {
		wanted[r.listed()]++
	}
	delete(wanted, "")
	lists := map[string]*checkpointList{}
	failed := map[string]error{}
	for name, n := range wanted {
		lists[name], failed[name] = listCheckpoints(ctx, reads[0].from.api.NewContainerClient(name), roots, n)
	}
	var some errgroup.Group // errors are kept with the consumer groups
	some.SetLimit(checkpointsAtOnce)
	for _, r := range reads {
		if err := failed[r.listed()]; err != nil {
			r.into.fail(err)
			continue
		}
		some.Go(func() error { r.do(ctx, lists[r.listed()]); return nil })
	}
	_ = some.Wait()
}

// reading is the number for the HPA. More replicas than partitions would have
// nothing to do, so it is at most what makes as many; whether there is
// anything to do at all depends on the events alone.
func (s *eventhubSource) reading(found *hubProgress) (scaler.Reading, error) {
	if err := found.failed(); err != nil {
		return scaler.Reading{}, err
	}
	total, unread := 0.0, 0
	for i, p := range found.partitions {
		total += p.unprocessed(found.checkpoints[i], s.stale)
		if p.retained() > 0 && !found.checkpoints[i].found {
			unread++
		}
	}
	r := scaler.Reading{Value: min(total, s.target*float64(len(found.partitions))), ActivationValue: &total}
	if unread > 0 {
		r.Note = fmt.Sprintf("%d of %d partitions have events and no checkpoint; all their events count", unread, len(found.partitions))
	}
	return r, nil
}
