package external

import (
	"crypto/tls"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	pb "github.com/kedago/keda/pkg/scalers/external/externalscalerpb"
)

func TestConformance(t *testing.T) {
	for _, kind := range Kinds()[:2] { // those that name the external scaler themselves
		t.Run(kind.Name, func(t *testing.T) {
			scalertest.Run(t, scalertest.Case{
				Kind: kind, Metadata: at("127.0.0.1:1", "queue", "orders"),
				Fixture: func(t *testing.T) scalertest.Fixture {
					s := start(t)
					p := scalertest.NewProxy(t, s.address)
					return scalertest.Fixture{
						Metadata: map[string]string{"scalerAddress": p.Addr}, Proxy: p, Set: s.set,
						Deny:  func() { s.change(func() { s.refuse = codes.Unauthenticated }) },
						Allow: func() { s.change(func() { s.refuse = codes.OK }) },
					}
				},
			})
		})
	}
}

func value(n float64) []*pb.MetricValue {
	if n == math.Trunc(n) {
		return []*pb.MetricValue{{MetricValue: int64(n)}}
	}
	return []*pb.MetricValue{{MetricValueFloat: n}}
}

// TestReading checks what becomes of the answers of an external scaler.
func TestReading(t *testing.T) {
	spec := func(name string, whole int64, float float64) *pb.MetricSpec {
		return &pb.MetricSpec{MetricName: name, TargetSize: whole, TargetSizeFloat: float}
	}
	for name, tt := range map[string]struct {
		specs         []*pb.MetricSpec
		values        map[string][]*pb.MetricValue
		active        bool
		value, target float64
		empty         bool
		reason        scaler.Reason
	}{
		"whole numbers":              {specs: []*pb.MetricSpec{spec("a", 5, 0)}, values: map[string][]*pb.MetricValue{"a": value(7)}, active: true, value: 7, target: 5},
		"floats go first":            {specs: []*pb.MetricSpec{spec("a", 5, 0.5)}, values: map[string][]*pb.MetricValue{"a": {{MetricValue: 3, MetricValueFloat: 0.25}}}, active: true, value: 0.25, target: 0.5},
		"active without a value > 0": {specs: []*pb.MetricSpec{spec("a", 5, 0)}, values: map[string][]*pb.MetricValue{"a": value(0)}, active: true, value: 0, target: 5},
		"inactive with a value":      {specs: []*pb.MetricSpec{spec("a", 5, 0)}, values: map[string][]*pb.MetricValue{"a": value(9)}, value: 9, target: 5},
		"several values are added":   {specs: []*pb.MetricSpec{spec("a", 5, 0)}, values: map[string][]*pb.MetricValue{"a": append(value(2), value(1.5)...)}, active: true, value: 3.5, target: 5},
		"the second calls for most":  {specs: []*pb.MetricSpec{spec("a", 10, 0), spec("b", 2, 0)}, values: map[string][]*pb.MetricValue{"a": value(20), "b": value(6)}, active: true, value: 30, target: 10},
		"the first calls for most":   {specs: []*pb.MetricSpec{spec("a", 10, 0), spec("b", 2, 0)}, values: map[string][]*pb.MetricValue{"a": value(40), "b": value(6)}, active: true, value: 40, target: 10},
		"inactive and no value":      {specs: []*pb.MetricSpec{spec("a", 5, 0)}, value: 0, target: 5, empty: true},
		"active and no value":        {specs: []*pb.MetricSpec{spec("a", 5, 0)}, active: true, reason: scaler.ReasonBadAnswer},
		"no metrics":                 {reason: scaler.ReasonBadAnswer},
		"no target":                  {specs: []*pb.MetricSpec{spec("a", 0, 0)}, values: map[string][]*pb.MetricValue{"a": value(7)}, reason: scaler.ReasonBadAnswer},
		"a target below 0":           {specs: []*pb.MetricSpec{spec("a", -1, 0)}, values: map[string][]*pb.MetricValue{"a": value(7)}, reason: scaler.ReasonBadAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.change(func() { s.specs, s.values, s.active = tt.specs, tt.values, tt.active })
			r, err := measure(t, open(t, "external", param.Values{Metadata: at(s.address)}))
			if tt.reason != "" {
				if err == nil || scaler.ReasonOf(err) != tt.reason {
					t.Fatalf("got %+v, %v; want %s", r, err, tt.reason)
				}
				return
			}
			if err != nil || r.Active == nil {
				t.Fatalf("got %+v, %v", r, err)
			}
			if r.Value != tt.value || r.Target != tt.target || *r.Active != tt.active || r.Empty != tt.empty {
				t.Errorf("got %+v, active %t; want %v of %v, active %t", r, *r.Active, tt.value, tt.target, tt.active)
			}
		})
	}
}

// TestRefusals checks that a server's codes say what to do about them.
func TestRefusals(t *testing.T) {
	for code, want := range map[codes.Code]scaler.Reason{
		codes.Unauthenticated: scaler.ReasonDenied, codes.PermissionDenied: scaler.ReasonDenied, codes.NotFound: scaler.ReasonMissing,
		codes.InvalidArgument: scaler.ReasonMisconfigured, codes.Unimplemented: scaler.ReasonMisconfigured,
		codes.Unavailable: scaler.ReasonUnreachable, codes.Internal: scaler.ReasonBadAnswer, codes.Unknown: scaler.ReasonBadAnswer,
	} {
		t.Run(code.String(), func(t *testing.T) {
			s := start(t)
			s.change(func() { s.refuse = code })
			if r, err := measure(t, open(t, "external", param.Values{Metadata: at(s.address)})); err == nil || scaler.ReasonOf(err) != want {
				t.Errorf("got %+v, %v; want %s", r, err, want)
			}
		})
	}
}

// TestHugeMessage: a message is read up to a size only.
func TestHugeMessage(t *testing.T) {
	s := start(t)
	s.change(func() { s.specs[0].MetricName = strings.Repeat("x", 5<<20) })
	r, err := measure(t, open(t, "external", param.Values{Metadata: at(s.address)}))
	if err == nil || scaler.ReasonOf(err) != scaler.ReasonBadAnswer || len(err.Error()) > 1000 {
		t.Errorf("got %+v, %.1000v; want BadAnswer", r, err)
	}
}

// TestPassedOn checks what the external scaler is told of the trigger.
func TestPassedOn(t *testing.T) {
	s := start(t)
	env := map[string]string{"TOKEN": "opensesame", "QUEUE": "orders"}
	for name, tt := range map[string]struct {
		first    bool
		metadata map[string]string
		want     map[string]string
	}{
		"all but credentials": {
			metadata: at(s.address, "queue", "orders", "tokenFromEnv", "TOKEN", "noneFromEnv", "NONE", "enableTLS", "false"),
			want:     at(s.address, "queue", "orders", "tokenFromEnv", "opensesame", "enableTLS", "false"),
		},
		"variables by value in keda.k8s.io": {
			first:    true,
			metadata: at(s.address, "queue", "QUEUE", "kind", "fifo"),
			want:     at(s.address, "queue", "orders", "kind", "fifo"),
		},
		"a value that is a variable's name": {metadata: at(s.address, "queue", "QUEUE"), want: at(s.address, "queue", "QUEUE")},
	} {
		t.Run(name, func(t *testing.T) {
			source := open(t, "external", param.Values{Metadata: tt.metadata, Env: env, EnvNames: tt.first})
			if _, err := measure(t, source); err != nil {
				t.Fatal(err)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.told.GetName() != "worker" || s.told.GetNamespace() != "shop" {
				t.Errorf("told about %s/%s", s.told.GetNamespace(), s.told.GetName())
			}
			if diff := cmp.Diff(tt.want, s.told.GetScalerMetadata()); diff != "" {
				t.Errorf("metadata (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTLS checks authorities and client certificates against a server that
// wants them.
func TestTLS(t *testing.T) {
	ours, theirs := conntest.NewAuthority(t), conntest.NewAuthority(t)
	good, bad := ours.Issue(t, "keda"), theirs.Issue(t, "keda")
	for name, tt := range map[string]struct {
		clients tls.ClientAuthType
		auth    map[string]string
		more    []string
		file    string
		reason  scaler.Reason
	}{
		"an authority implies TLS": {auth: map[string]string{"caCert": ours.PEM}},
		"from a file":              {more: []string{"tlsCertFile", "ca.pem"}, file: ours.PEM},
		"unchecked":                {more: []string{"enableTLS", "true", "unsafeSsl", "true"}},
		"unknown authority":        {more: []string{"enableTLS", "true"}, reason: scaler.ReasonMisconfigured},
		"another authority":        {auth: map[string]string{"caCert": theirs.PEM}, reason: scaler.ReasonMisconfigured},
		"without TLS":              {reason: scaler.ReasonUnreachable},
		"a client certificate": {
			clients: tls.RequireAndVerifyClientCert,
			auth:    map[string]string{"caCert": ours.PEM, "tlsClientCert": good.Cert, "tlsClientKey": good.Key},
		},
		"no client certificate": {clients: tls.RequireAndVerifyClientCert, auth: map[string]string{"caCert": ours.PEM}, reason: scaler.ReasonDenied},
		"another's client certificate": {
			clients: tls.RequireAndVerifyClientCert, reason: scaler.ReasonDenied,
			auth: map[string]string{"caCert": ours.PEM, "tlsClientCert": bad.Cert, "tlsClientKey": bad.Key},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, secured(t, ours, tt.clients))
			source := open(t, "external", param.Values{Metadata: at(s.address, tt.more...), Auth: tt.auth}, func(e *scaler.Env) {
				e.ReadFile = func(string) ([]byte, error) { return []byte(tt.file), nil }
			})
			r, err := measure(t, source)
			switch {
			case tt.reason == "" && err != nil:
				t.Error(err)
			case tt.reason != "" && (err == nil || scaler.ReasonOf(err) != tt.reason):
				t.Errorf("got %+v, %v; want %s", r, err, tt.reason)
			}
		})
	}
}

// TestLinkLocal checks that no trigger reaches the machine's own credentials.
func TestLinkLocal(t *testing.T) {
	r, err := measure(t, open(t, "external", param.Values{Metadata: at("169.254.169.254:80")}))
	if err == nil || scaler.ReasonOf(err) != scaler.ReasonMisconfigured {
		t.Errorf("got %+v, %v; want it Misconfigured", r, err)
	}
}

// TestParameters checks problems that are found without asking.
func TestParameters(t *testing.T) {
	pair := conntest.NewAuthority(t).Issue(t, "keda")
	for name, v := range map[string]param.Values{
		"no port":          {Metadata: at("scaler")},
		"a scheme":         {Metadata: at("http://scaler:80")},
		"a file":           {Metadata: at("unix:///run/scaler:1")},
		"only half a pair": {Metadata: at("scaler:80"), Auth: map[string]string{"tlsClientCert": pair.Cert}},
		"no authority":     {Metadata: at("scaler:80"), Auth: map[string]string{"caCert": "nonsense"}},
		"no boolean":       {Metadata: at("scaler:80", "enableTLS", "perhaps")},
	} {
		t.Run(name, func(t *testing.T) {
			if ps := scaler.Decode(Kinds()[0].New(), v); len(ps.Errors()) != 1 {
				t.Errorf("got %v; want one error", ps)
			}
		})
	}
}

// TestShared checks that objects share a connection if they ask in the same way.
func TestShared(t *testing.T) {
	var p scalertest.Pool
	shared := func(e *scaler.Env) { e.Pool = &p }
	open(t, "external", param.Values{Metadata: at("scaler:80", "queue", "a")}, shared)
	open(t, "external-push", param.Values{Metadata: at("scaler:80", "queue", "b")}, shared)
	open(t, "external", param.Values{Metadata: at("scaler:80", "enableTLS", "true")}, shared)
	keys := p.Keys()
	if len(keys) != 3 || keys[0] != keys[1] || keys[1] == keys[2] {
		t.Errorf("the keys are %+v; want the first two alike", keys)
	}
}
