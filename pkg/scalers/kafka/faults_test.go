package kafka

import (
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/kedago/keda/pkg/scaler"
	kafkaserver "github.com/kedago/keda/test/servers/kafka"
)

// TestFaults checks that nothing but a full answer becomes a number.
func TestFaults(t *testing.T) {
	f := kafkaserver.StartFake(t)
	c := onFake(t, f)
	s, topic := c.idle(t, 3)
	group := s.config.group
	answer := func(key kmsg.Key, change func(kmsg.Response)) func() func() {
		return func() func() { return tamper(t, f, key, change) }
	}
	fault := func(fault kfake.Fault) func() func() {
		return func() func() { return f.Fault(fault).Remove }
	}
	tests := map[string]struct {
		make     func() func()
		want     scaler.Reason
		mentions string
	}{
		"group denied":       {fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Count: -1, Group: group, Err: kerr.GroupAuthorizationFailed}), scaler.ReasonDenied, "Describe"},
		"coordinator loads":  {fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Count: -1, Group: group, Err: kerr.CoordinatorLoadInProgress}), scaler.ReasonUnreachable, group},
		"coordinator moves":  {fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Count: -1, Group: group, Err: kerr.NotCoordinator}), scaler.ReasonUnreachable, group},
		"commits unstable":   {fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Count: -1, Topic: topic, Err: kerr.UnstableOffsetCommit}), scaler.ReasonUnreachable, topic},
		"topic denied":       {fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Count: -1, Topic: topic, Err: kerr.TopicAuthorizationFailed}), scaler.ReasonDenied, topic},
		"topic unknown":      {fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Count: -1, Topic: topic, Err: kerr.UnknownTopicOrPartition}), scaler.ReasonMissing, topic},
		"leader moves":       {fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Count: -1, Topic: topic, Err: kerr.NotLeaderForPartition}), scaler.ReasonUnreachable, topic},
		"end not available":  {fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Count: -1, Topic: topic, Err: kerr.OffsetNotAvailable}), scaler.ReasonUnreachable, topic},
		"no groups answered": {answer(kmsg.OffsetFetch, func(r kmsg.Response) { r.(*kmsg.OffsetFetchResponse).Groups = nil }), scaler.ReasonBadAnswer, group},
		"no topics answered": {answer(kmsg.OffsetFetch, func(r kmsg.Response) { r.(*kmsg.OffsetFetchResponse).Groups[0].Topics = nil }), scaler.ReasonBadAnswer, topic},
		"a partition of the group missing": {answer(kmsg.OffsetFetch, func(r kmsg.Response) {
			ps := &r.(*kmsg.OffsetFetchResponse).Groups[0].Topics[0].Partitions
			*ps = (*ps)[1:]
		}), scaler.ReasonBadAnswer, topic},
		"no ends answered": {answer(kmsg.ListOffsets, func(r kmsg.Response) { r.(*kmsg.ListOffsetsResponse).Topics = nil }), scaler.ReasonBadAnswer, topic},
		"an end below zero": {answer(kmsg.ListOffsets, func(r kmsg.Response) {
			r.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].Offset = -1
		}), scaler.ReasonBadAnswer, topic},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			undo := tc.make()
			refuse(t, s, tc.want, tc.mentions)
			undo()
			expect(t, s, 0, 0, "")
		})
	}
}

// tamper changes every answer to a kind of request until undone.
func tamper(t *testing.T, f *kafkaserver.Fake, key kmsg.Key, change func(kmsg.Response)) (undo func()) {
	t.Helper()
	behind, err := kgo.NewClient(kgo.SeedBrokers(f.Addresses...), kgo.MaxVersions(kversion.V3_9_0()))
	if err != nil {
		t.Fatal(err)
	}
	var on, inside atomic.Bool
	on.Store(true)
	f.ControlKey(int16(key), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if !on.Load() {
			f.DropControl()
			return nil, nil, false
		}
		if inside.Load() {
			return nil, nil, false
		}
		f.KeepControl()
		inside.Store(true)
		defer inside.Store(false)
		node := f.CurrentNode()
		var resp kmsg.Response
		var err error
		f.SleepControl(func() { resp, err = behind.Broker(int(node)).Request(t.Context(), r) })
		if err != nil {
			return nil, err, true
		}
		change(resp)
		return resp, nil, true
	})
	return func() { on.Store(false); behind.Close() }
}
