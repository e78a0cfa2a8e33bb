package rabbitmq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// bodyLimit is the largest page read; only a few columns are asked for.
	bodyLimit = 8 << 20
	// maxNames and maxQuery limit how many queues one request names: servers
	// take pages of 500, and addresses of 8 KiB.
	maxNames = 500
	maxQuery = 4000
	// columns are the fields of a queue that are read.
	columns = "name,state,messages,messages_ready,message_stats.publish_details.rate,message_stats.deliver_get_details.rate"
)

// httpSource measures by the HTTP API. It owns its share of the client.
type httpSource struct {
	config *config
	client *conn.HTTPClient
	auth   *conn.HTTPAuth
	key    string
}

var (
	_ scaler.Batcher = (*httpSource)(nil)
	_ scaler.Hosted  = (*httpSource)(nil)
)

func (c *config) openHTTP(env scaler.Env) (scaler.Source, error) {
	auth := conn.WithTLS(&c.tls)
	settings := conn.HTTPSettings{Timeout: c.timeout, BodyLimit: bodyLimit}
	if c.resource != "" {
		var err error
		if settings.Identity, err = conn.OpenAzureBearer(env, &conn.AzureCloud{}, c.scope()); err != nil {
			return nil, err
		}
	}
	client, err := conn.OpenHTTP(env, &auth, settings)
	if err != nil {
		return nil, err
	}
	key := []string{"http", c.at.address, c.at.path, c.at.vhost, c.timeout.String(), c.digest(env)}
	return &httpSource{config: c, client: client, auth: &auth, key: strings.Join(key, " ")}, nil
}

// Host implements scaler.Hosted.
func (s *httpSource) Host() string { return s.config.at.address }

// BatchKey implements scaler.Batcher.
func (s *httpSource) BatchKey() string { return s.key }

// Close implements scaler.Source.
func (s *httpSource) Close() error { return s.client.Close() }

// queueInfo is a queue as the HTTP API lists it. What the server has no
// statistics of is absent; message_stats is absent until the first message.
type queueInfo struct {
	Name     string   `json:"name"`
	State    string   `json:"state"`
	Messages *float64 `json:"messages"`
	Ready    *float64 `json:"messages_ready"`
	Stats    struct {
		Publish struct {
			Rate float64 `json:"rate"`
		} `json:"publish_details"`
		Deliver struct {
			Rate float64 `json:"rate"`
		} `json:"deliver_get_details"`
	} `json:"message_stats"`
}

// stats returns the numbers of a queue, if the server has them.
func (q queueInfo) stats(readyOnly bool, doing string) (stats, error) {
	n := q.Messages
	if readyOnly {
		n = q.Ready
	}
	switch {
	case n == nil && (q.State == "down" || q.State == "stopped" || q.State == "crashed"):
		return stats{}, scaler.Unreachable(errors.New("the queue is "+q.State), "%s", doing)
	case n == nil:
		return stats{}, scaler.BadAnswer(errors.New("the server has no statistics of the queue, not yet or because its metrics collector is off"), "%s", doing)
	}
	return stats{messages: *n, publish: q.Stats.Publish.Rate, deliver: q.Stats.Deliver.Rate}, nil
}

// Measure implements scaler.Source.
func (s *httpSource) Measure(ctx context.Context) (scaler.Reading, error) {
	r := s.MeasureAll(ctx, []scaler.Source{s})[0]
	return r.Reading, r.Err
}

// MeasureAll implements scaler.Batcher: named queues are listed together, each
// regular expression by itself.
func (s *httpSource) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	names := map[string]bool{}
	for _, other := range sources {
		if c := other.(*httpSource).config; !c.regex {
			names[c.queue] = true
		}
	}
	found, failures := s.byName(ctx, names)
	listed := map[string]listing{}
	out := make([]scaler.Result, len(sources))
	for i, other := range sources {
		c := other.(*httpSource).config
		if c.regex {
			key := strconv.FormatInt(c.pageSize, 10) + " " + c.queue
			if _, done := listed[key]; !done {
				var l listing
				l.queues, l.err = s.list(ctx, c.queue, c.pageSize, c.of())
				listed[key] = l
			}
			out[i] = c.matching(listed[key])
			continue
		}
		q, ok := found[c.queue]
		switch {
		case failures[c.queue] != nil:
			out[i].Err = failures[c.queue]
		case !ok:
			out[i].Err = scaler.Missing(errors.New("the server has no such queue"), "%s", c.of())
		default:
			out[i] = c.one(q)
		}
	}
	return out
}

// listing is the answer to one regular expression.
type listing struct {
	queues []queueInfo
	err    error
}

func (c *config) one(q queueInfo) scaler.Result {
	n, err := q.stats(c.readyOnly(), c.of())
	if err != nil {
		return scaler.Result{Err: err}
	}
	return scaler.Result{Reading: c.reading(n)}
}

func (c *config) matching(l listing) scaler.Result {
	if l.err != nil {
		return scaler.Result{Err: l.err}
	}
	var all []stats
	for _, q := range l.queues {
		n, err := q.stats(c.readyOnly(), c.of()+": "+strconv.Quote(q.Name))
		if err != nil {
			return scaler.Result{Err: err}
		}
		all = append(all, n)
	}
	r := c.reading(combine(c.operation, all))
	if len(all) == 0 {
		r.Empty, r.Note = true, "no queue matches"
	}
	return scaler.Result{Reading: r}
}

// byName asks for queues by name, as many in one request as fit.
func (s *httpSource) byName(ctx context.Context, names map[string]bool) (map[string]queueInfo, map[string]error) {
	found, failures := map[string]queueInfo{}, map[string]error{}
	for _, chunk := range chunks(names) {
		doing := (&config{queue: chunk[0], at: s.config.at}).of()
		if len(chunk) > 1 {
			doing = fmt.Sprintf("reading %d queues in virtual host %q at %s", len(chunk), s.config.at.vhost, s.config.at.address)
		}
		queues, err := s.list(ctx, exactly(chunk), maxNames, doing)
		for _, q := range queues {
			found[q.Name] = q
		}
		for _, name := range chunk {
			if err != nil {
				failures[name] = err
			}
		}
	}
	return found, failures
}

// chunks splits names so that each part fits one request.
func chunks(names map[string]bool) [][]string {
	var all []string
	for name := range names {
		all = append(all, name)
	}
	slices.Sort(all)
	var out [][]string
	size := 0
	for _, name := range all {
		n := len(url.QueryEscape(regexp.QuoteMeta(name))) + len("%7C")
		if last := len(out) - 1; last >= 0 && size+n <= maxQuery && len(out[last]) < maxNames {
			out[last], size = append(out[last], name), size+n
			continue
		}
		out, size = append(out, []string{name}), n
	}
	return out
}

// exactly is a regular expression that matches these names and no other.
func exactly(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = regexp.QuoteMeta(n)
	}
	return `\A(?:` + strings.Join(quoted, "|") + `)\z`
}

// list reads all queues whose names match, page by page. Queues that come and
// go meanwhile may shift pages, so each counts once.
func (s *httpSource) list(ctx context.Context, pattern string, pageSize int64, doing string) ([]queueInfo, error) {
	var out []queueInfo
	seen := map[string]bool{}
	for page := 1; ; page++ {
		var answer struct {
			Pages *int         `json:"page_count"`
			Items *[]queueInfo `json:"items"`
		}
		body, err := s.get(ctx, pattern, page, pageSize, doing)
		if err != nil {
			if page > 1 && scaler.ReasonOf(err) == scaler.ReasonMisconfigured {
				return out, nil // the page is gone, as queues are
			}
			return nil, err
		}
		if err := json.Unmarshal(body, &answer); err != nil || answer.Pages == nil || answer.Items == nil {
			return nil, scaler.BadAnswer(errors.New("the answer is no page of queues"), "%s", doing)
		}
		for _, q := range *answer.Items {
			if !seen[q.Name] {
				seen[q.Name], out = true, append(out, q)
			}
		}
		if page >= *answer.Pages {
			return out, nil
		}
	}
}

func (s *httpSource) get(ctx context.Context, pattern string, page int, pageSize int64, doing string) ([]byte, error) {
	at := s.config.at
	u := &url.URL{Scheme: "http", Host: at.address, Path: at.path + "/api/queues/" + at.vhost, RawPath: at.path + "/api/queues/" + url.PathEscape(at.vhost)}
	if at.secure {
		u.Scheme = "https"
	}
	u.RawQuery = url.Values{
		"page": {strconv.Itoa(page)}, "page_size": {strconv.FormatInt(pageSize, 10)},
		"name": {pattern}, "use_regex": {"true"}, "columns": {columns},
	}.Encode()
	req := conn.NewGet(u, http.Header{"Accept": {"application/json"}})
	if s.config.resource == "" && (at.user != "" || !at.password.IsZero()) {
		req.SetBasicAuth(at.user, at.password.Reveal())
	}
	a, err := s.client.Do(ctx, req, doing)
	if err != nil {
		return nil, err
	}
	if a.Status == http.StatusBadRequest { // so RabbitMQ answers what is no regular expression, and a page past the last
		return nil, scaler.Misconfigured(errors.New("the server refuses the regular expression"), "%s", doing)
	}
	if err := a.Err(s.client.Now(), doing); err != nil {
		return nil, err
	}
	return a.Body, nil
}
