package lint

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

// EventSource checks a CloudEventSource or ClusterCloudEventSource by itself.
func EventSource(s *model.EventSource) param.Problems {
	var ps param.Problems
	destination(s, &ps)
	const subscription = "spec.eventSubscription"
	if len(s.Included) > 0 && len(s.Excluded) > 0 {
		ps.Errorf(subscription, "has both includedEventTypes and excludedEventTypes; expected one of them")
	}
	knownEvents(subscription+".includedEventTypes", s.Included, &ps)
	knownEvents(subscription+".excludedEventTypes", s.Excluded, &ps)
	eventAuth(s, &ps)
	return ps
}

func destination(s *model.EventSource, ps *param.Problems) {
	const path = "spec.destination"
	switch {
	case s.HTTP == nil && s.EventGrid == nil:
		ps.Errorf(path, "names no destination; expected http or azureEventGridTopic")
	case s.HTTP != nil && s.EventGrid != nil:
		ps.Errorf(path, "names two destinations; expected either http or azureEventGridTopic, and a source of its own for each")
	}
	// Addresses may hold credentials, so they are not shown.
	if s.HTTP != nil && !address(s.HTTP.URI, "http", "https") {
		ps.Errorf(path+".http.uri", "is missing or malformed; expected an address such as https://events.example.org/keda")
	}
	if s.EventGrid == nil {
		return
	}
	if u, err := url.Parse(s.EventGrid.Endpoint); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		ps.Errorf(path+".azureEventGridTopic.endpoint", "is missing or no https address; expected the topic's endpoint, such as https://topic.westeurope-1.eventgrid.azure.net/api/events")
	}
}

func knownEvents(path string, types []string, ps *param.Problems) {
	known := model.CloudEventTypes()
	for i, t := range types {
		if slices.Contains(known, t) {
			continue
		}
		ps.Errorf(fmt.Sprintf("%s[%d]", path, i), "found %s, which is no type of event; expected one of %s", quote(t), strings.Join(known, ", "))
		if near, ok := param.Nearest(t, known); ok {
			ps.Hint("did you mean %s?", near)
		}
	}
}

func eventAuth(s *model.EventSource, ps *param.Problems) {
	const path = "spec.authenticationRef"
	switch a := s.Auth; {
	case a == nil && s.EventGrid != nil:
		ps.Errorf(path, "is missing; expected an auth object with the parameter accessKey or the podIdentity azure-workload, which azureEventGridTopic needs")
	case a == nil:
	case a.Name == "":
		ps.Errorf(path+".name", "is missing; expected the name of an auth object")
	case a.Kind != model.KindTriggerAuthentication && a.Kind != model.KindClusterTriggerAuthentication:
		ps.Errorf(path+".kind", "found %s; expected %s or %s", quote(a.Kind), model.KindTriggerAuthentication, model.KindClusterTriggerAuthentication)
	case a.Kind == model.KindTriggerAuthentication && s.Key.Kind == model.KindClusterCloudEventSource:
		ps.Errorf(path+".kind", "is %s, which is in a namespace, while a %s is in none; expected %s",
			a.Kind, s.Key.Kind, model.KindClusterTriggerAuthentication)
	case s.EventGrid == nil && s.HTTP != nil:
		ps.Warnf(path, "is not used; http has no credentials")
	}
}

// EventCredentials checks that the credentials of a source fit its destination.
func EventCredentials(s *model.EventSource, c model.Credentials) param.Problems {
	var ps param.Problems
	const path = "spec.authenticationRef"
	if s.EventGrid == nil || c.Unseen.AllValues || c.Unseen.Values[accessKey] {
		return ps
	}
	switch provider := c.Identity.Provider; {
	case provider == azureWorkload:
	case provider != "" && provider != "none":
		ps.Errorf(path, "has the podIdentity %s, which Azure does not know; expected %s, or the parameter %s", provider, azureWorkload, accessKey)
	case c.Values[accessKey] == "":
		ps.Errorf(path, "gives neither the parameter %s nor the podIdentity %s; expected one of them", accessKey, azureWorkload)
	}
	return ps
}

// What Azure Event Grid takes.
const (
	accessKey     = "accessKey"
	azureWorkload = "azure-workload"
)
