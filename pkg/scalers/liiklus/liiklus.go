// Package liiklus measures the lag of consumer groups behind Liiklus, an event
// gateway, by its gRPC API.
package liiklus

import (
	"context"
	"errors"
	"fmt"
	"math"

	"golang.org/x/sync/errgroup"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scalers/liiklus/liikluspb"
)

// Kinds lists liiklus.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name: "liiklus", Title: "Liiklus", Since: "1.0",
		About: "Lag of a consumer group on a topic of Liiklus, in records. It counts up to as many replicas as the topic " +
			"has partitions, since more would have nothing to read.",
		Permissions: "None: the API of Liiklus has no authentication.",
		Cost:        "One request per poll for the offsets of each group, and one for the ends of each topic, at once.",
		ByHand:      "grpcurl -plaintext -proto liiklus.proto -d '{\"topic\": \"TOPIC\", \"group\": \"GROUP\"}' ADDRESS com.github.bsideup.liiklus.LiiklusService/GetOffsets",
		Examples: []scaler.Example{{
			Title:    "Orders",
			Metadata: map[string]string{"address": "liiklus.default:6565", "topic": "orders", "group": "workers", "lagThreshold": "50"},
		}},
		New: func() scaler.Config { return &config{} },
	}}
}

// config is one trigger.
type config struct {
	address, topic, group string
	version               int64
	threshold, activation int64
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.Text("address", &c.address).Required().Example("liiklus.default:6565").Doc("Address of the gRPC API, host:port."),
		param.Text("topic", &c.topic).Required().Example("orders").Doc("Topic that is read."),
		param.Text("group", &c.group).Required().Example("workers").Doc("Consumer group."),
		param.Int("groupVersion", &c.version).Default(0).Min(0).Max(math.MaxUint32).Doc("Version of the consumer group."),
		param.Int("lagThreshold", &c.threshold).Default(10).Target().Doc("Lag per replica, in records."),
		param.Int("activationLagThreshold", &c.activation).Min(0).Activation().Doc("Lag above which the workload is active, in records."),
	}
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems { return conn.CheckGRPCAddress("address", c.address) }

// Metric implements scaler.Config, as upstream names it.
func (c *config) Metric() string { return "liiklus-" + c.topic }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	channel, release, err := conn.OpenGRPC(env, c.address, nil, "")
	if err != nil {
		return nil, err
	}
	return &source{config: c, channel: channel, release: release, client: liikluspb.NewLiiklusServiceClient(channel)}, nil
}

// atOnce bounds the calls to one gateway that a round makes at the same time.
const atOnce = 16

// source measures one group's lag on one topic.
type source struct {
	config  *config
	channel *conn.GRPC
	release func()
	client  liikluspb.LiiklusServiceClient
}

var (
	_ scaler.Hosted  = (*source)(nil)
	_ scaler.Batcher = (*source)(nil)
)

// Host implements scaler.Hosted.
func (s *source) Host() string { return s.config.address }

// BatchKey implements scaler.Batcher: groups on one topic.
func (s *source) BatchKey() string { return "liiklus " + s.config.address + " " + s.config.topic }

// Close implements scaler.Source.
func (s *source) Close() error {
	s.release()
	return nil
}

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	r := s.MeasureAll(ctx, []scaler.Source{s})[0]
	return r.Reading, r.Err
}

// MeasureAll implements scaler.Batcher. The topic's ends are asked for once,
// and the offsets of each group, all at the same time within bounds.
func (s *source) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	results := make([]scaler.Result, len(sources))
	reads := make([]map[uint32]uint64, len(sources))
	var ends map[uint32]uint64
	var failed error
	var calls errgroup.Group // errors are kept apart
	calls.SetLimit(atOnce)
	calls.Go(func() error {
		ends, failed = s.ends(ctx)
		return nil
	})
	for i, other := range sources {
		calls.Go(func() error {
			reads[i], results[i].Err = other.(*source).read(ctx)
			return nil
		})
	}
	_ = calls.Wait()
	for i, other := range sources {
		switch c := other.(*source).config; {
		case results[i].Err != nil:
		case failed != nil:
			results[i].Err = failed
		default:
			results[i].Reading.Value = min(lag(reads[i], ends), float64(c.threshold)*float64(len(ends)))
		}
	}
	return results
}

// read asks for the offsets of the group.
func (s *source) read(ctx context.Context) (map[uint32]uint64, error) {
	c := s.config
	answer, err := s.client.GetOffsets(ctx, &liikluspb.GetOffsetsRequest{Topic: c.topic, Group: c.group, GroupVersion: uint32(c.version)}) //nolint:gosec // bounded by Max
	return answer.GetOffsets(), s.channel.Error(err, fmt.Sprintf("reading the offsets of the group %.100q on the topic %.100q", c.group, c.topic))
}

// ends asks for the end offsets of the topic.
func (s *source) ends(ctx context.Context) (map[uint32]uint64, error) {
	doing := fmt.Sprintf("reading the end offsets of the topic %.100q", s.config.topic)
	answer, err := s.client.GetEndOffsets(ctx, &liikluspb.GetEndOffsetsRequest{Topic: s.config.topic})
	ends := answer.GetOffsets()
	if err == nil && len(ends) == 0 {
		return nil, scaler.Missing(errors.New("no partition was found"), "%s", doing)
	}
	return ends, s.channel.Error(err, doing)
}

// lag is how far a group is behind, over all partitions, in records. A
// partition that it has not read counts from its start. The end may have been
// read before the group went past it.
func lag(read, ends map[uint32]uint64) float64 {
	total := 0.0
	for partition, end := range ends {
		if at := read[partition]; end > at {
			total += float64(end - at)
		}
	}
	return total
}
