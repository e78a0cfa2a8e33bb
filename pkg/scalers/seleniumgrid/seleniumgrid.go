// Package seleniumgrid counts the browser nodes that a Selenium Grid needs:
// one per running session, and those that queued sessions wait for.
//
// It owns the query and the matching of requests, slots and sessions.
package seleniumgrid

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "selenium-grid",
		Title: "Selenium Grid",
		About: "Sessions of a browser that run, and nodes that sessions in the queue need besides the free slots there are. " +
			"One replica is wanted per session and node; each kind of node has a trigger of its own.",
		Since:       "2.4",
		Permissions: "Reading the Grid's GraphQL endpoint, which asks for credentials only behind a proxy or with the hub's own user name and password.",
		Cost:        "One GraphQL query a poll for all triggers of a Grid.",
		ByHand:      `curl -s http://selenium-hub.shop:4444/graphql -d '{"query": "{ sessionsInfo { sessionQueueRequests } nodesInfo { nodes { status, sessionCount, maxSession, stereotypes } } }"}'`,
		Examples: []scaler.Example{
			{
				Title: "Chrome nodes with one session each",
				Metadata: map[string]string{
					"url": "http://selenium-hub.shop:4444/graphql", "browserName": "chrome", "platformName": "linux", "nodeMaxSessions": "1",
				},
			},
			{
				Title: "Edge, whose running sessions have another name",
				Metadata: map[string]string{
					"url": "https://selenium.example.com/graphql", "browserName": "MicrosoftEdge", "sessionBrowserName": "msedge",
					"platformName": "linux", "enableManagedDownloads": "false", "capabilities": `{"team:size": "large"}`,
				},
				Auth: map[string]string{"authType": "Bearer", "accessToken": "the-token"},
			},
		},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	at           *url.URL
	browser      string
	inSession    string
	version      string
	platform     string
	downloads    bool
	capabilities string
	perNode      int64
	activation   int64
	authType     string
	username     string
	password     param.Hidden
	token        param.Hidden
	tls          conn.TLS

	has struct{ password, token bool }
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.URL("url", &c.at).From(param.Auth, param.Metadata).Required().Example("http://selenium-hub.shop:4444/graphql").
			Doc("Address of the Grid's GraphQL endpoint."),
		param.Text("browserName", &c.browser).Example("chrome").
			Doc("Browser of the nodes; only requests and slots with this name count, those without one when unset."),
		param.Text("sessionBrowserName", &c.inSession).Example("msedge").
			Doc("The browser's name in slots and running sessions, where it differs from browserName."),
		param.Text("browserVersion", &c.version).Example("131.0").
			Doc("Version of the browser; requests name its beginning, or no version when unset."),
		param.Text("platformName", &c.platform).Example("linux").
			Doc("Platform of the nodes; platforms of one family such as Windows 10 and 11 match each other, and unset is any."),
		param.Text("capabilities", &c.capabilities).Example(`{"team:size": "large"}`).Since("2.17").
			Doc("Further capabilities as a JSON object, which requests and slots must have; those of browser vendors and of Selenium do not matter."),
		param.Bool("enableManagedDownloads", &c.downloads).Default(true).Since("2.17").
			Doc("Whether the nodes have managed downloads; if not, requests that want them do not count."),
		param.Int("nodeMaxSessions", &c.perNode).Default(1).Min(1).Since("2.17").Doc("How many sessions a new node takes at once."),
		param.Int("activationThreshold", &c.activation).Default(0).Min(0).Activation().Doc("Sessions and nodes above which the workload is active."),
	}.With(param.Group("Authentication",
		param.Text("authType", &c.authType).From(param.Auth, param.Env).Example("Basic").
			Doc("Basic, or the scheme that accessToken is sent with, such as Bearer or OAuth2."),
		param.Text("username", &c.username).From(param.Auth, param.Env).Doc("User name, for Basic."),
		param.Secret("password", &c.password).From(param.Auth, param.Env).IsSet(&c.has.password).Doc("Password, for Basic."),
		param.Secret("accessToken", &c.token).From(param.Auth, param.Env).IsSet(&c.has.token).Doc("Token, for other schemes than Basic."),
	), c.tls.MaterialParams())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := c.tls.Check()
	if _, err := c.wanted(); err != nil {
		ps.Errorf("metadata.capabilities", "found what is no JSON object; expected such as {\"team:size\": \"large\"}")
	}
	if strings.ContainsAny(c.authType, " \r\n\t\x00") {
		ps.Errorf("authenticationRef.authType", "found a value with white space; expected a scheme such as Basic or Bearer")
	}
	switch {
	case strings.EqualFold(c.authType, basic) && (c.username == "" || !c.has.password):
		ps.Errorf("authenticationRef.username", "or password is missing; expected both, since authType is Basic")
	case c.authType != "" && !strings.EqualFold(c.authType, basic) && !c.has.token:
		ps.Errorf("authenticationRef.accessToken", "is missing; expected a token, since authType is %.50q", c.authType)
	}
	return ps
}

const (
	basic           = "Basic"
	downloadsWanted = "se:downloadsEnabled"
)

// wanted are the capabilities of the trigger's nodes besides browser and platform.
func (c *config) wanted() (map[string]any, error) {
	out := map[string]any{}
	if c.capabilities != "" {
		if err := json.Unmarshal([]byte(c.capabilities), &out); err != nil {
			return nil, err
		}
	}
	if out == nil { // JSON's null
		out = map[string]any{}
	}
	if c.downloads {
		out[downloadsWanted] = true
	}
	return out, nil
}

// Metric implements scaler.Config.
func (c *config) Metric() string {
	return strings.Join([]string{"selenium-grid", c.browser, c.version, c.platform}, "-")
}

// Target implements scaler.Targeter.
func (c *config) Target() (target, activation float64) { return 1, float64(c.activation) }

// authorization is the header that proves who asks, or empty.
func (c *config) authorization() string {
	if (c.authType == "" || strings.EqualFold(c.authType, basic)) && c.username != "" && !c.password.IsZero() {
		return conn.Basic(c.username, c.password)
	}
	if strings.EqualFold(c.authType, basic) || c.token.IsZero() {
		return ""
	}
	scheme := c.authType
	if scheme == "" {
		scheme = "Bearer"
	}
	return scheme + " " + c.token.Reveal()
}

// bodyLimit is the largest answer read: a large Grid has many sessions.
const bodyLimit = 16 << 20

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	wanted, err := c.wanted()
	if err != nil {
		return nil, scaler.Misconfigured(err, "reading metadata.capabilities")
	}
	auth := conn.WithTLS(&c.tls)
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{BodyLimit: bodyLimit})
	if err != nil {
		return nil, err
	}
	s := &source{client: client, at: c.at, nodes: newNodes(c, wanted), header: http.Header{}}
	authorization := c.authorization()
	if authorization != "" {
		s.header.Set("Authorization", authorization)
	}
	return &conn.BatchSource[grid]{
		Ask: s.ask, Read: s.read, Server: c.at.Host, Release: client.Close,
		Key: strings.Join([]string{"selenium-grid", c.at.Redacted(), conn.Digest(c.at.String(), authorization, c.tls.Digest()), conn.OptionsKey(env.HTTP)}, " "),
	}, nil
}
