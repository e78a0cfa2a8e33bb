package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/kedago/keda/pkg/scaler"
)

// request is a command of a poll; equal ones are sent once.
type request struct{ command, key, group string }

// The commands that are sent.
const (
	cmdLen     = "llen"
	cmdType    = "type"
	cmdStream  = "xlen"
	cmdPending = "xpending"
	cmdGroups  = "xinfo groups"
)

// counters are the commands that count the members of a type.
var counters = map[string]string{"list": cmdLen, "set": "scard", "zset": "zcard", "hash": "hlen"}

func (r request) build(ctx context.Context) *redis.Cmd {
	switch r.command {
	case cmdPending:
		return command(ctx, 1, "xpending", r.key, r.group)
	case cmdGroups:
		return command(ctx, 2, "xinfo", "groups", r.key)
	}
	return command(ctx, 1, r.command, r.key)
}

// poll is one measurement of any number of triggers on one connection.
type poll struct {
	ctx     context.Context
	conn    *connection
	queue   []request
	sent    map[request]*redis.Cmd
	counter map[string]string // the command that counts a key's members
	found   map[string]string // the types of keys that answered WRONGTYPE
	err     error             // why nothing was answered
}

func newPoll(ctx context.Context, k *connection) *poll {
	return &poll{ctx: ctx, conn: k, sent: map[request]*redis.Cmd{}, counter: map[string]string{}, found: map[string]string{}}
}

func (p *poll) add(r request) {
	if p.sent[r] == nil {
		p.sent[r] = r.build(p.ctx)
		p.queue = append(p.queue, r)
	}
}

// flush sends what is queued in one round trip.
func (p *poll) flush() {
	if len(p.queue) == 0 || p.err != nil {
		return
	}
	cmds := make([]*redis.Cmd, len(p.queue))
	for i, r := range p.queue {
		cmds[i] = p.sent[r]
	}
	p.queue = nil
	p.err = p.conn.exec(p.ctx, cmds)
}

func (p *poll) want(i item) {
	switch i.what {
	case collection:
		p.counter[i.key] = p.conn.counter(i.key)
		p.add(request{command: p.counter[i.key], key: i.key})
	case streamLength:
		p.add(request{command: cmdStream, key: i.key})
	case pending:
		p.add(request{command: cmdPending, key: i.key, group: i.group})
	case lag:
		p.add(request{command: cmdGroups, key: i.key})
		p.add(request{command: cmdStream, key: i.key})
	}
}

// run asks for everything at once, and once more about keys that are not of
// the type expected. What they are is remembered for the next poll.
func (p *poll) run() {
	p.flush()
	if p.err != nil {
		return
	}
	var wrong []string
	for r, c := range p.sent {
		if hasCode(c.Err(), "WRONGTYPE") {
			wrong = append(wrong, r.key)
		}
	}
	for _, key := range wrong {
		p.add(request{command: cmdType, key: key})
	}
	p.flush()
	for _, key := range wrong {
		p.learn(key)
	}
	p.flush()
}

// learn takes the type of a key, and queues what counts its members.
func (p *poll) learn(key string) {
	if p.err != nil {
		return
	}
	kind, err := p.sent[request{command: cmdType, key: key}].Text()
	if err != nil {
		return
	}
	p.found[key] = kind
	if _, counted := p.counter[key]; !counted {
		return
	}
	if kind == "none" { // it is gone since
		kind = "list"
	}
	if name, ok := counters[kind]; ok {
		p.conn.learn(key, kind)
		p.counter[key] = name
		p.add(request{command: name, key: key})
	}
}

// counter returns the command that counts a key's members, as far as known.
func (k *connection) counter(key string) string {
	return counters[k.typeOf(key)]
}

// typeOf returns the type that a key turned out to have, a list if not known.
func (k *connection) typeOf(key string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if kind, ok := k.types[key]; ok {
		return kind
	}
	return "list"
}

func (k *connection) learn(key, kind string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if kind == "list" {
		delete(k.types, key)
		return
	}
	k.types[key] = kind
}

// read turns the answers into the trigger's number.
func (p *poll) read(i item) (scaler.Reading, error) {
	if p.err != nil {
		return scaler.Reading{}, failed(p.err, i.doing())
	}
	switch i.what {
	case collection:
		return p.number(i, request{command: p.counter[i.key], key: i.key})
	case streamLength:
		return p.number(i, request{command: cmdStream, key: i.key})
	case pending:
		return p.pending(i)
	}
	return p.lag(i)
}

// number reads an answer that is one number.
func (p *poll) number(i item, r request) (scaler.Reading, error) {
	c := p.sent[r]
	if c.Err() != nil {
		return scaler.Reading{}, p.failed(c.Err(), i, r)
	}
	n, ok := c.Val().(int64)
	return reading(n, ok, "", i)
}

func reading(n int64, ok bool, note string, i item) (scaler.Reading, error) {
	switch {
	case !ok:
		return scaler.Reading{}, scaler.BadAnswer(errNoNumber, "%s", i.doing())
	case n < 0:
		return scaler.Reading{}, scaler.BadAnswer(errNegative, "%s", i.doing())
	}
	return scaler.Reading{Value: float64(n), Note: note}, nil
}

// failed adds the type that was found to a WRONGTYPE, and to a NOPERM what
// the user lacks.
func (p *poll) failed(err error, i item, r request) error {
	if hasCode(err, "NOPERM") && !ofSentinels(err) {
		return denied(err, r, i.doing())
	}
	if !hasCode(err, "WRONGTYPE") {
		return failed(err, i.doing())
	}
	if c := p.sent[request{command: cmdType, key: i.key}]; c != nil && hasCode(c.Err(), "NOPERM") {
		return denied(c.Err(), request{command: cmdType, key: i.key}, i.doing())
	}
	expected := "a stream"
	if i.what == collection {
		expected = "a list, a set, a sorted set or a hash"
	}
	kind := p.found[i.key]
	if _, countable := counters[kind]; kind == "none" || i.what == collection && countable {
		return scaler.Unreachable(errTypeGone, "%s", i.doing()) // it changed while we looked
	}
	if kind == "" {
		kind = "something else"
	}
	return scaler.Misconfigured(fmt.Errorf("the key holds a value of the type %s; expected %s", kind, expected), "%s", i.doing())
}

// pending reads the summary of XPENDING: a count, two IDs, consumers.
func (p *poll) pending(i item) (scaler.Reading, error) {
	r := request{command: cmdPending, key: i.key, group: i.group}
	c := p.sent[r]
	if c.Err() != nil {
		return scaler.Reading{}, p.failed(c.Err(), i, r)
	}
	summary, _ := c.Val().([]any)
	if len(summary) == 0 {
		return scaler.Reading{}, scaler.BadAnswer(errNoNumber, "%s", i.doing())
	}
	n, ok := summary[0].(int64)
	return reading(n, ok, "", i)
}

// lag reads the lag of a group from XINFO GROUPS. A group that does not exist
// has all entries of the stream before it, or none where there is no stream:
// consumers make their group when they start, so they must be started.
func (p *poll) lag(i item) (scaler.Reading, error) {
	r := request{command: cmdGroups, key: i.key}
	c := p.sent[r]
	if err := c.Err(); err != nil {
		if !isNoSuchKey(err) {
			return scaler.Reading{}, p.failed(err, i, r)
		}
		return p.length(i, "the stream does not exist")
	}
	groups, ok := c.Val().([]any)
	if !ok {
		return scaler.Reading{}, scaler.BadAnswer(errNoGroups, "%s", i.doing())
	}
	for _, g := range groups {
		fields, ok := g.([]any)
		if !ok {
			return scaler.Reading{}, scaler.BadAnswer(errNoGroups, "%s", i.doing())
		}
		if name, ok := field(fields, "name"); !ok || name != i.group {
			continue
		}
		value, ok := field(fields, "lag")
		switch {
		case !ok:
			return scaler.Reading{}, scaler.Misconfigured(errNoLag, "%s", i.doing())
		case value == nil:
			return scaler.Reading{}, scaler.BadAnswer(errLagHidden, "%s", i.doing())
		}
		n, ok := value.(int64)
		return reading(n, ok, "", i)
	}
	return p.length(i, fmt.Sprintf("group %q does not exist yet; all entries of the stream count", i.group))
}

// length reads the length of the stream in place of a group's lag.
func (p *poll) length(i item, note string) (scaler.Reading, error) {
	r, err := p.number(i, request{command: cmdStream, key: i.key})
	r.Note = note
	if err != nil {
		return scaler.Reading{}, err
	}
	return r, nil
}

// field finds a value in an answer of names and values in turn.
func field(fields []any, name string) (any, bool) {
	for n := 0; n+1 < len(fields); n += 2 {
		if fields[n] == name {
			return fields[n+1], true
		}
	}
	return nil, false
}

func isNoSuchKey(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer) && strings.Contains(strings.ToLower(answer.Error()), "no such key")
}
