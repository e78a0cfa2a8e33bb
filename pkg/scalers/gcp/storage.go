package gcp

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/api/storage/v1"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// pageLimit is how many objects Cloud Storage lists at once.
const pageLimit = 1000

func storageKinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "gcp-storage",
		Title:       "Google Cloud Storage",
		About:       "The number of objects in a bucket, up to a limit.",
		Since:       "2.4",
		Permissions: "`storage.objects.list` on the bucket; the role `roles/storage.objectViewer` has it.",
		Cost: "One objects.list request a poll for each 1,000 objects counted. Google bills them as class A operations: counting up to 1,000 objects " +
			"every 30 seconds makes 86,400 requests a month, about 0.43 USD at 0.005 USD a thousand.",
		ByHand: "gcloud storage ls 'gs://uploads/incoming/**' | wc -l",
		Examples: []scaler.Example{
			{
				Title:    "Objects in a bucket",
				Metadata: map[string]string{"bucketName": "uploads", "targetObjectCount": "20"},
				Auth:     exampleAuth(),
			},
			{
				Title: "Objects below a prefix, folders counting as one, with the operator's own identity",
				Metadata: map[string]string{
					"bucketName": "uploads", "blobPrefix": "incoming/", "blobDelimiter": "/", "targetObjectCount": "20", "maxBucketItemsToScan": "5000",
				},
				Identity: "gcp",
			},
		},
		New: func() scaler.Config { return &storageConfig{} },
	}}
}

// storageConfig is one trigger.
type storageConfig struct {
	bucket             string
	target, activation int64
	most               int64
	delimiter, prefix  string
	gcp                conn.GCP
}

// Params implements scaler.Config.
func (c *storageConfig) Params() param.Set {
	const mostObjects = 10_000_000
	return param.Set{
		param.Text("bucketName", &c.bucket).Required().Example("uploads").Doc("Name of the bucket."),
		param.Int("targetObjectCount", &c.target).Default(100).Target().Doc("Number of objects per replica."),
		param.Int("activationTargetObjectCount", &c.activation).Min(0).Activation().Doc("Number of objects above which the workload is active."),
		param.Int("maxBucketItemsToScan", &c.most).Default(pageLimit).Min(1).Max(mostObjects).
			Doc("Where counting stops; every 1,000 objects cost a request a poll."),
		param.Text("blobPrefix", &c.prefix).Example("incoming/").Doc("What the names of the objects begin with; any when unset."),
		param.Text("blobDelimiter", &c.delimiter).Example("/").
			Doc("Text after which names are cut; objects with the same beginning count as one then."),
	}.With(c.gcp.Params())
}

// From Cloud Storage's rules of bucket names.
var bucketName = param.NewForm(`^[a-z0-9][a-z0-9._-]+[a-z0-9]$`, 222)

// Check implements scaler.Checker.
func (c *storageConfig) Check() param.Problems {
	ps := c.gcp.Check()
	if !bucketName.MatchString(c.bucket) {
		ps.Errorf("metadata.bucketName", "found %.100q; expected a name of lower-case letters, digits, dots, dashes and underscores", c.bucket)
	}
	if c.most <= c.activation {
		ps.Warnf("metadata.maxBucketItemsToScan", "is %d, so that the workload never becomes active; expected more than activationTargetObjectCount, which is %d", c.most, c.activation)
	}
	return ps
}

// Metric implements scaler.Config.
func (c *storageConfig) Metric() string { return "gcp-storage-" + c.bucket }

// Open implements scaler.Config.
func (c *storageConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	client, err := conn.OpenGCP(env, &c.gcp, conn.GCPService{Name: "storage", Path: "/storage/v1/", Scopes: []string{storage.DevstorageReadOnlyScope}}, storage.NewService)
	if err != nil {
		return nil, err
	}
	return &storageSource{GCPClient: client, config: c}, nil
}

// storageSource counts the objects of one bucket. It owns its share of the client.
type storageSource struct {
	*conn.GCPClient[*storage.Service]
	config *storageConfig
}

// Host implements scaler.Hosted.
func (s *storageSource) Host() string { return s.GCPClient.Host }

// Measure implements scaler.Source.
func (s *storageSource) Measure(ctx context.Context) (scaler.Reading, error) {
	c := s.config
	doing := fmt.Sprintf("counting the objects of the bucket %s", c.bucket)
	call := s.API.Objects.List(c.bucket).Prefix(c.prefix).Delimiter(c.delimiter).Fields("kind", "nextPageToken", "prefixes", "items(name)").Context(ctx)
	var count int64
	for range c.most/pageLimit + maxPages { // some pages may be short
		page, err := call.MaxResults(min(pageLimit, c.most-count)).Do()
		if err != nil {
			return scaler.Reading{}, conn.GCPError(err, doing)
		}
		if page.Kind != "storage#objects" {
			return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer is no list of objects"), "%s", doing)
		}
		count += int64(len(page.Items) + len(page.Prefixes))
		if page.NextPageToken == "" {
			return scaler.Reading{Value: float64(min(count, c.most))}, nil
		}
		if count >= c.most {
			return scaler.Reading{Value: float64(c.most), Note: fmt.Sprintf("counting stopped at maxBucketItemsToScan, %d", c.most)}, nil
		}
		call.PageToken(page.NextPageToken)
	}
	return scaler.Reading{}, scaler.BadAnswer(errors.New("the answer has too many pages"), "%s", doing)
}

var _ scaler.Hosted = (*storageSource)(nil)
