package redis

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// poolSize is how many connections to one server commands may use; the
	// listening connection comes on top.
	poolSize = 2
	// answerTimeout bounds one answer where the poller's deadline is later.
	answerTimeout = 5 * time.Second
	// retries is how often commands whose connection failed are sent again: a
	// server that has restarted leaves connections that no longer work.
	retries = poolSize
	// idleTimeout keeps connections open between polls.
	idleTimeout = 5 * time.Minute
	// resp2 is the version of the protocol that every server speaks.
	resp2 = 2
)

// connection is what all triggers with the same servers, database and
// credentials share. The pool closes it.
type connection struct {
	client   redis.UniversalClient
	database int64
	ctx      context.Context // ends with the connection
	cancel   context.CancelFunc
	hub      *hub

	mu    sync.Mutex        // guards types; never held over I/O
	types map[string]string // what keys turned out to be that are no lists
}

// quiet silences the client library, which would write to the standard error;
// all it could say is in the errors that it returns.
var quiet = sync.OnceFunc(logging.Disable)

// poolKey names the connection of a trigger.
func (s *server) poolKey(env scaler.Env) scaler.PoolKey {
	targets := slices.Sorted(slices.Values(s.targets))
	return scaler.PoolKey{
		Driver:  "redis",
		Address: fmt.Sprintf("%s %s/%d %s %s", s.topology, strings.Join(targets, ","), s.database, s.sentinel.master, conn.OptionsKey(env.HTTP)),
		Credentials: conn.Digest(s.tls.Digest(), s.username, s.password.Reveal(),
			s.sentinel.username, s.sentinel.password.Reveal()),
	}
}

// connect prepares a connection. It does no I/O.
func connect(s *server, env scaler.Env) (*connection, error) {
	open, err := conn.TriggerDialer(&s.tls, env.HTTP)
	if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := open(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return bounds(c, time.Now), nil
	}
	quiet()
	k := &connection{client: s.client(dial), database: s.database, types: map[string]string{}}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	k.hub = newHub(k)
	return k, nil
}

func (s *server) client(dial conn.DialFunc) redis.UniversalClient {
	off := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch s.topology {
	case cluster:
		return redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: s.targets, Username: s.username, Password: s.password.Reveal(), Dialer: dial,
			Protocol: resp2, DisableIdentity: true, MaintNotificationsConfig: off, ContextTimeoutEnabled: true,
			MaxRetries: retries, DialerRetries: 1, ReadTimeout: answerTimeout, WriteTimeout: answerTimeout,
			PoolSize: poolSize, PipelinePoolSize: -1, ConnMaxIdleTime: idleTimeout,
		})
	case sentinel:
		return redis.NewFailoverClient(&redis.FailoverOptions{
			SentinelAddrs: s.targets, MasterName: s.sentinel.master,
			SentinelUsername: s.sentinel.username, SentinelPassword: s.sentinel.password.Reveal(),
			Username: s.username, Password: s.password.Reveal(), DB: int(s.database), Dialer: dial,
			Protocol: resp2, DisableIdentity: true, ContextTimeoutEnabled: true,
			MaxRetries: retries, DialerRetries: 1, ReadTimeout: answerTimeout, WriteTimeout: answerTimeout,
			PoolSize: poolSize, PipelinePoolSize: -1, ConnMaxIdleTime: idleTimeout,
		})
	}
	return redis.NewClient(&redis.Options{
		Addr: s.targets[0], Username: s.username, Password: s.password.Reveal(), DB: int(s.database), Dialer: dial,
		Protocol: resp2, DisableIdentity: true, MaintNotificationsConfig: off, ContextTimeoutEnabled: true,
		MaxRetries: retries, DialerRetries: 1, ReadTimeout: answerTimeout, WriteTimeout: answerTimeout,
		PoolSize: poolSize, PipelinePoolSize: -1, ConnMaxIdleTime: idleTimeout,
	})
}

// Close implements io.Closer. The pool calls it in the background, when
// nobody uses the connection any more.
func (k *connection) Close() error {
	k.cancel()
	return k.client.Close()
}

// exec sends commands in one round trip, per node in a cluster, and waits for
// the answers or the end of ctx. Each command holds its own answer or error,
// which nobody may look at when exec returns an error.
func (k *connection) exec(ctx context.Context, cmds []*redis.Cmd) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	// The client looks at the deadline of ctx, not at its cancellation.
	go func() {
		pipe := k.client.Pipeline()
		for _, c := range cmds {
			_ = pipe.Process(ctx, c) // only queued
		}
		_, err := pipe.Exec(ctx)
		done <- err
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-done:
		if slices.ContainsFunc(cmds, func(c *redis.Cmd) bool { return c.Err() != nil }) {
			return nil // each command has its own
		}
		return err
	}
}

// command makes a command whose key is its argument at place.
func command(ctx context.Context, place int8, args ...any) *redis.Cmd {
	c := redis.NewCmd(ctx, args...)
	c.SetFirstKeyPos(place)
	return c
}
