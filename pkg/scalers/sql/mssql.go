package sql

import (
	"context"
	"database/sql/driver"
	"net"
	"net/url"
	"strconv"
	"strings"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func mssqlKind() scaler.Kind {
	return scaler.Kind{
		Name:        "mssql",
		Title:       "Microsoft SQL Server",
		About:       "The number that a query of a Microsoft SQL Server or Azure SQL database returns. A query without a row counts as 0.",
		Since:       "2.2",
		Permissions: "`SELECT` on what the query reads. The server has no read-only transactions: give a user that can't write. On Azure SQL a podIdentity azure-workload is a user that `CREATE USER … FROM EXTERNAL PROVIDER` made.",
		Cost:        "One query, one round trip; equal queries of many triggers are asked once. At most 4 connections per server, database and user.",
		ByHand:      `sqlcmd -S mssql.svc -U keda -d shop -h -1 -Q "SELECT COUNT(*) FROM backlog WHERE state = 'waiting'"`,
		Examples: []scaler.Example{
			{
				Title: "Host, user and password",
				Metadata: map[string]string{
					"host": "mssql.svc", "port": "1433", "username": "keda", "database": "shop",
					"query": "SELECT COUNT(*) FROM backlog WHERE state = 'waiting'", "targetValue": "5",
				},
				Auth: map[string]string{"password": "the-password"},
			},
			{
				Title: "A connection string",
				Metadata: map[string]string{
					"query": "SELECT COUNT(*) FROM backlog WHERE state = 'waiting'", "targetValue": "5", "activationTargetValue": "1",
				},
				Auth: map[string]string{"connectionString": "Server=shop.database.windows.net;Port=1433;Database=shop;User ID=keda;Password=the-password;Encrypt=true"},
			},
			{
				Title: "Azure SQL with a workload identity",
				Metadata: map[string]string{
					"host": "shop.database.windows.net", "database": "shop", "query": "SELECT COUNT(*) FROM backlog WHERE state = 'waiting'", "targetValue": "5",
				},
				Identity: "azure-workload",
			},
		},
		New: func() scaler.Config { return &mssqlConfig{} },
	}
}

type mssqlConfig struct {
	query
	connection               param.Hidden
	host, username, database string
	port                     int64
	password                 param.Hidden
	cloud                    conn.AzureCloud
	given                    struct{ connection, host bool }
}

// Params implements scaler.Config.
func (c *mssqlConfig) Params() param.Set {
	return c.query.params("targetValue", "activationTargetValue").With(param.Group("Connection",
		param.Secret("connectionString", &c.connection).From(param.Auth, param.Env).IsSet(&c.given.connection).
			Doc("Where and as whom to connect, in any form that the driver knows (sqlserver://…, Server=…;…, odbc:…); instead of the parameters that follow."),
		param.Text("host", &c.host).From(param.Metadata, param.Auth).IsSet(&c.given.host).Example("mssql.svc").Doc("Host of the server."),
		param.Int("port", &c.port).From(param.Metadata, param.Auth).Min(1).Max(65535).Default(1433).Doc("Port of the server."),
		param.Text("username", &c.username).From(param.Metadata, param.Auth).Doc("User name."),
		param.Secret("password", &c.password).From(param.Auth, param.Env).Doc("Password."),
		param.Text("database", &c.database).From(param.Metadata, param.Auth).Doc("Database; the user's own when unset."),
	), param.Group("Azure cloud", c.cloud.CloudField()))
}

// Check implements scaler.Checker.
func (c *mssqlConfig) Check() param.Problems {
	var ps param.Problems
	if c.given.connection {
		if _, err := c.settings(); err != nil && !c.connection.IsZero() {
			ps.Errorf("authenticationRef.connectionString", "%v", err)
		}
		return ps
	}
	needHost(&ps, "connectionString", map[string]bool{"host": c.given.host})
	checkHostPort(&ps, c.host, strconv.FormatInt(c.port, 10))
	return ps
}

// text is the connection string, made of the parameters when none is given.
func (c *mssqlConfig) text() string {
	if c.given.connection {
		return c.connection.Reveal()
	}
	u := url.URL{Scheme: "sqlserver", Host: net.JoinHostPort(strings.Trim(c.host, "[]"), strconv.FormatInt(c.port, 10))}
	if c.username != "" || !c.password.IsZero() {
		u.User = url.UserPassword(c.username, c.password.Reveal())
	}
	if c.database != "" {
		u.RawQuery = url.Values{"database": {c.database}}.Encode()
	}
	return u.String()
}

func (c *mssqlConfig) settings() (msdsn.Config, error) {
	text := c.text()
	if strings.Contains(strings.ToLower(text), "certificate=") && namesFile(text) {
		return msdsn.Config{}, errFiles
	}
	m, err := msdsn.Parse(text)
	if err != nil {
		return msdsn.Config{}, errMSSQLString // the driver's text could repeat the password
	}
	for _, p := range m.Protocols {
		if p != "tcp" && p != "admin" {
			continue
		}
		if m.Host == "" || m.Host == "." {
			return msdsn.Config{}, errMSSQLString
		}
	}
	m.Protocols = []string{"tcp"}
	return m, nil
}

// namesFile says whether a connection string has the option certificate; the
// similar TrustServerCertificate is none.
func namesFile(text string) bool {
	for _, part := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r == ';' || r == '&' || r == '?' }) {
		name, _, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch strings.TrimSpace(name) {
		case "certificate", "servercertificate":
			return true
		}
	}
	return false
}

// mssqlEngine takes a query without a row for 0, as KEDA has documented by
// example since 2.2 and queries in use rely on; the reading's note says so.
func mssqlEngine() engine {
	return engine{driver: "mssql", emptyIsZero: true, answered: mssqlAnswered}
}

// Metric implements scaler.Config.
func (c *mssqlConfig) Metric() string { return c.query.metric("mssql", c.database) }

// Open implements scaler.Config.
func (c *mssqlConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	m, err := c.settings()
	if err != nil {
		return nil, scaler.Misconfigured(err, "opening an mssql trigger")
	}
	port := m.Port
	if port == 0 {
		port = 1433
	}
	host := net.JoinHostPort(m.Host, strconv.FormatUint(port, 10))
	token, err := openToken(env, &c.cloud, conn.AzureSQL, "host", "mssql", []string{m.Host})
	if err != nil {
		return nil, err
	}
	if token != nil {
		if m, err = verified(m, env); err != nil {
			token.close()
			return nil, scaler.Misconfigured(err, "opening an mssql trigger")
		}
	}
	return c.query.open(env, target{
		engine:      mssqlEngine(),
		host:        host,
		address:     host + "/" + m.Instance + "/" + m.Database,
		credentials: conn.Digest(c.text()),
		token:       token,
		connect: func() (driver.Connector, *hub, error) {
			made := mssql.NewConnectorConfig(m)
			if token != nil {
				if made, err = mssql.NewSecurityTokenConnector(m, token.get); err != nil {
					return nil, nil, err
				}
			}
			made.Dialer = hostDialer{conn.NewNetwork(env.HTTP), m.Host}
			return made, nil, nil
		},
	})
}

// verified is a configuration whose server must prove who it is before it is
// shown a token. The token says who asks, so a user of the string's is left out.
func verified(m msdsn.Config, env scaler.Env) (msdsn.Config, error) {
	secure, err := conn.AlwaysTLS(&conn.TLS{}, env.HTTP)
	if err != nil {
		return m, err
	}
	secure.ServerName, secure.DynamicRecordSizingDisabled = m.Host, true // packets of the protocol are records
	m.User, m.Password, m.Encryption, m.TLSConfig = "", "", msdsn.EncryptionRequired, secure
	return m, nil
}

// hostDialer is a dialer that the driver hands names, so that they are judged
// before they are resolved; it implements mssql.HostDialer.
type hostDialer struct {
	*conn.Network
	host string
}

var _ mssql.HostDialer = hostDialer{}

// HostName implements mssql.HostDialer.
func (d hostDialer) HostName() string { return d.host }
