package e2e

import (
	"fmt"
	"testing"
	"time"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
	redisserver "github.com/kedago/keda/test/servers/redis"
)

func listTrigger(address, list string) []kedav1.ScaleTriggers {
	return []kedav1.ScaleTriggers{{Type: "redis", Metadata: map[string]string{"address": address, "listName": list, "listLength": "5"}}}
}

// push adds items to a list at once.
func push(s *story, server *redisserver.Server, list string, items int) {
	s.Helper()
	args := []any{"LPUSH", list}
	for i := range items {
		args = append(args, i)
	}
	server.Do(s, args...)
}

// TestRedisWatch: items that arrive at an idle list are noticed at once, not
// at the next poll five minutes later.
func TestRedisWatch(t *testing.T) {
	s := newStory(t)
	server := redisserver.Start(t, redisserver.Args("--notify-keyspace-events", "KEA"))
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(listTrigger(server.Addr, "orders"), func(o *kedav1.ScaledObject) { o.Spec.PollingInterval = new(int32(300)) }))
	o.ready()
	began := time.Now()
	push(s, server, "orders", 33)
	o.decided(model.RuleJumpStart, 0, 7)
	if took := time.Since(began); took > 30*time.Second {
		s.failf("activation took %s", took)
	}
	s.settled(7) // the HPA's own reads see the list, whatever the interval
	push(s, server, "orders", 10)
	s.settled(9)
}

// TestRedisRefused: where the server does not tell of arrivals, the condition
// says so, and polling does.
func TestRedisRefused(t *testing.T) {
	s := newStory(t)
	server := redisserver.Start(t)
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(listTrigger(server.Addr, "orders")))
	o.expect(model.ConditionActive, "False", "ScalerNotActive", "noticed by polling every 1s")
	push(s, server, "orders", 6)
	o.decided(model.RuleJumpStart, 0, 2)
	s.settled(2)
	server.Do(s, "DEL", "orders")
	o.decided(model.RuleZero, 2, 0)
}

// TestRedisBatch: many lists on one server are read over one connection, in
// few round trips.
func TestRedisBatch(t *testing.T) {
	s := newStory(t)
	server := redisserver.Start(t)
	const lists = 20
	var last *subject
	for i := range lists {
		name := fmt.Sprintf("worker-%02d", i)
		s.create(deployment(name, 0))
		o := firstObject(name, firstv1.ScaleTriggers{Type: "redis", Metadata: listTrigger(server.Addr, name)[0].Metadata})
		o.Spec.ScaleTargetRef.DeploymentName = name
		last = s.apply(o)
	}
	for i := range lists {
		(&subject{story: s, kind: last.kind, name: fmt.Sprintf("worker-%02d", i)}).ready()
	}
	commands := server.Stat(s, "stats", "total_commands_processed")
	s.eventually("each list was read twice more", func() error {
		if n := server.Stat(s, "stats", "total_commands_processed") - commands; n < 2*lists {
			return fmt.Errorf("the server got %d commands", n)
		}
		return nil
	})
	// One for measuring, one for watching, and this test's own.
	if n := server.Stat(s, "clients", "connected_clients"); n > 5 {
		s.failf("the server has %d connections for %d triggers", n, lists)
	}
	for i := range lists {
		push(s, server, fmt.Sprintf("worker-%02d", i), 5*(1+i%3))
	}
	for i := range lists {
		s.replicasOf(fmt.Sprintf("worker-%02d", i), int32(1+i%3))
	}
}
