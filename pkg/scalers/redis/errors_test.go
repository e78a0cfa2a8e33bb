package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/kedago/keda/pkg/scaler"
)

// answerError is an error as the client library returns it.
type answerError string

func (a answerError) Error() string { return string(a) }
func (answerError) RedisError()     {}

func TestErrors(t *testing.T) {
	const secret = "leaked"
	for text, want := range map[string]scaler.Reason{
		"WRONGPASS invalid username-password pair " + secret:         scaler.ReasonDenied,
		"NOAUTH Authentication required.":                            scaler.ReasonDenied,
		"NOPERM this user has no permissions to run " + secret:       scaler.ReasonDenied,
		"-DENIED Redis is running in protected mode":                 scaler.ReasonDenied,
		"ERR invalid password":                                       scaler.ReasonDenied,
		"ERR AUTH <password> called without any password configured": scaler.ReasonDenied,
		"WRONGTYPE Operation against a key":                          scaler.ReasonMisconfigured,
		"MOVED 3999 127.0.0.1:6381":                                  scaler.ReasonMisconfigured,
		"ERR This instance has cluster support disabled":             scaler.ReasonMisconfigured,
		"ERR DB index is out of range":                               scaler.ReasonMisconfigured,
		"ERR unknown command 'XLEN', with args beginning: " + secret: scaler.ReasonMisconfigured,
		"NOGROUP No such key '" + secret + "' or consumer group":     scaler.ReasonMissing,
		"ERR no such key":                                            scaler.ReasonMissing,
		"ERR No such master with that name":                          scaler.ReasonMissing,
		"LOADING Redis is loading the dataset in memory":             scaler.ReasonUnreachable,
		"CLUSTERDOWN The cluster is down":                            scaler.ReasonUnreachable,
		"READONLY You can't write against a read only replica.":      scaler.ReasonUnreachable,
		"ERR max number of clients reached":                          scaler.ReasonUnreachable,
		"ERR something else with " + secret:                          scaler.ReasonBadAnswer,
		secret:                                                       scaler.ReasonBadAnswer,
	} {
		err := failed(fmt.Errorf("failed to authenticate: %w", answerError(text)), "reading")
		if got := scaler.ReasonOf(err); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the server's own text shows: %v", err)
		}
	}
	for name, tc := range map[string]struct {
		err  error
		want scaler.Reason
	}{
		"nil answer":    {redis.Nil, scaler.ReasonBadAnswer},
		"no protocol":   {errors.New(`redis: can't parse "` + secret + `"`), scaler.ReasonBadAnswer},
		"cancelled":     {context.Canceled, scaler.ReasonUnreachable},
		"too late":      {context.DeadlineExceeded, scaler.ReasonUnreachable},
		"already known": {scaler.Missing(nil, "x"), scaler.ReasonMissing},
	} {
		err := failed(tc.err, "reading")
		if got := scaler.ReasonOf(err); got != tc.want || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %s, %v; want %s", name, got, err, tc.want)
		}
	}
}

// TestAnswers checks answers that no real server of today gives.
func TestAnswers(t *testing.T) {
	i := item{what: lag, key: "s", group: "g"}
	groups := request{command: cmdGroups, key: "s"}
	for name, tc := range map[string]struct {
		val  any
		want scaler.Reason
	}{
		"before Redis 7": {[]any{[]any{"name", "g", "consumers", int64(1), "pending", int64(0)}}, scaler.ReasonMisconfigured},
		"null":           {[]any{[]any{"name", "g", "lag", nil}}, scaler.ReasonBadAnswer},
		"negative":       {[]any{[]any{"name", "g", "lag", int64(-1)}}, scaler.ReasonBadAnswer},
		"text":           {[]any{[]any{"name", "g", "lag", "many"}}, scaler.ReasonBadAnswer},
		"no list":        {"OK", scaler.ReasonBadAnswer},
		"no groups":      {[]any{"OK"}, scaler.ReasonBadAnswer},
		"nothing":        {nil, scaler.ReasonBadAnswer},
	} {
		p := newPoll(t.Context(), nil)
		c := groups.build(t.Context())
		c.SetVal(tc.val)
		p.sent[groups] = c
		if r, err := p.read(i); err == nil || scaler.ReasonOf(err) != tc.want {
			t.Errorf("%s: %+v, %v; want %s", name, r, err, tc.want)
		}
	}
}

func TestNeeded(t *testing.T) {
	for _, tc := range []struct {
		flags string
		class byte
		want  string
	}{{"", 'l', "Kl"}, {"Ex", 'l', "ExKl"}, {"K", 't', "Kt"}, {"AE", 'l', "AEK"}} {
		if got := needed(tc.flags, tc.class); got != tc.want {
			t.Errorf("%q and %c: %q, want %q", tc.flags, tc.class, got, tc.want)
		}
	}
}
