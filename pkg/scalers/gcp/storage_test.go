package gcp

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// fill makes a bucket hold n objects below a prefix, and nothing else.
func (c *cloud) fill(bucket, prefix string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.objects[bucket] = make([]string, n)
	for i := range c.objects[bucket] {
		c.objects[bucket][i] = fmt.Sprintf("%sobject-%d", prefix, i)
	}
}

func TestStorageConformance(t *testing.T) {
	c := newCloud(t)
	var names atomic.Int64
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, "gcp-storage"), Metadata: map[string]string{"bucketName": "uploads"}, Auth: c.auth(),
		Fixture: func(t *testing.T) scalertest.Fixture {
			f := c.fixture(t)
			name := fmt.Sprint("uploads-", names.Add(1))
			f.Metadata["bucketName"] = name
			f.Set = func(_ context.Context, n float64) { c.fill(name, "", int(n)) }
			return f
		},
	})
}

func TestStorageMeasures(t *testing.T) {
	c := newCloud(t)
	c.fill("many", "", 2500)
	c.fill("empty", "", 0)
	c.objects["tree"] = []string{"a/1", "a/2", "a/b/3", "a/c/4", "a/c/5", "d/6", "7"}
	for name, tc := range map[string]struct {
		metadata map[string]string
		page     int
		want     float64
		note     string
		requests int
		reason   scaler.Reason
	}{
		"usual limit":       {metadata: map[string]string{"bucketName": "many"}, want: 1000, note: "counting stopped at maxBucketItemsToScan, 1000", requests: 1},
		"all":               {metadata: map[string]string{"bucketName": "many", "maxBucketItemsToScan": "5000"}, want: 2500, requests: 3},
		"a limit between":   {metadata: map[string]string{"bucketName": "many", "maxBucketItemsToScan": "1100"}, want: 1100, note: "counting stopped at maxBucketItemsToScan, 1100", requests: 2},
		"exactly the limit": {metadata: map[string]string{"bucketName": "many", "maxBucketItemsToScan": "2500"}, want: 2500, requests: 3},
		"short pages":       {metadata: map[string]string{"bucketName": "many", "maxBucketItemsToScan": "2500"}, page: 300, want: 2500, requests: 9},
		"pages of one":      {metadata: map[string]string{"bucketName": "many"}, page: 1, reason: scaler.ReasonBadAnswer, requests: 21},
		"empty":             {metadata: map[string]string{"bucketName": "empty"}, want: 0, requests: 1},
		"no delimiter":      {metadata: map[string]string{"bucketName": "tree"}, want: 7, requests: 1},
		"prefix":            {metadata: map[string]string{"bucketName": "tree", "blobPrefix": "a/"}, want: 5, requests: 1},
		"delimiter":         {metadata: map[string]string{"bucketName": "tree", "blobDelimiter": "/"}, want: 3, requests: 1},
		"both":              {metadata: map[string]string{"bucketName": "tree", "blobPrefix": "a/", "blobDelimiter": "/"}, want: 4, requests: 1},
		"no bucket":         {metadata: map[string]string{"bucketName": "absent"}, reason: scaler.ReasonMissing, requests: 1},
	} {
		t.Run(name, func(t *testing.T) {
			c.mu.Lock()
			c.page = tc.page
			c.mu.Unlock()
			c.requests()
			r, err := c.open(t, newEnv(), "gcp-storage", tc.metadata).Measure(t.Context())
			if n := len(c.requests()); n != tc.requests {
				t.Errorf("%d requests; want %d", n, tc.requests)
			}
			if tc.reason != "" {
				refused(t, err, tc.reason, tc.metadata["bucketName"])
				return
			}
			if err != nil || r.Value != tc.want || r.Note != tc.note {
				t.Errorf("got %+v, %v; want %v", r, err, tc.want)
			}
		})
	}
}

// TestStorageAnswers checks that nothing but a list of objects is counted.
func TestStorageAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		reason scaler.Reason
	}{
		"other JSON":   {200, `{}`, scaler.ReasonBadAnswer},
		"another kind": {200, `{"kind":"storage#buckets","items":[]}`, scaler.ReasonBadAnswer},
		"a page":       {200, `<html>`, scaler.ReasonBadAnswer},
		"cut short":    {200, `{"kind":"storage#objects","items":[{"na`, scaler.ReasonBadAnswer},
		"no content":   {204, ``, scaler.ReasonBadAnswer},
		"endless":      {200, `{"kind":"storage#objects","nextPageToken":"more"}`, scaler.ReasonBadAnswer},
		"denied":       {403, `{"error":{"code":403,"message":"a@b does not have storage.objects.list access to the Google Cloud Storage bucket."}}`, scaler.ReasonDenied},
		"throttled":    {429, `{"error":{"code":429}}`, scaler.ReasonUnreachable},
		"down":         {500, ``, scaler.ReasonUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			s := scalertest.Serve(t, tc.status, tc.body)
			src := open(t, newEnv(), "gcp-storage", map[string]string{"bucketName": "uploads", "endpoint": s.URL}, nil)
			r, err := src.Measure(t.Context())
			if r.Value != 0 {
				t.Errorf("got %+v", r)
			}
			refused(t, err, tc.reason, "uploads")
		})
	}
}

func TestStorageLinkLocal(t *testing.T) {
	google := conntest.StartGoogle(t)
	src := open(t, newEnv(), "gcp-storage", map[string]string{"bucketName": "uploads", "endpoint": "http://169.254.169.254"}, map[string]string{"GoogleApplicationCredentials": google.Key})
	_, err := src.Measure(t.Context())
	refused(t, err, scaler.ReasonMisconfigured, "link-local")
}

func TestStorageOperatorTimeout(t *testing.T) {
	held := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(held) })
	env := newEnv()
	env.HTTP.Timeout = 50 * time.Millisecond
	_, err := open(t, env, "gcp-storage", map[string]string{"bucketName": "uploads", "endpoint": s.URL}, nil).Measure(t.Context())
	refused(t, err, scaler.ReasonUnreachable, "no answer in time")
}

func TestStorageProblems(t *testing.T) {
	for name, tc := range map[string]struct {
		metadata map[string]string
		want     []string
	}{
		"right":         {map[string]string{"bucketName": "uploads"}, nil},
		"nothing":       {nil, []string{"error metadata.bucketName"}},
		"odd name":      {map[string]string{"bucketName": "../uploads"}, []string{"error metadata.bucketName"}},
		"never active":  {map[string]string{"bucketName": "uploads", "activationTargetObjectCount": "1000"}, []string{"warning metadata.maxBucketItemsToScan"}},
		"no target":     {map[string]string{"bucketName": "uploads", "targetObjectCount": "0"}, []string{"error metadata.targetObjectCount"}},
		"no limit":      {map[string]string{"bucketName": "uploads", "maxBucketItemsToScan": "0"}, []string{"error metadata.maxBucketItemsToScan"}},
		"endpoint, odd": {map[string]string{"bucketName": "uploads", "endpoint": "localhost:4443"}, []string{"error metadata.endpoint"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, problems(t, "gcp-storage", tc.metadata)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
