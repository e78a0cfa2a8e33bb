package sql

import (
	"context"
	"database/sql/driver"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func mysqlKind() scaler.Kind {
	return scaler.Kind{
		Name:        "mysql",
		Title:       "MySQL",
		About:       "The number that a query of a MySQL or MariaDB database returns.",
		Since:       "1.2",
		Permissions: "`SELECT` on what the query reads. The query runs in a read-only transaction.",
		Cost:        "One query in a read-only transaction, three round trips; equal queries of many triggers are asked once. At most 4 connections per server, database and user.",
		ByHand:      `mysql -h mysql.svc -u keda -p -N -e "SELECT count(*) FROM jobs WHERE state = 'waiting'" shop`,
		Examples: []scaler.Example{
			{
				Title: "Host, user and password",
				Metadata: map[string]string{
					"host": "mysql.svc", "port": "3306", "username": "keda", "dbName": "shop",
					"query": "SELECT count(*) FROM jobs WHERE state = 'waiting'", "queryValue": "5",
				},
				Auth: map[string]string{"password": "the-password"},
			},
			{
				Title: "A connection string from the container's environment",
				Metadata: map[string]string{
					"connectionStringFromEnv": "MYSQL_CONNECTION",
					"query":                   "SELECT CEIL(COUNT(*) / 6) FROM task_instance WHERE state = 'running'", "queryValue": "1",
				},
				Env: map[string]string{"MYSQL_CONNECTION": "keda:the-password@tcp(mysql.svc:3306)/shop"},
			},
			{
				Title: "TLS with an own authority",
				Metadata: map[string]string{
					"host": "mysql.example.com", "username": "keda", "dbName": "shop", "tls": "enable",
					"query": "SELECT count(*) FROM jobs", "queryValue": "10", "activationQueryValue": "2",
				},
				Auth: map[string]string{"password": "the-password"},
			},
		},
		New: func() scaler.Config { return &mysqlConfig{} },
	}
}

type mysqlConfig struct {
	query
	connection                     param.Hidden
	host, port, username, database string
	password                       param.Hidden
	metricName                     string
	tls                            conn.TLS
	given                          struct{ connection, host, port, username, database, tls bool }
}

// Params implements scaler.Config.
func (c *mysqlConfig) Params() param.Set {
	return c.query.params("queryValue", "activationQueryValue").With(param.Group("Connection",
		param.Secret("connectionString", &c.connection).From(param.Auth, param.Metadata, param.Env).NamesEnv("").IsSet(&c.given.connection).
			Doc("Where and as whom to connect, user:password@tcp(host:port)/database; instead of the parameters that follow."),
		param.Text("host", &c.host).From(param.Metadata, param.Auth).IsSet(&c.given.host).Example("mysql.svc").Doc("Host of the server."),
		param.Text("port", &c.port).From(param.Metadata, param.Auth).IsSet(&c.given.port).Default("3306").Doc("Port of the server."),
		param.Text("username", &c.username).From(param.Metadata, param.Auth, param.Env).IsSet(&c.given.username).Doc("User name."),
		param.Secret("password", &c.password).From(param.Auth, param.Metadata, param.Env).NamesEnv("").Doc("Password."),
		param.Text("dbName", &c.database).From(param.Metadata, param.Auth).IsSet(&c.given.database).Doc("Database."),
		param.Text("metricName", &c.metricName).Deprecated("leave it out; the metric is named after the query").Doc("Name of the metric, without effect."),
	)).With(c.tls.Params())
}

// Check implements scaler.Checker.
func (c *mysqlConfig) Check() param.Problems {
	ps := c.tls.Check()
	if c.given.connection {
		if _, err := c.settings(); err != nil && !c.connection.IsZero() {
			ps.Errorf("authenticationRef.connectionString", "%v", err)
		}
		return ps
	}
	needHost(&ps, "connectionString", map[string]bool{"host": c.given.host, "username": c.given.username, "dbName": c.given.database})
	checkHostPort(&ps, c.host, c.port)
	return ps
}

// settings builds the driver's own settings; nothing is put into a string.
func (c *mysqlConfig) settings() (*mysql.Config, error) {
	m := mysql.NewConfig()
	if c.given.connection {
		var err error
		if m, err = mysql.ParseDSN(c.connection.Reveal()); err != nil {
			return nil, errMySQLString
		}
		if m.Net != "tcp" {
			return nil, errNotTCP
		}
	} else {
		m.User, m.Passwd, m.DBName = c.username, c.password.Reveal(), c.database
		m.Net, m.Addr = "tcp", net.JoinHostPort(strings.Trim(c.host, "[]"), c.port)
	}
	// A server must not get at files of this process, and a query is one.
	m.AllowAllFiles, m.MultiStatements = false, false
	m.ParseTime = true // so that a date is not taken for a text
	m.Logger = &mysql.NopLogger{}
	return m, nil
}

// Metric implements scaler.Config.
func (c *mysqlConfig) Metric() string { return c.query.metric("mysql", c.database) }

// Open implements scaler.Config.
func (c *mysqlConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	m, err := c.settings()
	if err != nil {
		return nil, scaler.Misconfigured(err, "opening a mysql trigger")
	}
	if err := noIdentity(env, "mysql"); err != nil {
		return nil, err
	}
	return c.query.open(env, target{
		engine:      engine{driver: "mysql", ask: askReadOnly, answered: mysqlAnswered},
		host:        m.Addr,
		address:     m.Addr + "/" + m.DBName,
		credentials: conn.Digest(m.FormatDSN(), c.tls.Digest()),
		connect: func() (driver.Connector, *hub, error) {
			m.DialFunc = conn.NewNetwork(env.HTTP).DialContext
			secure, err := conn.ClientTLS(&c.tls, env.HTTP)
			if err != nil {
				return nil, nil, err
			}
			if secure != nil {
				if secure.ServerName, _, err = net.SplitHostPort(m.Addr); err != nil {
					return nil, nil, err
				}
				m.TLS = secure
			}
			made, err := mysql.NewConnector(m)
			return made, nil, err
		},
	})
}
