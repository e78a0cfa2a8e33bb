package solr

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// allowed are the parameters that may follow a query: they choose documents,
// and send the server nowhere.
func allowed() []string {
	return []string{"fq", "df", "q.op", "defType", "qf", "mm", "pf", "uf", "tie", "lowercaseOperators", "sow", "timeAllowed"}
}

// values are the parameters of the request. In KEDA the query is put into the
// URL as it is, so that one with white space fails, and people write it
// URL-encoded or let filters follow it. What can have worked there means the
// same here; one with white space is taken literally.
func values(query string) (url.Values, error) {
	v := url.Values{}
	if strings.ContainsAny(query, " \t\r\n") {
		v.Set("q", query)
	} else {
		for name := "q"; name != ""; {
			text, next, rest := cut(query)
			v.Add(name, decoded(text))
			if name, query = next, rest; name != "" && !slices.Contains(allowed(), name) {
				return nil, fmt.Errorf("is followed by the parameter %s; expected one of %s", name, strings.Join(allowed(), ", "))
			}
		}
	}
	v.Set("wt", "json")
	v.Set("rows", "0")
	return v, nil
}

// cut splits text before the first "&name=".
func cut(text string) (before, name, after string) {
	for i := range len(text) {
		if text[i] != '&' {
			continue
		}
		name, after, ok := strings.Cut(text[i+1:], "=")
		letters := strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.") == ""
		if ok && name != "" && letters {
			return text[:i], name, after
		}
	}
	return text, "", ""
}

func decoded(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}
