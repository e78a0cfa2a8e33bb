package sql

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func kind(t testing.TB, name string) scaler.Kind {
	t.Helper()
	for _, k := range Kinds() {
		if k.Name == name {
			return k
		}
	}
	t.Fatalf("no kind %s", name)
	return scaler.Kind{}
}

func newEnv() scaler.Env {
	return scaler.Env{Log: slog.New(slog.DiscardHandler), Pool: pool.New(), Now: time.Now, Namespace: "shop"}
}

// with returns metadata with pairs of name and value put over it.
func with(m map[string]string, more ...string) map[string]string {
	m = maps.Clone(m)
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

// open decodes and opens a trigger, which must be right.
func open(t testing.TB, env scaler.Env, name string, metadata, auth map[string]string) scaler.Source {
	t.Helper()
	c := kind(t, name).New()
	if err := scaler.Decode(c, param.Values{Metadata: metadata, Auth: auth}).Err(); err != nil {
		t.Fatal(err)
	}
	s, err := c.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func measure(t testing.TB, s scaler.Source) (scaler.Reading, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return s.Measure(ctx)
}

// result is what a query should give: a number, or a failure.
type result struct {
	query   string
	want    float64
	note    string
	reason  scaler.Reason
	mention string
}

func (r result) check(t *testing.T, s scaler.Source) {
	t.Helper()
	got, err := measure(t, s)
	if r.reason != "" {
		if err == nil || scaler.ReasonOf(err) != r.reason || !strings.Contains(err.Error(), r.mention) {
			t.Errorf("got %+v, %v; want %s about %q", got, err, r.reason, r.mention)
		}
		if strings.Contains(fmt.Sprint(err), "s3cret") {
			t.Errorf("the error shows data: %v", err)
		}
		return
	}
	if err != nil || got.Value != r.want || !strings.Contains(got.Note, r.note) {
		t.Errorf("got %+v, %v; want %v, %q", got, err, r.want, r.note)
	}
}
