package liiklus

import (
	"context"
	"net"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	"github.com/kedago/keda/pkg/scalers/liiklus/liikluspb"
)

// gateway speaks the API of Liiklus, in this process.
type gateway struct {
	liikluspb.UnimplementedLiiklusServiceServer
	address string

	mu         sync.Mutex // guards what follows
	read, ends map[uint32]uint64
	version    uint32
	refuse     codes.Code
	refused    string // a group that is refused on its own
	endless    bool   // GetEndOffsets fails
	calls      []string
}

func start(t testing.TB) *gateway {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{address: l.Addr().String()}
	s := grpc.NewServer(grpc.UnaryInterceptor(g.count))
	liikluspb.RegisterLiiklusServiceServer(s, g)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return g
}

// count notes the calls.
func (g *gateway) count(ctx context.Context, r any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	g.mu.Lock()
	g.calls = append(g.calls, path.Base(info.FullMethod))
	g.mu.Unlock()
	return handle(ctx, r)
}

// called counts the calls so far.
func (g *gateway) called() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int64(len(g.calls))
}

func (g *gateway) set(read, ends map[uint32]uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.read, g.ends = read, ends
}

func (g *gateway) fail(code codes.Code) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuse = code
}

func (g *gateway) GetOffsets(_ context.Context, r *liikluspb.GetOffsetsRequest) (*liikluspb.GetOffsetsReply, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refuse != codes.OK {
		return nil, status.Error(g.refuse, "refused")
	}
	if r.GetGroup() == g.refused {
		return nil, status.Error(codes.PermissionDenied, "refused")
	}
	if r.GetTopic() != "orders" || r.GetGroup() != "workers" || r.GetGroupVersion() != g.version {
		return &liikluspb.GetOffsetsReply{}, nil
	}
	return &liikluspb.GetOffsetsReply{Offsets: g.read}, nil
}

func (g *gateway) GetEndOffsets(_ context.Context, r *liikluspb.GetEndOffsetsRequest) (*liikluspb.GetEndOffsetsReply, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.endless {
		return nil, status.Error(codes.Unavailable, "refused")
	}
	if r.GetTopic() != "orders" {
		return &liikluspb.GetEndOffsetsReply{}, nil
	}
	return &liikluspb.GetEndOffsetsReply{Offsets: g.ends}, nil
}

func trigger(address string, more ...string) map[string]string {
	return scalertest.With(map[string]string{"address": address, "topic": "orders", "group": "workers"}, more...)
}

func TestConformance(t *testing.T) {
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: trigger("127.0.0.1:1", "lagThreshold", "1000"),
		Fixture: func(t *testing.T) scalertest.Fixture {
			g := start(t)
			p := scalertest.NewProxy(t, g.address)
			return scalertest.Fixture{
				Metadata: map[string]string{"address": p.Addr}, Proxy: p,
				Set: func(_ context.Context, n float64) {
					g.set(map[uint32]uint64{0: 7, 1: 5}, map[uint32]uint64{0: 7 + uint64(n), 1: 5})
				},
				Deny: func() { g.fail(codes.PermissionDenied) }, Allow: func() { g.fail(codes.OK) },
			}
		},
	})
}

func TestLag(t *testing.T) {
	for name, tt := range map[string]struct {
		read, ends map[uint32]uint64
		more       []string
		version    uint32
		want       float64
		reason     scaler.Reason
	}{
		"summed over partitions":         {read: map[uint32]uint64{0: 1, 1: 2}, ends: map[uint32]uint64{0: 4, 1: 7}, want: 8},
		"nothing read yet":               {ends: map[uint32]uint64{0: 4, 1: 7}, want: 11},
		"read past the end":              {read: map[uint32]uint64{0: 9, 1: 2}, ends: map[uint32]uint64{0: 4, 1: 7}, want: 5},
		"no more than partitions":        {read: map[uint32]uint64{0: 1}, ends: map[uint32]uint64{0: 1000, 1: 1000}, want: 20},
		"of another version":             {read: map[uint32]uint64{0: 4}, ends: map[uint32]uint64{0: 4}, more: []string{"groupVersion", "3"}, want: 4},
		"of its own version":             {read: map[uint32]uint64{0: 3}, ends: map[uint32]uint64{0: 4}, more: []string{"groupVersion", "3"}, version: 3, want: 1},
		"a topic that isn't there":       {more: []string{"topic", "none"}, reason: scaler.ReasonMissing},
		"a topic that has no partitions": {reason: scaler.ReasonMissing},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t)
			g.version = tt.version
			g.set(tt.read, tt.ends)
			s := scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: trigger(g.address, tt.more...)}, scaler.Env{Pool: pool.New()})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			r, err := s.Measure(ctx)
			if tt.reason != "" {
				if err == nil || scaler.ReasonOf(err) != tt.reason {
					t.Fatalf("got %+v, %v; want %s", r, err, tt.reason)
				}
				return
			}
			if err != nil || r.Value != tt.want {
				t.Errorf("got %+v, %v; want %v", r, err, tt.want)
			}
		})
	}
}

// open opens a trigger.
func open(t testing.TB, p scaler.Pool, metadata map[string]string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: metadata}, scaler.Env{Pool: p})
}

// TestTogether: the groups of a topic share the question for its ends, and
// nothing else; triggers on other topics are measured apart.
func TestTogether(t *testing.T) {
	g, p := start(t), pool.New()
	g.set(map[uint32]uint64{0: 4}, map[uint32]uint64{0: 9, 1: 2})
	g.refused = "intruders"
	var sources []scaler.Source
	for _, more := range [][]string{{}, {"group", "beginners"}, {"group", "intruders"}, {"lagThreshold", "1"}} {
		sources = append(sources, open(t, p, trigger(g.address, more...)))
	}
	key := sources[0].(scaler.Batcher).BatchKey()
	results := sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources)
	for i, want := range []float64{7, 11, 0, 2} {
		if same := sources[i].(scaler.Batcher).BatchKey() == key; !same {
			t.Errorf("trigger %d is measured apart", i)
		}
		r := results[i]
		switch {
		case i == 2 && (scaler.ReasonOf(r.Err) != scaler.ReasonDenied || !strings.Contains(r.Err.Error(), "intruders")):
			t.Errorf("trigger %d: %+v; want it denied", i, r)
		case i != 2 && (r.Err != nil || r.Reading.Value != want):
			t.Errorf("trigger %d: %+v; want %v", i, r, want)
		}
	}
	slices.Sort(g.calls)
	if want := []string{"GetEndOffsets", "GetOffsets", "GetOffsets", "GetOffsets", "GetOffsets"}; !slices.Equal(g.calls, want) {
		t.Errorf("called %v; want %v", g.calls, want)
	}
	g.endless = true
	for i, r := range sources[1].(scaler.Batcher).MeasureAll(t.Context(), sources) {
		if scaler.ReasonOf(r.Err) != scaler.ReasonUnreachable && i != 2 {
			t.Errorf("trigger %d without ends: %+v", i, r)
		}
	}
	for _, metadata := range []map[string]string{trigger(g.address, "topic", "returns"), trigger("127.0.0.1:1")} {
		if open(t, p, metadata).(scaler.Batcher).BatchKey() == key {
			t.Errorf("%v is measured with another topic", metadata)
		}
	}
}

func TestParameters(t *testing.T) {
	for name, metadata := range map[string]map[string]string{
		"no port":              trigger("liiklus"),
		"a path":               trigger("http://liiklus:6565"),
		"a negative version":   trigger("liiklus:6565", "groupVersion", "-1"),
		"a version too large":  trigger("liiklus:6565", "groupVersion", "4294967296"),
		"a threshold of zero":  trigger("liiklus:6565", "lagThreshold", "0"),
		"a threshold in parts": trigger("liiklus:6565", "lagThreshold", "1.5"),
	} {
		t.Run(name, func(t *testing.T) {
			if ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: metadata}); len(ps.Errors()) != 1 {
				t.Errorf("got %v; want one error", ps)
			}
		})
	}
}
