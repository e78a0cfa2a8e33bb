// Package cassandra measures the number that a CQL query returns.
//
// It owns the session that the triggers of one cluster share, which row counts,
// and what the server's errors mean. All connections go to the address that
// the trigger names: the driver does not look for other nodes.
package cassandra

import (
	"context"
	"net"
	"strconv"
	"strings"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "cassandra",
		Title:       "Apache Cassandra",
		About:       "The number in the first row and column that a CQL query returns.",
		Since:       "2.5",
		Permissions: "`GRANT SELECT` on the table of the query.",
		Cost:        "One query a poll; the triggers of one cluster share two connections. `COUNT(*)` reads all rows that match: a partition key in WHERE keeps that cheap.",
		ByHand:      `cqlsh -u keda cassandra.shop 9042 -e "SELECT COUNT(*) FROM shop.orders WHERE state = 'waiting'"`,
		Examples: []scaler.Example{{
			Title: "Rows of a partition",
			Metadata: map[string]string{
				"clusterIPAddress": "cassandra.shop.svc", "port": "9042", "username": "keda", "keyspace": "shop",
				"query": "SELECT COUNT(*) FROM shop.orders WHERE state = 'waiting'", "targetQueryValue": "10",
			},
			Auth: map[string]string{"password": "the-password"},
		}},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	tls         conn.TLS
	host        string
	port        int64
	username    string
	password    param.Hidden
	keyspace    string
	query       string
	consistency string
	protocol    int64
	target      int64
	activation  int64

	address string // "host:port"
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.Text("clusterIPAddress", &c.host).Required().Example("cassandra.shop.svc").
			Doc("Host name or IP address of a node or a service, with or without a port."),
		param.Int("port", &c.port).Min(1).Max(65535).Example("9042").Doc("Port, when clusterIPAddress has none."),
		param.Text("keyspace", &c.keyspace).Required().Example("shop").
			Doc("Keyspace that the metric is named after; the query names it too, as in `shop.orders`."),
		param.Text("query", &c.query).Required().Example("SELECT COUNT(*) FROM shop.orders WHERE state = 'waiting'").
			Doc("CQL query whose first row has one column, a number."),
		param.Int("targetQueryValue", &c.target).Required().Target().Doc("Number per replica."),
		param.Int("activationTargetQueryValue", &c.activation).Activation().Doc("Number above which the workload is active."),
		param.Text("consistency", &c.consistency).Default("one").
			OneOf("any", "one", "two", "three", "quorum", "all", "local_quorum", "each_quorum", "local_one").Doc("Consistency level of the query."),
		param.Int("protocolVersion", &c.protocol).Default(4).Min(3).Max(5).Doc("Version of the protocol: 4 since Cassandra 2.2, 5 since 4.0."),
	}.With(param.Group("Authentication",
		param.Text("username", &c.username).From(param.Metadata, param.Auth).Required().Doc("User name."),
		param.Secret("password", &c.password).Required().Doc("Password."),
	), c.tls.Params())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := c.tls.Check()
	const path = "metadata.clusterIPAddress"
	c.address = c.host
	if strings.ContainsAny(c.host, "/@?#,% ") {
		ps.Errorf(path, "found %q; expected one host name or IP address", c.host)
		return ps
	}
	host, port, err := net.SplitHostPort(c.host)
	switch {
	case err == nil && host != "":
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			ps.Errorf(path, "has the port %q; expected a number from 1 to 65535", port)
		}
	case err == nil:
		ps.Errorf(path, "has no host; expected such as cassandra.shop.svc:9042")
	case c.port == 0:
		ps.Errorf("metadata.port", "is missing; expected a number such as 9042, since clusterIPAddress has none")
	default:
		c.address = net.JoinHostPort(strings.Trim(c.host, "[]"), strconv.FormatInt(c.port, 10))
	}
	return ps
}

// Metric implements scaler.Config.
func (c *config) Metric() string { return "cassandra-" + c.keyspace }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	level, err := gocql.ParseConsistencyWrapper(c.consistency)
	if err != nil {
		return nil, scaler.Misconfigured(err, "opening a cassandra trigger")
	}
	version := strconv.FormatInt(c.protocol, 10)
	key := scaler.PoolKey{
		Driver: "cassandra", Address: c.address + " " + version + " " + conn.OptionsKey(env.HTTP),
		Credentials: conn.Digest(c.username, c.password.Reveal(), c.tls.Digest()),
	}
	shared, release, err := scaler.Lease(env.Pool, key, func() (*client, error) { return newClient(c, env) })
	if err != nil {
		return nil, scaler.Misconfigured(err, "opening a cassandra trigger")
	}
	return &source{client: shared, release: release, query: c.query, level: level}, nil
}

// source is one trigger's query.
type source struct {
	client  *client
	release func()
	query   string
	level   gocql.Consistency
}

var _ scaler.Hosted = (*source)(nil)

// Host implements scaler.Hosted.
func (s *source) Host() string { return s.client.address }

// Close implements scaler.Source.
func (s *source) Close() error {
	s.release()
	return nil
}

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	doing := "querying Cassandra at " + s.client.address
	var n number
	rows := 0
	err := s.client.do(ctx, func(session *gocql.Session) error {
		var err error
		n, rows, err = first(ctx, session.Query(s.query).Consistency(s.level))
		return err
	})
	switch {
	case err != nil:
		return scaler.Reading{}, s.client.failed(ctx, err, doing)
	case rows == 0:
		return scaler.Reading{Empty: true, Note: "the query returned no row, which counts as 0"}, nil
	case n.err != nil:
		return scaler.Reading{}, scaler.BadAnswer(n.err, "%s", doing)
	case rows > 1:
		return scaler.Reading{Value: n.value, Note: "the query returned several rows, of which the first counts"}, nil
	}
	return scaler.Reading{Value: n.value}, nil
}
