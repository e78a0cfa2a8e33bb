package temporal

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"

	deployment "go.temporal.io/api/deployment/v1"
	enums "go.temporal.io/api/enums/v1"
	taskqueue "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func TestConformance(t *testing.T) {
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: parameters("temporal.example:7233"),
		Fixture: func(t *testing.T) scalertest.Fixture {
			s := start(t)
			p := scalertest.NewProxy(t, s.address)
			return scalertest.Fixture{
				Metadata: map[string]string{"endpoint": p.Addr}, Proxy: p,
				Set: func(_ context.Context, n float64) {
					s.change(func() { s.backlogs[enums.TASK_QUEUE_TYPE_ACTIVITY] = int64(n) })
				},
				Deny:  func() { s.change(func() { s.refuse = codes.Unauthenticated }) },
				Allow: func() { s.change(func() { s.refuse = codes.OK }) },
			}
		},
	})
}

// TestTypes checks which types of task queue are asked for, and how.
func TestTypes(t *testing.T) {
	for text, c := range map[string]struct {
		want  string
		value float64
	}{
		"":                   {"Activity,Nexus,Workflow", 111},
		"workflow":           {"Workflow", 1},
		"Activity, workflow": {"Activity,Workflow", 11},
		"nexus,nexus":        {"Nexus", 100},
	} {
		t.Run(text, func(t *testing.T) {
			s := start(t)
			s.backlogs = map[enums.TaskQueueType]int64{enums.TASK_QUEUE_TYPE_WORKFLOW: 1, enums.TASK_QUEUE_TYPE_ACTIVITY: 10, enums.TASK_QUEUE_TYPE_NEXUS: 100}
			r, err := s.measure(t, "queueTypes", text)
			if err != nil || r.Value != c.value {
				t.Fatalf("measured %v, %v; expected %v", r.Value, err, c.value)
			}
			var types []string
			for _, m := range s.asked {
				asked := m.(*workflowservice.DescribeTaskQueueRequest)
				types = append(types, asked.GetTaskQueueType().String())
				want := &workflowservice.DescribeTaskQueueRequest{
					Namespace: "shop", TaskQueue: &taskqueue.TaskQueue{Name: "orders", Kind: enums.TASK_QUEUE_KIND_NORMAL},
					TaskQueueType: asked.GetTaskQueueType(), ReportStats: true,
				}
				if !proto.Equal(asked, want) {
					t.Errorf("asked %v; expected %v", asked, want)
				}
			}
			slices.Sort(types)
			if got := strings.Join(types, ","); got != c.want {
				t.Errorf("asked for %s; expected %s", got, c.want)
			}
			if got := s.header.Get("temporal-namespace"); len(got) != 1 || got[0] != "shop" || len(s.header.Get("authorization")) != 0 {
				t.Errorf("asked with %v", s.header)
			}
		})
	}
}

// TestBuilds checks versions of the first kind.
func TestBuilds(t *testing.T) {
	of := func(s *taskqueue.TaskQueueStats) *taskqueue.TaskQueueVersionInfo {
		return &taskqueue.TaskQueueVersionInfo{TypesInfo: map[int32]*taskqueue.TaskQueueTypeInfo{
			1: {Stats: s}, 2: {Stats: s, Pollers: []*taskqueue.PollerInfo{{Identity: "worker"}}},
		}}
	}
	for name, c := range map[string]struct {
		more     []string
		versions map[string]*taskqueue.TaskQueueVersionInfo
		old      bool
		asked    *taskqueue.TaskQueueVersionSelection
		value    float64
		note     string
		reason   scaler.Reason
	}{
		"a build": {
			more: []string{"buildId", "v1"}, versions: map[string]*taskqueue.TaskQueueVersionInfo{"v1": of(stats(3))},
			asked: &taskqueue.TaskQueueVersionSelection{BuildIds: []string{"v1"}}, value: 6,
		},
		"all": {
			more:     []string{"selectAllActive", "true", "selectUnversioned", "true"},
			versions: map[string]*taskqueue.TaskQueueVersionInfo{"v1": of(stats(3)), "": of(stats(1))},
			asked:    &taskqueue.TaskQueueVersionSelection{AllActive: true, Unversioned: true}, value: 8,
		},
		"none": {
			more: []string{"selectAllActive", "true"}, asked: &taskqueue.TaskQueueVersionSelection{AllActive: true}, note: "no version",
		},
		"an old server": {
			more: []string{"selectUnversioned", "true"}, old: true, asked: &taskqueue.TaskQueueVersionSelection{Unversioned: true}, reason: scaler.ReasonMisconfigured,
		},
		"no statistics": {
			more: []string{"buildId", "v1"}, versions: map[string]*taskqueue.TaskQueueVersionInfo{"v1": of(nil)},
			asked: &taskqueue.TaskQueueVersionSelection{BuildIds: []string{"v1"}}, reason: scaler.ReasonBadAnswer,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.queue = func(*workflowservice.DescribeTaskQueueRequest) (*workflowservice.DescribeTaskQueueResponse, error) {
				r := &workflowservice.DescribeTaskQueueResponse{VersionsInfo: c.versions} //nolint:staticcheck // what old versions use
				if c.old {
					r.Pollers = []*taskqueue.PollerInfo{{Identity: "worker"}}
				}
				return r, nil
			}
			r, err := s.measure(t, append(c.more, "queueTypes", "workflow,activity")...)
			if c.reason != "" {
				if scaler.ReasonOf(err) != c.reason || err == nil {
					t.Errorf("measured %v, %v; expected %s", r.Value, err, c.reason)
				}
			} else if err != nil || r.Value != c.value || !strings.Contains(r.Note, c.note) {
				t.Errorf("measured %+v, %v; expected %v with %q", r, err, c.value, c.note)
			}
			asked := s.asked[0].(*workflowservice.DescribeTaskQueueRequest)
			if !proto.Equal(asked.GetVersions(), c.asked) || asked.GetApiMode() != enums.DESCRIBE_TASK_QUEUE_MODE_ENHANCED || //nolint:staticcheck // what old versions use
				names(asked.GetTaskQueueTypes()) != "Workflow,Activity" || !asked.GetReportStats() { //nolint:staticcheck // what old versions use
				t.Errorf("asked %v", asked)
			}
		})
	}
}

// TestDeployments checks versions of worker deployments.
func TestDeployments(t *testing.T) {
	type queue = workflowservice.DescribeWorkerDeploymentVersionResponse_VersionTaskQueue
	workflows := &queue{Name: "orders", Type: enums.TASK_QUEUE_TYPE_WORKFLOW, Stats: stats(3)}
	activities := &queue{Name: "orders", Type: enums.TASK_QUEUE_TYPE_ACTIVITY, Stats: stats(4)}
	other := &queue{Name: "mails", Type: enums.TASK_QUEUE_TYPE_ACTIVITY, Stats: stats(50)}
	for name, c := range map[string]struct {
		types  string
		queues []*queue
		value  float64
		reason scaler.Reason
	}{
		"all types":         {"", []*queue{workflows, other, activities}, 7, ""},
		"one type":          {"activity", []*queue{workflows, other, activities}, 4, ""},
		"nothing waits":     {"", []*queue{{Name: "orders", Type: enums.TASK_QUEUE_TYPE_WORKFLOW, Stats: &taskqueue.TaskQueueStats{}}}, 0, ""},
		"another's queue":   {"", []*queue{other}, 0, scaler.ReasonMissing},
		"another type":      {"nexus", []*queue{workflows}, 0, scaler.ReasonMissing},
		"no queues":         {"", nil, 0, scaler.ReasonMissing},
		"no statistics":     {"", []*queue{{Name: "orders", Type: enums.TASK_QUEUE_TYPE_WORKFLOW}}, 0, scaler.ReasonBadAnswer},
		"backlog below 0":   {"", []*queue{{Name: "orders", Type: enums.TASK_QUEUE_TYPE_WORKFLOW, Stats: stats(-1)}}, 0, scaler.ReasonBadAnswer},
		"other's no matter": {"", []*queue{activities, {Name: "mails", Type: enums.TASK_QUEUE_TYPE_WORKFLOW}}, 4, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.version = func(*workflowservice.DescribeWorkerDeploymentVersionRequest) (*workflowservice.DescribeWorkerDeploymentVersionResponse, error) {
				return &workflowservice.DescribeWorkerDeploymentVersionResponse{
					WorkerDeploymentVersionInfo: &deployment.WorkerDeploymentVersionInfo{Status: enums.WORKER_DEPLOYMENT_VERSION_STATUS_CURRENT},
					VersionTaskQueues:           c.queues,
				}, nil
			}
			r, err := s.measure(t, "workerDeploymentName", "packers", "workerDeploymentBuildId", "v2", "queueTypes", c.types)
			if c.reason != "" {
				if scaler.ReasonOf(err) != c.reason || err == nil {
					t.Errorf("measured %v, %v; expected %s", r.Value, err, c.reason)
				}
			} else if err != nil || r.Value != c.value {
				t.Errorf("measured %v, %v; expected %v", r.Value, err, c.value)
			}
			want := &workflowservice.DescribeWorkerDeploymentVersionRequest{
				Namespace: "shop", ReportTaskQueueStats: true,
				DeploymentVersion: &deployment.WorkerDeploymentVersion{DeploymentName: "packers", BuildId: "v2"},
			}
			if got := s.asked[0]; !proto.Equal(got, want) {
				t.Errorf("asked %v; expected %v", got, want)
			}
		})
	}
}

// TestRefusals checks that a server's codes say what to do about them, and
// that an answer without statistics is no 0.
func TestRefusals(t *testing.T) {
	for code, want := range map[codes.Code]scaler.Reason{
		codes.NotFound: scaler.ReasonMissing, codes.PermissionDenied: scaler.ReasonDenied, codes.Unauthenticated: scaler.ReasonDenied,
		codes.InvalidArgument: scaler.ReasonMisconfigured, codes.Unavailable: scaler.ReasonUnreachable, codes.Internal: scaler.ReasonBadAnswer,
	} {
		t.Run(code.String(), func(t *testing.T) {
			s := start(t)
			s.queue = func(*workflowservice.DescribeTaskQueueRequest) (*workflowservice.DescribeTaskQueueResponse, error) {
				return nil, status.Error(code, "x")
			}
			if r, err := s.measure(t); err == nil || scaler.ReasonOf(err) != want {
				t.Errorf("measured %v, %v; expected %s", r.Value, err, want)
			}
		})
	}
	s := start(t)
	s.queue = func(*workflowservice.DescribeTaskQueueRequest) (*workflowservice.DescribeTaskQueueResponse, error) {
		return &workflowservice.DescribeTaskQueueResponse{}, nil
	}
	if r, err := s.measure(t); err == nil || scaler.ReasonOf(err) != scaler.ReasonBadAnswer {
		t.Errorf("measured %v, %v; expected BadAnswer", r.Value, err)
	}
	if r, err := s.measure(t, "workerDeploymentName", "packers", "workerDeploymentBuildId", "v2"); err == nil || scaler.ReasonOf(err) != scaler.ReasonMisconfigured {
		t.Errorf("measured %v, %v of a server without worker deployments; expected Misconfigured", r.Value, err)
	}
}

// TestMessages: bytes that are no message are an error.
func TestMessages(t *testing.T) {
	for name, m := range map[string]message{
		"cut in a tag":    {0x80},
		"cut in a number": {0x08, 0x80},
		"cut in a text":   {0x0a, 0x05, 'a'},
		"no such field":   {0x00, 0x01},
		"cut in a float":  {0x1d, 0x00},
	} {
		if n, err := backlog(m); err == nil {
			t.Errorf("%s: read %d; expected an error", name, n)
		}
	}
	if err := (raw{}).Unmarshal(nil, 1); err == nil {
		t.Error("read a message into a number")
	}
	if _, err := (raw{}).Marshal(1); err == nil {
		t.Error("wrote a number as a message")
	}
}

// TestTLS checks when TLS is used, and with what.
func TestTLS(t *testing.T) {
	ca := conntest.NewAuthority(t)
	pair := ca.Issue(t, "keda")
	key := func(more map[string]string) map[string]string {
		out := map[string]string{"ca": ca.PEM, "apiKey": "key-of-keda"}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	for name, c := range map[string]struct {
		clients tls.ClientAuthType
		auth    map[string]string
		more    []string
		reason  scaler.Reason
	}{
		"an API key":            {auth: key(nil)},
		"an authority":          {auth: map[string]string{"ca": ca.PEM}},
		"unchecked":             {auth: map[string]string{"apiKey": "key-of-keda"}, more: []string{"unsafeSsl", "true"}},
		"another authority":     {auth: map[string]string{"apiKey": "key-of-keda"}, reason: scaler.ReasonMisconfigured},
		"another name":          {auth: key(nil), more: []string{"tlsServerName", "temporal.example.com"}, reason: scaler.ReasonMisconfigured},
		"the name":              {auth: key(nil), more: []string{"tlsServerName", "127.0.0.1"}},
		"a certificate":         {clients: tls.RequireAndVerifyClientCert, auth: map[string]string{"ca": ca.PEM, "cert": pair.Cert, "key": pair.Key}},
		"no client certificate": {clients: tls.RequireAndVerifyClientCert, auth: map[string]string{"ca": ca.PEM}, reason: scaler.ReasonDenied},
		"without TLS":           {reason: scaler.ReasonUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, secured(t, ca, c.clients))
			r, err := open(t, param.Values{Metadata: parameters(s.address, c.more...), Auth: c.auth}, &scalertest.Pool{}).Measure(t.Context())
			if c.reason != "" {
				if err == nil || scaler.ReasonOf(err) != c.reason {
					t.Errorf("measured %v, %v; expected %s", r.Value, err, c.reason)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.TrimSpace("Bearer " + c.auth["apiKey"]); c.auth["apiKey"] != "" && s.header.Get("authorization")[0] != want {
				t.Errorf("asked with %v; expected %s", s.header.Get("authorization"), want)
			}
		})
	}
}

func TestParameters(t *testing.T) {
	for name, c := range map[string]struct {
		more []string
		at   string
	}{
		"no port":          {[]string{"endpoint", "temporal"}, "metadata.endpoint"},
		"a type of none":   {[]string{"queueTypes", "timer"}, "metadata.queueTypes"},
		"half a version":   {[]string{"workerDeploymentName", "a"}, "metadata.workerDeploymentBuildId"},
		"the other half":   {[]string{"workerDeploymentBuildId", "a"}, "metadata.workerDeploymentName"},
		"two kinds":        {[]string{"workerDeploymentName", "a", "workerDeploymentBuildId", "b", "buildId", "c"}, "metadata.workerDeploymentName"},
		"a target of 0":    {[]string{"targetQueueSize", "0"}, "metadata.targetQueueSize"},
		"below 0":          {[]string{"activationTargetQueueSize", "-1"}, "metadata.activationTargetQueueSize"},
		"no time at all":   {[]string{"minConnectTimeout", "-1"}, "metadata.minConnectTimeout"},
		"without a queue":  {[]string{"taskQueue", ""}, "metadata.taskQueue"},
		"no boolean value": {[]string{"selectAllActive", "some"}, "metadata.selectAllActive"},
	} {
		t.Run(name, func(t *testing.T) {
			ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: parameters("x:1", c.more...)}).Errors()
			if len(ps) != 1 || ps[0].Path != c.at {
				t.Errorf("got %v; expected one at %s", ps, c.at)
			}
		})
	}
}

// TestMetric: versions of one task queue have metrics of their own.
func TestMetric(t *testing.T) {
	for want, more := range map[string][]string{
		"temporal-shop-orders":            nil,
		"temporal-shop-orders-v1":         {"buildId", "v1"},
		"temporal-shop-orders-packers-v2": {"workerDeploymentName", "packers", "workerDeploymentBuildId", "v2"},
	} {
		c := Kinds()[0].New()
		if err := scaler.Decode(c, param.Values{Metadata: parameters("x:1", more...)}).Err(); err != nil || c.Metric() != want {
			t.Errorf("the metric is %q, %v; expected %q", c.Metric(), err, want)
		}
	}
}

// BenchmarkTriggers polls 100 task queues of one server.
func BenchmarkTriggers(b *testing.B) {
	s := start(b)
	p := pool.New()
	scalertest.BenchTriggers(b, s.address, func(addr string, i int) scaler.Source {
		return open(b, param.Values{Metadata: parameters(addr, "taskQueue", fmt.Sprint("orders-", i))}, p)
	})
}
