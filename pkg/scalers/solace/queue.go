package solace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func queueKind() scaler.Kind {
	return scaler.Kind{
		Name:  "solace-event-queue",
		Title: "Solace queues",
		About: "The messages in a queue, the room that they take, the rate at which they come, or several of these: " +
			"the one that wants the most replicas counts.",
		Since:       "2.4",
		Permissions: "A user of SEMP with read access to the message VPN.",
		Cost:        "Two HTTP requests a poll; one of them serves all queues of a message VPN.",
		ByHand:      `curl -su admin 'http://broker.solace:8080/SEMP/v2/monitor/msgVpns/default/queues/orders?select=msgs,msgSpoolUsage,averageRxMsgRate'`,
		Examples: []scaler.Example{
			{
				Title: "Messages in a queue",
				Metadata: map[string]string{
					"solaceSempBaseURL": "http://broker.solace:8080", "messageVpn": "default", "queueName": "orders", "messageCountTarget": "50",
				},
				Auth: map[string]string{"username": "keda", "password": "the-password"},
			},
			{
				Title: "Messages, room and rate, on a pair of brokers",
				Metadata: map[string]string{
					"solaceSempBaseURL": "https://broker-a.solace:943,https://broker-b.solace:943", "messageVpn": "default", "queueName": "orders",
					"messageCountTarget": "100", "messageSpoolUsageTarget": "20", "messageReceiveRateTarget": "50", "activationMessageCountTarget": "5",
				},
				Auth: map[string]string{"username": "keda", "password": "the-password"},
			},
		},
		New: func() scaler.Config {
			c := &queue{
				count: measure{parameter: "messageCountTarget", suffix: "msgcount", unit: 1},
				spool: measure{parameter: "messageSpoolUsageTarget", suffix: "msgspoolusage", unit: 1 << 20},
				rate:  measure{parameter: "messageReceiveRateTarget", suffix: "msgrcvrate", unit: 1},
			}
			c.measures = measures{&c.count, &c.spool, &c.rate}
			return c
		},
	}
}

// queue is a trigger on a queue.
type queue struct {
	access
	measures
	name               string
	count, spool, rate measure
}

// Params implements scaler.Config.
func (c *queue) Params() param.Set {
	return param.Set{
		c.addressParam(), c.vpnParam(),
		param.Text("queueName", &c.name).Required().Example("orders").Doc("Name of the queue."),
		c.count.targetParam("Messages in the queue per replica."),
		c.spool.targetParam("Room that the messages take per replica, in megabytes (MiB)."),
		c.rate.targetParam("Messages that come per replica, a second, on the average of the last minute."),
		c.count.activationParam("Messages above which the workload is active."),
		c.spool.activationParam("Room above which the workload is active, in megabytes (MiB)."),
		c.rate.activationParam("Messages a second above which the workload is active."),
	}.With(c.userParams(param.Auth, param.Metadata, param.Env))
}

// Check implements scaler.Checker.
func (c *queue) Check() param.Problems { return append(c.access.check(), c.measures.check()...) }

// Metric implements scaler.Config, as upstream names it.
func (c *queue) Metric() string { return "solace-" + c.name + "-" + c.suffix() }

// Open implements scaler.Config.
func (c *queue) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	client, err := open(env, &conn.TLS{})
	if err != nil {
		return nil, err
	}
	key := strings.Join(c.addresses, ",") + " " + conn.Digest(c.vpn, c.username, c.password.Reveal())
	return &queueSource{queue: c, client: client, key: key, brokers: brokers{bases: c.bases}}, nil
}

// queueSource measures one queue. It owns its share of the client.
type queueSource struct {
	*queue
	client  *conn.HTTPClient
	key     string
	brokers brokers
}

var (
	_ scaler.Batcher = (*queueSource)(nil)
	_ scaler.Hosted  = (*queueSource)(nil)
)

// Host implements scaler.Hosted.
func (s *queueSource) Host() string { return s.bases[0].Host }

// BatchKey implements scaler.Batcher.
func (s *queueSource) BatchKey() string { return s.key }

// Close implements scaler.Source.
func (s *queueSource) Close() error { return s.client.Close() }

// Measure implements scaler.Source.
func (s *queueSource) Measure(ctx context.Context) (scaler.Reading, error) {
	r := s.MeasureAll(ctx, []scaler.Source{s})[0]
	return r.Reading, r.Err
}

// MeasureAll implements scaler.Batcher: each broker is asked once whether it
// has the message VPN.
func (s *queueSource) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	states := map[*url.URL]func() error{}
	for _, base := range s.bases {
		asked, err := false, error(nil)
		states[base] = func() error {
			if !asked {
				asked, err = true, s.up(ctx, base)
			}
			return err
		}
	}
	out := make([]scaler.Result, len(sources))
	for i, other := range sources {
		o := other.(*queueSource)
		out[i].Err = s.brokers.first(ctx, func(base *url.URL) error {
			if err := states[base](); err != nil {
				return err
			}
			r, err := o.ask(ctx, base)
			out[i].Reading = r
			return err
		})
	}
	return out
}

// up is nil where the message VPN is up.
func (s *queueSource) up(ctx context.Context, base *url.URL) error {
	doing := fmt.Sprintf("reading the state of the message VPN %q at %s", s.vpn, base.Host)
	var answer struct {
		Data struct {
			State string `json:"state"`
		} `json:"data"`
	}
	if err := s.get(ctx, base, "", "state", &answer, doing); err != nil {
		return err
	}
	switch answer.Data.State {
	case "up":
		return nil
	case "":
		return scaler.BadAnswer(errors.New("the answer has no state"), "%s", doing)
	}
	return scaler.Unreachable(errors.New("it is not up there, as on a standby"), "%s", doing)
}

// ask reads the queue's numbers.
func (s *queueSource) ask(ctx context.Context, base *url.URL) (scaler.Reading, error) {
	doing := fmt.Sprintf("reading the queue %q of the message VPN %q at %s", s.name, s.vpn, base.Host)
	var answer struct {
		Collections struct {
			Messages struct {
				Count *float64 `json:"count"`
			} `json:"msgs"`
		} `json:"collections"`
		Data struct {
			Spool *float64 `json:"msgSpoolUsage"`
			Rate  *float64 `json:"averageRxMsgRate"`
		} `json:"data"`
	}
	if err := s.get(ctx, base, "/queues/"+url.PathEscape(s.name), "msgs,msgSpoolUsage,averageRxMsgRate", &answer, doing); err != nil {
		return scaler.Reading{}, err
	}
	values := map[*measure]float64{}
	for m, n := range map[*measure]*float64{&s.count: answer.Collections.Messages.Count, &s.spool: answer.Data.Spool, &s.rate: answer.Data.Rate} {
		if n == nil {
			return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer lacks the number of messages, their room or their rate"), "%s", doing)
		}
		values[m] = *n
	}
	r := s.combine(values)
	active := s.active(values)
	r.Active = &active
	return r, nil
}

// active is as upstream has it: any of the numbers above its threshold is
// enough, also one without a target. But where thresholds are given, a number
// that has neither one nor a target must not overrule them.
func (c *queue) active(values map[*measure]float64) bool {
	given := slices.ContainsFunc(c.measures, func(m *measure) bool { return m.activates })
	return slices.ContainsFunc(c.measures, func(m *measure) bool {
		counts := !given || m.activates || m.target > 0
		return counts && values[m] > float64(m.activation*m.unit)
	})
}

// get asks SEMP for something of the message VPN. Refusals come with the
// status 400 and say in the body what they are:
// https://docs.solace.com/API-Developer-Online-Ref-Documentation/swagger-ui/software-broker/monitor/index.html
func (s *queueSource) get(ctx context.Context, base *url.URL, path, fields string, into any, doing string) error {
	raw := "/SEMP/v2/monitor/msgVpns/" + url.PathEscape(s.vpn) + path
	plain, err := url.PathUnescape(raw)
	if err != nil {
		return scaler.Misconfigured(err, "%s", doing)
	}
	u := *base
	u.Path, u.RawPath, u.RawQuery = base.Path+plain, base.EscapedPath()+raw, "select="+fields
	got, err := s.client.Do(ctx, conn.NewGet(&u, s.header("application/json")), doing)
	if err != nil {
		return err
	}
	var status struct {
		Meta struct {
			Code  int `json:"responseCode"`
			Error struct {
				Status string `json:"status"`
			} `json:"error"`
		} `json:"meta"`
	}
	bad := json.Unmarshal(got.Body, &status)
	switch status.Meta.Error.Status {
	case "NOT_FOUND":
		return scaler.Missing(errors.New("the broker has no such thing"), "%s", doing)
	case "UNAUTHORIZED":
		return scaler.Denied(errors.New("the user may not read it"), "%s", doing)
	}
	if err := got.Err(s.client.Now(), doing); err != nil {
		return err
	}
	if bad != nil || json.Unmarshal(got.Body, into) != nil {
		return scaler.BadAnswer(errors.New("the answer is not SEMP's JSON"), "%s", doing)
	}
	if code := status.Meta.Code; code < 200 || code > 299 {
		return scaler.BadAnswer(fmt.Errorf("the broker answered the code %d; expected 200", code), "%s", doing)
	}
	return nil
}
