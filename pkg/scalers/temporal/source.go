package temporal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const service = "/temporal.api.workflowservice.v1.WorkflowService/"

// source is one trigger. It owns its share of the channel.
type source struct {
	config  *config
	channel *conn.GRPC
	release func()
}

var _ scaler.Hosted = (*source)(nil)

// Host implements scaler.Hosted.
func (s *source) Host() string { return strings.TrimPrefix(s.config.endpoint, "dns:///") }

// Close implements scaler.Source.
func (s *source) Close() error {
	s.release()
	return nil
}

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	switch {
	case s.config.deployment != "":
		return s.ofDeployment(ctx)
	case s.config.firstVersions():
		return s.ofBuilds(ctx)
	}
	return s.ofQueue(ctx)
}

// ask calls a method as the namespace's user.
func (s *source) ask(ctx context.Context, method string, request message) (message, error) {
	ctx = metadata.AppendToOutgoingContext(ctx, "temporal-namespace", s.config.namespace)
	if s.config.hasKey {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+s.config.apiKey.Reveal())
	}
	var answer message
	err := s.channel.Invoke(ctx, service+method, &request, &answer, grpc.ForceCodec(raw{}))
	return answer, s.channel.Error(err, s.doing())
}

func (s *source) doing() string {
	return fmt.Sprintf("describing the task queue %q in namespace %q at %s", s.config.queue, s.config.namespace, s.Host())
}

func (s *source) bad(err error) error { return scaler.BadAnswer(err, "%s", s.doing()) }

// The numbers of fields below are those of
// https://github.com/temporalio/api/blob/master/temporal/api/workflowservice/v1/request_response.proto
// and of taskqueue/v1 and deployment/v1 beside it.
const (
	reportStats = 8 // of DescribeTaskQueueRequest
	normalQueue = 1 // a TaskQueueKind
	enhanced    = 1 // a DescribeTaskQueueMode
)

// describe begins a DescribeTaskQueueRequest.
func (s *source) describe() message {
	queue := message{}.text(1, s.config.queue).number(2, normalQueue)
	return message{}.text(1, s.config.namespace).within(2, queue).flag(reportStats, true)
}

var errNoStats = errors.New("the server reports no statistics of the task queue; a newer Temporal is needed")

// ofQueue is the backlog of the types of task queue that count.
func (s *source) ofQueue(ctx context.Context) (scaler.Reading, error) {
	var mu sync.Mutex // guards total
	var total uint64
	g, ctx := errgroup.WithContext(ctx)
	for _, k := range s.config.kinds() {
		g.Go(func() error {
			answer, err := s.ask(ctx, "DescribeTaskQueue", s.describe().number(3, k))
			if err != nil {
				return err
			}
			n, told := uint64(0), false
			if err := answer.walk(func(field protowire.Number, _ uint64, inner message) (err error) {
				if field == 5 {
					told = true
					n, err = backlog(inner)
				}
				return err
			}); err != nil {
				return s.bad(err)
			}
			if !told {
				return s.bad(errNoStats)
			}
			mu.Lock()
			defer mu.Unlock()
			total += n
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return scaler.Reading{}, err
	}
	return scaler.Reading{Value: float64(total)}, nil
}

// ofBuilds is the backlog of versions of the first kind.
func (s *source) ofBuilds(ctx context.Context) (scaler.Reading, error) {
	versions := message{}.text(1, s.config.build).flag(2, s.config.plain).flag(3, s.config.active)
	request := s.describe().number(5, enhanced).within(6, versions)
	for _, k := range s.config.kinds() {
		request = request.number(7, k)
	}
	answer, err := s.ask(ctx, "DescribeTaskQueue", request)
	if err != nil {
		return scaler.Reading{}, err
	}
	var total uint64
	known, old := 0, false
	err = answer.walk(func(field protowire.Number, _ uint64, inner message) error {
		switch field {
		case 1, 2: // pollers and status, as servers answer that don't know versions
			old = true
		case 3:
			n, err := ofVersion(inner)
			total += n
			known++
			return err
		}
		return nil
	})
	switch {
	case err != nil:
		return scaler.Reading{}, s.bad(err)
	case known == 0 && old:
		return scaler.Reading{}, scaler.Misconfigured(errors.New("the server does not tell versions apart"), "%s", s.doing())
	case known == 0:
		return scaler.Reading{Empty: true, Note: "no version of the task queue is active, which counts as 0"}, nil
	}
	return scaler.Reading{Value: float64(total)}, nil
}

// ofVersion adds up the types of one entry of versions_info.
func ofVersion(entry message) (total uint64, err error) {
	err = values(entry, func(version message) error {
		return version.walk(func(field protowire.Number, _ uint64, inner message) error {
			if field != 1 {
				return nil
			}
			return values(inner, func(info message) error {
				told := false
				err := info.walk(func(field protowire.Number, _ uint64, inner message) error {
					if field != 2 {
						return nil
					}
					told = true
					n, err := backlog(inner)
					total += n
					return err
				})
				if err == nil && !told {
					err = errNoStats
				}
				return err
			})
		})
	})
	return total, err
}

// values calls each with the value of a map's entry.
func values(entry message, each func(message) error) error {
	return entry.walk(func(field protowire.Number, _ uint64, inner message) error {
		if field != 2 {
			return nil
		}
		return each(inner)
	})
}

// backlog is the number of tasks in statistics.
func backlog(stats message) (n uint64, err error) {
	err = stats.walk(func(field protowire.Number, number uint64, _ message) error {
		if field == 1 {
			n = number
		}
		return nil
	})
	if err == nil && int64(n) < 0 { //nolint:gosec // the wire format's own way of numbers below 0
		err = errors.New("the backlog is below 0")
	}
	return n, err
}

// ofDeployment is the backlog of one version of a worker deployment.
func (s *source) ofDeployment(ctx context.Context) (scaler.Reading, error) {
	version := message{}.text(1, s.config.ofBuild).text(2, s.config.deployment)
	answer, err := s.ask(ctx, "DescribeWorkerDeploymentVersion", message{}.text(1, s.config.namespace).within(3, version).flag(4, true))
	if err != nil {
		return scaler.Reading{}, err
	}
	wanted := map[uint64]bool{}
	for _, k := range s.config.kinds() {
		wanted[k] = true
	}
	var total uint64
	found := false
	err = answer.walk(func(field protowire.Number, _ uint64, inner message) error {
		if field != 2 {
			return nil
		}
		q, err := versionQueue(inner)
		switch {
		case err != nil:
			return err
		case q.name != s.config.queue || !wanted[q.kind]:
			return nil
		case !q.told:
			return errNoStats
		}
		found = true
		total += q.backlog
		return nil
	})
	switch {
	case err != nil:
		return scaler.Reading{}, s.bad(err)
	case !found:
		return scaler.Reading{}, scaler.Missing(fmt.Errorf("version %q of the worker deployment %q does not poll the task queue, or not for the types that count",
			s.config.ofBuild, s.config.deployment), "%s", s.doing())
	}
	return scaler.Reading{Value: float64(total)}, nil
}

// queueOfVersion is a task queue that a version polls.
type queueOfVersion struct {
	name    string
	kind    uint64
	backlog uint64
	told    bool
}

func versionQueue(m message) (q queueOfVersion, err error) {
	err = m.walk(func(field protowire.Number, number uint64, inner message) (err error) {
		switch field {
		case 1:
			q.name = string(inner)
		case 2:
			q.kind = number
		case 3:
			q.told = true
			q.backlog, err = backlog(inner)
		}
		return err
	})
	return q, err
}
