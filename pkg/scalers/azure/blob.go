package azure

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func blobKinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "azure-blob",
		Title: "Azure Blob Storage",
		About: "The blobs of a container, of one of its folders, or those whose names match a pattern. " +
			"Folders themselves don't count, in accounts with a hierarchical namespace neither.",
		Since:       "1.1",
		Permissions: "The role Storage Blob Data Reader on the container or the account; of a SAS, the permission to list.",
		Cost: "One request a poll for every 5,000 blobs or part of them. With recursive or globPattern all blobs that begin with the prefix are listed, matching or not. " +
			"Azure bills listings like writes: polling 5,000 blobs every 30 seconds makes 86,400 requests a month, about 0.50 USD at 0.055 USD per 10,000.",
		ByHand: "az storage blob list --container-name incoming --account-name orders --num-results '*' --query 'length(@)'",
		Examples: []scaler.Example{
			{
				Title:    "The blobs of a folder, with the account's connection string",
				Metadata: map[string]string{"blobContainerName": "incoming", "blobCount": "10", "blobPrefix": "orders/2030"},
				Auth:     map[string]string{"connection": exampleStorage},
			},
			{
				Title:    "A whole container, with the connection string that the container's environment has",
				Metadata: map[string]string{"blobContainerName": "incoming", "blobCount": "10", "recursive": "true", "connectionFromEnv": "AzureWebJobsStorage"},
				Env:      map[string]string{"AzureWebJobsStorage": exampleStorage},
			},
			{
				Title:    "Names that match a pattern, with a SAS",
				Metadata: map[string]string{"blobContainerName": "incoming", "blobCount": "10", "globPattern": "**/*.{csv,json}"},
				Auth:     map[string]string{"connection": "BlobEndpoint=https://orders.blob.core.windows.net/;SharedAccessSignature=sv=2026-06-06&sp=rl&sig=the-signature"},
			},
		},
		New: func() scaler.Config { return &blobConfig{storage: storage{service: conn.AzureBlob}} },
	}}
}

type blobConfig struct {
	container  string
	target     float64
	activation float64
	delimiter  string
	prefix     string
	recursive  bool
	glob       string
	storage    storage
}

// Params implements scaler.Config.
func (c *blobConfig) Params() param.Set {
	return param.Set{
		param.Text("blobContainerName", &c.container).Required().Example("incoming").Doc("Name of the container."),
		param.Float("blobCount", &c.target).Default(5).Target().Doc("Blobs per replica."),
		param.Float("activationBlobCount", &c.activation).Activation().Doc("Number of blobs above which the workload is active."),
		param.Text("blobPrefix", &c.prefix).Example("orders/2030").Doc("Folder whose blobs count. Without recursive or globPattern, blobs of folders below it don't."),
		param.Text("blobDelimiter", &c.delimiter).Default("/").Doc("What separates folders in names."),
		param.Bool("recursive", &c.recursive).Default(false).Doc("Whether all blobs count whose names begin with blobPrefix, in whichever folder; blobDelimiter is not used then."),
		param.Text("globPattern", &c.glob).Example("**/*.{csv,json}").
			Doc("Pattern that names must match, with or without blobPrefix: * and ** for any text, slashes too, ? for one character, [a-c] or [!a-c] for one of some, {a,b} for alternatives. In whichever folder below blobPrefix."),
	}.With(c.storage.params())
}

// blobSystemContainers are containers with names that others can't have.
func blobSystemContainers() []string { return []string{"$root", "$web", "$logs", "$blobchangefeed"} }

// Check implements scaler.Checker.
func (c *blobConfig) Check() param.Problems {
	ps := c.storage.check()
	if !isStorageName(c.container) && !slices.Contains(blobSystemContainers(), c.container) {
		ps.Errorf("metadata.blobContainerName", "found %.80q, which no container can have; expected 3 to 63 lower-case letters, digits and single hyphens", c.container)
	}
	if _, err := compileGlob(c.glob); err != nil {
		ps.Errorf("metadata.globPattern", "found a pattern that can't be read: %v; expected one such as **/*.csv", err)
	}
	return ps
}

// Metric implements scaler.Config, as upstream names it.
func (c *blobConfig) Metric() string { return "azure-blob-" + c.container }

// listPrefix is what the listed names begin with. A folder is given with or
// without the delimiter at its end.
func (c *blobConfig) listPrefix() string {
	if c.prefix == "" || c.recursive || strings.HasSuffix(c.prefix, c.delimiter) {
		return c.prefix
	}
	return c.prefix + c.delimiter
}

// Open implements scaler.Config.
func (c *blobConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	s := &blobSource{config: c, doing: fmt.Sprintf("listing the blobs of the container %q", c.container)}
	if c.glob != "" {
		var err error
		if s.glob, err = compileGlob(c.glob); err != nil {
			return nil, scaler.Misconfigured(err, "reading globPattern")
		}
	}
	client, err := openStorage(env, &c.storage, newBlobService)
	if err != nil {
		return nil, err
	}
	s.storageClient, s.container = client, client.api.NewContainerClient(c.container)
	return s, nil
}

func newBlobService(a storageAccount, o azcore.ClientOptions) (*blobService, error) {
	options := &service.ClientOptions{ClientOptions: o}
	switch {
	case a.token != nil:
		return service.NewClient(a.address(), a.token, options)
	case a.key.IsZero():
		return service.NewClientWithNoCredential(a.address(), options)
	}
	key, err := service.NewSharedKeyCredential(a.name, a.key.Reveal())
	if err != nil {
		return nil, errors.New("the account key is not base64")
	}
	return service.NewClientWithSharedKeyCredential(a.address(), key, options)
}

// blobService is the SDK's client of the containers of an account.
type blobService = service.Client

// blobSource counts the blobs of one container. It owns its share of the client.
type blobSource struct {
	*storageClient[*blobService]
	container *container.Client
	config    *blobConfig
	glob      *regexp.Regexp // nil without a pattern
	doing     string
}

var _ scaler.Hosted = (*blobSource)(nil)

// Measure implements scaler.Source. One page is held at a time.
func (s *blobSource) Measure(ctx context.Context) (scaler.Reading, error) {
	count := s.countFolder
	if s.config.recursive || s.glob != nil {
		count = s.countAll
	}
	n, err := count(ctx)
	if err != nil {
		return scaler.Reading{}, err
	}
	return scaler.Reading{Value: float64(n)}, nil
}

func (s *blobSource) prefix() *string {
	if p := s.config.listPrefix(); p != "" {
		return &p
	}
	return nil
}

// countFolder counts the blobs of one folder.
func (s *blobSource) countFolder(ctx context.Context) (n int, err error) {
	pages := s.container.NewListBlobsHierarchyPager(s.config.delimiter, &container.ListBlobsHierarchyOptions{Prefix: s.prefix()})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, conn.AzureError(err, s.doing)
		}
		if page.Segment == nil || page.ServiceEndpoint == nil {
			return 0, s.noList()
		}
		n += s.matching(page.Segment.BlobItems)
	}
	return n, nil
}

// countAll counts the blobs of all folders.
func (s *blobSource) countAll(ctx context.Context) (n int, err error) {
	pages := s.container.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: s.prefix()})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, conn.AzureError(err, s.doing)
		}
		if page.Segment == nil || page.ServiceEndpoint == nil {
			return 0, s.noList()
		}
		n += s.matching(page.Segment.BlobItems)
	}
	return n, nil
}

// noList is an answer that is some other document: the SDK takes any, even
// none, for a list without blobs.
func (s *blobSource) noList() error {
	return scaler.BadAnswer(errors.New("the answer holds no list of blobs"), "%s", s.doing)
}

// matching counts the blobs whose names match, with or without the prefix.
func (s *blobSource) matching(items []*container.BlobItem) (n int) {
	prefix := s.config.listPrefix()
	for _, b := range items {
		if b == nil || b.Name == nil || isFolder(b) {
			continue
		}
		name := *b.Name
		if s.glob == nil || s.glob.MatchString(name) || prefix != "" && s.glob.MatchString(strings.TrimPrefix(strings.TrimPrefix(name, prefix), "/")) {
			n++
		}
	}
	return n
}

// isFolder recognizes the folders of a hierarchical namespace, which are
// listed among the blobs.
func isFolder(b *container.BlobItem) bool {
	return b.Properties != nil && b.Properties.ResourceType != nil && strings.EqualFold(*b.Properties.ResourceType, "directory")
}
