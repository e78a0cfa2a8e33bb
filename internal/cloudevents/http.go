package cloudevents

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	cloudevent "github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"

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
	at     *url.URL
}

func openHTTP(env scaler.Env, uri string) (Sender, error) {
	at, err := url.Parse(uri)
	if err != nil || at.Host == "" {
		// The error would show the address, and that may hold credentials.
		return nil, scaler.Misconfigured(errors.New("found what is no address; expected one such as https://host/path"), "spec.destination.http.uri")
	}
	client, err := conn.OpenHTTP(env, &conn.HTTPAuth{}, conn.HTTPSettings{})
	if err != nil {
		return nil, err
	}
	return &httpSender{client: client.KeepMethod(), open: client, at: at}, nil
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
	if err := ev.Validate(); err != nil {
		return scaler.BadAnswer(errors.New("the event does not fit the specification"), "%s", doing)
	}
	answer, err := s.client.Do(ctx, conn.NewPost(s.at, attributes(ev), ev.Data(), ev.DataContentType()), doing)
	if err != nil {
		return judge(0, err)
	}
	return judge(answer.Status, answer.Err(s.client.Now(), doing))
}

// attributes are those of an event as headers, by the HTTP protocol binding of
// CloudEvents 1.0. None of ours has characters that must be escaped there. The
// SDK's own package for HTTP does the same, and makes a logger of half a
// megabyte at the start of every process that links it.
func attributes(ev cloudevent.Event) http.Header {
	h := http.Header{}
	h.Set("Ce-Specversion", ev.SpecVersion())
	h.Set("Ce-Id", ev.ID())
	h.Set("Ce-Type", ev.Type())
	h.Set("Ce-Source", ev.Source())
	h.Set("Ce-Subject", ev.Subject())
	h.Set("Ce-Time", types.FormatTime(ev.Time()))
	return h
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
