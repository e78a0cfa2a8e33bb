// Package forgejorunner counts the jobs of Forgejo Actions that wait for a
// runner with given labels.
//
// It owns the request. Which jobs match the labels is Forgejo's choice.
package forgejorunner

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "forgejo-runner",
		Title: "Forgejo Actions runners",
		About: "How many jobs of Forgejo Actions wait for a runner with the given labels: of a repository, an organization, the whole server, or the token's user. " +
			"One replica is wanted per job.",
		Since:       "2.18",
		Permissions: "A token that may read what it asks for: `read:repository`, `read:organization`, `read:admin` (with `global`, of an administrator) or `read:user`.",
		Cost:        "One HTTP request a poll; equal requests of many triggers are asked once.",
		ByHand:      `curl -s -H "Authorization: token $TOKEN" 'https://forgejo.example.com/api/v1/repos/OWNER/REPO/actions/runners/jobs?labels=docker' | jq length`,
		Examples: []scaler.Example{
			{
				Title:    "Jobs of a repository",
				Metadata: map[string]string{"address": "https://forgejo.example.com", "owner": "example", "repo": "shop", "labels": "docker"},
				Auth:     map[string]string{"token": "the-token"},
			},
			{
				Title:    "Jobs of all repositories of the server",
				Metadata: map[string]string{"address": "https://forgejo.example.com", "global": "true", "labels": "docker,ubuntu-24.04"},
				Auth:     map[string]string{"token": "the-token-of-an-administrator"},
			},
		},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	address *url.URL
	name    string
	labels  string
	global  bool
	owner   string
	org     string
	repo    string
	token   param.Hidden
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.URL("address", &c.address).Required().Example("https://forgejo.example.com").Doc("Address of the server."),
		param.Text("labels", &c.labels).Required().Example("docker,ubuntu-24.04").Doc("Labels of the runner, separated by comma."),
		param.Text("owner", &c.owner).Example("example").Doc("Owner of the repository in repo."),
		param.Text("repo", &c.repo).Example("shop").Doc("Repository whose jobs count; it goes before org and global."),
		param.Text("org", &c.org).Example("example").Doc("Organization whose jobs count; it goes before global."),
		param.Bool("global", &c.global).Default(false).
			Doc("Whether the jobs of the whole server count; if nothing is chosen, those of the token's user do."),
		param.Text("name", &c.name).Example("runner").Doc("Name of the runner, for people."),
	}.With(param.Group("Authentication",
		param.Secret("token", &c.token).From(param.Auth, param.Env).Required().Doc("Access token."),
	))
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	var ps param.Problems
	for name, value := range map[string]string{"owner": c.owner, "repo": c.repo, "org": c.org} {
		if value == "." || value == ".." {
			ps.Errorf("metadata."+name, "found %q; expected a name", value)
		}
	}
	if (c.owner == "") != (c.repo == "") {
		what, other := "owner", "repo"
		if c.owner == "" {
			what, other = other, what
		}
		ps.Warnf("metadata."+what, "has no effect without %s", other)
	}
	return ps
}

// Metric implements scaler.Config.
func (c *config) Metric() string { return "forgejo" }

// Target implements scaler.Targeter.
func (c *config) Target() (target, activation float64) { return 1, 0 }

// path is where the chosen jobs are listed:
// https://code.forgejo.org/api/swagger
func (c *config) path() []string {
	switch {
	case c.owner != "" && c.repo != "":
		return []string{"repos", url.PathEscape(c.owner), url.PathEscape(c.repo), "actions", "runners", "jobs"}
	case c.org != "":
		return []string{"orgs", url.PathEscape(c.org), "actions", "runners", "jobs"}
	case c.global:
		return []string{"admin", "runners", "jobs"}
	}
	return []string{"user", "actions", "runners", "jobs"}
}

// bodyLimit is the largest answer read.
const bodyLimit = 8 << 20

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	auth := conn.WithTLS(&conn.TLS{})
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{BodyLimit: bodyLimit})
	if err != nil {
		return nil, err
	}
	at := conn.Join(c.address, append([]string{"api", "v1"}, c.path()...)...)
	at.RawQuery = url.Values{"labels": {c.labels}}.Encode()
	return conn.NewHTTPSource(client, at.Host, func(ctx context.Context) (scaler.Reading, error) {
		doing := "listing waiting jobs at " + at.Host
		var jobs []job // nil where the server has none
		req := conn.NewGet(at, http.Header{"Authorization": {"token " + c.token.Reveal()}})
		if err := client.AskJSON(ctx, req, conn.Refusals{}, &jobs, doing); err != nil {
			return scaler.Reading{}, err
		}
		return count(jobs, doing)
	}), nil
}

// job is one of the list of the answer.
type job struct {
	ID int64 `json:"id"`
}

// count is how many jobs a list has.
func count(jobs []job, doing string) (scaler.Reading, error) {
	for _, j := range jobs {
		if j.ID == 0 {
			return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer lists something that is no job"), "%s", doing)
		}
	}
	return scaler.Reading{Value: float64(len(jobs))}, nil
}
