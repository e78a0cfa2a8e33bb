package solace

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

const (
	// workUnit is how many bytes a unit of work stands for.
	workUnit = 2048
	// directQueue is where a broker keeps direct messages for a slow client.
	directQueue = "D-1"
	// maxPages is how often an answer may go on.
	maxPages = 100
)

func directKind() scaler.Kind {
	return scaler.Kind{
		Name:  "solace-direct-messaging",
		Title: "Solace direct messaging",
		About: "The rate at which clients whose names have a text in common get direct messages, and what waits for them times a factor. " +
			"The numbers are there while clients are connected, so the trigger is always active.",
		Since:       "2.18",
		Permissions: "A user of SEMP with read access to the broker's clients.",
		Cost:        "Two HTTP requests a poll; equal triggers are asked once.",
		ByHand:      `curl -su admin -H 'Content-Type: application/xml' http://broker.solace:8080/SEMP -d '<rpc><show><client><name>*pricing*</name><stats/></client></show></rpc>'`,
		Examples: []scaler.Example{
			{
				Title: "Messages a second to a shared subscription",
				Metadata: map[string]string{
					"solaceSempBaseURL": "https://broker-a.solace:943,https://broker-b.solace:943", "messageVpn": "default", "clientNamePattern": "pricing",
					"aggregatedClientTxMsgRateTarget": "600",
				},
				Auth:       map[string]string{"username": "keda", "password": "the-password"},
				MetricType: "Value",
			},
			{
				Title: "Bytes a second, with credentials of the workload",
				Metadata: map[string]string{
					"solaceSempBaseURL": "http://broker.solace:8080", "messageVpn": "default", "clientNamePattern": "pricing",
					"aggregatedClientTxByteRateTarget": "1000000", "queuedMessagesFactor": "5", "usernameFromEnv": "SEMP_USER", "passwordFromEnv": "SEMP_PASSWORD",
				},
				Env: map[string]string{"SEMP_USER": "keda", "SEMP_PASSWORD": "the-password"},
			},
		},
		New: func() scaler.Config {
			rate := func(name string) measure { return measure{parameter: name, suffix: name, unit: 1} }
			c := &direct{
				bytes: rate("aggregatedClientTxByteRateTarget"), averageBytes: rate("aggregatedClientAverageTxByteRateTarget"),
				messages: rate("aggregatedClientTxMsgRateTarget"), averageMessages: rate("aggregatedClientAverageTxMsgRateTarget"),
			}
			c.measures = measures{&c.bytes, &c.averageBytes, &c.messages, &c.averageMessages}
			return c
		},
	}
}

// direct is a trigger on clients.
type direct struct {
	access
	measures
	pattern                                        string
	factor                                         int64
	bytes, averageBytes, messages, averageMessages measure
	tls                                            conn.TLS
}

// Params implements scaler.Config.
func (c *direct) Params() param.Set {
	const without = "Without effect, since the trigger is always active."
	return param.Set{
		c.addressParam(), c.vpnParam(),
		param.Text("clientNamePattern", &c.pattern).Required().Example("pricing").Doc("Text that the names of the clients have in common."),
		param.Int("queuedMessagesFactor", &c.factor).Default(3).Min(1).Max(100).Doc("How often what waits for the clients counts."),
		c.bytes.targetParam("Bytes a second per replica."),
		c.averageBytes.targetParam("Bytes a second per replica, on the average of the last minute."),
		c.messages.targetParam("Messages a second per replica."),
		c.averageMessages.targetParam("Messages a second per replica, on the average of the last minute."),
		c.bytes.activationParam(without), c.averageBytes.activationParam(without),
		c.messages.activationParam(without), c.averageMessages.activationParam(without),
		c.tls.UnsafeField("unsafeSSL"),
	}.With(c.tls.CertificateParams(), c.userParams(param.Auth, param.Env))
}

// Check implements scaler.Checker.
func (c *direct) Check() param.Problems {
	ps := append(c.access.check(), c.measures.check()...)
	if strings.Contains(c.pattern, "*") {
		ps.Errorf("metadata.clientNamePattern", "found %q; expected a text without *, which is put before and after it", c.pattern)
	}
	for _, m := range c.measures {
		if m.activation > 0 {
			ps.Warnf("metadata.activation"+strings.ToUpper(m.parameter[:1])+m.parameter[1:], "has no effect: the trigger is always active, since its numbers are there while clients are connected")
		}
	}
	return append(ps, c.tls.Check()...)
}

// Metric implements scaler.Config, as upstream names it.
func (c *direct) Metric() string { return "solace-dm-" + c.pattern + "-" + c.suffix() }

// Open implements scaler.Config.
func (c *direct) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	client, err := open(env, &c.tls)
	if err != nil {
		return nil, err
	}
	all := &brokers{bases: c.bases}
	return conn.NewHTTPSource(client, c.bases[0].Host, func(ctx context.Context) (scaler.Reading, error) {
		var r scaler.Reading
		err := all.first(ctx, func(base *url.URL) (err error) {
			r, err = c.ask(ctx, client, base)
			return err
		})
		return r, err
	}), nil
}

// reply is SEMP's answer about clients, in its first version, which alone
// tells what waits for them.
type reply struct {
	XMLName xml.Name     `xml:"rpc-reply"`
	Clients []clientInfo `xml:"rpc>show>client>primary-virtual-router>client"`
	Result  struct {
		Code   string `xml:"code,attr"`
		Reason string `xml:"reason-code,attr"`
	} `xml:"execute-result"`
	ParseError *struct{} `xml:"parse-error"`
	Forbidden  *struct{} `xml:"permission-error"`
	More       struct {
		Request string `xml:",innerxml"`
	} `xml:"more-cookie"`
}

type clientInfo struct {
	VPN   string `xml:"message-vpn"`
	Stats struct {
		Messages        *float64 `xml:"current-egress-rate-per-second"`
		AverageMessages *float64 `xml:"average-egress-rate-per-minute"`
		Bytes           *float64 `xml:"current-egress-byte-rate-per-second"`
		AverageBytes    *float64 `xml:"average-egress-byte-rate-per-minute"`
	} `xml:"stats"`
	Queues []struct {
		Name     string   `xml:"queue-priority"`
		Messages *float64 `xml:"length-msgs"`
		Work     *float64 `xml:"length-work"`
	} `xml:"client-queue"`
}

func (c *direct) ask(ctx context.Context, client *conn.HTTPClient, base *url.URL) (scaler.Reading, error) {
	doing := fmt.Sprintf("reading the clients %q of the message VPN %q at %s", c.pattern, c.vpn, base.Host)
	rates, err := c.show(ctx, client, base, "<stats/>", doing)
	if err != nil {
		return scaler.Reading{}, err
	}
	lengths, err := c.show(ctx, client, base, "<stats></stats><queues></queues>", doing)
	if err != nil {
		return scaler.Reading{}, err
	}
	values := map[*measure]float64{}
	complete := true
	add := func(m *measure, n *float64, times int64) {
		if n == nil {
			complete = false
			return
		}
		values[m] += *n * float64(times)
	}
	for _, one := range rates {
		add(&c.bytes, one.Stats.Bytes, 1)
		add(&c.averageBytes, one.Stats.AverageBytes, 1)
		add(&c.messages, one.Stats.Messages, 1)
		add(&c.averageMessages, one.Stats.AverageMessages, 1)
	}
	for _, one := range lengths {
		for _, q := range one.Queues {
			if q.Name != directQueue {
				continue
			}
			add(&c.bytes, q.Work, c.factor*workUnit)
			add(&c.averageBytes, q.Work, c.factor*workUnit)
			add(&c.messages, q.Messages, c.factor)
			add(&c.averageMessages, q.Messages, c.factor)
		}
	}
	if !complete {
		return scaler.Reading{}, scaler.BadAnswer(errors.New("a client lacks some of its statistics"), "%s", doing)
	}
	r := c.combine(values)
	if len(rates) == 0 {
		r.Empty, r.Note = true, "no client with such a name is connected, which counts as 0"
	}
	always := true
	r.Active = &always
	return r, nil
}

// show returns the clients of the message VPN, page by page.
func (c *direct) show(ctx context.Context, client *conn.HTTPClient, base *url.URL, what, doing string) ([]clientInfo, error) {
	var name strings.Builder
	if err := xml.EscapeText(&name, []byte(c.pattern)); err != nil {
		return nil, scaler.Misconfigured(err, "%s", doing)
	}
	request := "<rpc><show><client><name>*" + name.String() + "*</name>" + what + "</client></show></rpc>"
	var out []clientInfo
	for range maxPages {
		got, err := c.post(ctx, client, base, request, doing)
		if err != nil {
			return nil, err
		}
		for _, one := range got.Clients {
			if one.VPN == c.vpn {
				out = append(out, one)
			}
		}
		if request = strings.TrimSpace(got.More.Request); request == "" {
			return out, nil
		}
	}
	return nil, scaler.BadAnswer(fmt.Errorf("the answer goes on after %d pages", maxPages), "%s", doing)
}

func (c *direct) post(ctx context.Context, client *conn.HTTPClient, base *url.URL, request, doing string) (reply, error) {
	const notFound = "6"
	u := *base
	u.Path = base.Path + "/SEMP"
	const kind = "application/xml"
	answer, err := client.Do(ctx, conn.NewPost(&u, c.header(kind), []byte(request), kind), doing)
	if err != nil {
		return reply{}, err
	}
	if err := answer.Err(client.Now(), doing); err != nil {
		return reply{}, err
	}
	var got reply
	if err := xml.Unmarshal(answer.Body, &got); err != nil {
		return reply{}, scaler.BadAnswer(errors.New("the answer is not SEMP's XML"), "%s", doing)
	}
	switch {
	case got.Forbidden != nil:
		return reply{}, scaler.Denied(errors.New("the user may not show clients"), "%s", doing)
	case got.ParseError != nil:
		return reply{}, scaler.BadAnswer(errors.New("the broker does not understand the request"), "%s", doing)
	case got.Result.Code == "ok", got.Result.Reason == notFound: // no client has such a name
		return got, nil
	}
	return reply{}, scaler.BadAnswer(errors.New("the broker does not say that the request was ok"), "%s", doing)
}
