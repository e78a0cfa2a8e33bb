package mqtt

import (
	"strings"
	"unicode/utf8"
)

// validFilter says whether a topic filter is one, see MQTT 3.1.1, 4.7.
func validFilter(filter string) bool {
	if filter == "" || len(filter) > 65535 || !utf8.ValidString(filter) || strings.ContainsRune(filter, 0) {
		return false
	}
	levels := strings.Split(filter, "/")
	for i, l := range levels {
		if strings.Contains(l, "+") && l != "+" || strings.Contains(l, "#") && (l != "#" || i != len(levels)-1) {
			return false
		}
	}
	return true
}

// matches says whether a topic matches a filter. Topics that begin with $
// match no filter that begins with a wildcard.
func matches(filter, topic string) bool {
	if filter == topic {
		return true
	}
	if strings.HasPrefix(topic, "$") && (strings.HasPrefix(filter, "+") || strings.HasPrefix(filter, "#")) {
		return false
	}
	for {
		f, restF, moreF := strings.Cut(filter, "/")
		if f == "#" {
			return true
		}
		l, restT, moreT := strings.Cut(topic, "/")
		if f != "+" && f != l {
			return false
		}
		switch {
		case !moreF && !moreT:
			return true
		case !moreT:
			return restF == "#" // a/# matches a
		case !moreF:
			return false
		}
		filter, topic = restF, restT
	}
}
