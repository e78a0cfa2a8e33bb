package conn

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
)

// ElasticCloud is where a deployment of Elastic Cloud is, by its Cloud ID:
// after its name follow, in base64, the host of the region and the host's part
// that is the deployment's own, separated by $.
func ElasticCloud(id string) (*url.URL, error) {
	bad := errors.New("is no Cloud ID; expected the text that the deployment's page shows, such as name:base64")
	_, encoded, ok := strings.Cut(strings.TrimSpace(id), ":")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil {
		return nil, bad
	}
	parts := strings.Split(string(raw), "$")
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return nil, bad
	}
	name, port, found := strings.Cut(parts[1], ":") // a port of its own goes before the region's
	host := name + "." + parts[0]
	if found {
		region, _, _ := strings.Cut(parts[0], ":")
		host = name + "." + region + ":" + port
	}
	u, err := url.Parse("https://" + host)
	if err != nil || u.Host != host {
		return nil, bad
	}
	return u, nil
}
