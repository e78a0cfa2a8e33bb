package sql

import (
	"crypto/tls"
	"errors"
	"net/url"
	"slices"
	"strings"
)

// pgSettings are connection settings by libpq's names, see "34.1.2. Parameter
// Key Words" of PostgreSQL's manual.
type pgSettings map[string]string

var errPGString = errors.New("is malformed or names no host; expected postgresql://user:password@host:port/database or host=… user=… password=… dbname=…")

// parsePG reads a connection string in either form. Its errors don't repeat it.
func parsePG(text string) (pgSettings, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://") {
		return parsePGURL(text)
	}
	return parsePGWords(text)
}

func parsePGURL(text string) (pgSettings, error) {
	u, err := url.Parse(withoutHostList(text))
	if err != nil {
		return nil, errPGString
	}
	s := pgSettings{}
	if u.User != nil {
		s["user"] = u.User.Username()
		s["password"], _ = u.User.Password()
	}
	s["dbname"] = strings.TrimPrefix(u.Path, "/")
	var hosts, ports []string
	for _, part := range splitComma(hostList(text)) {
		one := url.URL{Host: part}
		hosts, ports = append(hosts, one.Hostname()), append(ports, one.Port())
	}
	s["host"] = strings.Join(hosts, ",")
	if slices.ContainsFunc(ports, func(p string) bool { return p != "" }) {
		s["port"] = strings.Join(ports, ",")
	}
	for name, values := range u.Query() {
		s[name] = values[len(values)-1]
	}
	return s, nil
}

// hostSpan finds the part of a URL that lists hosts. Several hosts are
// PostgreSQL's own notation, which the parser of URLs refuses.
func hostSpan(text string) (from, to int) {
	from = strings.Index(text, "://") + len("://")
	to = len(text)
	if i := strings.IndexAny(text[from:], "/?#"); i >= 0 {
		to = from + i
	}
	if i := strings.LastIndex(text[from:to], "@"); i >= 0 {
		from += i + 1
	}
	return from, to
}

func hostList(text string) string {
	from, to := hostSpan(text)
	return text[from:to]
}

func withoutHostList(text string) string {
	from, to := hostSpan(text)
	return text[:from] + "hosts" + text[to:]
}

// parsePGWords reads name=value pairs, where values with spaces are in single
// quotes, and a backslash takes the next character as it is.
func parsePGWords(text string) (pgSettings, error) {
	s := pgSettings{}
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		name, rest, ok := strings.Cut(text, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" || strings.ContainsAny(name, " \t\n'\\") {
			return nil, errPGString
		}
		value, after, ok := pgValue(strings.TrimLeft(rest, " \t\r\n"))
		if !ok {
			return nil, errPGString
		}
		s[name], text = value, after
	}
	return s, nil
}

func pgValue(text string) (value, rest string, ok bool) {
	quoted := strings.HasPrefix(text, "'")
	if quoted {
		text = text[1:]
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			if i++; i == len(text) {
				return "", "", false
			}
			b.WriteByte(text[i])
		case quoted && c == '\'':
			return b.String(), text[i+1:], true
		case !quoted && strings.IndexByte(" \t\r\n", c) >= 0:
			return b.String(), text[i:], true
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", !quoted
}

func splitComma(s string) []string { return strings.Split(s, ",") }

func (s pgSettings) hosts() []string { return splitComma(s["host"]) }

// check refuses what reaches into the machine that KEDA runs on, and what is
// no address.
func (s pgSettings) check() error {
	if s["database"] != "" && s["dbname"] == "" {
		s["dbname"] = s["database"]
	}
	delete(s, "database")
	if r := s["sslrootcert"]; r == "system" { // what is used anyway
		delete(s, "sslrootcert")
	}
	for _, name := range []string{"passfile", "service", "servicefile", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir", "krbsrvname"} {
		if s[name] != "" {
			return errFiles
		}
		delete(s, name)
	}
	for i, h := range s.hosts() {
		if strings.HasPrefix(h, "/") || strings.HasPrefix(h, "@") {
			return errNotTCP
		}
		if !isHost(h) {
			return errPGString
		}
		if p := s.port(i); p != "" && !validPort(p) {
			return errPGString
		}
	}
	for _, v := range s {
		if strings.Contains(v, "\x00") {
			return errPGString
		}
	}
	return nil
}

// text is what the driver's parser is given: all settings as one URL, encoded
// by the standard library.
func (s pgSettings) text() string {
	q := url.Values{}
	for name, value := range s.complete() {
		q.Set(name, value)
	}
	return (&url.URL{Scheme: "postgres", Path: "/", RawQuery: q.Encode()}).String()
}

// applyTLS puts the trigger's certificates into what sslmode asks for.
func applyTLS(to, own *tls.Config, skip bool) {
	if own.RootCAs != nil {
		to.RootCAs = own.RootCAs
	}
	to.Certificates, to.MinVersion = own.Certificates, own.MinVersion
	if skip {
		to.InsecureSkipVerify, to.VerifyPeerCertificate, to.VerifyConnection = true, nil, nil
	}
}
