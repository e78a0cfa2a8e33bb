package lint

import (
	"fmt"
	"strings"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// retiredTypes are trigger types whose source has ended, with what to say.
func retiredTypes() map[string]string {
	return map[string]string{
		"stan": "NATS Streaming (STAN) has ended; its successor is NATS JetStream, trigger type nats-jetstream",
	}
}

// lookup finds the kind of a trigger, or says why there is none.
func lookup(c scaler.Catalog, triggerType, path string, ps *param.Problems) (scaler.Kind, bool) {
	if k, ok := c.Lookup(triggerType); ok {
		return k, true
	}
	path += ".type"
	if triggerType == "" {
		ps.Errorf(path, "is missing; expected a trigger type: %s", strings.Join(c.Types(), ", "))
		return scaler.Kind{}, false
	}
	if why, ok := retiredTypes()[triggerType]; ok {
		ps.Errorf(path, "found %q: %s", triggerType, why)
		ps.Hint("move the stream to JetStream and use type: nats-jetstream")
		return scaler.Kind{}, false
	}
	ps.Errorf(path, "found %s, which is no trigger type; expected one of %s", quote(triggerType), strings.Join(c.Types(), ", "))
	if near, ok := c.Nearest(triggerType); ok {
		ps.Hint("did you mean %s?", near)
	}
	return scaler.Kind{}, false
}

// quote shows a user's text, cut where it would fill a screen.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return fmt.Sprintf("%q", s)
}
