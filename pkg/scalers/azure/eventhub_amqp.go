package azure

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/Azure/go-amqp"
	"golang.org/x/sync/errgroup"
)

const (
	// hubAsksAtOnce bounds the requests under way on one connection.
	hubAsksAtOnce = 8
	// hubCredit and hubAnswerLimit bound what a server may send unasked: answers,
	// and the bytes of one. Those about the largest hub have some 20,000.
	hubCredit      = 32
	hubAnswerLimit = 256 << 10
	// hubWriteTimeout is how long a write may take that no deadline bounds.
	hubWriteTimeout = 5 * time.Second
)

// hubLink is a connection to a namespace over which one hub answers questions
// about itself. It is used by one goroutine at a time.
type hubLink struct {
	raw        net.Conn
	conn       *amqp.Conn
	management *amqpNode
	// expires is when the server ceases to know us; zero for never.
	expires time.Time
}

// openHubLink makes a connection over raw, which it owns, and shows the token.
func openHubLink(ctx context.Context, raw net.Conn, host, audience string, token hubToken) (*hubLink, error) {
	// The library would put a deadline on the socket, which ends a little early.
	untilEnd, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	defer context.AfterFunc(ctx, release)()
	c, err := amqp.NewConn(untilEnd, raw, &amqp.ConnOptions{
		HostName: host, SASLType: amqp.SASLTypeAnonymous(), WriteTimeout: hubWriteTimeout,
		Properties: map[string]any{"product": "keda"},
	})
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	l := &hubLink{raw: raw, conn: c}
	if err := l.show(ctx, audience, token); err != nil {
		l.abort()
		return nil, err
	}
	// With this capability, offsets of replicated hubs are texts, as the vendor's
	// own clients want them.
	if l.management, err = openAMQPNode(ctx, c, "$management", "com.microsoft:georeplication"); err != nil {
		l.abort()
		return nil, err
	}
	return l, nil
}

// close says good-bye to the server.
func (l *hubLink) close() { _ = l.conn.Close() }

// abort ends a connection that is in an unknown state, without waiting for
// the server.
func (l *hubLink) abort() {
	_ = l.raw.Close()
	_ = l.conn.Close()
}

// show presents a token for an audience, by AMQP claims-based security. The
// server allows one such exchange at a time per connection.
func (l *hubLink) show(ctx context.Context, audience string, token hubToken) error {
	node, err := openAMQPNode(ctx, l.conn, "$cbs")
	if err != nil {
		return err
	}
	_, err = node.ask(ctx, &amqp.Message{Value: token.text, ApplicationProperties: map[string]any{
		"operation": "put-token", "type": token.kind, "name": audience, "expiration": token.expiration(),
	}})
	if err != nil {
		return err
	}
	l.expires = token.expires
	return node.session.Close(ctx)
}

// partitions asks for all partitions of a hub.
func (l *hubLink) partitions(ctx context.Context, hub string, token hubToken) ([]hubPartition, error) {
	read := func(kind, partition string) *amqp.Message {
		m := &amqp.Message{ApplicationProperties: map[string]any{"operation": "READ", "type": "com.microsoft:" + kind, "name": hub, "security_token": token.text}}
		if partition != "" {
			m.ApplicationProperties["partition"] = partition
		}
		return m
	}
	answers, err := l.management.ask(ctx, read("eventhub", ""))
	if err != nil {
		return nil, err
	}
	ids, err := partitionIDs(answers[0].Value)
	if err != nil {
		return nil, err
	}
	questions := make([]*amqp.Message, len(ids))
	for i, id := range ids {
		questions[i] = read("partition", id)
	}
	if answers, err = l.management.ask(ctx, questions...); err != nil {
		return nil, err
	}
	out := make([]hubPartition, len(ids))
	for i, a := range answers {
		if out[i], err = partitionOf(a.Value, ids[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// amqpNode is an address of a server that answers messages, with links of our
// own in both directions.
type amqpNode struct {
	session *amqp.Session
	out     *amqp.Sender
	in      *amqp.Receiver
	replyTo string
	asked   uint64 // the number of messages sent so far
}

// openAMQPNode attaches to an address. When it fails, the connection is in an
// unknown state.
func openAMQPNode(ctx context.Context, c *amqp.Conn, address string, capabilities ...string) (*amqpNode, error) {
	session, err := c.NewSession(ctx, nil)
	if err != nil {
		return nil, err
	}
	n := &amqpNode{session: session, replyTo: address + "-reply-to-" + rand.Text()}
	if n.out, err = session.NewSender(ctx, address, &amqp.SenderOptions{DesiredCapabilities: capabilities}); err != nil {
		return nil, err
	}
	n.in, err = session.NewReceiver(ctx, address, &amqp.ReceiverOptions{
		TargetAddress: n.replyTo, Credit: hubCredit, MaxMessageSize: hubAnswerLimit, DesiredCapabilities: capabilities,
		SettlementMode: amqp.ReceiverSettleModeFirst.Ptr(), RequestedSenderSettleMode: amqp.SenderSettleModeSettled.Ptr(),
	})
	if err != nil {
		return nil, err
	}
	return n, nil
}

// ask sends messages and returns the answer to each, in order. All are with
// the server at the same time, within bounds. When it fails, answers may yet
// come, so the connection is not to be used any more.
func (n *amqpNode) ask(ctx context.Context, questions ...*amqp.Message) ([]*amqp.Message, error) {
	ids := make(map[string]int, len(questions))
	for i, q := range questions {
		n.asked++
		id := strconv.FormatUint(n.asked, 10)
		ids[id] = i
		q.Properties = &amqp.MessageProperties{MessageID: id, ReplyTo: &n.replyTo}
	}
	answers := make([]*amqp.Message, len(questions))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(hubAsksAtOnce + 1)
	group.Go(func() error { return n.collect(ctx, ids, answers) })
	for _, q := range questions {
		group.Go(func() error { return n.out.Send(ctx, q, nil) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return answers, nil
}

// collect receives the answers to the messages with these IDs.
func (n *amqpNode) collect(ctx context.Context, ids map[string]int, answers []*amqp.Message) error {
	for len(ids) > 0 {
		m, err := n.in.Receive(ctx, nil)
		if err != nil {
			return err
		}
		var id string
		if m.Properties != nil {
			id, _ = m.Properties.CorrelationID.(string)
		}
		i, expected := ids[id]
		if !expected {
			return &hubAnswerError{"an answer belongs to no question"}
		}
		delete(ids, id)
		if err := answerStatus(m); err != nil {
			return err
		}
		answers[i] = m
	}
	return nil
}

// answerStatus is nil for a success. Servers spell the name in two ways.
func answerStatus(m *amqp.Message) error {
	for _, name := range []string{"status-code", "statusCode"} {
		code, ok := m.ApplicationProperties[name].(int32)
		switch {
		case !ok:
		case code >= 200 && code < 300:
			return nil
		default:
			return hubStatusError(code)
		}
	}
	return &hubAnswerError{"an answer has no status"}
}

// hubStatusError is a refusal, by a number as in HTTP.
type hubStatusError int32

// Error implements error. What the server wrote is left out.
func (e hubStatusError) Error() string { return fmt.Sprintf("the service answered %d", int32(e)) }

// hubAnswerError is an answer that makes no sense.
type hubAnswerError struct{ text string }

// Error implements error.
func (e *hubAnswerError) Error() string { return e.text }
