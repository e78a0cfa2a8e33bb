package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"golang.org/x/sync/singleflight"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

const (
	// patience is how long one request may take.
	patience = 5 * time.Second
	// answerLimit is the most that one answer may hold, in bytes.
	answerLimit = 4 << 20
)

// cluster is the connection to one cluster, shared by all triggers that ask it
// in the same way. It connects on first use. It is safe for concurrent use.
//
// It speaks etcd's protocol without etcd's client, which waits until a request
// is out of time where no member can be reached, and hides that a watch was
// interrupted.
type cluster struct {
	*grpc.ClientConn
	user     string
	password param.Hidden
	flight   singleflight.Group
	// trouble is why the last connection was not made, where gRPC only says
	// that there is none.
	trouble atomic.Pointer[trouble]

	mu    sync.Mutex // guards token; never held while asking
	token *string    // of the user; empty where authentication is off
}

type trouble struct{ err error }

func newCluster(c *config, addresses []string, secure *conn.TLS, o scaler.HTTPOptions) (*cluster, error) {
	settings, err := conn.ClientTLS(secure, o)
	if err != nil {
		return nil, err
	}
	if settings != nil {
		settings.NextProtos = []string{"h2"} // else servers take it for HTTP/1
	}
	network := conn.NewNetwork(o)
	s := &cluster{user: c.username, password: c.password}
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		connect := network.DialContext
		if settings != nil {
			connect = func(ctx context.Context, kind, address string) (net.Conn, error) {
				return network.DialTLS(ctx, kind, address, settings)
			}
		}
		c, err := connect(ctx, "tcp", address)
		if err != nil {
			s.trouble.Store(&trouble{err})
			return nil, err
		}
		s.trouble.Store(nil)
		return c, nil
	}
	members := manual.NewBuilderWithScheme("etcd")
	state := resolver.State{}
	for _, a := range addresses {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: a})
	}
	members.InitialState(state)
	s.ClientConn, err = grpc.NewClient("etcd:///"+addresses[0],
		grpc.WithResolvers(members),
		grpc.WithTransportCredentials(insecure.NewCredentials()), // dial does what there is of TLS
		grpc.WithContextDialer(dial),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(answerLimit)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: patience},
			MinConnectTimeout: patience,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: time.Minute, Timeout: 20 * time.Second}),
	)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// do asks as the user: again if the connection broke meanwhile, or the token
// held does not do any more.
func (s *cluster) do(ctx context.Context, ask func(context.Context) error) error {
	for again := true; ; again = false {
		as, err := s.as(ctx)
		if err != nil {
			return err
		}
		err = ask(as)
		lost := status.Code(err) == codes.Unavailable
		if err == nil || !again || !lost && !s.stale(err) {
			return err
		}
	}
}

// stale says whether an error calls for another token, and forgets the one held.
func (s *cluster) stale(err error) bool {
	text := status.Convert(err).Message()
	for _, e := range []error{rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision, rpctypes.ErrUserEmpty} {
		if s.user != "" && strings.HasSuffix(text, e.Error()) {
			s.mu.Lock()
			s.token = nil
			s.mu.Unlock()
			return true
		}
	}
	return false
}

// as returns a context that asks as the user.
func (s *cluster) as(ctx context.Context) (context.Context, error) {
	if s.user == "" {
		return ctx, nil
	}
	s.mu.Lock()
	token := s.token
	s.mu.Unlock()
	if token == nil {
		got := s.flight.DoChan("", func() (any, error) { return s.authenticate(context.WithoutCancel(ctx)) })
		select {
		case r := <-got:
			if r.Err != nil {
				return nil, r.Err
			}
			token, _ = r.Val.(*string)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if *token == "" {
		return ctx, nil
	}
	return metadata.AppendToOutgoingContext(ctx, rpctypes.TokenFieldNameGRPC, *token), nil
}

func (s *cluster) authenticate(ctx context.Context) (*string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var token string
	got, err := etcdserverpb.NewAuthClient(s).Authenticate(ctx, &etcdserverpb.AuthenticateRequest{Name: s.user, Password: s.password.Reveal()})
	switch {
	case status.Convert(err).Message() == rpctypes.ErrAuthNotEnabled.Error(): // then anybody may ask
	case err != nil:
		return nil, err
	default:
		token = got.GetToken()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = &token
	return s.token, nil
}

// failure classifies a failed request.
func (s *cluster) failure(err error, doing string) error {
	if st, ok := status.FromError(err); ok {
		return s.refusal(st.Code(), st.Message(), doing)
	}
	if errors.Is(err, errQuiet) {
		return scaler.Unreachable(err, "%s", doing)
	}
	if t := s.trouble.Load(); t != nil {
		err = t.err
	}
	return conn.NetworkError(err, doing)
}

// refusal classifies what a server says: its texts are fixed ones.
func (s *cluster) refusal(code codes.Code, text, doing string) error {
	said := fmt.Errorf("%s: %.200s", code, text)
	switch {
	case code == codes.PermissionDenied, code == codes.Unauthenticated, denials(text):
		return scaler.Denied(said, "%s", doing)
	case code == codes.DeadlineExceeded, code == codes.Unavailable, code == codes.Canceled:
		if t := s.trouble.Load(); t != nil {
			return conn.NetworkError(t.err, doing)
		}
		return scaler.Unreachable(said, "%s", doing)
	case code == codes.ResourceExhausted, code == codes.Internal, code == codes.Unknown:
		return scaler.BadAnswer(said, "%s", doing)
	}
	return scaler.Misconfigured(said, "%s", doing)
}

// denials says whether a text is one of those that refuse a user.
func denials(text string) bool {
	for _, e := range []error{rpctypes.ErrAuthFailed, rpctypes.ErrPermissionDenied, rpctypes.ErrUserEmpty, rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision} {
		if strings.HasSuffix(text, e.Error()) {
			return true
		}
	}
	return false
}
