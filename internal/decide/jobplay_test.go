package decide

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/kedago/keda/internal/model"
)

// play is a queue with the Jobs that work on it, over time. An item is for one
// Job: as soon as there are more Jobs than items, work was doubled.
type play struct {
	in       JobInput
	rand     *rand.Rand
	now      time.Duration
	queue    int
	arrived  int
	made     int
	workers  []*worker
	busiest  int
	locked   bool // the source shows what is being worked on until it is done
	restarts bool
}

type worker struct {
	name         string
	starts, ends time.Duration

	started, ended bool
	startedAt      time.Time
	idle           bool // found nothing to do
}

// slowest is how long a pod may take to start, longest how long its work.
const slowest, longest = 90 * time.Second, 60 * time.Second

func (p *play) at() time.Time { return t0.Add(p.now) }

// pass lets what is due happen: pods take an item when they start and are done
// with it at their end.
func (p *play) pass(until time.Duration) {
	for ; p.now < until; p.now += 100 * time.Millisecond {
		for _, w := range p.workers {
			if !w.started && w.starts <= p.now {
				free := p.queue - p.busy()
				w.started, w.startedAt, w.idle = true, p.at(), free == 0
				if !p.locked && !w.idle {
					p.queue--
				}
			}
			if w.started && !w.ended && w.ends <= p.now {
				w.ended = true
				if p.locked && !w.idle {
					p.queue--
				}
				p.in.Jobs.Left = append(p.in.Jobs.Left, p.at())
			}
		}
	}
}

// busy counts the items of the queue that are being worked on.
func (p *play) busy() int {
	n := 0
	for _, w := range p.workers {
		if p.locked && w.started && !w.ended && !w.idle {
			n++
		}
	}
	return n
}

// poll measures, which takes a while, and decides; sometimes twice or three
// times on the same sample, and sometimes by a process that has just started.
func (p *play) poll() {
	began := p.at()
	length := p.queue
	p.pass(p.now + time.Duration(p.rand.IntN(900))*time.Millisecond)
	p.in.Samples[0] = model.Sample{Value: float64(length), Active: length > 0, At: began}
	for range 1 + p.rand.IntN(3) {
		p.decide()
		p.pass(p.now + time.Duration(p.rand.IntN(4000))*time.Millisecond)
	}
	if p.restarts && p.rand.IntN(5) == 0 {
		p.in.Considered, p.in.Jobs.Left, p.in.Samples[0] = time.Time{}, nil, model.Sample{}
	}
}

func (p *play) decide() {
	p.in.Now = p.at()
	p.in.Jobs.States = nil
	for _, w := range p.workers {
		if w.ended {
			continue
		}
		p.in.Jobs.States = append(p.in.Jobs.States, model.JobState{Name: w.name, Started: w.started, StartedAt: w.startedAt, Ours: true})
	}
	d := Jobs(p.in)
	for range d.Create {
		p.made++
		starts := p.now + time.Duration(p.rand.Int64N(int64(slowest)))
		p.workers = append(p.workers, &worker{
			name: fmt.Sprint(p.made), starts: starts, ends: starts + time.Second + time.Duration(p.rand.Int64N(int64(longest))),
		})
	}
	if d.Considered {
		p.in.Considered = p.at()
	}
	p.busiest = max(p.busiest, int(d.To))
}

// TestNeverMoreJobsThanItems plays sources of both kinds with the strategies
// made for them: slow pods, polls that overlap with the ends of Jobs, repeated
// decisions and restarts never make more Jobs than there were items, and all
// items are worked on.
func TestNeverMoreJobsThanItems(t *testing.T) {
	for _, c := range []struct {
		strategy string
		locked   bool
	}{{"default", true}, {"accurate", false}, {"eager", false}, {"custom", false}} {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restarts %v", c.strategy, restarts), func(t *testing.T) {
				for seed := range uint64(40) {
					w := scaledJob(byStrategy(c.strategy), func(w *model.Workload) { w.Job.Strategy.RunningShare = 0 })
					p := &play{in: jobInput(w, nil, model.Sample{}), rand: rand.New(rand.NewPCG(seed, 1)), locked: c.locked, restarts: restarts}
					for i := range 60 {
						if i < 20 && p.rand.IntN(2) == 0 {
							n := p.rand.IntN(12)
							p.queue += n
							p.arrived += n
						}
						p.poll()
						p.pass(time.Duration(i+1) * 30 * time.Second)
					}
					idle := slices.ContainsFunc(p.workers, func(w *worker) bool { return w.idle })
					if p.made > p.arrived || idle || p.queue > 0 || p.busiest > 10 {
						t.Fatalf("seed %d: %d Jobs for %d items, %d left, %d at once; a Job had nothing to do: %v", seed, p.made, p.arrived, p.queue, p.busiest, idle)
					}
				}
			})
		}
	}
}
