package azurepipelines

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// bodyLimit is the largest answer read, in bytes: each waiting job lists all
// agents that can take it.
const bodyLimit = 32 << 20

// source measures one trigger. It owns its share of the client.
type source struct {
	config *config
	client *conn.HTTPClient
	basic  string // Authorization header, empty with an identity
	key    string
	// poolID is 0 until it is known.
	poolID atomic.Int64
}

var (
	_ scaler.Batcher = (*source)(nil)
	_ scaler.Hosted  = (*source)(nil)
)

// Host implements scaler.Hosted.
func (s *source) Host() string { return s.config.organization.Host }

// BatchKey implements scaler.Batcher.
func (s *source) BatchKey() string { return s.key }

// Close implements scaler.Source.
func (s *source) Close() error { return s.client.Close() }

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	got := s.MeasureAll(ctx, []scaler.Source{s})[0]
	return got.Reading, got.Err
}

// MeasureAll implements scaler.Batcher: the jobs of the pool are asked for
// once, and each source counts its own.
func (s *source) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	results := make([]scaler.Result, len(sources))
	jobs, err := s.jobs(ctx)
	for i, src := range sources {
		if err != nil {
			results[i].Err = err
			continue
		}
		results[i].Reading.Value = float64(src.(*source).config.count(jobs))
	}
	return results
}

// get asks for what is below the organization.
func (s *source) get(ctx context.Context, q url.Values, into any, doing string, path ...string) error {
	at := s.config.organization.JoinPath(append([]string{"_apis/distributedtask/pools"}, path...)...)
	at.RawQuery = q.Encode()
	header := http.Header{"Accept": {"application/json"}, "X-Tfs-Fedauthredirect": {"Suppress"}} // 401 in place of a page to sign in
	if s.basic != "" {
		header.Set("Authorization", s.basic)
	}
	body, err := s.client.AzureAsk(ctx, conn.NewGet(at, header), doing)
	if err != nil {
		return err
	}
	return conn.DecodeJSON(body, into, doing)
}

// pool is the pool's ID, asked for once.
func (s *source) pool(ctx context.Context) (int64, error) {
	if id := s.poolID.Load(); id != 0 {
		return id, nil
	}
	name := s.config.pool
	doing := fmt.Sprintf("looking for the agent pool %.100q of %s", name, s.Host())
	var got struct {
		Value []struct {
			ID int64 `json:"id"`
		} `json:"value"`
	}
	if err := s.get(ctx, url.Values{"poolName": {name}}, &got, doing); err != nil {
		return 0, err
	}
	switch {
	case got.Value == nil:
		return 0, scaler.BadAnswer(errors.New("the answer holds no list of pools"), "%s", doing)
	case len(got.Value) == 0:
		return 0, scaler.Missing(errors.New("there is none; expected one that the organization has and the credentials may see"), "%s", doing)
	case len(got.Value) > 1:
		return 0, scaler.Misconfigured(fmt.Errorf("there are %d; expected one, by its poolID", len(got.Value)), "%s", doing)
	case got.Value[0].ID <= 0:
		return 0, scaler.BadAnswer(errors.New("the answer holds no ID"), "%s", doing)
	}
	s.poolID.Store(got.Value[0].ID)
	return got.Value[0].ID, nil
}

// job is what is read of one. The API is not documented; its clients agree on
// it. Result is null until the job is finished.
type job struct {
	Result  *string  `json:"result"`
	Demands []string `json:"demands"`
	Agents  []struct {
		Name string `json:"name"`
	} `json:"matchedAgents"`
}

// jobs are those of the pool.
func (s *source) jobs(ctx context.Context) ([]job, error) {
	id, err := s.pool(ctx)
	if err != nil {
		return nil, err
	}
	pool := strconv.FormatInt(id, 10)
	doing := fmt.Sprintf("listing the jobs of the agent pool %s of %s", pool, s.Host())
	var got struct {
		Value []job `json:"value"`
	}
	err = s.get(ctx, s.config.query(), &got, doing, pool, "jobrequests")
	if s.config.has.pool && scaler.ReasonOf(err) == scaler.ReasonMissing && err != nil {
		s.poolID.CompareAndSwap(id, 0) // it may have been made anew
	}
	if err == nil && got.Value == nil {
		err = scaler.BadAnswer(errors.New("the answer holds no list of jobs"), "%s", doing)
	}
	return got.Value, err
}
