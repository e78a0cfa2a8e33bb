// Package splunk measures saved searches of Splunk, and SignalFlow programs of
// Splunk Observability Cloud.
//
// It owns both requests and the choice of the values that count. It refuses
// results that the server marks as preliminary or as failed.
package splunk

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind { return []scaler.Kind{searchKind(), flowKind()} }

func searchKind() scaler.Kind {
	return scaler.Kind{
		Name:        "splunk",
		Title:       "Splunk saved searches",
		About:       "A field in the first row that a saved search finds.",
		Since:       "2.15",
		Permissions: "A role with the capability `search` that may read the saved search and the indexes it searches.",
		Cost:        "The saved search is run once a poll, at the cost it has in Splunk; equal triggers share one run. Workload pricing bills what searches compute.",
		ByHand:      `curl -s -H "Authorization: Bearer $TOKEN" 'https://splunk:8089/servicesNS/keda/search/search/jobs/export?output_mode=json' --data-urlencode 'search=savedsearch waiting-orders'`,
		Examples: []scaler.Example{
			{
				Title: "With a token",
				Metadata: map[string]string{
					"host": "https://splunk.monitoring:8089", "savedSearchName": "waiting-orders", "valueField": "count",
					"targetValue": "10", "activationValue": "0",
				},
				Auth: map[string]string{"username": "keda", "apiToken": "the-token"},
			},
			{
				Title: "With a password",
				Metadata: map[string]string{
					"host": "https://splunk.monitoring:8089", "savedSearchName": "waiting-orders", "valueField": "count",
					"targetValue": "10", "activationValue": "5",
				},
				Auth: map[string]string{"username": "keda", "password": "the-password"},
			},
		},
		New: func() scaler.Config { return &search{} },
	}
}

type search struct {
	address    *url.URL
	name       string
	field      string
	target     float64
	activation float64
	username   string
	password   param.Hidden
	token      param.Hidden
	given      struct{ password, token bool }
	tls        conn.TLS
}

// Params implements scaler.Config.
func (c *search) Params() param.Set {
	return param.Set{
		param.URL("host", &c.address).Required().Example("https://splunk.monitoring:8089").Doc("Address of the management port."),
		param.Text("savedSearchName", &c.name).Required().Example("waiting-orders").Doc("Name of the saved search in the app Search & Reporting."),
		param.Text("valueField", &c.field).Required().Example("count").Doc("Field of the first row that holds the number."),
		param.Float("targetValue", &c.target).Required().Target().Doc("Value of the field per replica."),
		param.Float("activationValue", &c.activation).Activation().Doc("Value of the field above which the workload is active."),
	}.With(param.Group("Authentication",
		param.Text("username", &c.username).From(param.Auth).Required().Doc("User whose saved search it is."),
		param.Secret("apiToken", &c.token).IsSet(&c.given.token).Doc("Token of the user; either this or password."),
		param.Secret("password", &c.password).IsSet(&c.given.password).Doc("Password of the user; either this or apiToken."),
	), c.tls.MaterialParams())
}

// Check implements scaler.Checker.
func (c *search) Check() param.Problems {
	ps := c.tls.Check()
	switch {
	case c.given.token && c.given.password:
		ps.Errorf("authenticationRef.apiToken", "is there beside password; expected one of them")
	case !c.given.token && !c.given.password:
		ps.Errorf("authenticationRef.apiToken", "is missing; expected it or password")
	}
	return ps
}

// Metric implements scaler.Config.
func (c *search) Metric() string { return "splunk-" + c.name }

// Open implements scaler.Config.
func (c *search) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	auth := conn.WithTLS(&c.tls)
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{})
	if err != nil {
		return nil, err
	}
	client = client.KeepMethod()
	at := c.endpoint()
	return conn.NewHTTPSource(client, at.Host, func(ctx context.Context) (scaler.Reading, error) {
		doing := "running a saved search of Splunk at " + at.Host
		body, err := client.Stream(ctx, c.request(at), doing)
		if err != nil {
			return scaler.Reading{}, refused(err)
		}
		defer func() { _ = body.Close() }()
		return c.read(body, doing)
	}), nil
}

// endpoint is where searches are run and their results exported:
// https://docs.splunk.com/Documentation/Splunk/latest/RESTREF/RESTsearch#search.2Fjobs.2Fexport
func (c *search) endpoint() *url.URL {
	at := conn.Join(c.address, "servicesNS", url.PathEscape(c.username), "search/search/jobs/export")
	q := at.Query()
	q.Set("output_mode", "json")
	at.RawQuery = q.Encode()
	return at
}

func (c *search) request(at *url.URL) *http.Request {
	form := url.Values{"search": {"savedsearch " + quoted(c.name)}}
	header := http.Header{"Accept": {"application/json"}, "Authorization": {"Bearer " + c.token.Reveal()}}
	if !c.given.token {
		header.Set("Authorization", conn.Basic(c.username, c.password))
	}
	return conn.NewPostForm(at, header, form)
}

// quoted is the name as the search language has it, so that nothing in it is a
// command. A name that the user has quoted already stays as it is.
func quoted(name string) string {
	if inner, ok := strings.CutPrefix(name, `"`); ok {
		name = strings.TrimSuffix(inner, `"`)
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}
