// Package mongodb measures collections of MongoDB and of servers that speak
// its protocol: the count of a filter, or the number that an aggregation
// returns.
//
// It owns one client per server and credentials, which all triggers on them
// share, and one change stream per watched collection. It refuses aggregations
// that write, results that are not one finite number, and connection strings
// that name files.
package mongodb

import (
	"context"
	"errors"
	"hash/fnv"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "mongodb",
		Title: "MongoDB",
		About: "The number of documents of a collection that match a filter, or the number that an aggregation returns. " +
			"With `changeStream` every write to the collection has it asked at once.",
		Since:       "1.0",
		Permissions: "The role `read` on the database; it allows change streams too.",
		Cost: "One command a poll; equal queries of many triggers are asked once. A filter without an index reads the whole collection. " +
			"With `changeStream` one stream per collection, which needs a replica set.",
		ByHand: `mongosh "mongodb://keda@mongodb.svc/shop" --eval 'db.jobs.countDocuments({"state":"waiting"})'`,
		Examples: []scaler.Example{
			{
				Title: "Documents that match a filter",
				Metadata: map[string]string{
					"host": "mongodb.svc", "port": "27017", "username": "keda", "dbName": "shop",
					"collection": "jobs", "query": `{"state":"waiting"}`, "queryValue": "5",
				},
				Auth: map[string]string{"password": "the-password"},
			},
			{
				Title: "The number that an aggregation returns, on a replica set with a change stream",
				Metadata: map[string]string{
					"dbName": "shop", "collection": "jobs", "changeStream": "true", "queryValue": "100",
					"query": `[{"$match":{"state":"waiting"}},{"$group":{"_id":null,"weight":{"$sum":"$weight"}}}]`,
				},
				Auth: map[string]string{"connectionString": "mongodb://keda:the-password@mongodb-0.svc:27017,mongodb-1.svc:27017/?replicaSet=rs0"},
			},
			{
				Title: "MongoDB Atlas, connection string from the container's environment",
				Metadata: map[string]string{
					"connectionStringFromEnv": "MONGODB", "dbName": "shop",
					"collection": "jobs", "query": `{"due":{"$lt":{"$date":"2030-01-01T00:00:00Z"}}}`, "queryValue": "5", "activationQueryValue": "2",
				},
				Env: map[string]string{"MONGODB": "mongodb+srv://keda:the-password@shop.example.mongodb.net/"},
			},
		},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	connection                   param.Hidden
	scheme, host, port, username string
	password                     param.Hidden
	database, collection, text   string
	target, activation           float64
	watch                        bool
	tls                          conn.TLS
	given                        struct{ connection, host, password bool }
	filter                       bson.D   // of a count
	pipeline                     []bson.D // of an aggregation; nil for a count
	metricName                   string
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.Text("dbName", &c.database).From(param.Metadata, param.Auth).Required().Example("shop").Doc("Database."),
		param.Text("collection", &c.collection).Required().Example("jobs").Doc("Collection."),
		param.Text("query", &c.text).Required().Example(`{"state":"waiting"}`).
			Doc("Filter of the documents that count, or a list of aggregation stages that give one document with one number; in MongoDB's Extended JSON."),
		param.Float("queryValue", &c.target).Required().Target().Doc("Documents, or the aggregation's number, per replica."),
		param.Float("activationQueryValue", &c.activation).Activation().Doc("Number above which the workload is active."),
		param.Bool("changeStream", &c.watch).Default(false).Doc("Whether to follow the collection's change stream, so that a write is noticed at once; needs a replica set."),
		param.Text("metricName", &c.metricName).Deprecated("leave it out; the metric is named after the query").Doc("Name of the metric, without effect."),
	}.With(param.Group("Connection",
		param.Secret("connectionString", &c.connection).From(param.Auth, param.Metadata, param.Env).NamesEnv("").IsSet(&c.given.connection).
			Doc("Where and as whom to connect, mongodb://user:password@host:port/; instead of the parameters that follow."),
		param.Text("scheme", &c.scheme).From(param.Metadata, param.Auth).OneOf("mongodb", "mongodb+srv").Default("mongodb").
			Doc("Whether host is a server's name, or that of an SRV record that lists the servers."),
		param.Text("host", &c.host).From(param.Metadata, param.Auth).IsSet(&c.given.host).Example("mongodb.svc").Doc("Host of the server."),
		param.Text("port", &c.port).From(param.Metadata, param.Auth).Doc("Port of the server; 27017 when unset, none with mongodb+srv."),
		param.Text("username", &c.username).From(param.Metadata, param.Auth).Doc("User name."),
		param.Secret("password", &c.password).From(param.Auth, param.Metadata, param.Env).NamesEnv("").IsSet(&c.given.password).Doc("Password."),
	)).With(c.tls.Params())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := c.tls.Check()
	c.checkQuery(&ps)
	if strings.ContainsAny(c.database, "/\\. \"$\x00") {
		ps.Errorf("metadata.dbName", "found a character that no database's name has")
	}
	if c.given.connection {
		if err := checkString(c.connection.Reveal()); err != nil && !c.connection.IsZero() {
			ps.Errorf("authenticationRef.connectionString", "%v", err)
		}
		return ps
	}
	if !c.given.host {
		ps.Errorf("metadata.host", "is missing; expected a value, or connectionString")
	} else if c.host != "" && strings.ContainsAny(c.host, "/@?#,\\% ") {
		ps.Errorf("metadata.host", "found %q; expected a host name or an IP address", c.host)
	}
	if n, err := strconv.Atoi(c.port); c.port != "" && (err != nil || n < 1 || n > 65535) {
		ps.Errorf("metadata.port", "found %q; expected a number from 1 to 65535", c.port)
	}
	if c.given.password && c.username == "" {
		ps.Errorf("metadata.username", "is missing; expected a value, since a password is given")
	}
	return ps
}

func (c *config) checkQuery(ps *param.Problems) {
	const path = "metadata.query"
	c.filter, c.pipeline = nil, nil
	if !strings.HasPrefix(strings.TrimSpace(c.text), "[") {
		if err := bson.UnmarshalExtJSON([]byte(c.text), false, &c.filter); err != nil {
			ps.Errorf(path, "is no Extended JSON; expected a filter such as {\"state\":\"waiting\"}, or a list of aggregation stages")
		}
		return
	}
	var held struct {
		Stages []bson.D `bson:"stages"`
	}
	if err := bson.UnmarshalExtJSON([]byte(`{"stages":`+c.text+`}`), false, &held); err != nil || len(held.Stages) == 0 {
		ps.Errorf(path, "is no list of aggregation stages in Extended JSON; expected such as [{\"$match\":{}},{\"$count\":\"n\"}]")
		return
	}
	for _, stage := range held.Stages {
		if len(stage) != 1 || !strings.HasPrefix(stage[0].Key, "$") {
			ps.Errorf(path, "has a stage that is not one object with one $-name")
			return
		}
		if name := stage[0].Key; slices.Contains([]string{"$out", "$merge", "$changeStream"}, name) {
			ps.Errorf(path, "has the stage %s; expected stages that only read", name)
			return
		}
	}
	c.pipeline = held.Stages
}

var (
	errString = errors.New("is malformed; expected mongodb://user:password@host:port/ or mongodb+srv://user:password@host/")
	errFiles  = errors.New("names a file, which KEDA does not read; give ca, cert and key in the authenticationRef")
)

// checkString finds what is wrong with a connection string, without I/O: the
// driver's own parser asks the DNS. Its errors don't repeat the string.
func checkString(text string) error {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || scheme != "mongodb" && scheme != "mongodb+srv" {
		return errString
	}
	hosts, options, _ := strings.Cut(rest, "?")
	if i := strings.LastIndex(hosts, "@"); i >= 0 {
		hosts = hosts[i+1:]
	}
	if hosts, _, _ = strings.Cut(hosts, "/"); hosts == "" {
		return errString
	}
	if strings.Contains(strings.ToLower(hosts), ".sock") {
		return errors.New("names a socket of the machine that KEDA runs on; expected host:port")
	}
	for _, o := range strings.FieldsFunc(options, func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(o, "=")
		if plain, err := url.QueryUnescape(name); err != nil || strings.HasSuffix(strings.ToLower(plain), "file") {
			return errFiles
		}
	}
	return nil
}

// uri is where to connect, built from the parameters when no string is given.
func (c *config) uri() string {
	if c.given.connection {
		return c.connection.Reveal()
	}
	u := url.URL{Scheme: c.scheme, Host: c.host, Path: "/"}
	switch {
	case c.port != "" && c.scheme == "mongodb":
		u.Host = net.JoinHostPort(strings.Trim(c.host, "[]"), c.port)
	case strings.Contains(c.host, ":") && !strings.HasPrefix(c.host, "["):
		u.Host = "[" + c.host + "]"
	}
	if c.username != "" {
		u.User = url.UserPassword(c.username, c.password.Reveal())
	}
	return u.String()
}

// address is the hosts of the uri, which hold no credential.
func (c *config) address() string {
	_, rest, _ := strings.Cut(c.uri(), "://")
	rest, _, _ = strings.Cut(rest, "?")
	rest = rest[strings.LastIndex(rest, "@")+1:]
	hosts, _, _ := strings.Cut(rest, "/")
	return hosts
}

// Metric implements scaler.Config. The query itself may hold what a metric's
// name should not show.
func (c *config) Metric() string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(c.text))
	return "mongodb-" + c.database + "-" + c.collection + "-" + strconv.FormatUint(uint64(h.Sum32()), 36)
}

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	if p := env.Identity.Provider; p != "" && p != "none" {
		return nil, scaler.Misconfigured(nil, "found podIdentity %s, which mongodb triggers do not have; give a user and a password", p)
	}
	key := scaler.PoolKey{
		Driver: "mongodb", Address: c.address() + " " + conn.OptionsKey(env.HTTP),
		Credentials: conn.Digest(c.uri(), c.tls.Digest()),
	}
	shared, release, err := scaler.Lease(env.Pool, key, func() (*client, error) { return newClient(c, env) })
	if err != nil {
		return nil, scaler.Misconfigured(err, "opening a mongodb trigger")
	}
	s := &source{config: c, client: shared, release: release}
	if c.watch {
		return &watching{s}, nil
	}
	return s, nil
}
