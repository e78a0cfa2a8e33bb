package cloudevents

import (
	"context"
	"errors"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/messaging"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/eventgrid/azeventgrid"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// gridSender publishes CloudEvents to a topic of Azure Event Grid.
type gridSender struct {
	client  *azeventgrid.Client
	release []func()
}

// openEventGrid makes a sender with a topic's access key or, without one, with
// the podIdentity.
func openEventGrid(env scaler.Env, endpoint, key string) (Sender, error) {
	none := env.Identity.Provider == "" || env.Identity.Provider == "none"
	if none && key == "" {
		return nil, scaler.Misconfigured(nil, "authenticationRef: the parameter accessKey is missing; expected it, or the podIdentity %s", conn.AzureWorkload)
	}
	options, release, err := conn.AzureClientOptions(env)
	if err != nil {
		return nil, err
	}
	s := &gridSender{release: []func(){release}}
	settings := &azeventgrid.ClientOptions{ClientOptions: options}
	if none {
		s.client, err = azeventgrid.NewClientWithSharedKeyCredential(endpoint, azcore.NewKeyCredential(key), settings)
	} else {
		var credential *conn.AzureCredential
		credential, err = conn.EventGridCredential(env, endpoint)
		if err == nil {
			s.release = append(s.release, credential.Close)
			s.client, err = azeventgrid.NewClient(endpoint, credential, settings)
		}
	}
	if err != nil {
		s.Close()
		var own *scaler.Error
		if errors.As(err, &own) {
			return nil, own
		}
		return nil, scaler.Misconfigured(nil, "preparing a client of Azure Event Grid")
	}
	return s, nil
}

// Send implements Sender.
func (s *gridSender) Send(ctx context.Context, e Event) error {
	contentType := "application/json"
	_, err := s.client.PublishCloudEvents(ctx, []messaging.CloudEvent{{
		ID: e.ID, Type: e.Type, Source: e.Source, Subject: &e.Subject, Time: &e.Time, SpecVersion: "1.0",
		DataContentType: &contentType, Data: e.Data,
	}}, nil)
	if err == nil {
		return nil
	}
	var answered *azcore.ResponseError
	status := 0
	if errors.As(err, &answered) {
		status = answered.StatusCode
	}
	return judge(status, conn.AzureError(err, "publishing to Azure Event Grid"))
}

// Close implements Sender.
func (s *gridSender) Close() {
	for _, r := range s.release {
		r()
	}
}
