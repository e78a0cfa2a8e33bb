package cloudevents

import (
	"context"
	"errors"
	"net/http"

	cloudevent "github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

// Open makes the sender of a source, without network I/O. env has the pool,
// the clock and the settings of HTTP clients.
func Open(env scaler.Env, src *model.EventSource, creds model.Credentials) (Sender, error) {
	switch {
	case src.HTTP != nil:
		return openHTTP(env, src.HTTP.URI)
	case src.EventGrid != nil:
		env.Identity = creds.Identity
		return openEventGrid(env, src.EventGrid.Endpoint, creds.Values["accessKey"])
	}
	return nil, scaler.Misconfigured(nil, "spec.destination: found none; expected http or azureEventGridTopic")
}

// httpSender sends CloudEvents over HTTP in binary mode, as the Go SDK does
// unless told otherwise.
type httpSender struct {
	client *conn.HTTPClient
	open   *conn.HTTPClient // what is closed
	uri    string
}

func openHTTP(env scaler.Env, uri string) (Sender, error) {
	client, err := conn.OpenHTTP(env, &conn.HTTPAuth{}, conn.HTTPSettings{})
	if err != nil {
		return nil, err
	}
	return &httpSender{client: client.KeepMethod(), open: client, uri: uri}, nil
}

// Send implements Sender.
func (s *httpSender) Send(ctx context.Context, e Event) error {
	const doing = "sending a CloudEvent"
	ev := cloudevent.New()
	ev.SetID(e.ID)
	ev.SetType(e.Type)
	ev.SetSource(e.Source)
	ev.SetSubject(e.Subject)
	ev.SetTime(e.Time)
	if err := ev.SetData(cloudevent.ApplicationJSON, e.Data); err != nil {
		return scaler.BadAnswer(errors.New("the event can't be encoded"), "%s", doing)
	}
	req, err := cehttp.NewHTTPRequestFromEvent(ctx, s.uri, ev)
	if err != nil {
		// The error may show the address, and that credentials.
		return scaler.BadAnswer(errors.New("the event does not fit the specification, or the address is none"), "%s", doing)
	}
	answer, err := s.client.Do(ctx, req, doing)
	if err != nil {
		return judge(0, err)
	}
	return judge(answer.Status, answer.Err(s.client.Now(), doing))
}

// judge lets only those answers be final that speak of the event itself; what
// else a server refuses may be mended, so it is tried again. The status is 0
// without an answer.
func judge(status int, err error) error {
	var own *scaler.Error
	if !errors.As(err, &own) {
		return err
	}
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		own.Reason = scaler.ReasonBadAnswer
	default:
		if own.Reason == scaler.ReasonBadAnswer {
			own.Reason = scaler.ReasonMisconfigured
		}
	}
	return own
}

// Close implements Sender.
func (s *httpSender) Close() { _ = s.open.Close() }
