package seleniumgrid

import (
	"reflect"
	"strings"
)

// nodes describe the nodes that a trigger scales, and count what is theirs.
type nodes struct {
	browser, inSession string
	version, platform  string
	perNode            int
	wanted             map[string]any
}

func newNodes(c *config, wanted map[string]any) nodes {
	n := nodes{
		browser: c.browser, inSession: c.inSession, version: c.version, platform: platform(c.platform),
		perNode: int(max(c.perNode, 1)), wanted: wanted,
	}
	if n.inSession == "" {
		n.inSession = n.browser
	}
	return n
}

// capabilities are what a request asks for, or a slot offers.
type capabilities map[string]any

// text is a capability that is a text; false when it is something else.
func (c capabilities) text(name string) (string, bool) {
	v, ok := c[name]
	if !ok || v == nil {
		return "", true
	}
	s, ok := v.(string)
	return s, ok
}

// requested says whether a request of the queue is for these nodes.
func (n nodes) requested(c capabilities) bool {
	name, ok := c.text("browserName")
	return ok && strings.EqualFold(name, n.browser) && n.alike(c)
}

// offered says whether a slot is one of these nodes'.
func (n nodes) offered(c capabilities) bool {
	name, ok := c.text("browserName")
	return ok && (strings.EqualFold(name, n.browser) || strings.EqualFold(name, n.inSession)) && n.alike(c)
}

// alike compares all but the browser's name, as Selenium's own matcher of
// slots does.
func (n nodes) alike(c capabilities) bool {
	version, ok := c.text("browserVersion")
	if !ok || version == "" && n.version != "" || !strings.HasPrefix(n.version, version) {
		return false
	}
	on, ok := c.text("platformName")
	if !ok || platform(on) != n.platform {
		return false
	}
	if c[downloadsWanted] == true && n.wanted[downloadsWanted] != true {
		return false
	}
	for name, value := range n.wanted {
		if matters(name) && !reflect.DeepEqual(c[name], value) {
			return false
		}
	}
	return true
}

// matters says whether a capability chooses a node, rather than configuring
// the browser or Selenium.
func matters(name string) bool {
	for _, prefix := range []string{"goog:", "moz:", "ms:", "se:"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	return true
}

// platform is equal for platforms that match each other: those with one name,
// and members of one family. A family's own name is no member of it.
func platform(name string) string {
	switch name = strings.ToLower(name); name {
	case "", "any":
		return "any"
	case "windows server 2003", "xp", "windows xp", "winnt", "windows_nt", "windows nt", "windows server 2008", "windows vista",
		"windows 7", "win7", "windows server 2012", "windows 8", "win8", "windows 8.1", "win8.1", "windows 10", "win10", "windows 11", "win11":
		return "a windows"
	case "mac", "darwin", "macos", "mac os x", "os x":
		return "mac"
	case "snow leopard", "mountain lion", "mavericks", "yosemite", "el capitan", "sierra", "high sierra", "mojave", "catalina",
		"big sur", "monterey", "ventura", "sonoma", "sequoia":
		return "a mac"
	case "linux", "bsd", "solaris":
		return "a unix"
	case "android", "dalvik":
		return "android"
	}
	if version, ok := strings.CutPrefix(strings.Replace(name, "os x ", "macos ", 1), "macos "); ok && version != "" && version[0] >= '0' && version[0] <= '9' {
		return "a mac"
	}
	return name
}
