// Package couchdb counts documents of a CouchDB database by a Mango query.
//
// It owns the request and the pages of its answer. It never fetches more of a
// document than its ID.
package couchdb

import (
	"cmp"
	"context"
	"encoding/json"
	"net"
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
		Name:        "couchdb",
		Title:       "CouchDB",
		About:       "How many documents of a database match a Mango query.",
		Since:       "2.9",
		Permissions: "Membership of the database, which allows to read it.",
		Cost:        "One HTTP request a poll for each 5000 documents that match, of at most 100000; only their IDs are sent. An index on the query's fields keeps it cheap at the server.",
		ByHand:      `curl -s -u keda http://couchdb.shop:5984/orders/_find -H 'Content-Type: application/json' -d '{"selector":{"state":"waiting"},"fields":["_id"],"limit":5000}' | jq '.docs|length'`,
		Examples: []scaler.Example{
			{
				Title: "Documents in a state",
				Metadata: map[string]string{
					"host": "couchdb.shop.svc", "port": "5984", "dbName": "orders", "username": "keda",
					"query": `{"selector": {"state": "waiting"}}`, "queryValue": "10",
				},
				Auth: map[string]string{"password": "the-password"},
			},
			{
				Title: "By a connection string",
				Metadata: map[string]string{
					"dbName": "orders", "query": `{"selector": {"state": {"$in": ["waiting", "returned"]}}, "use_index": "by-state"}`, "queryValue": "10",
				},
				Auth: map[string]string{"connectionString": "https://keda:the-password@couchdb.example.com:6984"},
			},
		},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	tls        conn.TLS
	connection param.Hidden
	host       string
	port       string
	username   string
	password   param.Hidden
	database   string
	text       string
	target     int64
	activation int64
	given      struct{ connection, host, port, username, password, database bool }

	server *url.URL
	query  map[string]json.RawMessage
	limit  int // of the query; 0 without one
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.Text("query", &c.text).Required().Example(`{"selector": {"state": "waiting"}}`).
			Doc("Mango query in JSON, with a selector; the documents that it finds are counted."),
		param.Int("queryValue", &c.target).Required().Target().Doc("Documents per replica."),
		param.Int("activationQueryValue", &c.activation).Activation().Doc("Documents above which the workload is active."),
		param.Text("dbName", &c.database).From(param.Auth, param.Metadata).IsSet(&c.given.database).Example("orders").Doc("Name of the database."),
	}.With(param.Group("Connection",
		param.Secret("connectionString", &c.connection).From(param.Auth, param.Metadata, param.Env).IsSet(&c.given.connection).
			Doc("Address of the server, such as https://user:password@host:6984; instead of host and port."),
		param.Text("host", &c.host).From(param.Auth, param.Metadata).IsSet(&c.given.host).Example("couchdb.shop.svc").Doc("Host of the server, which is asked without TLS."),
		param.Text("port", &c.port).From(param.Auth, param.Metadata).IsSet(&c.given.port).Example("5984").Doc("Port of the server."),
		param.Text("username", &c.username).From(param.Auth, param.Metadata).IsSet(&c.given.username).Doc("User name; admin when only a password is given."),
		param.Secret("password", &c.password).From(param.Auth, param.Metadata, param.Env).IsSet(&c.given.password).Doc("Password."),
	), c.tls.MaterialParams())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := c.tls.Check()
	c.checkQuery(&ps)
	if c.given.connection {
		if text := c.connection.Reveal(); text != "" {
			c.checkConnection(text, &ps)
		}
	} else {
		c.checkHost(&ps)
	}
	if !c.given.database && c.database == "" {
		ps.Errorf("metadata.dbName", "is missing; expected the name of a database")
	}
	if c.database == "." || c.database == ".." {
		ps.Errorf("metadata.dbName", "found %q; expected the name of a database", c.database)
	}
	return ps
}

func (c *config) checkQuery(ps *param.Problems) {
	const path = "metadata.query"
	c.query, c.limit = nil, 0
	var selector map[string]json.RawMessage
	if err := json.Unmarshal([]byte(c.text), &c.query); err != nil || json.Unmarshal(c.query["selector"], &selector) != nil || selector == nil {
		ps.Errorf(path, `is no JSON object with a selector; expected such as {"selector": {"state": "waiting"}}`)
		return
	}
	if raw, ok := c.query["limit"]; ok {
		if err := json.Unmarshal(raw, &c.limit); err != nil || c.limit < 1 {
			ps.Errorf(path, "has a limit that is no whole number above 0")
		}
	}
	if _, ok := c.query["bookmark"]; ok {
		ps.Errorf(path, "has a bookmark; expected none, since all pages are counted")
	}
}

func (c *config) checkConnection(text string, ps *param.Problems) {
	servers, err := conn.ParseAddresses([]string{text})
	if err != nil {
		ps.Errorf("authenticationRef.connectionString", "is no address; expected such as https://user:password@host:6984")
		return
	}
	c.server = servers[0]
	if path := strings.Trim(c.server.Path, "/"); !c.given.database && path != "" && !strings.Contains(path, "/") {
		c.database, c.server.Path, c.server.RawPath = path, "/", ""
	}
}

func (c *config) checkHost(ps *param.Problems) {
	need := func(name string, given bool) {
		if !given {
			ps.Errorf("metadata."+name, "is missing; expected a value, or connectionString")
		}
	}
	need("host", c.given.host)
	need("port", c.given.port)
	if strings.ContainsAny(c.host, "/@?#\\% ") {
		ps.Errorf("metadata.host", "found what is no host name; expected such as couchdb.shop.svc, or the whole address in connectionString")
		return
	}
	if n, err := strconv.Atoi(c.port); c.port != "" && (err != nil || n < 1 || n > 65535) {
		ps.Errorf("metadata.port", "found %q; expected a number from 1 to 65535", c.port)
		return
	}
	if c.given.username && !c.given.password {
		ps.Errorf("authenticationRef.password", "is missing; expected a value, since a username is given")
	}
	c.server = &url.URL{Scheme: "http", Host: net.JoinHostPort(strings.Trim(c.host, "[]"), c.port), Path: "/"}
}

// Metric implements scaler.Config.
func (c *config) Metric() string { return "couchdb-" + c.database }

// user is who asks, "" for the address's user or nobody.
func (c *config) user() string {
	if c.password.IsZero() {
		return c.username
	}
	return cmp.Or(c.username, "admin")
}

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	auth := conn.WithTLS(&c.tls)
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{})
	if err != nil {
		return nil, err
	}
	f := &finder{
		client: client, at: c.server.JoinPath(url.PathEscape(c.database), "_find"), query: c.query, limit: c.limit,
		user: c.user(), password: c.password,
	}
	return conn.NewHTTPSource(client, c.server.Host, f.count), nil
}
