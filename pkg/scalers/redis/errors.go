package redis

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// sentinelRules are what a user of the sentinels may do at least.
const sentinelRules = "+sentinel|get-master-addr-by-name +sentinel|sentinels +subscribe &*"

// replyError is an error that a server answered, without the server's own text,
// which could hold anything.
type replyError string

// Error implements error.
func (r replyError) Error() string { return string(r) }

var (
	errNoNumber  = errors.New("the answer holds no number")
	errNoGroups  = errors.New("the answer lists no consumer groups")
	errNegative  = errors.New("the answer is a negative number")
	errNoMaster  = errors.New("the sentinels know no master of that name")
	errProtocol  = errors.New("the answer is not Redis' protocol")
	errTypeGone  = errors.New("the key has changed its type")
	errNoLag     = errors.New("the server does not tell the lag of consumer groups, which Redis does from version 7 on")
	errLagHidden = errors.New("the server can't tell the lag, since entries were deleted or the group was set to an ID in the middle of the stream; " +
		"it can again once the group has been given the last entry")
)

// failed classifies a command that got no answer, or an error for one.
func failed(err error, doing string) error {
	var own *scaler.Error
	if errors.As(err, &own) {
		return err
	}
	var answer redis.Error
	text := err.Error()
	switch {
	case errors.Is(err, redis.Nil) && ofSentinels(err):
		return scaler.Missing(errNoMaster, "%s", doing)
	case errors.Is(err, redis.Nil):
		return scaler.BadAnswer(errNoNumber, "%s", doing)
	case errors.As(err, &answer) && ofSentinels(err):
		return bySentinels(answer.Error(), doing)
	case errors.As(err, &answer):
		return answered(answer.Error(), doing)
	case errors.Is(err, errTooLarge):
		return scaler.BadAnswer(errTooLarge, "%s", doing)
	case errors.Is(err, context.Canceled):
		return scaler.Unreachable(context.Canceled, "%s", doing)
	case strings.Contains(text, "redis: can't parse"), strings.Contains(text, "redis: invalid"):
		return scaler.BadAnswer(errProtocol, "%s", doing) // the client's text would show what came
	}
	return conn.NetworkError(err, doing)
}

// ofSentinels says whether an error is the sentinels' and not the master's, by
// what the client puts before it.
func ofSentinels(err error) bool { return strings.Contains(err.Error(), "all sentinels") }

// bySentinels classifies an answer of the sentinels, which have users and
// passwords of their own.
func bySentinels(text, doing string) error {
	switch code, _, _ := strings.Cut(strings.TrimPrefix(text, "-"), " "); code {
	case "NOPERM":
		return scaler.Denied(replyError("the sentinels answered NOPERM: their user needs the ACL rules "+sentinelRules), "%s", doing)
	case "NOAUTH":
		return scaler.Denied(replyError("the sentinels answered NOAUTH: they need sentinelPassword"), "%s", doing)
	case "WRONGPASS":
		return scaler.Denied(replyError("the sentinels answered WRONGPASS: sentinelUsername or sentinelPassword is wrong"), "%s", doing)
	}
	return answered(text, doing+", asking the sentinels")
}

// codes are the errors that begin with a word of their own.
var codes = map[string]struct {
	class func(error, string, ...any) error
	why   string
}{
	"NOAUTH":       {scaler.Denied, "it needs a password"},
	"WRONGPASS":    {scaler.Denied, "the username or the password is wrong"},
	"NOPERM":       {scaler.Denied, "the user may not run the command or not read the key"},
	"DENIED":       {scaler.Denied, "it is in protected mode, without a password"},
	"WRONGTYPE":    {scaler.Misconfigured, "the key holds another type"},
	"NOGROUP":      {scaler.Missing, "there is no such stream, or no such consumer group on it"},
	"MOVED":        {scaler.Misconfigured, "it belongs to a cluster, for which there are redis-cluster and redis-cluster-streams"},
	"ASK":          {scaler.Unreachable, "it is handing the key to another node"},
	"TRYAGAIN":     {scaler.Unreachable, "it is handing the key to another node"},
	"LOADING":      {scaler.Unreachable, "it is reading its data from disk"},
	"BUSY":         {scaler.Unreachable, "it runs a script"},
	"CLUSTERDOWN":  {scaler.Unreachable, "the cluster is not complete"},
	"READONLY":     {scaler.Unreachable, "it is a replica"},
	"MASTERDOWN":   {scaler.Unreachable, "it is a replica without its master"},
	"NOMASTERLINK": {scaler.Unreachable, "it is a replica without its master"},
	"IDONTKNOW":    {scaler.Unreachable, "the sentinel does not know"},
}

// answered classifies an error by the word that it begins with; "ERR" needs a
// look at the rest.
func answered(text, doing string) error {
	code, rest, _ := strings.Cut(strings.TrimPrefix(text, "-"), " ")
	if known, ok := codes[code]; ok {
		return known.class(replyError("the server answered "+code+": "+known.why), "%s", doing)
	}
	if code == "ERR" {
		return generic(strings.ToLower(rest), doing)
	}
	return scaler.BadAnswer(replyError("the server answered with an error"), "%s", doing)
}

// generic classifies errors that begin with "ERR", by words that servers have
// used for long.
func generic(text, doing string) error {
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("no such key"):
		return scaler.Missing(replyError("the server has no such key"), "%s", doing)
	case has("without any password configured"):
		return scaler.Denied(replyError("a password is given, and the server has none for the default user"), "%s", doing)
	case has("invalid password", "auth"):
		return scaler.Denied(replyError("the server refused the credentials"), "%s", doing)
	case has("max number of clients"):
		return scaler.Unreachable(replyError("the server has its maximum number of clients"), "%s", doing)
	case has("cluster support disabled"):
		return scaler.Misconfigured(replyError("the server belongs to no cluster"), "%s", doing)
	case has("db index", "select is not allowed"):
		return scaler.Misconfigured(replyError("the server has no database of that number"), "%s", doing)
	case has("no such master"):
		return scaler.Missing(errNoMaster, "%s", doing)
	case has("unknown command", "unknown subcommand"):
		return scaler.Misconfigured(replyError("the server does not know the command"), "%s", doing)
	}
	return scaler.BadAnswer(replyError("the server answered ERR"), "%s", doing)
}

// denied says which ACL rule the user lacks. The server's text tells whether
// it is the command or the key that is not allowed, in words that differ
// between versions; both are named where it can't be told.
func denied(err error, r request, doing string) error {
	command, key := "+"+strings.ReplaceAll(r.command, " ", "|"), "~"+r.key
	lacks := "rules " + command + " and " + key
	switch text := err.Error(); {
	case strings.Contains(text, " command"):
		lacks = "rule " + command
	case strings.Contains(text, " key"):
		lacks = "rule " + key
	}
	return scaler.Denied(replyError("the server answered NOPERM: the user needs the ACL "+lacks), "%s", doing)
}

// hasCode says whether a server answered an error that begins with code.
func hasCode(err error, code string) bool {
	var answer redis.Error
	return errors.As(err, &answer) && strings.HasPrefix(answer.Error(), code)
}
