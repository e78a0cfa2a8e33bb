package dynatrace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/internal/sleep"
	"github.com/kedago/keda/pkg/scaler"
)

// hold is how long Dynatrace may hold back an answer until there is a result.
const hold = time.Second

// execution is a query's state, and its result once it has succeeded:
// https://docs.dynatrace.com/docs/dynatrace-api/platform-api/platform-storage-query-v1
type execution struct {
	State  string `json:"state"`
	Token  string `json:"requestToken"`
	Result *struct {
		Records []json.RawMessage `json:"records"`
	} `json:"result"`
}

// dql runs the query and waits for its result.
func (a *asker) dql(ctx context.Context) (scaler.Reading, error) {
	req, err := conn.NewPostJSON(a.grail("execute", nil), a.bearer(), map[string]any{
		"query": a.query, "fetchTimeoutSeconds": a.timeout, "requestTimeoutMilliseconds": hold.Milliseconds(), "maxResultRecords": 2,
	})
	if err != nil {
		return scaler.Reading{}, scaler.Misconfigured(err, "%s", a.doing)
	}
	got, err := a.ask(ctx, req)
	if err != nil {
		return scaler.Reading{}, err
	}
	token := got.Token
	for try := int64(0); ; try++ {
		done, err := got.done(a.doing)
		if err != nil {
			return scaler.Reading{}, err
		}
		switch {
		case done:
			return got.read(a.doing)
		case try == a.tries:
			return scaler.Reading{}, scaler.Unreachable(fmt.Errorf("the query had no result after %d tries; expected one within queryPollingTries times queryPollingWait", try), "%s", a.doing)
		case token == "":
			return scaler.Reading{}, scaler.BadAnswer(errors.New("the query is running and the answer has no requestToken"), "%s", a.doing)
		case try > 0:
			if !sleep.For(ctx, a.wait) {
				return scaler.Reading{}, scaler.Unreachable(ctx.Err(), "%s: waiting for the query's result", a.doing)
			}
		}
		poll := url.Values{"request-token": {token}, "request-timeout-milliseconds": {fmt.Sprint(hold.Milliseconds())}}
		if got, err = a.ask(ctx, conn.NewGet(a.grail("poll", poll), a.bearer())); err != nil {
			return scaler.Reading{}, err
		}
	}
}

func (a *asker) grail(what string, query url.Values) *url.URL {
	at := a.host.JoinPath("platform/storage/query/v1/query:" + what)
	at.RawQuery = query.Encode()
	return at
}

func (a *asker) bearer() http.Header {
	return http.Header{"Authorization": {"Bearer " + a.token.Reveal()}}
}

func (a *asker) ask(ctx context.Context, req *http.Request) (execution, error) {
	var got execution
	err := a.client.AskJSON(ctx, req, conn.Refusals{
		BadRequest: "expected a query that a notebook runs",
		NotFound:   "expected the address of the environment's apps as host, such as https://abc12345.apps.dynatrace.com",
	}, &got, a.doing)
	return got, err
}

// done says whether there is a result, or why there will be none.
func (e execution) done(doing string) (bool, error) {
	switch e.State {
	case "SUCCEEDED":
		return true, nil
	case "RUNNING", "NOT_STARTED":
		return false, nil
	case "FAILED":
		return false, scaler.Misconfigured(errors.New("the query failed; expected one that a notebook runs within queryTimeoutSeconds"), "%s", doing)
	case "CANCELLED", "RESULT_GONE":
		return false, scaler.Unreachable(errors.New("the query was cancelled or its result is gone"), "%s", doing)
	}
	return false, scaler.BadAnswer(errors.New("the answer has no known state of a query"), "%s", doing)
}

// read is the field r of the first record. Grail sends whole numbers as texts.
func (e execution) read(doing string) (scaler.Reading, error) {
	if e.Result == nil {
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer has no result"), "%s", doing)
	}
	records := e.Result.Records
	if len(records) == 0 {
		return scaler.Reading{Empty: true}, scaler.Missing(errors.New("the query found no record"), "%s", doing)
	}
	var first struct {
		R *json.RawMessage `json:"r"`
	}
	if err := conn.DecodeJSON(records[0], &first, doing); err != nil {
		return scaler.Reading{}, err
	}
	if first.R == nil {
		return scaler.Reading{Empty: true}, scaler.Missing(errors.New("the first record has no value in the field r; expected one, for example with timeseries { r = max(`…`, scalar: true) }"), "%s", doing)
	}
	v, err := conn.NumberAt(*first.R, "@this")
	if err != nil {
		return scaler.Reading{}, scaler.Misconfigured(fmt.Errorf("the field r: %w", err), "%s", doing)
	}
	r := scaler.Reading{Value: v}
	if len(records) > 1 {
		r.Note = "the query found several records, of which the first counts"
	}
	return r, nil
}
