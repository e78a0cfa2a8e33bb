// Package beanstalkd measures tubes of beanstalkd.
//
// It owns the part of the protocol that tells a tube's statistics, and one
// connection per server. Answers of any length are not trusted, which is why
// it reads them itself.
package beanstalkd

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

const (
	// usualPort is beanstalkd's own.
	usualPort = "11300"
	// longestTube and tubeLetters are what the protocol allows.
	longestTube = 200
	tubeLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-+/;.$_()"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "beanstalkd",
		Title:       "beanstalkd",
		About:       "The jobs of a tube that are ready or reserved, and with `includeDelayed` also those that are not ready yet. Buried jobs don't count.",
		Since:       "2.16",
		Permissions: "Connecting to the server, which has no users.",
		Cost:        "One round trip a poll for all tubes of a server, over one connection that stays open.",
		ByHand:      `printf 'stats-tube mails\r\nquit\r\n' | nc beanstalkd.shop 11300 | grep current-jobs`,
		Examples: []scaler.Example{
			{
				Title:    "Jobs that are ready or reserved",
				Metadata: map[string]string{"server": "beanstalkd.shop:11300", "tube": "mails", "value": "15"},
			},
			{
				Title: "Delayed jobs too, from 10 jobs on",
				Metadata: map[string]string{
					"server": "beanstalkd.shop", "tube": "mails", "value": "15", "activationValue": "10", "includeDelayed": "true",
				},
			},
		},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	server     string
	tube       string
	value      float64
	activation float64
	delayed    bool
	timeout    time.Duration

	address string // set by Check
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.Text("server", &c.server).Required().Example("beanstalkd.shop:11300").Doc("Address of the server, host:port; the port is 11300 when it is left out."),
		param.Text("tube", &c.tube).Required().Example("mails").Doc("Name of the tube."),
		param.Float("value", &c.value).Required().Example("15").Target().Doc("Jobs per replica."),
		param.Float("activationValue", &c.activation).Min(0).Activation().Doc("Jobs above which the workload is active."),
		param.Bool("includeDelayed", &c.delayed).Default(false).Doc("Whether delayed jobs count too."),
		param.Duration("timeout", &c.timeout, time.Second).Default(30).Min(0.001).Doc("How long connecting and answering may take, in seconds or as a duration such as 500ms."),
	}
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	var ps param.Problems
	c.address = c.server
	if _, _, err := net.SplitHostPort(c.server); err != nil {
		c.address = net.JoinHostPort(strings.Trim(c.server, "[]"), usualPort)
	}
	if u, err := url.Parse("tcp://" + c.address); err != nil || u.Hostname() == "" || u.Port() == "" || u.Host != c.address {
		ps.Errorf("metadata.server", "found %q; expected host:port, such as beanstalkd.shop:11300", c.server)
	}
	if len(c.tube) > longestTube || strings.HasPrefix(c.tube, "-") || strings.Trim(c.tube, tubeLetters) != "" {
		ps.Errorf("metadata.tube", "found %q; expected up to %d letters, digits and -+/;.$_(), and no hyphen first", c.tube[:min(len(c.tube), longestTube)], longestTube)
	}
	return ps
}

// Metric implements scaler.Config, as upstream names it.
func (c *config) Metric() string { return "beanstalkd-" + url.QueryEscape(c.tube) }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	key := scaler.PoolKey{Driver: "beanstalkd", Address: c.address + " " + conn.OptionsKey(env.HTTP)}
	l, release, err := scaler.Lease(env.Pool, key, func() (*link, error) { return newLink(c.address, env.HTTP), nil })
	if err != nil {
		return nil, scaler.Misconfigured(err, "preparing a client of beanstalkd at %s", c.address)
	}
	return &source{config: c, link: l, release: release}, nil
}

// source measures one tube. It owns its share of the connection.
type source struct {
	*config
	link    *link
	release func()
}

var (
	_ scaler.Batcher = (*source)(nil)
	_ scaler.Hosted  = (*source)(nil)
)

// Host implements scaler.Hosted.
func (s *source) Host() string { return s.address }

// BatchKey implements scaler.Batcher.
func (s *source) BatchKey() string { return s.address + " " + s.timeout.String() }

// Close implements scaler.Source.
func (s *source) Close() error {
	s.release()
	return nil
}

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	r := s.MeasureAll(ctx, []scaler.Source{s})[0]
	return r.Reading, r.Err
}

// MeasureAll implements scaler.Batcher.
func (s *source) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	places := map[string]int{} // of tubes
	var tubes []string
	for _, other := range sources {
		tube := other.(*source).tube
		if _, known := places[tube]; !known {
			places[tube], tubes = len(tubes), append(tubes, tube)
		}
	}
	answers, err := s.link.stats(ctx, tubes)
	out := make([]scaler.Result, len(sources))
	for i, other := range sources {
		o := other.(*source)
		if err != nil {
			out[i].Err = failed(err, o.doing())
			continue
		}
		out[i] = o.result(answers[places[o.tube]])
	}
	return out
}

func (s *source) doing() string {
	return fmt.Sprintf("reading the statistics of the tube %q of beanstalkd at %s", s.tube, s.address)
}

func (s *source) result(a answer) scaler.Result {
	switch {
	case a.refused:
		return scaler.Result{Err: scaler.BadAnswer(errRefused, "%s", s.doing())}
	case a.absent: // tubes are there while they hold jobs or are used
		return scaler.Result{Reading: scaler.Reading{Empty: true, Note: "there is no such tube now, which counts as 0"}}
	}
	names := []string{"current-jobs-ready", "current-jobs-reserved"}
	if s.delayed {
		names = append(names, "current-jobs-delayed")
	}
	var r scaler.Reading
	for _, name := range names {
		n, err := a.number(name)
		if err != nil {
			return scaler.Result{Err: scaler.BadAnswer(err, "%s", s.doing())}
		}
		r.Value += n
	}
	return scaler.Result{Reading: r}
}
