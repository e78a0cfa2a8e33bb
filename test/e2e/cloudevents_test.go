package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	eventingv1 "github.com/kedago/keda/api/eventing.keda.sh/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

// inbox is an HTTP server that takes CloudEvents.
type inbox struct {
	s       *story
	address string

	mu     sync.Mutex
	server *http.Server
	got    []string
	ids    map[string]bool
}

func newInbox(s *story) *inbox {
	s.Helper()
	i := &inbox{s: s, address: ownHost() + ":0", ids: map[string]bool{}}
	i.up()
	s.Cleanup(i.down)
	return i
}

// up listens, at the same address as before.
func (i *inbox) up() {
	i.s.Helper()
	var l net.Listener
	i.s.eventually("the sink can listen at "+i.address, func() (err error) {
		l, err = net.Listen("tcp", i.address)
		return err
	})
	i.address = l.Addr().String()
	server := &http.Server{Handler: i, ReadHeaderTimeout: 10 * time.Second}
	i.mu.Lock()
	i.server = server
	i.mu.Unlock()
	go func() { _ = server.Serve(l) }()
}

// down refuses connections.
func (i *inbox) down() {
	i.mu.Lock()
	server := i.server
	i.mu.Unlock()
	_ = server.Close()
}

// ServeHTTP implements http.Handler.
func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var data struct{ Reason, Message string }
	err := json.NewDecoder(r.Body).Decode(&data)
	subject, ours := strings.CutPrefix(r.Header.Get("Ce-Subject"), "/kubernetes-default/"+i.s.namespace+"/")
	i.mu.Lock()
	defer i.mu.Unlock()
	switch id := r.Header.Get("Ce-Id"); {
	case !ours: // of another test, at a source for the whole cluster
		w.WriteHeader(http.StatusNoContent)
		return
	case err != nil, data.Message == "", i.ids[id], r.Header.Get("Ce-Specversion") != "1.0", r.Header.Get("Ce-Source") != "/kubernetes-default/keda/keda":
		i.s.Errorf("the sink got an event with %v, %+v, %v", err, data, r.Header)
		w.WriteHeader(http.StatusBadRequest)
		return
	default:
		i.ids[id] = true
	}
	i.got = append(i.got, subject+" "+r.Header.Get("Ce-Type")+" "+data.Reason)
	w.WriteHeader(http.StatusAccepted)
}

// gets waits until the events about the namespace are those, in their order.
func (i *inbox) gets(want ...string) {
	i.s.Helper()
	i.s.eventually(fmt.Sprintf("the sink has got %v", want), func() error {
		i.mu.Lock()
		defer i.mu.Unlock()
		if !slices.Equal(i.got, want) {
			return fmt.Errorf("it has %v", i.got)
		}
		return nil
	})
}

func (i *inbox) destination() eventingv1.Destination {
	return eventingv1.Destination{HTTP: &eventingv1.CloudEventHTTP{URI: "http://" + i.address + "/in"}}
}

// eventSource makes a source in the namespace.
func (i *inbox) eventSource(name string) *eventingv1.CloudEventSource {
	i.s.Helper()
	o := &eventingv1.CloudEventSource{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: i.s.namespace}, Spec: eventingv1.CloudEventSourceSpec{Destination: i.destination()},
	}
	i.s.create(o)
	i.s.deleteAtEnd(o)
	return o
}

// deleteAtEnd deletes an object with the test.
func (s *story) deleteAtEnd(o client.Object) {
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := client.IgnoreNotFound(s.client.Delete(ctx, o)); err != nil {
			s.Errorf("deleting %s: %v", o.GetName(), err)
		}
	})
}

// sourceIs waits until a source's condition Active has a status and a reason.
func (s *story) sourceIs(o client.Object, status func() eventingv1.CloudEventSourceStatus, want, reason, message string) {
	s.Helper()
	s.eventually(fmt.Sprintf("the source %s is Active=%s", o.GetName(), want), func() error {
		if err := s.client.Get(s.ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		got := status()
		if len(got.Conditions) != 1 {
			return fmt.Errorf("it has %d conditions", len(got.Conditions))
		}
		c := got.Conditions[0]
		if c.Type != "Active" || string(c.Status) != want || c.Reason != reason || !strings.Contains(c.Message, message) || got.ObservedGeneration != o.GetGeneration() {
			return fmt.Errorf("it is %+v of generation %d", c, got.ObservedGeneration)
		}
		return nil
	})
}

// TestCloudEvents: what happens to an object reaches the sinks of its
// namespace and of the cluster, each with what it asked for.
func TestCloudEvents(t *testing.T) {
	s := newStory(t)
	m, all, some := newMeter(s, 0), newInbox(s), newInbox(s)
	own := all.eventSource("audit")
	cluster := &eventingv1.ClusterCloudEventSource{
		ObjectMeta: metav1.ObjectMeta{Name: s.namespace},
		Spec: eventingv1.CloudEventSourceSpec{
			Destination: some.destination(),
			EventSubscription: eventingv1.EventSubscription{
				IncludedEventTypes: []eventingv1.CloudEventType{eventingv1.ScaledObjectRemovedType, eventingv1.TriggerAuthenticationCreatedType},
			},
		},
	}
	s.must(s.client.Create(s.ctx, cluster))
	s.deleteAtEnd(cluster)
	s.sourceIs(own, func() eventingv1.CloudEventSourceStatus { return own.Status }, "True", "CloudEventSourceActive", "")
	s.sourceIs(cluster, func() eventingv1.CloudEventSourceStatus { return cluster.Status }, "True", "CloudEventSourceActive", "")

	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(m.trigger(1)))
	object := "scaledobject/" + worker
	want := []string{object + " keda.scaledobject.ready.v1 ScaledObjectReady"}
	all.gets(want...)
	o.annotate(map[string]any{paused: "true"})
	want = append(want, object+" keda.scaledobject.paused.v1 ScaledObjectPaused")
	all.gets(want...)
	s.create(auth("creds", kedav1.TriggerAuthenticationSpec{}))
	want = append(want, "triggerauthentication/creds keda.authentication.triggerauthentication.created.v1 TriggerAuthenticationAdded")
	all.gets(want...)
	o.delete()
	o.gone()
	want = append(want, object+" keda.scaledobject.removed.v1 ScaledObjectDeleted")
	all.gets(want...)
	some.gets(want[2:]...)

	s.must(s.client.Delete(s.ctx, own))
	s.eventually("the source is gone", func() error { return mustBeGone(s.get("audit", own)) })
}

// TestCloudEventSinkDown: a sink that is away delays no scaling, and gets what
// it missed when it is back.
func TestCloudEventSinkDown(t *testing.T) {
	s := newStory(t)
	m, sink := newMeter(s, 3), newInbox(s)
	source := sink.eventSource("audit")
	active := func(want, reason, message string) {
		s.Helper()
		s.sourceIs(source, func() eventingv1.CloudEventSourceStatus { return source.Status }, want, reason, message)
	}
	active("True", "CloudEventSourceActive", "")
	sink.down()
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(m.trigger(1)))
	o.decided(model.RuleJumpStart, 0, 3)
	s.settled(3)
	active("False", "CloudEventSourceFailed", "refused")
	o.annotate(map[string]any{paused: "true"})
	o.expect(model.ConditionPaused, "True", "ScaledObjectPaused")
	sink.gets()
	sink.up()
	object := "scaledobject/" + worker
	sink.gets(object+" keda.scaledobject.ready.v1 ScaledObjectReady", object+" keda.scaledobject.paused.v1 ScaledObjectPaused")
	active("True", "CloudEventSourceActive", "")
}

// TestCloudEventSourceMended: a source that names missing credentials says so,
// and works as soon as it is mended.
func TestCloudEventSourceMended(t *testing.T) {
	s := newStory(t)
	sink := newInbox(s)
	source := &eventingv1.CloudEventSource{
		ObjectMeta: metav1.ObjectMeta{Name: "audit"},
		Spec: eventingv1.CloudEventSourceSpec{
			Destination:       eventingv1.Destination{AzureEventGridTopic: &eventingv1.AzureEventGridTopicSpec{Endpoint: "https://" + sink.address}},
			AuthenticationRef: &eventingv1.AuthenticationRef{Name: "creds"},
		},
	}
	s.create(source)
	s.deleteAtEnd(source)
	is := func(want, reason, message string) {
		s.Helper()
		s.sourceIs(source, func() eventingv1.CloudEventSourceStatus { return source.Status }, want, reason, message)
	}
	is("False", "CloudEventSourceFailed", `names the TriggerAuthentication "creds", which does not exist`)
	s.create(auth("creds", kedav1.TriggerAuthenticationSpec{SecretTargetRef: []kedav1.AuthSecretTargetRef{{Parameter: "accessKey", Name: "grid", Key: "key"}}}))
	is("False", "CloudEventSourceFailed", "the Secret "+s.namespace+"/grid does not exist")
	s.create(tokenSecret("grid", "key", secretToken(s, "grid")))
	is("True", "CloudEventSourceActive", "")
	s.must(s.client.Patch(s.ctx, source, merge(`{"spec":{"destination":{"azureEventGridTopic":null,"http":{"uri":"http://%s/in"}}}}`, sink.address)))
	s.eventually("the source's change is seen", func() error {
		if err := s.get("audit", source); err != nil {
			return err
		}
		return differs(source.Generation, source.Status.ObservedGeneration)
	})
	s.create(auth("more", kedav1.TriggerAuthenticationSpec{}))
	s.eventually("the sink has got the newest event", func() error {
		sink.mu.Lock()
		defer sink.mu.Unlock()
		const want = "triggerauthentication/more keda.authentication.triggerauthentication.created.v1 TriggerAuthenticationAdded"
		if !slices.Contains(sink.got, want) {
			return fmt.Errorf("it has %v", sink.got)
		}
		return nil
	})
	unseen(s)
}
