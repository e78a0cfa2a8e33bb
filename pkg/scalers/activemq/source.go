package activemq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// maxReads is how many beans one request names.
	maxReads = 200
	// bodyLimit is the largest answer read.
	bodyLimit = 4 << 20
)

// source reads one bean. It owns its share of the client.
type source struct {
	*bean
	product string
	client  *conn.HTTPClient
	key     string
}

var (
	_ scaler.Batcher = (*source)(nil)
	_ scaler.Hosted  = (*source)(nil)
)

func (b *bean) open(env scaler.Env, product string, auth *conn.HTTPAuth, settings ...string) (scaler.Source, error) {
	client, err := conn.OpenHTTP(env, auth, conn.HTTPSettings{BodyLimit: bodyLimit})
	if err != nil {
		return nil, err
	}
	at := b.at
	if b.base != nil {
		at = b.base
	}
	shared := conn.Digest(append(settings, b.username, b.password.Reveal(), b.origin, at.String())...)
	return &source{bean: b, product: product, client: client, key: at.Host + " " + shared}, nil
}

// Host implements scaler.Hosted.
func (s *source) Host() string { return s.at.Host }

// BatchKey implements scaler.Batcher. Beans whose address the user gives have
// one of their own.
func (s *source) BatchKey() string { return s.key }

// Close implements scaler.Source.
func (s *source) Close() error { return s.client.Close() }

// doing says what is tried, for errors.
func (s *source) doing() string {
	return fmt.Sprintf("reading the size of the queue %q of %s at %s", s.queue, s.product, s.at.Host)
}

// answer is Jolokia's to one request: the status is in it, like those of HTTP:
// https://jolokia.org/reference/html/manual/jolokia_protocol.html#responses
type answer struct {
	Status int             `json:"status"`
	Value  json.RawMessage `json:"value"`
}

func (a answer) reading(doing string) (scaler.Reading, error) {
	switch a.Status {
	case http.StatusOK:
	case http.StatusNotFound:
		return scaler.Reading{}, scaler.Missing(errors.New("the broker has no such queue"), "%s", doing)
	case http.StatusUnauthorized, http.StatusForbidden:
		return scaler.Reading{}, scaler.Denied(fmt.Errorf("the status in the answer is %d: Jolokia's policy or its allowed origins forbid the request", a.Status), "%s", doing)
	default:
		return scaler.Reading{}, scaler.BadAnswer(fmt.Errorf("the status in the answer is %d; expected 200", a.Status), "%s", doing)
	}
	var n *float64
	if err := json.Unmarshal(a.Value, &n); err != nil || n == nil {
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the bean's attribute is no number"), "%s", doing)
	}
	return scaler.Reading{Value: *n}, nil
}

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	doing := s.doing()
	body, err := s.client.Ask(ctx, conn.NewGet(s.at, s.headers()), conn.Refusals{}, doing)
	if err != nil {
		return scaler.Reading{}, err
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil || a.Status == 0 {
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer is not Jolokia's JSON"), "%s", doing)
	}
	return a.reading(doing)
}

func (s *source) headers() http.Header {
	r := http.Request{Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}, "Origin": {s.origin}}}
	r.SetBasicAuth(s.username, s.password.Reveal())
	return r.Header
}

// MeasureAll implements scaler.Batcher: several beans are read by one POST,
// unless the server takes none.
func (s *source) MeasureAll(ctx context.Context, sources []scaler.Source) []scaler.Result {
	places := map[string][]int{} // of sources, by bean
	var first []*source
	for i, other := range sources {
		o := other.(*source)
		if places[o.mbean] == nil {
			first = append(first, o)
		}
		places[o.mbean] = append(places[o.mbean], i)
	}
	out := make([]scaler.Result, len(sources))
	for chunk := range slices.Chunk(first, maxReads) {
		results := s.readAll(ctx, chunk)
		for i, o := range chunk {
			for _, place := range places[o.mbean] {
				out[place] = results[i]
			}
		}
	}
	return out
}

func (s *source) readAll(ctx context.Context, beans []*source) []scaler.Result {
	out := make([]scaler.Result, len(beans))
	if len(beans) > 1 {
		answers, err := s.post(ctx, beans)
		switch {
		case err != nil:
			for i := range out {
				out[i].Err = err
			}
			return out
		case answers != nil:
			for i, b := range beans {
				out[i].Reading, out[i].Err = answers[i].reading(b.doing())
			}
			return out
		}
	}
	for i, b := range beans {
		out[i].Reading, out[i].Err = b.Measure(ctx)
	}
	return out
}

// read is one of several requests:
// https://jolokia.org/reference/html/manual/jolokia_protocol.html#post-request
type read struct {
	Type      string `json:"type"`
	MBean     string `json:"mbean"`
	Attribute string `json:"attribute"`
}

// post reads beans at once. It returns nil where the server takes no POST, as
// a policy or a proxy may have it.
func (s *source) post(ctx context.Context, beans []*source) ([]answer, error) {
	reads := make([]read, len(beans))
	for i, b := range beans {
		reads[i] = read{Type: "read", MBean: b.mbean, Attribute: b.attribute}
	}
	doing := fmt.Sprintf("reading the sizes of %d queues of %s at %s", len(beans), s.product, s.at.Host)
	body, err := json.Marshal(reads)
	if err != nil {
		return nil, scaler.Misconfigured(err, "%s", doing)
	}
	got, err := s.client.Do(ctx, conn.NewPost(s.base, s.headers(), body, "application/json"), doing)
	if err != nil {
		return nil, err
	}
	switch got.Status {
	case http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType:
		return nil, nil
	}
	if err := got.Err(s.client.Now(), doing); err != nil {
		return nil, err
	}
	var answers []answer
	if err := json.Unmarshal(got.Body, &answers); err != nil || len(answers) != len(beans) {
		return nil, scaler.BadAnswer(fmt.Errorf("the answer is no list of %d results", len(beans)), "%s", doing)
	}
	return answers, nil
}
