package openstack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

const (
	// pageSize is how many names are asked for at once, and namesLimit the
	// room for them: names have up to 1024 bytes.
	pageSize   = 5000
	namesLimit = 8 << 20
	// mostNames is where counting ends without an objectLimit.
	mostNames = 100_000
)

func swiftKind() scaler.Kind {
	return scaler.Kind{
		Name:        "openstack-swift",
		Title:       "OpenStack Swift",
		About:       "How many objects a container of Swift holds, or those of them with a prefix.",
		Since:       "2.1",
		Permissions: "Reading the container (its read ACL, or the role member of the project), and a token of Keystone v3 for a user or an application credential.",
		Cost: "One HEAD request a poll, which costs Swift the same however many objects there are. With objectPrefix, objectDelimiter, objectLimit or onlyFiles " +
			"the names are listed, 5000 a request, up to 100000. A token of Keystone serves all triggers of a credential until it ends. Public clouds may bill requests.",
		ByHand: `curl -sI -H "X-Auth-Token: $(openstack token issue -f value -c id)" https://swift.example.com/v1/AUTH_b161dc81/invoices | grep -i x-container-object-count`,
		Examples: []scaler.Example{
			{
				Title:    "Objects of a container, found by the catalog",
				Metadata: map[string]string{"containerName": "invoices", "objectCount": "10"},
				Auth: map[string]string{
					"authURL": "https://keystone.example.com:5000", "userID": "1f0c2781b4114d13", "password": "the-password",
					"projectID": "b161dc518cd24bda", "regionName": "north",
				},
			},
			{
				Title: "Files below a folder, with an application credential",
				Metadata: map[string]string{
					"swiftURL": "https://swift.example.com/v1/AUTH_b161dc81", "containerName": "invoices",
					"objectPrefix": "new/", "onlyFiles": "true", "objectCount": "10",
				},
				Auth: map[string]string{
					"authURL": "https://keystone.example.com:5000", "appCredentialID": "9f2ce2adebad4d17", "appCredentialSecret": "the-secret",
				},
			},
		},
		New: func() scaler.Config { return &swift{} },
	}
}

type swift struct {
	url        *url.URL
	container  string
	target     int64
	activation int64
	prefix     string
	delimiter  string
	limit      int64
	onlyFiles  bool
	timeout    time.Duration
	region     string
	keystone   keystone
}

// Params implements scaler.Config.
func (c *swift) Params() param.Set {
	return param.Set{
		param.URL("swiftURL", &c.url).Example("https://swift.example.com/v1/AUTH_b161dc81").
			Doc("Address of the account at Swift; that of the catalog when unset."),
		param.Text("containerName", &c.container).Required().Example("invoices").Doc("Container whose objects are counted."),
		param.Int("objectCount", &c.target).Default(2).Target().Doc("Objects per replica."),
		param.Int("activationObjectCount", &c.activation).Default(0).Min(0).Activation().Doc("Objects above which the workload is active."),
		param.Text("objectPrefix", &c.prefix).Example("new/").Doc("Counts objects whose names begin like this only."),
		param.Text("objectDelimiter", &c.delimiter).Example("/").
			Doc("Counts names that share what follows the prefix up to this text as one."),
		param.Int("objectLimit", &c.limit).Min(1).Doc("Where counting ends; at 100000 when unset."),
		param.Bool("onlyFiles", &c.onlyFiles).Default(false).Doc("Whether objects that stand for folders, whose names end with /, are left out."),
		timeoutParam(&c.timeout),
	}.With(c.keystone.params(), param.Group("Authentication",
		param.Text("regionName", &c.region).From(param.Auth).Doc("Region whose Swift the catalog tells, without swiftURL; the first when unset."),
	))
}

// Check implements scaler.Checker.
func (c *swift) Check() param.Problems {
	ps := c.keystone.check()
	if c.keystone.hasUser && c.keystone.project == "" && c.url == nil {
		ps.Warnf("authenticationRef.projectID", "is missing; without it and swiftURL, the user's default project must have one, since the catalog belongs to a project")
	}
	if strings.Contains(c.container, "/") || c.container == "." || c.container == ".." {
		ps.Errorf("metadata.containerName", "is no name of a container; expected one without /, as folders go to objectPrefix")
	}
	return ps
}

// Metric implements scaler.Config.
func (c *swift) Metric() string {
	if c.prefix != "" {
		return "openstack-swift-" + c.container + "-" + c.prefix
	}
	return "openstack-swift-" + c.container
}

// Open implements scaler.Config.
func (c *swift) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	who, err := c.keystone.openSession(env, c.timeout)
	if err != nil {
		return nil, err
	}
	client, err := conn.OpenHTTP(env, &conn.HTTPAuth{}, conn.HTTPSettings{Timeout: c.timeout, BodyLimit: namesLimit, Identity: who})
	if err != nil {
		return nil, err
	}
	host := c.keystone.url.Host
	if c.url != nil {
		host = c.url.Host
	}
	s := &objects{swift: c, who: who, client: client}
	return conn.NewHTTPSource(client, host, s.count), nil
}

// objects counts them.
type objects struct {
	*swift
	who    *session
	client *conn.HTTPClient
}

// address is that of the container.
func (o *objects) address(ctx context.Context) (*url.URL, error) {
	at := o.url
	if at == nil {
		t, err := o.who.token(ctx)
		if err != nil {
			return nil, err
		}
		if at, err = t.find("object-store", o.region); err != nil {
			return nil, scaler.Misconfigured(err, "finding Swift by the catalog of Keystone at %s", o.keystone.url.Host)
		}
	}
	return conn.Join(at, url.PathEscape(o.container)), nil
}

func (o *objects) count(ctx context.Context) (scaler.Reading, error) {
	at, err := o.address(ctx)
	if err != nil {
		return scaler.Reading{}, err
	}
	if o.prefix == "" && o.delimiter == "" && o.limit == 0 && !o.onlyFiles {
		return o.head(ctx, at)
	}
	return o.list(ctx, at)
}

// head reads the count that Swift keeps.
func (o *objects) head(ctx context.Context, at *url.URL) (scaler.Reading, error) {
	doing := o.doing("reading how many objects the container %.100q has, at %s", at)
	got, err := o.ask(ctx, http.MethodHead, at, doing)
	if err != nil {
		return scaler.Reading{}, err
	}
	n, err := strconv.ParseUint(got.Header.Get("X-Container-Object-Count"), 10, 63)
	if err != nil {
		return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer has no count; expected the header X-Container-Object-Count"), "%s", doing)
	}
	return scaler.Reading{Value: float64(n)}, nil
}

// list counts names, page by page.
func (o *objects) list(ctx context.Context, at *url.URL) (scaler.Reading, error) {
	doing := o.doing("listing the objects of the container %.100q at %s", at)
	most := int64(mostNames)
	if o.limit > 0 {
		most = o.limit
	}
	q := url.Values{}
	for name, value := range map[string]string{"prefix": o.prefix, "delimiter": o.delimiter} {
		if value != "" {
			q.Set(name, value)
		}
	}
	var r scaler.Reading
	for seen := int64(0); seen < most; {
		asked := min(pageSize, most-seen)
		q.Set("limit", strconv.FormatInt(asked, 10))
		page := *at
		page.RawQuery = q.Encode()
		got, err := o.ask(ctx, http.MethodGet, &page, doing)
		if err != nil {
			return scaler.Reading{}, err
		}
		names := lines(got.Body)
		for _, name := range names {
			if !o.onlyFiles || !strings.HasSuffix(name, "/") {
				r.Value++
			}
		}
		if seen += int64(len(names)); int64(len(names)) < asked {
			return r, nil
		}
		last := names[len(names)-1]
		if last == q.Get("marker") {
			return scaler.Reading{}, scaler.BadAnswer(errors.New("the server repeats itself instead of going on"), "%s", doing)
		}
		q.Set("marker", last)
	}
	if o.limit == 0 {
		r.Note = fmt.Sprintf("there are at least %d names, where counting ends without an objectLimit", mostNames)
	}
	return r, nil
}

func (o *objects) doing(format string, at *url.URL) string {
	return fmt.Sprintf(format, o.container, at.Host)
}

// ask asks for names as text, which is a fifth of what they are as JSON.
func (o *objects) ask(ctx context.Context, method string, at *url.URL, doing string) (conn.Answer, error) {
	req := &http.Request{Method: method, URL: at, Host: at.Host, Header: http.Header{"Accept": {"text/plain"}}}
	got, err := o.client.Do(ctx, req, doing)
	if err != nil {
		return got, err
	}
	return got, got.Err(o.client.Now(), doing)
}

// lines are those of a text that ends each with a line feed.
func lines(text []byte) []string {
	all := strings.TrimSuffix(string(text), "\n")
	if all == "" {
		return nil
	}
	return strings.Split(all, "\n")
}
