package redis

import (
	"net"
	"strconv"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler/param"
)

// server are the parameters that say where the data is and who asks.
type server struct {
	topology  topology
	addresses []string
	hosts     []string
	ports     []string
	username  string
	password  param.Hidden
	database  int64
	sentinel  struct {
		username, master string
		password         param.Hidden
	}
	tls       conn.TLS
	enableTLS string
	tlsMode   string
	has       struct{ address, host, port, master, sentinelUser, sentinelPassword, enableTLS, tls bool }

	// targets is where to connect, known after check.
	targets []string
}

func (s *server) params() param.Set {
	anywhere := []param.Origin{param.Metadata, param.Env, param.Auth}
	what := map[topology]string{single: "server", cluster: "nodes of the cluster", sentinel: "sentinels"}[s.topology]
	port := "6379"
	if s.topology == sentinel {
		port = "26379"
	}
	return param.Group("Connection",
		param.List("address", &s.addresses).Alias("addresses").From(anywhere...).NamesEnvOrIs("").IsSet(&s.has.address).Example("redis.svc:"+port).
			Doc("Where the "+what+" can be reached, host:port, separated by commas."),
		param.List("host", &s.hosts).Alias("hosts").From(anywhere...).NamesEnvOrIs("").IsSet(&s.has.host).Example("redis.svc").
			Doc("Hosts in place of address, separated by commas; needs as many ports."),
		param.List("port", &s.ports).Alias("ports").From(anywhere...).NamesEnvOrIs("").IsSet(&s.has.port).Example(port).
			Doc("Ports of the hosts, in the same order, separated by commas."),
		param.Int("databaseIndex", &s.database).Default(0).Min(0).Max(1<<20).Doc("Number of the database; a cluster has only 0."),
	).With(param.Group("Authentication",
		param.Text("username", &s.username).From(anywhere...).Doc("ACL user; the server's default user when unset."),
		param.Secret("password", &s.password).From(anywhere...).NamesEnv("").Doc("Password of the user."),
	), s.sentinelParams(anywhere), s.tlsParams())
}

func (s *server) sentinelParams(from []param.Origin) param.Set {
	unused := ""
	if s.topology != sentinel {
		unused = " Not used by this trigger type."
	}
	return param.Group("Sentinel",
		param.Text("sentinelMaster", &s.sentinel.master).From(from...).IsSet(&s.has.master).Example("mymaster").
			Doc("Name by which the sentinels know the master."+unused),
		param.Text("sentinelUsername", &s.sentinel.username).From(from...).IsSet(&s.has.sentinelUser).
			Doc("ACL user of the sentinels themselves."+unused),
		param.Secret("sentinelPassword", &s.sentinel.password).From(from...).IsSet(&s.has.sentinelPassword).
			Doc("Password of the sentinels themselves."+unused),
	)
}

func (s *server) tlsParams() param.Set {
	modes := []string{"true", "false", "enable", "disable"}
	material := s.tls.MaterialParams()
	for i, info := range material.Describe() {
		if info.Name == "cert" {
			material[i].Alias("Cert")
		}
	}
	return param.Group("TLS",
		param.Text("enableTLS", &s.enableTLS).OneOf(modes...).Default("false").IsSet(&s.has.enableTLS).Doc("Whether to connect with TLS."),
		param.Text("tls", &s.tlsMode).From(param.Auth).OneOf(modes...).Default("disable").IsSet(&s.has.tls).
			Doc("Whether to connect with TLS, in place of enableTLS."),
	).With(material)
}

// check finds where to connect, and what does not fit together.
func (s *server) check() param.Problems {
	var ps param.Problems
	s.checkAddresses(&ps)
	s.checkSentinel(&ps)
	if s.topology == cluster && s.database != 0 {
		ps.Warnf("metadata.databaseIndex", "has no effect, since a cluster has only database 0")
		s.database = 0
	}
	on := func(mode string) bool { return mode == "true" || mode == "enable" }
	if s.has.enableTLS && s.has.tls && on(s.enableTLS) != on(s.tlsMode) {
		ps.Errorf("metadata.enableTLS", "found %s, which contradicts tls in the authenticationRef; expected one of them", s.enableTLS)
	}
	if on(s.enableTLS) || on(s.tlsMode) {
		s.tls.Enable()
	}
	return append(ps, s.tls.Check()...)
}

func (s *server) checkAddresses(ps *param.Problems) {
	s.targets = nil
	switch {
	case len(s.addresses) > 0:
		s.targets = s.addresses
		if s.has.host || s.has.port {
			ps.Warnf("metadata.host", "has no effect, since address is given")
		}
	case s.has.address && !s.has.host:
		return // it will be known later
	case !s.has.host:
		ps.Errorf("metadata.address", "is missing; expected host:port, such as redis.svc:6379, or host and port")
		return
	case !s.has.port:
		ps.Errorf("metadata.port", "is missing; expected one port for each host")
		return
	case len(s.hosts) == 0 || len(s.ports) == 0:
		return // they will be known later
	case len(s.hosts) != len(s.ports):
		ps.Errorf("metadata.port", "has %d ports for %d hosts; expected as many ports as hosts", len(s.ports), len(s.hosts))
		return
	default:
		for i, h := range s.hosts {
			s.targets = append(s.targets, net.JoinHostPort(strings.Trim(h, "[]"), s.ports[i]))
		}
	}
	for _, t := range s.targets {
		if !isAddress(t) {
			ps.Errorf("metadata.address", "expected host:port, such as redis.svc:6379, in each place")
			break
		}
	}
	if s.topology == single && len(s.targets) > 1 {
		ps.Warnf("metadata.address", "names %d servers, of which only the first is used", len(s.targets))
		ps.Hint("redis-cluster and redis-sentinel take several")
		s.targets = s.targets[:1]
	}
}

func (s *server) checkSentinel(ps *param.Problems) {
	if s.topology == sentinel {
		if !s.has.master {
			ps.Errorf("metadata.sentinelMaster", "is missing; expected the name by which the sentinels know the master")
		}
		return
	}
	for name, given := range map[string]bool{"sentinelMaster": s.has.master, "sentinelUsername": s.has.sentinelUser, "sentinelPassword": s.has.sentinelPassword} {
		if given {
			ps.Warnf("metadata."+name, "has no effect on this trigger type")
		}
	}
}

// isAddress says whether a text is host:port. Nothing of it is shown when
// not, since a password may have been put before the host.
func isAddress(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || strings.ContainsAny(host, "/@ \x00") {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}
