package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

// TestSourceFails: however a source fails, no replica goes; the condition says
// why; scaling goes on when the source is back.
func TestSourceFails(t *testing.T) {
	for name, tt := range map[string]struct {
		fail func(*meter)
		// cause is in the condition's message.
		cause []string
	}{
		"down":            {(*meter).down, []string{"Unreachable", "connection refused", "check that the source runs"}},
		"internal error":  {func(m *meter) { m.answer(http.StatusInternalServerError, "") }, []string{"Unreachable", "500"}},
		"not found":       {func(m *meter) { m.answer(http.StatusNotFound, "") }, []string{"Missing", "404"}},
		"denied":          {func(m *meter) { m.demand("Authorization", "Bearer other") }, []string{"Denied", "401", "check the credentials"}},
		"garbage":         {func(m *meter) { m.answer(http.StatusOK, "<html>"+secretMark) }, []string{"BadAnswer", "value"}},
		"an empty answer": {func(m *meter) { m.answer(http.StatusOK, "") }, []string{"BadAnswer"}},
		"not a number":    {func(m *meter) { m.answer(http.StatusOK, `{"value": "NaN"}`) }, []string{"BadAnswer", "NaN"}},
		"null":            {func(m *meter) { m.answer(http.StatusOK, `{"value": null}`) }, []string{"BadAnswer"}},
		"another field":   {func(m *meter) { m.answer(http.StatusOK, `{"values": 0}`) }, []string{"BadAnswer", "value"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			m := newMeter(s, 4)
			s.create(deployment(worker, 0))
			o := s.apply(scaledObject(m.trigger(1), hpaConfig("", quickScaleDown())))
			s.settled(4)
			replicas := s.follow(worker)

			tt.fail(m)
			ready := o.expect(model.ConditionReady, "False", "TriggerError", append(tt.cause, "metric-api-value", "metrics-api")...)
			if strings.Contains(ready.Message, secretMark) {
				s.failf("the condition quotes the answer: %s", ready.Message)
			}
			o.event("KEDAScalerFailed", tt.cause[0])
			failing(o, "s0-metric-api-value", 3)
			o.expect(model.ConditionActive, "True", "ScalerActive") // as it was
			if least := slices.Min(replicas.seen()); least != 4 {
				s.failf("the counts were %v; expected never less than 4", replicas.seen())
			}

			m.demand("", "")
			m.set(6)
			if name == "down" {
				m.up()
			}
			o.ready()
			s.settled(6)
			m.set(0)
			s.replicas(0)
			s.eventually("the metric is healthy", func() error {
				status, _, err := o.status()
				if err != nil {
					return err
				}
				if h := status.Health["s0-metric-api-value"]; h.Status != "Happy" || *h.NumberOfFailures != 0 {
					return fmt.Errorf("it is %s after %d failures", h.Status, *h.NumberOfFailures)
				}
				return nil
			})
		})
	}
}

// failing waits until a metric has failed a number of times in a row.
func failing(o *subject, metric string, times int32) {
	o.Helper()
	o.eventually(fmt.Sprintf("the metric has failed %d times", times), func() error {
		status, _, err := o.status()
		if err != nil {
			return err
		}
		h := status.Health[metric]
		if h.Status != "Failing" || h.NumberOfFailures == nil || *h.NumberOfFailures < times {
			return fmt.Errorf("its health is %+v", h)
		}
		return nil
	})
}

// TestOneOfTwoSourcesFails: the other one still scales, and nothing goes to
// zero on what is left.
func TestOneOfTwoSourcesFails(t *testing.T) {
	s := newStory(t)
	works, fails := newMeter(s, 0), newMeter(s, 0)
	fails.answer(http.StatusBadGateway, "")
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(append(works.trigger(1), fails.trigger(1)...)))
	o.expect(model.ConditionReady, "False", "TriggerError", `trigger 1 "metric-api-value"`, "502")
	works.set(3)
	o.decided(model.RuleJumpStart, 0, 3)
	o.expect(model.ConditionReady, "Unknown", "PartialTriggerError", "502")
	replicas := s.follow(worker)
	works.set(0)
	works.askedAgain(4)
	if least := slices.Min(replicas.seen()); least != 3 {
		s.failf("the counts were %v; expected never less than 3", replicas.seen())
	}
	fails.set(0)
	o.ready()
	s.replicas(0)
}

// TestFailingFromTheStart: a source that never answered activates nothing and
// lowers nothing.
func TestFailingFromTheStart(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 0)
	m.down()
	s.create(deployment(worker, 2))
	replicas := s.follow(worker)
	o := s.apply(scaledObject(m.trigger(1), func(o *kedav1.ScaledObject) { o.Spec.CooldownPeriod = new(int32(0)) }))
	o.expect(model.ConditionReady, "False", "TriggerError", "connection refused")
	failing(o, "s0-metric-api-value", 3)
	if seen := replicas.seen(); !slices.Equal(seen, []int32{2}) {
		s.failf("the counts were %v; expected 2 only", seen)
	}
	m.up()
	o.ready()
	s.replicas(0)
}
