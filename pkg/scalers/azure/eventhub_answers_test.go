package azure

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/Azure/go-amqp"
	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	eventhubserver "github.com/kedago/keda/test/servers/eventhub"
)

func TestPartitionIDs(t *testing.T) {
	many := func(n int) (ids []string) {
		for i := range n {
			ids = append(ids, strconv.Itoa(i))
		}
		return ids
	}
	for name, tc := range map[string]struct {
		answer any
		want   []string
	}{
		"usual":        {map[string]any{"partition_ids": []string{"0", "1"}}, []string{"0", "1"}},
		"as many":      {map[string]any{"partition_ids": many(hubMostPartitions)}, many(hubMostPartitions)},
		"too many":     {map[string]any{"partition_ids": many(hubMostPartitions + 1)}, nil},
		"none":         {map[string]any{"partition_ids": []string{}}, nil},
		"twice":        {map[string]any{"partition_ids": []string{"0", "0"}}, nil},
		"a path":       {map[string]any{"partition_ids": []string{"../0"}}, nil},
		"an empty one": {map[string]any{"partition_ids": []string{"0", ""}}, nil},
		"numbers":      {map[string]any{"partition_ids": []int32{0, 1}}, nil},
		"no map":       {"secret", nil},
		"nothing":      {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := partitionIDs(tc.answer)
			if diff := cmp.Diff(tc.want, got); diff != "" || (err != nil) != (tc.want == nil) {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestPartitionOf(t *testing.T) {
	about := func(pairs ...any) map[string]any {
		m := map[string]any{"partition": "3", "begin_sequence_number": int64(5), "last_enqueued_sequence_number": int64(9), "is_partition_empty": false}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return m
	}
	for name, tc := range map[string]struct {
		answer any
		want   hubPartition
		bad    bool
	}{
		"usual":             {answer: about(), want: hubPartition{id: "3", first: 5, last: 9}},
		"short numbers":     {answer: about("begin_sequence_number", int32(5), "last_enqueued_sequence_number", int16(9)), want: hubPartition{id: "3", first: 5, last: 9}},
		"shortest":          {answer: about("begin_sequence_number", int8(5)), want: hubPartition{id: "3", first: 5, last: 9}},
		"never an event":    {answer: about("begin_sequence_number", int64(0), "last_enqueued_sequence_number", int64(-1), "is_partition_empty", true), want: hubPartition{id: "3", last: -1, empty: true}},
		"another":           {answer: about("partition", "4"), bad: true},
		"no ID":             {answer: about("partition", 3), bad: true},
		"no first":          {answer: about("begin_sequence_number", nil), bad: true},
		"last is a text":    {answer: about("last_enqueued_sequence_number", "9"), bad: true},
		"last is not whole": {answer: about("last_enqueued_sequence_number", 9.5), bad: true},
		"empty is a number": {answer: about("is_partition_empty", int32(0)), bad: true},
		"negative last":     {answer: about("last_enqueued_sequence_number", int64(-2)), bad: true},
		"negative first":    {answer: about("begin_sequence_number", int64(-1)), bad: true},
		"no map":            {answer: []any{1}, bad: true},
		"nothing":           {bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := partitionOf(tc.answer, "3")
			if (err != nil) != tc.bad || !tc.bad && got != tc.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tc.want)
			}
		})
	}
}

func TestHubError(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	own := scaler.Denied(errors.New("the authority refused"), "getting a token")
	refusal := func(condition string) *amqp.Error {
		return &amqp.Error{Condition: amqp.ErrCond(condition), Description: "secret"}
	}
	for name, tc := range map[string]struct {
		ctx      context.Context
		err      error
		reason   scaler.Reason
		mentions string
	}{
		"a token's":          {err: fmt.Errorf("connecting: %w", own), reason: scaler.ReasonDenied, mentions: "getting a token"},
		"cancelled":          {ctx: over, err: errors.New("secret"), reason: scaler.ReasonUnreachable, mentions: "canceled"},
		"a write's deadline": {err: &net.OpError{Op: "write", Err: os.ErrDeadlineExceeded}, reason: scaler.ReasonUnreachable, mentions: "in time"},
		"refused":            {err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, reason: scaler.ReasonUnreachable, mentions: "refused"},
		"broken":             {err: &amqp.ConnError{}, reason: scaler.ReasonUnreachable, mentions: "broke"},
		"session ended":      {err: &amqp.SessionError{}, reason: scaler.ReasonUnreachable, mentions: "broke"},
		"link ended":         {err: &amqp.LinkError{RemoteErr: refusal("amqp:not-found")}, reason: scaler.ReasonMissing, mentions: "not-found"},
		"not implemented":    {err: refusal("amqp:not-implemented"), reason: scaler.ReasonBadAnswer},
		"too many links":     {err: refusal("amqp:resource-limit-exceeded"), reason: scaler.ReasonUnreachable, mentions: "resource-limit-exceeded"},
		"odd condition":      {err: refusal("<script>\n" + strings.Repeat("x", 200)), reason: scaler.ReasonUnreachable, mentions: "scriptxxx"},
		"another protocol":   {err: errors.New("unexpected protocol header secret"), reason: scaler.ReasonBadAnswer, mentions: "AMQP 1.0"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := tc.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			err := hubError(ctx, tc.err, "reading")
			refused(t, err, tc.reason, tc.mentions)
			if text := err.Error(); strings.Contains(text, "secret") || strings.Contains(text, "<") || len(text) > 200 {
				t.Errorf("the error shows too much: %s", text)
			}
		})
	}
}

// TestHubLinkLocal: a trigger can't reach the addresses where clouds serve
// the operator's own credentials.
func TestHubLinkLocal(t *testing.T) {
	for name, tc := range map[string]struct{ rest string }{"TLS": {""}, "emulator": {";UseDevelopmentEmulator=true"}} {
		t.Run(name, func(t *testing.T) {
			c := hubOf(t, newEnv(), "Endpoint=sb://169.254.169.254;SharedAccessKeyName=k;SharedAccessKey="+eventhubserver.Key+tc.rest, "payments")
			_, err := c.partitions(t.Context())
			refused(t, err, scaler.ReasonMisconfigured, "link-local")
		})
	}
}
