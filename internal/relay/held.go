package relay

import (
	"slices"
	"strings"
	"time"
)

// held is a workload as it was sent in a session.
type held struct {
	Workload
	session int
}

func (h *held) good(now time.Time) bool {
	for _, a := range h.Answers {
		if now.Before(a.GoodUntil) {
			return true
		}
	}
	return false
}

// answer finds a metric's, in letters of any case.
func (h *held) answer(metric string) (Answer, bool) {
	if h == nil {
		return Answer{}, false
	}
	for _, a := range h.Answers {
		if strings.EqualFold(a.Metric, metric) {
			return a, true
		}
	}
	return Answer{}, false
}

// replace puts another answer in the place of the metric's own. What was
// handed out before stays as it was.
func (h *held) replace(a Answer) {
	h.Answers = slices.Clone(h.Answers)
	for i := range h.Answers {
		if h.Answers[i].Metric == a.Metric {
			h.Answers[i] = a
		}
	}
}

// tellable says that a value may be told without asking the operator.
func (a Answer) tellable(now time.Time) bool {
	return !a.At.IsZero() && !a.Idle && now.Before(a.GoodUntil)
}
