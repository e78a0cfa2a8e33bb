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

// source measures one trigger.
type source struct {
	config *config
	client *conn.HTTPClient
	basic  string // Authorization header, empty with an identity
	// poolID is 0 until it is known.
	poolID atomic.Int64
}

func (s *source) host() string { return s.config.organization.Host }

// read counts the jobs of the pool that are the trigger's.
func (s *source) read(_ context.Context, jobs []job) (scaler.Reading, error) {
	return scaler.Reading{Value: float64(s.config.count(jobs))}, nil
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
	doing := fmt.Sprintf("looking for the agent pool %.100q of %s", name, s.host())
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
	doing := fmt.Sprintf("listing the jobs of the agent pool %s of %s", pool, s.host())
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
