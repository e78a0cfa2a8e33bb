package decide

import (
	"strings"
	"time"
	"unicode"

	"github.com/kedago/keda/internal/model"
)

// Condition statuses.
const (
	statusTrue    = "True"
	statusFalse   = "False"
	statusUnknown = "Unknown"
)

// Reasons of conditions. The first block is what users of KEDA alert on; the
// second is ours.
const (
	reasonScalerActive    = "ScalerActive"
	reasonScalerNotActive = "ScalerNotActive"
	reasonScalerCooldown  = "ScalerCooldown"
	reasonTriggerError    = "TriggerError"
	reasonPartialError    = "PartialTriggerError"
	reasonNoFallback      = "NoFallbackFound"
	reasonFallback        = "FallbackExists"
	reasonHPAActive       = "HPAActive"
	reasonGettingReplicas = "ErrorGettingCurrentReplicas"

	reasonTargetNotFound = "ScaleTargetNotFound"
	reasonNotScalable    = "ScaleTargetNotScalable"
	reasonTargetWrite    = "ScaleTargetUpdateFailed"
	reasonAuthFailed     = "AuthenticationUnresolved"
	reasonNotMeasured    = "WaitingForFirstMeasurement"
	reasonHPAPending     = "WaitingForHPA"
)

// Suffixes of reasons that begin with the object's kind, as in
// "ScaledObjectReady".
const (
	suffixReady       = "Ready"
	suffixCheckFailed = "CheckFailed"
	suffixPaused      = "Paused"
	suffixUnpaused    = "Unpaused"

	suffixFallbackOn  = "FallbackActivated"
	suffixFallbackOff = "FallbackDeactivated"
)

// conditions builds the next conditions from the previous ones.
type conditions struct {
	old        model.Status
	now        time.Time
	generation int64
	out        []model.Condition
}

func newConditions(old model.Status, now time.Time, generation int64) conditions {
	const types = 5
	return conditions{old: old, now: now, generation: generation, out: make([]model.Condition, 0, types)}
}

// steady adds a condition whose message quotes somebody else. A message that
// says the same as before but for numbers (ports, request ids, counts) stays
// as it was, so that a failure that goes on is not written again at every poll.
func (c *conditions) steady(t, status, reason, message string) {
	old, _ := c.old.Condition(t)
	if old.Status == status && old.Reason == reason && old.Generation == c.generation && alike(old.Message, message) {
		message = old.Message
	}
	c.set(t, status, reason, message)
}

// set adds a condition. Since moves only with Status.
func (c *conditions) set(t, status, reason, message string) {
	next := model.Condition{
		Type: t, Status: status, Reason: reason, Message: message,
		Since: stamp(c.now), Generation: c.generation,
	}
	if old, ok := c.old.Condition(t); ok && old.Status == status && !old.Since.IsZero() {
		next.Since = old.Since
	}
	c.out = append(c.out, next)
}

// keep adds the previous condition as it was, or returns false without one.
func (c *conditions) keep(t string) bool {
	old, ok := c.old.Condition(t)
	if ok {
		c.out = append(c.out, old)
	}
	return ok
}

// stamp is a time as it comes back from the API server: whole seconds.
func stamp(t time.Time) time.Time { return t.Truncate(time.Second).UTC() }

// alike says whether two messages differ in nothing but words with digits.
func alike(a, b string) bool {
	if a == b {
		return true
	}
	split := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	x, y := strings.FieldsFunc(a, split), strings.FieldsFunc(b, split)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i] != y[i] && !(strings.ContainsFunc(x[i], unicode.IsDigit) && strings.ContainsFunc(y[i], unicode.IsDigit)) {
			return false
		}
	}
	return true
}

const (
	maxCause   = 300  // characters of one cause
	maxMessage = 1000 // characters of a condition's message
)

// cut shortens at a character's edge.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + " …"
}
