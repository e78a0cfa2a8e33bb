package activemq

import (
	"net/url"
	"slices"
	"strings"

	"github.com/kedago/keda/pkg/scaler/param"
)

// bean is what both trigger types have in common: an attribute of a JMX bean,
// and who reads it.
type bean struct {
	endpoint string
	broker   string
	template string
	origin   string
	username string
	password param.Hidden

	// Check sets what follows.
	at        *url.URL // where a GET answers the attribute
	base      *url.URL // where Jolokia takes requests of several; nil with a template
	mbean     string
	attribute string
	queue     string
}

// shape is how a trigger type names its beans. Its texts hold placeholders.
type shape struct {
	parameter string // that has the template
	path      string
	mbean     string
	attribute string
	queueKey  string // of the bean's name
	queueName string // the parameter
	values    []value
}

// value is a parameter that placeholders stand for.
type value struct {
	name string
	text *string
}

// spellings are how a template names the parameter.
func (v value) spellings() []string {
	upper := strings.ToUpper(v.name[:1]) + v.name[1:]
	return []string{"<<" + v.name + ">>", "{{." + upper + "}}", "{{ ." + upper + " }}"}
}

func (b *bean) accessParams(origins ...param.Origin) param.Set {
	return param.Set{
		param.Text("corsHeader", &b.origin).Example("http://localhost").
			Doc("The header Origin, which Jolokia compares with the origins it allows; the address of the console when unset."),
	}.With(param.Group("Authentication",
		param.Text("username", &b.username).From(origins...).NamesEnvOrIs("").Required().Doc("User name."),
		param.Secret("password", &b.password).From(origins...).NamesEnvOrIs("").Required().Doc("Password."),
	))
}

// resolve finds out what is asked for, and where.
func (b *bean) resolve(s shape) param.Problems {
	b.at, b.base, b.attribute = nil, nil, s.attribute
	var ps param.Problems
	if b.template == "" {
		ps = b.usual(s)
	} else {
		ps = b.custom(s)
	}
	if b.origin == "" && b.at != nil {
		b.origin = "http://" + b.at.Host
	}
	return ps
}

// usual is the address that brokers have by default.
func (b *bean) usual(s shape) param.Problems {
	var ps param.Problems
	for _, v := range s.values {
		if *v.text == "" {
			ps.Errorf("metadata."+v.name, "is missing; expected a text, unless metadata.%s is given", s.parameter)
		}
	}
	if len(ps) > 0 {
		return ps
	}
	base, err := url.Parse("http://" + b.endpoint)
	if err != nil || base.Hostname() == "" || base.RawQuery != "" || base.User != nil || strings.Contains(b.endpoint, "://") {
		ps.Errorf("metadata.managementEndpoint", "found %q; expected host:port, such as mq.shop:8161", b.endpoint)
		ps.Hint("an address with https goes into metadata.%s", s.parameter)
		return ps
	}
	b.mbean, _ = s.fill(s.mbean, plain)
	asked, _ := s.fill(s.mbean, func(text string) string { return escaped(plain(text)) })
	root := strings.TrimSuffix(base.Path, "/") + s.path
	b.at = &url.URL{Scheme: base.Scheme, Host: base.Host, Path: root + asked + "/" + s.attribute}
	b.base = &url.URL{Scheme: base.Scheme, Host: base.Host, Path: strings.TrimSuffix(root, "read/")}
	b.queue = *s.value(s.queueName)
	return nil
}

// custom is the address that the user gives.
func (b *bean) custom(s shape) param.Problems {
	var ps param.Problems
	path := "metadata." + s.parameter
	filled, missing := s.fill(b.template, func(text string) string {
		return (&url.URL{Path: escaped(plain(text))}).EscapedPath()
	})
	for _, name := range missing {
		ps.Errorf("metadata."+name, "is missing; expected a text, since %s mentions it", path)
	}
	if len(ps) > 0 {
		return ps
	}
	var names []string
	for _, v := range s.values {
		names = append(names, "<<"+v.name+">>")
	}
	if strings.Contains(filled, "<<") || strings.Contains(filled, "{{") {
		ps.Errorf(path, "has a placeholder that stands for nothing; expected some of %s", strings.Join(names, ", "))
		return ps
	}
	at, err := url.Parse(filled)
	if err == nil {
		b.queue = queueIn(at.Path, s.queueKey)
	}
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Hostname() == "" || b.queue == "" {
		ps.Errorf(path, "is no address of a queue's bean; expected one such as http://<<managementEndpoint>>%s%s/%s", s.path, s.mbean, s.attribute)
		return ps
	}
	b.at = at
	return nil
}

func (s shape) value(name string) *string {
	i := slices.IndexFunc(s.values, func(v value) bool { return v.name == name })
	return s.values[i].text
}

// fill puts the parameters' values where a text has placeholders, and returns
// the names of those that are needed and not given. The endpoint is no part of
// a bean's name, so it stays as it is.
func (s shape) fill(text string, encode func(string) string) (filled string, missing []string) {
	var pairs []string
	for _, v := range s.values {
		encoded := *v.text
		if v.name != "managementEndpoint" {
			encoded = encode(encoded)
		}
		for _, p := range v.spellings() {
			pairs = append(pairs, p, encoded)
			if *v.text == "" && strings.Contains(text, p) {
				missing = append(missing, v.name)
			}
		}
	}
	return strings.NewReplacer(pairs...).Replace(text), slices.Compact(missing)
}

// plain is a name without Jolokia's escapes, which people may have written:
// https://jolokia.org/reference/html/manual/jolokia_protocol.html#escape-rules
func plain(name string) string {
	return strings.NewReplacer("!!", "!", "!/", "/", `!"`, `"`).Replace(name)
}

// escaped is a name as it stands in the path of a request.
func escaped(name string) string { return strings.NewReplacer("!", "!!", "/", "!/").Replace(name) }

// queueIn finds the queue in the name of a bean in a path, "" without one.
func queueIn(path, key string) string {
	_, name, ok := strings.Cut(path, "/read/")
	if _, properties, found := strings.Cut(name, ":"); ok && found {
		for _, before := range []string{",", ""} { // "" where it is the first one
			_, text, found := strings.Cut(properties, before+key+"=")
			if !found {
				continue
			}
			if rest, quoted := strings.CutPrefix(text, `"`); quoted {
				text, _, _ = strings.Cut(rest, `"`)
				return text
			}
			end := strings.IndexAny(text, ",/")
			for end > 0 && text[end] == '/' && text[end-1] == '!' {
				next := strings.IndexAny(text[end+1:], ",/")
				if next < 0 {
					return ""
				}
				end += 1 + next
			}
			return text[:max(end, 0)]
		}
	}
	return ""
}
