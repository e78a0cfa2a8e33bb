// Package githubrunner counts the jobs of GitHub Actions that wait for, or
// run on, runners with given labels.
//
// It owns the requests, the choice of jobs and the care about GitHub's rate
// limit. It refuses to guess: while the limit is reached, the last count
// stands, and says so.
package githubrunner

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "github-runner",
		Title: "GitHub Actions runners",
		About: "How many queued and running jobs of GitHub Actions a runner with the given labels could take. " +
			"The workload is active from a whole `targetWorkflowQueueLength` on.",
		Since: "2.10",
		Permissions: "Reading actions and metadata of the repositories: the scopes `repo` of a classic token, or " +
			"Actions and Metadata (read) of a fine-grained token or of a GitHub App.",
		Cost: "Two requests per repository and one per unfinished run, of 5,000 an hour for a token and up to 15,000 for an app; " +
			"triggers with the same credentials share the answers, and with `enableEtags` unchanged answers are free.",
		ByHand: `gh api '/repos/OWNER/REPO/actions/runs?status=queued' --jq '.workflow_runs[].id'`,
		Examples: []scaler.Example{
			{
				Title: "Jobs of two repositories",
				Metadata: map[string]string{
					"owner": "example", "runnerScope": "repo", "repos": "shop,warehouse", "labels": "arm64,large",
					"enableEtags": "true", "targetWorkflowQueueLength": "1",
				},
				Auth: map[string]string{"personalAccessToken": "the-token"},
			},
			{
				Title:    "All repositories of an organization, as a GitHub App",
				Metadata: map[string]string{"owner": "example", "runnerScope": "org", "enableEtags": "true", "applicationID": "1234", "installationID": "5678"},
				Auth:     map[string]string{"appKey": "the-private-key-in-PEM-form"},
			},
		},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	api              *url.URL
	owner            string
	scope            string
	repos            []string
	labels           []string
	noDefaultLabels  bool
	unlabeled        bool
	etags            bool
	target           int64
	token            param.Hidden
	app, install     int64
	key              param.Hidden
	hasToken, hasKey bool
	backoff          bool
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.URL("githubApiURL", &c.api).From(param.Metadata, param.Env).Default("https://api.github.com").
			Doc("Address of the API; of a GitHub Enterprise Server it is https://HOST/api/v3."),
		param.Text("owner", &c.owner).From(param.Metadata, param.Env).Required().Example("example").Doc("Organization or user that owns the repositories."),
		param.Text("runnerScope", &c.scope).From(param.Metadata, param.Env).Required().OneOf("org", "ent", "repo").
			Doc("Whether runners belong to an organization, an enterprise or repositories; it says whose repositories are listed when repos is unset."),
		param.List("repos", &c.repos).From(param.Metadata, param.Env).Example("shop,warehouse").
			Doc("Repositories whose jobs count, without the owner; all of the owner when unset, which takes many requests."),
		param.List("labels", &c.labels).From(param.Metadata, param.Env).Example("arm64,large").
			Doc("Labels of the runner besides the default ones; a job counts if the runner has all its labels."),
		param.Bool("noDefaultLabels", &c.noDefaultLabels).From(param.Metadata, param.Env).Default(false).Since("2.16").
			Doc("Whether the runner lacks the default labels self-hosted, linux and x64."),
		param.Bool("matchUnlabeledJobsWithUnlabeledRunners", &c.unlabeled).From(param.Metadata, param.Env).Default(false).Since("2.17").
			Doc("Whether jobs without labels count only when labels is unset too."),
		param.Bool("enableEtags", &c.etags).From(param.Metadata, param.Env).Default(false).Since("2.17").
			Doc("Whether to ask only for what has changed: unchanged answers do not count against the rate limit."),
		param.Int("targetWorkflowQueueLength", &c.target).From(param.Metadata, param.Env).Default(1).Min(1).Target().Doc("Jobs per replica, and to activate the workload."),
		param.Bool("enableBackoff", &c.backoff).From(param.Metadata, param.Env).Default(false).Deprecated("leave it out; the rate limit is always kept").
			Doc("Whether to wait when the rate limit is reached, without effect."),
	}.With(param.Group("Authentication",
		param.Secret("personalAccessToken", &c.token).IsSet(&c.hasToken).Doc("Personal access token, unless a GitHub App is given."),
		param.Int("applicationID", &c.app).From(param.Metadata, param.Env).Min(0).Doc("ID of the GitHub App."),
		param.Int("installationID", &c.install).From(param.Metadata, param.Env).Min(0).Doc("ID of the app's installation at the owner."),
		param.Secret("appKey", &c.key).IsSet(&c.hasKey).Doc("Private key of the GitHub App (PEM)."),
	))
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	var ps param.Problems
	switch {
	case c.isApp():
		if c.app == 0 {
			ps.Errorf("metadata.applicationID", "is missing; a GitHub App needs applicationID, installationID and appKey")
		}
		if c.install == 0 {
			ps.Errorf("metadata.installationID", "is missing; a GitHub App needs applicationID, installationID and appKey")
		}
		if !c.hasKey {
			ps.Errorf("authenticationRef.appKey", "is missing; a GitHub App needs applicationID, installationID and appKey")
		}
	case !c.hasToken:
		ps.Errorf("authenticationRef.personalAccessToken", "is missing; expected a token, or a GitHub App with applicationID, installationID and appKey")
	}
	if c.owner == "." || c.owner == ".." {
		ps.Errorf("metadata.owner", "found %q; expected an organization or a user", c.owner)
	}
	for _, r := range c.repos {
		if r == "." || r == ".." || strings.Contains(r, "/") {
			ps.Errorf("metadata.repos", "found %.100q; expected names of repositories without their owner", r)
		}
	}
	return ps
}

// isApp says whether any part of a GitHub App is given, which then asks.
func (c *config) isApp() bool { return c.app != 0 || c.install != 0 || c.hasKey }

// Metric implements scaler.Config.
func (c *config) Metric() string { return "github-runner-" + c.owner }

// Target implements scaler.Targeter: the workload is active from a whole
// target on, as in KEDA.
func (c *config) Target() (target, activation float64) {
	return float64(c.target), float64(c.target - 1)
}

// bodyLimit is the largest answer read: a page of 100 runs describes the
// repository as often.
const bodyLimit = 16 << 20

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	auth := conn.WithTLS(&conn.TLS{})
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{BodyLimit: bodyLimit})
	if err != nil {
		return nil, err
	}
	api := *c.api
	if api.Path == "" { // so that JoinPath keeps escapes
		api.Path = "/"
	}
	s := &source{config: c, api: &api, client: client, labels: c.ofRunner()}
	who := conn.Digest(c.token.Reveal(), strconv.FormatInt(c.app, 10), strconv.FormatInt(c.install, 10), c.key.Reveal(), strconv.FormatBool(c.etags))
	key := scaler.PoolKey{Driver: "github", Address: c.api.String() + " " + conn.OptionsKey(env.HTTP), Credentials: who}
	s.account, s.release, err = scaler.Lease(env.Pool, key, func() (*account, error) { return newAccount(c) })
	if err != nil {
		_ = client.Close()
		return nil, scaler.Misconfigured(err, "preparing GitHub's credentials")
	}
	return &conn.BatchSource[*round]{
		Ask: s.round, Read: s.measure, Server: s.host(), Release: s.close,
		Key: strings.Join([]string{"github", key.Address, who}, " "),
	}, nil
}

// ofRunner are the labels that a job may ask for, in lower case.
func (c *config) ofRunner() map[string]bool {
	out := map[string]bool{}
	for _, l := range c.labels {
		out[strings.ToLower(l)] = true
	}
	if !c.noDefaultLabels {
		out["self-hosted"], out["linux"], out["x64"] = true, true, true
	}
	return out
}
