package rabbitmq

import (
	"fmt"

	"github.com/kedago/keda/pkg/scaler"
)

// stats is what is known of a queue, or of several made one.
type stats struct {
	messages float64
	publish  float64 // a second
	deliver  float64 // a second, acknowledged or not, by push or get
}

// combine makes one of many. No queue at all is zero of everything: nothing
// matches, so nothing waits.
func combine(operation string, all []stats) stats {
	var out stats
	for _, s := range all {
		if operation == "max" {
			out = stats{max(out.messages, s.messages), max(out.publish, s.publish), max(out.deliver, s.deliver)}
			continue
		}
		out = stats{out.messages + s.messages, out.publish + s.publish, out.deliver + s.deliver}
	}
	if n := float64(len(all)); operation == "avg" && n > 0 {
		out = stats{out.messages / n, out.publish / n, out.deliver / n}
	}
	return out
}

// reading makes the number of a mode. Where nothing is delivered, ratio and
// time have no value: then the workload is active while there is work, and
// the value is the activation threshold, as upstream has it.
func (c *config) reading(s stats) scaler.Reading {
	stuck := func(busy bool) scaler.Reading {
		if !busy {
			return scaler.Reading{}
		}
		return scaler.Reading{Value: c.activation, Active: &busy, Note: "nothing is delivered, so there is no ratio or time yet"}
	}
	switch c.mode {
	case modePublish, modeDeliver:
		v := s.publish
		if c.mode == modeDeliver {
			v = s.deliver
		}
		waiting := max(v, s.messages) // a backlog keeps the workload active when nobody publishes
		return scaler.Reading{Value: v, ActivationValue: &waiting}
	case modeRatio:
		if s.deliver == 0 {
			return stuck(s.publish > 0 || s.messages > 0)
		}
		return scaler.Reading{Value: s.publish / s.deliver}
	case modeTime:
		if s.messages == 0 || s.deliver == 0 {
			return stuck(s.messages > 0)
		}
		return scaler.Reading{Value: max(0, (s.publish-s.deliver)/s.deliver+s.messages/s.deliver)}
	}
	return scaler.Reading{Value: s.messages}
}

// of names a queue for errors.
func (c *config) of() string {
	if c.regex {
		return fmt.Sprintf("reading the queues that match %q in virtual host %q at %s", c.queue, c.at.vhost, c.at.address)
	}
	return fmt.Sprintf("reading queue %q in virtual host %q at %s", c.queue, c.at.vhost, c.at.address)
}
