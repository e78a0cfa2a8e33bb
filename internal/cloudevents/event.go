// Package cloudevents sends what happens to our objects on as CloudEvents.
//
// Each source has a queue of its own, which is bounded, and a goroutine only
// while something is in it. Telling what happened never waits: a destination
// that is slow or away delays nobody but itself. Where events come from, and
// what objects say about them, is for others; nothing is written here.
package cloudevents

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/kedago/keda/internal/model"
)

// DefaultClusterName is the cluster's name unless a source or the operator
// has another one.
const DefaultClusterName = "kubernetes-default"

// Happening is what happened to an object, as its Kubernetes event says it.
type Happening struct {
	Kind, Namespace, Name string
	Reason, Message       string
}

// Data is the content of an event. The names are those of KEDA.
type Data struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Event is one CloudEvent, version 1.0 of the specification. It stays the
// same when it is sent again.
type Event struct {
	ID, Type, Source, Subject string
	Time                      time.Time
	Data                      Data
}

// event is what a source tells of a happening, and whether it tells it.
func (e *Emitter) event(src *model.EventSource, h Happening, at time.Time) (Event, bool) {
	t, ok := model.CloudEventType(h.Kind, h.Reason)
	if !ok || !src.Wants(t) || src.Key.Namespace != "" && src.Key.Namespace != h.Namespace {
		return Event{}, false
	}
	cluster := src.ClusterName
	if cluster == "" {
		cluster = e.opts.ClusterName
	}
	return Event{
		ID: string(uuid.NewUUID()), Type: t, Time: at.UTC(),
		Source:  "/" + cluster + "/" + e.opts.Namespace + "/keda",
		Subject: strings.Join([]string{"", cluster, h.Namespace, strings.ToLower(h.Kind), strings.ToLower(h.Name)}, "/"),
		Data:    Data{Reason: h.Reason, Message: h.Message},
	}, true
}
