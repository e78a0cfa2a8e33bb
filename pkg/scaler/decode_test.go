package scaler_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// server is a configuration with parameters that exclude each other.
type server struct {
	host, address, queue string
	set                  struct{ host, address bool }
}

func (c *server) Params() param.Set {
	from := []param.Origin{param.Metadata, param.Auth}
	return param.Set{
		param.Text("host", &c.host).From(from...).IsSet(&c.set.host), param.Text("address", &c.address).From(from...).IsSet(&c.set.address),
		param.Text("queue", &c.queue),
	}
}

func (c *server) Check() param.Problems {
	var ps param.Problems
	switch {
	case c.set.host && c.set.address:
		ps.Errorf("metadata.queue", "can't be found with both host and address; expected one of them")
	case !c.set.host && !c.set.address:
		ps.Errorf("metadata.queue", "can't be found without host or address")
	}
	if c.host != "h" {
		ps.Errorf("metadata.host", "found %q; expected h", c.host)
	}
	if c.queue == "" {
		ps.Warnf("metadata.queue", "is empty")
	}
	return ps
}

func (c *server) Metric() string { return "queue" }

func (c *server) Open(context.Context, scaler.Env) (scaler.Source, error) {
	return nil, errors.ErrUnsupported
}

// TestDecodeOpen: while parameters are not known, only what is wrong whatever
// they are is a problem.
func TestDecodeOpen(t *testing.T) {
	const both, neither = "metadata.queue: can't be found with both host and address; expected one of them", "metadata.queue: can't be found without host or address"
	tests := map[string]struct {
		values param.Values
		want   []string
	}{
		"all known, both":    {param.Values{Metadata: map[string]string{"host": "h", "queue": "q"}, Auth: map[string]string{"address": "a"}}, []string{both}},
		"all known, neither": {param.Values{Metadata: map[string]string{"queue": "q"}}, []string{neither, `metadata.host: found ""; expected h`}},
		"one may come":       {param.Values{Metadata: map[string]string{"host": "h", "queue": "q"}, AllAuthPending: true}, nil},
		"both may come":      {param.Values{Metadata: map[string]string{"queue": "q"}, AllAuthPending: true}, nil},
		"one will come":      {param.Values{Metadata: map[string]string{"host": "h", "queue": "q"}, AuthPending: map[string]bool{"address": true}}, []string{both}},
		"a value that is known": {
			param.Values{Metadata: map[string]string{"host": "x"}, AllAuthPending: true}, []string{`metadata.host: found "x"; expected h`, "metadata.queue: is empty"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range scaler.Decode(&server{}, tt.values) {
				got = append(got, p.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}
