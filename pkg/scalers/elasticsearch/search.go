package elasticsearch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// bodyLimit leaves room for the documents of searches that ask for some.
const bodyLimit = 4 << 20

// search is what to ask for, the same in both kinds.
type search struct {
	index      string
	template   string
	query      string
	parameters string
	location   string
	target     float64
	activation float64
	ignoreNull bool
	metricName string

	has struct{ index, template, query bool }
	// indices and values are index and parameters, read by check.
	indices []string
	values  map[string]string
}

func (s *search) params() param.Set {
	return param.Set{
		param.Text("index", &s.index).From(param.Auth, param.Metadata).Required().IsSet(&s.has.index).Example("orders;returns").
			Doc("Indices to search, separated by semicolons."),
		param.Text("searchTemplateName", &s.template).From(param.Auth, param.Metadata).IsSet(&s.has.template).
			Doc("Stored search template to run; either this or query."),
		param.Text("query", &s.query).From(param.Auth, param.Metadata).IsSet(&s.has.query).Example(`{"size": 0, "query": {"term": {"state": "waiting"}}}`).
			Doc("Body of the search, in JSON; either this or searchTemplateName."),
		param.Text("parameters", &s.parameters).Example("state:waiting;hours:6").
			Doc("Parameters of the search template, as name:value separated by semicolons."),
		param.Text("valueLocation", &s.location).From(param.Auth, param.Metadata).Required().Example("hits.total.value").
			Doc("Where in the answer the number is, as a GJSON path."),
		param.Float("targetValue", &s.target).From(param.Auth, param.Metadata).Required().Target().Doc("The number per replica."),
		param.Float("activationTargetValue", &s.activation).Activation().Doc("The number above which the workload is active."),
		param.Bool("ignoreNullValues", &s.ignoreNull).Default(false).
			Doc("Whether null, or nothing, at valueLocation counts as 0 instead of being an error."),
		param.Text("metricName", &s.metricName).Deprecated("leave it out; the metric is named after the search template").
			Doc("Name of the metric, without effect."),
	}
}

func (s *search) check() param.Problems {
	var ps param.Problems
	s.indices = strings.FieldsFunc(s.index, func(r rune) bool { return r == ';' || r == ',' || r == ' ' || r == '\t' || r == '\n' })
	if s.index != "" && len(s.indices) == 0 || slices.Contains(s.indices, ".") || slices.Contains(s.indices, "..") {
		ps.Errorf("metadata.index", "is no list of indices; expected such as orders;returns")
	}
	switch {
	case !s.has.template && !s.has.query:
		ps.Errorf("metadata.query", "is missing; expected a search in JSON, or searchTemplateName")
	case s.has.template && s.has.query:
		ps.Errorf("metadata.query", "is there beside searchTemplateName; expected one of them")
	case s.query != "" && !json.Valid([]byte(s.query)):
		ps.Errorf("metadata.query", "is no JSON; expected such as {\"query\": {\"match_all\": {}}}")
	case s.has.query && s.parameters != "":
		ps.Warnf("metadata.parameters", "has no effect beside query; only search templates have parameters")
	}
	s.values = map[string]string{}
	for _, item := range strings.Split(s.parameters, ";") {
		if strings.TrimSpace(item) == "" {
			continue
		}
		name, value, ok := strings.Cut(item, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			ps.Errorf("metadata.parameters", "has an item that is no name:value; expected such as state:waiting;hours:6")
			break
		}
		s.values[name] = strings.TrimSpace(value)
	}
	return ps
}

// metric is a stable name of what is searched for.
func (s *search) metric(kind string) string {
	if s.template != "" {
		return kind + "-" + s.template
	}
	return kind + "-query"
}

// request is the path below the server's address, and the body.
func (s *search) request() (path []string, body []byte, err error) {
	escaped := make([]string, len(s.indices))
	for i, name := range s.indices {
		escaped[i] = url.PathEscape(name)
	}
	path = []string{strings.Join(escaped, ","), "_search"}
	if s.template == "" {
		return path, []byte(s.query), nil
	}
	body, err = json.Marshal(struct {
		ID     string            `json:"id"`
		Params map[string]string `json:"params,omitempty"`
	}{s.template, s.values})
	return append(path, "template"), body, err
}

// open makes the source. header has the credentials.
func (s *search) open(env scaler.Env, product string, tls *conn.TLS, addresses []*url.URL, header http.Header) (scaler.Source, error) {
	path, body, err := s.request()
	if err != nil {
		return nil, scaler.Misconfigured(err, "preparing a search")
	}
	auth := conn.WithTLS(tls)
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{BodyLimit: bodyLimit})
	if err != nil {
		return nil, err
	}
	header.Set("Accept", "application/json")
	refusals := conn.Refusals{
		BadRequest: "it can't run the search; try the same by hand, it tells why",
		NotFound:   "there is no such index or search template",
	}
	servers := conn.NewServers(addresses)
	return conn.NewHTTPSource(client, servers.Host(), func(ctx context.Context) (r scaler.Reading, err error) {
		err = servers.Ask(ctx, func(server *url.URL) error {
			doing := "searching " + product + " at " + server.Host
			got, err := client.Ask(ctx, conn.NewPost(server.JoinPath(path...), header, body, "application/json"), refusals, doing)
			if err != nil {
				return err
			}
			r, err = s.read(got, doing)
			return err
		})
		return r, err
	}), nil
}

// read takes the number out of an answer.
func (s *search) read(body []byte, doing string) (scaler.Reading, error) {
	doing = fmt.Sprintf("%s, reading %s", doing, s.location)
	if !gjson.ValidBytes(body) {
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer is no JSON"), "%s", doing)
	}
	if gjson.GetBytes(body, s.location).Type == gjson.Null { // also when there is nothing
		if s.ignoreNull {
			return scaler.Reading{Empty: true, Note: "there is no value at valueLocation, which counts as 0"}, nil
		}
		return scaler.Reading{Empty: true}, scaler.BadAnswer(errors.New("there is no value; expected a number, or ignoreNullValues"), "%s", doing)
	}
	n, err := conn.NumberAt(body, s.location)
	if err != nil {
		return scaler.Reading{}, scaler.BadAnswer(err, "%s", doing)
	}
	return scaler.Reading{Value: n, Note: s.note(body)}, nil
}

// note says what makes the number less than all there is.
func (s *search) note(body []byte) string {
	switch {
	case gjson.GetBytes(body, "timed_out").Bool():
		return "the search timed out at the server, so the number is of a part"
	case gjson.GetBytes(body, "_shards.failed").Int() > 0:
		return fmt.Sprintf("%d of %d shards failed, so the number is of the others",
			gjson.GetBytes(body, "_shards.failed").Int(), gjson.GetBytes(body, "_shards.total").Int())
	case strings.HasPrefix(s.location, "hits.total") && gjson.GetBytes(body, "hits.total.relation").Str == "gte":
		return "the server stopped counting there; track_total_hits in the search makes it count all"
	}
	return ""
}
