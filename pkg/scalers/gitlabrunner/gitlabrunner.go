// Package gitlabrunner counts the jobs of GitLab CI/CD that wait for a runner.
//
// It owns the requests and the choice of jobs by their tags.
package gitlabrunner

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "gitlab-runner",
		Title:       "GitLab runners",
		About:       "How many jobs of a project, or of all projects of a group, are pending, all of them or those that a runner with the given tags takes.",
		Since:       "2.20",
		Permissions: "An access token with the scope `read_api` and the role Reporter; for a group it must reach the group.",
		Cost:        "One request per project and scope, more with above 100 jobs, and for a group one more per 100 projects; what several triggers with one token ask for is asked once.",
		ByHand:      `curl -s -H "PRIVATE-TOKEN: $TOKEN" 'https://gitlab.com/api/v4/projects/PROJECT/jobs?scope[]=pending&per_page=100' | jq length`,
		Examples: []scaler.Example{
			{
				Title:    "Pending jobs of a project",
				Metadata: map[string]string{"projectID": "12345", "targetQueueLength": "1"},
				Auth:     map[string]string{"personalAccessToken": "the-token"},
			},
			{
				Title: "Jobs of a group that a runner with tags takes",
				Metadata: map[string]string{
					"gitlabAPIURL": "https://gitlab.example.com", "groupID": "678", "tagList": "docker,linux", "runUntagged": "true", "targetQueueLength": "2",
				},
				Auth: map[string]string{"personalAccessToken": "the-token"},
			},
		},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	address    *url.URL
	project    string
	group      string
	scopes     []string
	subgroups  bool
	tags       []string
	untagged   bool
	target     int64
	activation int64
	token      param.Hidden
	tls        conn.TLS
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.URL("gitlabAPIURL", &c.address).From(param.Metadata, param.Env).Default("https://gitlab.com").
			Doc("Address of the server, above the path `/api/v4`."),
		param.Text("projectID", &c.project).From(param.Metadata, param.Env).Example("12345").
			Doc("Project whose jobs count, by ID or path; or else groupID."),
		param.Text("groupID", &c.group).From(param.Metadata, param.Env).Example("678").
			Doc("Group whose projects' jobs count, by ID or path; or else projectID."),
		param.List("jobScopes", &c.scopes).From(param.Metadata, param.Env).Default("pending").
			Doc("Which jobs count: pending, created, running, or another scope of GitLab's jobs API."),
		param.Bool("includeSubgroups", &c.subgroups).From(param.Metadata, param.Env).Default(true).
			Doc("Whether projects of subgroups count too."),
		param.List("tagList", &c.tags).From(param.Metadata, param.Env).Example("docker,linux").
			Doc("Tags of the runner: a job counts if the runner has all its tags."),
		param.Bool("runUntagged", &c.untagged).From(param.Metadata, param.Env).Default(false).
			Doc("Whether jobs without tags count; if this and tagList are unset, all jobs do."),
		param.Int("targetQueueLength", &c.target).From(param.Metadata, param.Env).Default(1).Min(1).Target().Doc("Jobs per replica."),
		param.Int("activationTargetQueueLength", &c.activation).Default(0).Min(0).Activation().
			Doc("Jobs above which the workload is active."),
	}.With(param.Group("Authentication",
		param.Secret("personalAccessToken", &c.token).From(param.Auth, param.Env).Required().
			Doc("Personal, project or group access token."),
	), c.tls.MaterialParams())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := c.tls.Check()
	switch {
	case c.project == "" && c.group == "":
		ps.Errorf("metadata.projectID", "is missing; expected either projectID or groupID")
	case c.project != "" && c.group != "":
		ps.Errorf("metadata.groupID", "found beside projectID; expected one of them")
	case c.project == "." || c.project == "..":
		ps.Errorf("metadata.projectID", "found %q; expected the ID of a project", c.project)
	case c.group == "." || c.group == "..":
		ps.Errorf("metadata.groupID", "found %q; expected the ID of a group", c.group)
	}
	if len(c.scopes) == 0 {
		ps.Errorf("metadata.jobScopes", "found an empty list; expected scopes such as pending")
	}
	return ps
}

// Metric implements scaler.Config.
func (c *config) Metric() string {
	if c.project != "" {
		return "gitlab-runner-" + c.project
	}
	return "gitlab-runner-" + c.group
}

// filtered says whether a job's tags matter.
func (c *config) filtered() bool { return len(c.tags) > 0 || c.untagged }

// takes says whether the runner takes a job with these tags.
func (c *config) takes(tags []string) bool {
	if !c.filtered() {
		return true
	}
	if len(tags) == 0 {
		return c.untagged
	}
	for _, tag := range tags {
		if !slices.ContainsFunc(c.tags, func(own string) bool { return strings.EqualFold(own, tag) }) {
			return false
		}
	}
	return true
}

// bodyLimit is the largest answer read: 100 jobs describe their commits.
const bodyLimit = 16 << 20

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	auth := conn.WithTLS(&c.tls)
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{BodyLimit: bodyLimit})
	if err != nil {
		return nil, err
	}
	s := &source{config: c, client: client, api: conn.Join(c.address, "api", "v4"), header: http.Header{
		"Accept": {"application/json"}, "Private-Token": {c.token.Reveal()},
	}}
	return &conn.BatchSource[*round]{
		Ask: s.round, Read: s.count, Server: s.api.Host, Release: client.Close,
		Key: strings.Join([]string{"gitlab", s.api.Redacted(), conn.Digest(c.token.Reveal(), c.tls.Digest()), conn.OptionsKey(env.HTTP)}, " "),
	}, nil
}
