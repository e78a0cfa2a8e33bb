package sql

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func kind(t testing.TB, name string) scaler.Kind {
	t.Helper()
	return scalertest.Kind(t, Kinds(), name)
}

func newEnv() scaler.Env {
	return scaler.Env{Log: slog.New(slog.DiscardHandler), Pool: pool.New(), Now: time.Now, Namespace: "shop"}
}

// open decodes and opens a trigger, which must be right.
func open(t testing.TB, env scaler.Env, name string, metadata, auth map[string]string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, kind(t, name).New(), param.Values{Metadata: metadata, Auth: auth}, env)
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
		scalertest.Refused(t, err, r.reason, r.mention)
		if strings.Contains(fmt.Sprint(err), "s3cret") {
			t.Errorf("the error shows data: %v", err)
		}
		return
	}
	if err != nil || got.Value != r.want || !strings.Contains(got.Note, r.note) {
		t.Errorf("got %+v, %v; want %v, %q", got, err, r.want, r.note)
	}
}
