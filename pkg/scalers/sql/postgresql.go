package sql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"maps"
	"net"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// maxMessage is the largest message of a server that is read, in bytes: the
// answer is one number.
const maxMessage = 1 << 20

const (
	pgCost = "One query in a read-only transaction, one round trip; equal queries of many triggers are asked once. At most 4 connections per server, database and user"
	pgMay  = "`CONNECT` to the database, and `SELECT` on what the query reads. The query runs in a read-only transaction."
)

func postgresqlKind() scaler.Kind {
	return scaler.Kind{
		Name:        "postgresql",
		Title:       "PostgreSQL",
		About:       "The number that a query of a PostgreSQL database returns. With `listenChannel` a NOTIFY on that channel has the query asked at once.",
		Since:       "1.2",
		Permissions: pgMay + " `LISTEN` needs no further permission. On Azure Database for PostgreSQL a podIdentity azure-workload is a role that `pgaadauth_create_principal` made; userName is its name.",
		Cost:        pgCost + ", and one that listens when a trigger has `listenChannel`.",
		ByHand:      `psql "host=postgresql.svc user=keda dbname=shop" -Atc "SELECT count(*) FROM jobs WHERE state = 'waiting'"`,
		Examples: []scaler.Example{
			{
				Title: "Host, user and password",
				Metadata: map[string]string{
					"host": "postgresql.svc", "port": "5432", "userName": "keda", "dbName": "shop", "sslmode": "require",
					"query": "SELECT count(*) FROM jobs WHERE state = 'waiting'", "targetQueryValue": "5",
				},
				Auth: map[string]string{"password": "the-password"},
			},
			{
				Title: "A connection string, and notifications that wake at once",
				Metadata: map[string]string{
					"query": "SELECT count(*) FROM jobs WHERE state = 'waiting'", "targetQueryValue": "5", "listenChannel": "jobs",
				},
				Auth: map[string]string{"connection": "postgresql://keda:the-password@postgresql.svc:5432/shop?sslmode=require"},
			},
			{
				Title: "Azure Database for PostgreSQL with a workload identity",
				Metadata: map[string]string{
					"host": "shop.postgres.database.azure.com", "userName": "keda", "dbName": "shop",
					"query": "SELECT count(*) FROM jobs WHERE state = 'waiting'", "targetQueryValue": "5",
				},
				Identity: "azure-workload",
			},
			{
				Title: "A connection string from the container's environment",
				Metadata: map[string]string{
					"connectionFromEnv": "PG_CONNECTION", "query": "SELECT coalesce(sum(weight), 0) FROM jobs", "targetQueryValue": "100",
				},
				Env: map[string]string{"PG_CONNECTION": "host=postgresql.svc user=keda password=the-password dbname=shop"},
			},
		},
		New: func() scaler.Config { return &pgConfig{kind: "postgresql"} },
	}
}

func cockroachKind() scaler.Kind {
	return scaler.Kind{
		Name:        "cockroachdb",
		Title:       "CockroachDB",
		About:       "The number that a query of a CockroachDB database returns.",
		Since:       "1.0",
		Permissions: pgMay,
		Cost:        pgCost + ". CockroachDB Cloud bills request units by what the query reads.",
		ByHand:      `cockroach sql --url "postgresql://keda@cockroachdb.svc:26257/shop" -e "SELECT count(*) FROM jobs WHERE state = 'waiting'"`,
		Examples: []scaler.Example{
			{
				Title: "Host, user and password",
				Metadata: map[string]string{
					"host": "cockroachdb-public.svc", "userName": "keda", "dbName": "shop", "sslmode": "verify-full",
					"query": "SELECT count(*) FROM jobs WHERE state = 'waiting'", "targetQueryValue": "5",
				},
				Auth: map[string]string{"password": "the-password"},
			},
			{
				Title: "Reading a moment of the past, which disturbs nobody",
				Metadata: map[string]string{
					"query":            "SELECT count(*) FROM jobs AS OF SYSTEM TIME follower_read_timestamp() WHERE state = 'waiting'",
					"targetQueryValue": "5",
				},
				Auth: map[string]string{"connection": "postgresql://keda:the-password@cockroachdb-public.svc:26257/shop?sslmode=verify-full"},
			},
		},
		New: func() scaler.Config { return &pgConfig{kind: "cockroachdb"} },
	}
}

// pgConfig is a trigger on a server that speaks PostgreSQL's protocol.
type pgConfig struct {
	kind string
	query
	connection                              param.Hidden
	host, port, username, database, sslmode string
	password                                param.Hidden
	channel                                 string
	cloud                                   conn.AzureCloud
	tls                                     conn.TLS
	given                                   struct{ connection, host, username, database bool }
}

func (c *pgConfig) defaultPort() string {
	if c.kind == "cockroachdb" {
		return "26257"
	}
	return "5432"
}

// Params implements scaler.Config.
func (c *pgConfig) Params() param.Set {
	own := c.query.params("targetQueryValue", "activationTargetQueryValue")
	if c.kind == "postgresql" {
		own = append(own, param.Text("listenChannel", &c.channel).Example("jobs").
			Doc("Channel on which the application calls NOTIFY when there is work; each notification has the query asked at once. Poolers such as PgBouncer pass notifications on in session mode only."))
	}
	return own.With(param.Group("Connection",
		param.Secret("connection", &c.connection).From(param.Auth, param.Metadata, param.Env).NamesEnv("").IsSet(&c.given.connection).
			Doc("Where and as whom to connect, postgresql://user:password@host:port/database or host=… user=… password=… dbname=…; instead of the parameters that follow."),
		param.Text("host", &c.host).From(param.Metadata, param.Auth).IsSet(&c.given.host).Example(c.kind+".svc").Doc("Host of the server."),
		param.Text("port", &c.port).From(param.Metadata, param.Auth).Default(c.defaultPort()).Doc("Port of the server."),
		param.Text("userName", &c.username).From(param.Metadata, param.Auth).IsSet(&c.given.username).Doc("User name."),
		param.Secret("password", &c.password).From(param.Auth, param.Metadata, param.Env).NamesEnv("").Doc("Password."),
		param.Text("dbName", &c.database).From(param.Metadata, param.Auth).IsSet(&c.given.database).Doc("Database."),
		param.Text("sslmode", &c.sslmode).From(param.Metadata, param.Auth).Default("prefer").
			OneOf("disable", "allow", "prefer", "require", "verify-ca", "verify-full").
			Doc("Whether to connect with TLS, and what is checked of the server's certificate; require checks the authority when ca is given. With a podIdentity it is verify-full, whatever is given."),
	)).With(c.azureParams(), c.tls.MaterialParams())
}

// Check implements scaler.Checker.
func (c *pgConfig) Check() param.Problems {
	ps := c.tls.Check()
	if len(c.channel) > 63 {
		ps.Errorf("metadata.listenChannel", "is longer than the 63 bytes that PostgreSQL allows")
	}
	if c.given.connection {
		if _, err := c.settings(); err != nil && !c.connection.IsZero() {
			ps.Errorf("authenticationRef.connection", "%v", err)
		}
		return ps
	}
	ps = append(ps, c.cloud.Check()...)
	needHost(&ps, "connection", map[string]bool{"host": c.given.host, "userName": c.given.username, "dbName": c.given.database})
	checkHostPort(&ps, c.host, c.port)
	return ps
}

// settings are all that the driver is told.
func (c *pgConfig) settings() (pgSettings, error) {
	var s pgSettings
	if c.given.connection {
		var err error
		if s, err = parsePG(c.connection.Reveal()); err != nil {
			return nil, err
		}
	} else {
		s = pgSettings{
			"host": c.host, "user": c.username, "password": c.password.Reveal(),
			"dbname": c.database, "sslmode": c.sslmode, "port": c.port,
		}
	}
	if s["port"] == "" {
		s["port"] = c.defaultPort()
	}
	if c.tls.HasCA() && s["sslmode"] == "require" {
		s["sslmode"] = "verify-ca" // as libpq does
	}
	return s, s.check()
}

// Metric implements scaler.Config.
func (c *pgConfig) Metric() string { return c.query.metric(c.kind, c.database) }

// Open implements scaler.Config.
func (c *pgConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	s, err := c.settings()
	if err != nil {
		return nil, scaler.Misconfigured(err, "opening a %s trigger", c.kind)
	}
	password, err := c.openToken(env, s)
	if err != nil {
		return nil, err
	}
	first := net.JoinHostPort(s.hosts()[0], s.port(0))
	src, err := c.query.open(env, target{
		engine:      engine{driver: c.kind, ask: pgAsk, answered: pgAnswered},
		host:        first,
		address:     fmt.Sprint(s["host"], " ", s["port"], " ", s["dbname"]),
		credentials: conn.Digest(s.text(), c.tls.Digest()),
		token:       password,
		connect: func() (driver.Connector, *hub, error) {
			cfg, err := c.driverConfig(s, env)
			if err != nil {
				return nil, nil, err
			}
			var h *hub
			if c.kind == "postgresql" {
				h = newHub(cfg, password.asPassword)
			}
			return stdlib.GetConnector(*cfg, stdlib.OptionBeforeConnect(password.asPassword)), h, nil
		},
	})
	if err != nil || c.channel == "" {
		return plain(src), err
	}
	return &listening{source: src, channel: c.channel}, nil
}

// plain keeps a nil source from becoming an interface that is not nil.
func plain(s *source) scaler.Source {
	if s == nil {
		return nil
	}
	return s
}

// driverConfig turns settings into the driver's configuration.
func (c *pgConfig) driverConfig(s pgSettings, env scaler.Env) (*pgx.ConnConfig, error) {
	cfg, err := parseDriver(s)
	if err != nil {
		return nil, errPGString // the driver's text could repeat the password
	}
	for _, name := range []string{"timezone", "options"} {
		if s[name] == "" { // empty is not what the server has by default
			delete(cfg.RuntimeParams, name)
		}
	}
	// Prepared statements would not survive a pooler between us and the server.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	cfg.DialFunc = conn.NewNetwork(env.HTTP).DialContext
	cfg.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		f := pgproto3.NewFrontend(r, w)
		f.SetMaxBodyLen(maxMessage)
		return f
	}
	// Names are resolved by the dialer, which judges them first.
	cfg.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	own, err := conn.AlwaysTLS(&c.tls, env.HTTP)
	if err != nil {
		return nil, err
	}
	skip := c.tls.Unsafe()
	if cfg.TLSConfig != nil {
		applyTLS(cfg.TLSConfig, own, skip)
	}
	for _, f := range cfg.Fallbacks {
		if f.TLSConfig != nil {
			applyTLS(f.TLSConfig, own, skip)
		}
	}
	return cfg, nil
}

// hosts and ports are lists of equal length, or one port for all.
func (s pgSettings) port(i int) string {
	ports := splitComma(s["port"])
	if i < len(ports) {
		return ports[i]
	}
	return ports[len(ports)-1]
}

func validPort(p string) bool {
	n, err := strconv.Atoi(p)
	return err == nil && n > 0 && n < 1<<16
}

// complete returns settings with every one that the driver would otherwise
// take from environment variables or files of this process.
func (s pgSettings) complete() pgSettings {
	out := pgSettings{
		"user": "", "password": "", "dbname": "", "sslmode": "prefer", "connect_timeout": "5", "application_name": "keda",
		"passfile": "", "servicefile": "", "sslcert": "", "sslkey": "", "sslrootcert": "", "sslpassword": "", "sslsni": "1",
		"sslnegotiation": "postgres", "sslcertmode": "allow", "target_session_attrs": "any", "options": "", "timezone": "",
		"min_protocol_version": "", "max_protocol_version": "", "channel_binding": "prefer", "require_auth": "",
	}
	maps.Copy(out, s)
	return out
}
