package gcp

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

const depth = "queue/depth"

func TestCloudtasksConformance(t *testing.T) {
	c := newCloud(t)
	var names atomic.Int64
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, "gcp-cloudtasks"), Metadata: map[string]string{"projectID": conntest.GoogleProject, "queueName": "jobs"}, Auth: c.auth(),
		Fixture: func(t *testing.T) scalertest.Fixture {
			f := c.fixture(t)
			queue := func() (string, func(context.Context, float64)) {
				name := fmt.Sprint("queue-", names.Add(1))
				return name, func(_ context.Context, n float64) { c.put(depth, name, []point{{0, int(n)}}) }
			}
			f.Metadata["queueName"], f.Set = queue()
			for range 3 {
				name, set := queue()
				f.Siblings = append(f.Siblings, scalertest.Sibling{Metadata: map[string]string{"queueName": name}, Set: set})
			}
			f.Bad = map[string]string{"queueName": "absent"}
			return f
		},
	})
}

func TestCloudtasksMeasures(t *testing.T) {
	c := newCloud(t)
	c.put(depth, "jobs", []point{{30 * time.Second, 7}, {90 * time.Second, 3}})
	c.put(depth, "late", []point{{4 * time.Minute, 9}})
	c.put(depth, "both", []point{{0, 1}}, "location", "europe-west1")
	c.put(depth, "both", []point{{0, 2}}, "location", "europe-west2")
	for name, tc := range map[string]struct {
		metadata map[string]string
		want     float64
		reason   scaler.Reason
		mentions []string
	}{
		"newest of several": {map[string]string{"queueName": "jobs"}, 7, "", nil},
		"none":              {map[string]string{"queueName": "absent"}, 0, scaler.ReasonMissing, []string{"the queue absent", "2m0s", "filterDuration"}},
		"too old":           {map[string]string{"queueName": "late"}, 0, scaler.ReasonMissing, []string{"late"}},
		"not too old":       {map[string]string{"queueName": "late", "filterDuration": "5"}, 9, "", nil},
		"below 0":           {map[string]string{"queueName": "jobs", "filterDuration": "-1"}, 7, "", nil},
		"two regions":       {map[string]string{"queueName": "both"}, 0, scaler.ReasonMisconfigured, []string{"2 series", "locations/<location>"}},
		"one of two":        {map[string]string{"queueName": "projects/shop-1/locations/europe-west2/queues/both"}, 2, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.open(t, newEnv(), "gcp-cloudtasks", scalertest.With(tc.metadata, "projectID", conntest.GoogleProject)).Measure(t.Context())
			if tc.reason != "" {
				refused(t, err, tc.reason, tc.mentions...)
				return
			}
			if err != nil || got.Value != tc.want {
				t.Errorf("got %+v, %v; want %v", got, err, tc.want)
			}
		})
	}
}

func TestCloudtasksRequest(t *testing.T) {
	c := newCloud(t)
	env := newEnv()
	env.Now = func() time.Time { return time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC) }
	for name, want := range map[string]string{
		"jobs": `metric.type="cloudtasks.googleapis.com/queue/depth" AND resource.type="cloud_tasks_queue" AND resource.labels.project_id="shop-1" AND resource.labels.queue_id="jobs"`,
		"projects/shop-1/locations/europe-west1/queues/jobs": `metric.type="cloudtasks.googleapis.com/queue/depth" AND resource.type="cloud_tasks_queue" AND resource.labels.project_id="shop-1" AND resource.labels.queue_id="jobs"` +
			` AND (resource.labels.location="europe-west1")`,
	} {
		c.requests()
		_, err := c.open(t, env, "gcp-cloudtasks", map[string]string{"projectID": "shop-1", "queueName": name, "filterDuration": "3"}).Measure(t.Context())
		refused(t, err, scaler.ReasonMissing)
		got := c.requests()
		if len(got) != 1 || got[0].Path != "/v3/projects/shop-1/timeSeries" {
			t.Fatalf("asked %v", got)
		}
		q := got[0].Query()
		if q.Get("filter") != want || q.Get("interval.startTime") != "2026-05-01T09:57:00Z" || q.Get("interval.endTime") != "2026-05-01T10:00:00Z" || q.Has("aggregation.alignmentPeriod") {
			t.Errorf("asked with %v; want the filter %s", q, want)
		}
	}
}

func TestCloudtasksChecks(t *testing.T) {
	for name, tc := range map[string]struct {
		metadata map[string]string
		want     []string
	}{
		"name":            {map[string]string{"projectID": "shop", "queueName": "jobs"}, nil},
		"odd name":        {map[string]string{"projectID": "shop", "queueName": "a_b"}, []string{"error metadata.queueName"}},
		"odd project":     {map[string]string{"projectID": "Shop!", "queueName": "jobs"}, []string{"error metadata.projectID"}},
		"another project": {map[string]string{"projectID": "shop", "queueName": "projects/store/locations/a/queues/jobs"}, []string{"error metadata.queueName"}},
		"other resource":  {map[string]string{"projectID": "shop", "queueName": "projects/shop/topics/a/queues/jobs"}, []string{"error metadata.queueName"}},
		"too long ago":    {map[string]string{"projectID": "shop", "queueName": "jobs", "filterDuration": "20000"}, []string{"error metadata.filterDuration"}},
		"no target":       {map[string]string{"projectID": "shop", "queueName": "jobs", "value": "0"}, []string{"error metadata.value"}},
	} {
		if got := problems(t, "gcp-cloudtasks", tc.metadata); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %v; want %v", name, got, tc.want)
		}
	}
}
