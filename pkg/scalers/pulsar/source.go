package pulsar

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// mostHops is how often a request is sent on from broker to broker.
const mostHops = 3

// source is one trigger.
type source struct {
	client *conn.HTTPClient // it follows no redirect, see follow
	at     *url.URL
	config *config
	method string
}

func (s *source) doing() string {
	return fmt.Sprintf("reading statistics of topic %q at %s", s.config.topic, s.at.Host)
}

// read is the backlog of the trigger's subscription.
func (s *source) read(_ context.Context, topic map[string]subscription) (scaler.Reading, error) {
	name := s.config.subscription
	switch of, ok := topic[name]; {
	case !ok:
		return scaler.Reading{}, scaler.Missing(fmt.Errorf("the topic has no subscription %q", name), "%s", s.doing())
	case of.Backlog == nil || *of.Backlog < 0:
		return scaler.Reading{}, scaler.BadAnswer(fmt.Errorf("the answer does not say the backlog of subscription %q", name), "%s", s.doing())
	default:
		return scaler.Reading{Value: float64(*of.Backlog)}, nil
	}
}

// subscription is one of a topic's:
// https://pulsar.apache.org/docs/next/admin-api-topics/#get-stats
type subscription struct {
	Backlog *int64 `json:"msgBacklog"`
}

// ask reads the topic's statistics by the names of its subscriptions.
func (s *source) ask(ctx context.Context) (map[string]subscription, error) {
	at, doing := s.at, s.doing()
	for hop := 0; ; hop++ {
		req := conn.NewGet(at, http.Header{"Accept": {"application/json"}})
		if s.method != "" {
			req.Header.Set("X-Pulsar-Auth-Method-Name", s.method)
		}
		got, err := s.client.Do(ctx, req, doing)
		if err != nil {
			return nil, err
		}
		if got.Status >= 300 && got.Status < 400 {
			if at, err = follow(at, got, hop); err != nil {
				return nil, scaler.Misconfigured(err, "%s", doing)
			}
			continue
		}
		if err := got.Err(s.client.Now(), doing); err != nil {
			return nil, err
		}
		var answer struct {
			Subscriptions map[string]subscription `json:"subscriptions"`
		}
		if err := conn.DecodeJSON(got.Body, &answer, doing); err != nil {
			return nil, err
		}
		if answer.Subscriptions == nil {
			return nil, scaler.BadAnswer(errors.New("the answer has no list of subscriptions"), "%s", doing)
		}
		return answer.Subscriptions, nil
	}
}

// follow is where a broker sends a request on that another broker has to
// answer: a temporary redirect for the same path. The credentials go with it,
// since the other broker asks for them too; the rules of where triggers may
// point hold there as well.
func follow(from *url.URL, got conn.Answer, hop int) (*url.URL, error) {
	to, err := from.Parse(got.Header.Get("Location"))
	switch {
	case err != nil || got.Header.Get("Location") == "":
		return nil, errors.New("the broker sends the request on to no address")
	case got.Status != http.StatusTemporaryRedirect || to.EscapedPath() != from.EscapedPath():
		return nil, fmt.Errorf("the server redirects (%d) to something else, which is not followed; use the final address", got.Status)
	case to.Scheme != "http" && to.Scheme != "https" || from.Scheme == "https" && to.Scheme != "https":
		return nil, errors.New("the broker sends the request on to an address without https, which is not followed")
	case hop >= mostHops:
		return nil, fmt.Errorf("the brokers send the request on more than %d times", mostHops)
	}
	to.User = nil
	return to, nil
}
