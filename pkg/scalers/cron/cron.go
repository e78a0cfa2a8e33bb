// Package cron keeps a workload at a number of replicas between two recurring
// times.
//
// It owns the reading of schedules and nothing that could fail at run time:
// there is no source to ask. It embeds the time zone database, since minimal
// images have none.
package cron

import (
	"context"
	"errors"
	"strings"
	"time"
	_ "time/tzdata" // minimal images have no time zones

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "cron",
		Title:       "Cron",
		About:       "The number of replicas wanted between two recurring times: `desiredReplicas` from `start` until `end`, and nothing outside. Other triggers of the same object may ask for more meanwhile.",
		Since:       "1.5",
		Permissions: "None.",
		Cost:        "None: nothing is asked.",
		ByHand:      "TZ=Europe/Berlin date",
		Examples: []scaler.Example{{
			Title: "Ten replicas in office hours",
			Metadata: map[string]string{
				"timezone": "Europe/Berlin", "start": "0 6 * * 1-5", "end": "0 20 * * 1-5", "desiredReplicas": "10",
			},
		}, {
			Title: "A nightly window that spans midnight",
			Metadata: map[string]string{
				"timezone": "Asia/Kolkata", "start": "30 22 * * *", "end": "0 4 * * *", "desiredReplicas": "3",
			},
		}},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	timezone string
	start    string
	end      string
	replicas int64
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	const form = " as a cron expression: minute, hour, day of month, month, day of week."
	return param.Set{
		param.Text("timezone", &c.timezone).Required().Example("Europe/Berlin").Doc("Time zone of start and end, a name of the IANA time zone database."),
		param.Text("start", &c.start).Required().Example("0 6 * * *").Doc("When the window starts," + form),
		param.Text("end", &c.end).Required().Example("0 20 * * *").Doc("When the window ends," + form),
		param.Int("desiredReplicas", &c.replicas).Default(1).Min(0).Doc("Replicas wanted within the window."),
	}
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	var ps param.Problems
	_, err := zone(c.timezone)
	if err != nil {
		ps.Errorf("metadata.timezone", "found %q; expected a name of the IANA time zone database such as Europe/Berlin", c.timezone)
	}
	for _, f := range []struct{ name, text string }{{"start", c.start}, {"end", c.end}} {
		if _, err := parse(f.text); err != nil {
			ps.Errorf("metadata."+f.name, "found %q; expected a cron expression of five fields that comes around: %v", f.text, err)
		}
	}
	if strings.Join(strings.Fields(c.start), " ") == strings.Join(strings.Fields(c.end), " ") {
		ps.Errorf("metadata.end", "found the same expression as start, %q; expected another time", c.end)
	}
	if c.replicas == 0 {
		ps.Warnf("metadata.desiredReplicas", "found 0; the workload is activated in the window and asks for no replicas")
		ps.Hint("to have none outside a window, set minReplicaCount to 0 and give the window the number you want")
	}
	return ps
}

// Target implements scaler.Targeter: the value is the number of replicas.
func (c *config) Target() (target, activation float64) { return 1, 0 }

// Metric implements scaler.Config, as upstream names it.
func (c *config) Metric() string {
	plain := strings.NewReplacer(" ", "", "\t", "", "*", "x", "/", "Sl", "?", "Qm", ",", "Cm")
	return "cron-" + c.timezone + "-" + plain.Replace(c.start) + "-" + plain.Replace(c.end)
}

// Uncached implements scaler.Uncached.
func (c *config) Uncached() {}

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	w, err := newWindow(c.timezone, c.start, c.end)
	if err != nil {
		return nil, scaler.Misconfigured(err, "reading the schedule")
	}
	if env.Now == nil {
		return nil, scaler.Misconfigured(errors.New("there is no clock"), "opening a cron trigger")
	}
	return &source{window: w, replicas: float64(c.replicas), now: env.Now}, nil
}

// source answers from the clock alone.
type source struct {
	window   window
	replicas float64
	now      func() time.Time
}

// Measure implements scaler.Source.
func (s *source) Measure(context.Context) (scaler.Reading, error) {
	active := s.window.contains(s.now())
	r := scaler.Reading{Active: &active}
	if active {
		r.Value = s.replicas
	}
	return r, nil
}

// NextChange implements scaler.Timed.
func (s *source) NextChange(now time.Time) time.Time { return s.window.nextChange(now) }

// Close implements scaler.Source.
func (s *source) Close() error { return nil }

var (
	_ scaler.Timed    = (*source)(nil)
	_ scaler.Uncached = (*config)(nil)
)
