package azure

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	azuriteserver "github.com/kedago/keda/test/servers/azurite"
)

// blobs is a container of an Azurite.
type blobs struct {
	t      testing.TB
	name   string
	client *container.Client
	held   int // blobs that set made
}

func newBlobs(t testing.TB, s *azuriteserver.Server, name string) *blobs {
	t.Helper()
	client, err := newBlobService(adminAccount(t, s, conn.AzureBlob))
	if err != nil {
		t.Fatal(err)
	}
	b := &blobs{t: t, name: name, client: client.NewContainerClient(name)}
	if _, err := b.client.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return b
}

// put makes empty blobs.
func (b *blobs) put(ctx context.Context, names ...string) {
	b.t.Helper()
	for _, name := range names {
		if _, err := b.client.NewBlockBlobClient(name).UploadBuffer(ctx, nil, nil); err != nil {
			b.t.Fatal(err)
		}
	}
}

// set makes the container hold n blobs.
func (b *blobs) set(ctx context.Context, n float64) {
	b.t.Helper()
	for ; b.held > int(n); b.held-- {
		if _, err := b.client.NewBlobClient(fmt.Sprint("blob-", b.held)).Delete(ctx, nil); err != nil {
			b.t.Fatal(err)
		}
	}
	for b.held < int(n) {
		b.held++
		b.put(ctx, fmt.Sprint("blob-", b.held))
	}
}

const blobPolicy = "tests"

func (b *blobs) allow() {
	b.t.Helper()
	id, can := blobPolicy, "rl"
	from, until := time.Now().Add(-time.Hour).UTC(), time.Now().Add(time.Hour).UTC()
	b.setPolicies(&container.SignedIdentifier{ID: &id, AccessPolicy: &container.AccessPolicy{Permission: &can, Start: &from, Expiry: &until}})
}

func (b *blobs) deny() { b.t.Helper(); b.setPolicies() }

func (b *blobs) setPolicies(p ...*container.SignedIdentifier) {
	b.t.Helper()
	if _, err := b.client.SetAccessPolicy(context.Background(), &container.SetAccessPolicyOptions{ContainerACL: p}); err != nil {
		b.t.Fatal(err)
	}
}

// connection is a connection string with a SAS that depends on the policy.
func (b *blobs) connection(address string) string {
	b.t.Helper()
	key, err := service.NewSharedKeyCredential(azuriteserver.Account, azuriteserver.Key)
	if err != nil {
		b.t.Fatal(err)
	}
	query, err := sas.BlobSignatureValues{ContainerName: b.name, Identifier: blobPolicy}.SignWithSharedKey(key)
	if err != nil {
		b.t.Fatal(err)
	}
	return fmt.Sprintf("BlobEndpoint=http://%s/%s;SharedAccessSignature=?%s", address, azuriteserver.Account, query.Encode())
}

func blobTrigger(pairs ...string) map[string]string {
	return scalertest.With(map[string]string{"blobContainerName": "incoming"}, pairs...)
}

func TestBlobConformance(t *testing.T) {
	s := azuriteserver.Start(t)
	for _, recursive := range []string{"false", "true"} {
		t.Run("recursive "+recursive, func(t *testing.T) {
			scalertest.Run(t, scalertest.Case{
				Kind: kind(t, "azure-blob"), Metadata: blobTrigger("recursive", recursive), Auth: connected("127.0.0.1:1"),
				Fixture: func(t *testing.T) scalertest.Fixture {
					proxy := scalertest.NewProxy(t, s.Blob)
					b := newBlobs(t, s, fmt.Sprint("incoming-", names.Add(1)))
					b.allow()
					return scalertest.Fixture{
						Metadata: map[string]string{"blobContainerName": b.name}, Auth: map[string]string{"connection": b.connection(proxy.Addr)}, Proxy: proxy,
						Set: b.set, Values: []float64{0, 3, 40, 1, 0}, Deny: b.deny, Allow: b.allow,
					}
				},
			})
		})
	}
}

func TestBlobFirstAPI(t *testing.T) {
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, "azure-blob"), Metadata: blobTrigger("blobPrefix", "orders", "blobDelimiter", "|"), Env: map[string]string{"AzureWebJobsStorage": exampleStorage}, EnvNames: true,
	})
}

func TestBlobWhichCount(t *testing.T) {
	s := azuriteserver.Start(t)
	b := newBlobs(t, s, "which")
	b.put(t.Context(), "a.csv", "b.json", "in/a.csv", "in/b.json", "in/2030/c.csv", "in/2030/d.csv", "index.html", "x|1", "x|2|3")
	for name, tc := range map[string]struct {
		pairs []string
		want  float64
	}{
		"top level":                {nil, 5},
		"recursive":                {[]string{"recursive", "true"}, 9},
		"folder":                   {[]string{"blobPrefix", "in"}, 2},
		"folder with delimiter":    {[]string{"blobPrefix", "in/"}, 2},
		"folder in folder":         {[]string{"blobPrefix", "in/2030"}, 2},
		"folder, recursive":        {[]string{"blobPrefix", "in/", "recursive", "true"}, 4},
		"beginning, recursive":     {[]string{"blobPrefix", "in", "recursive", "true"}, 5},
		"no such folder":           {[]string{"blobPrefix", "out"}, 0},
		"another delimiter":        {[]string{"blobPrefix", "x", "blobDelimiter", "|"}, 1},
		"pattern":                  {[]string{"globPattern", "*.csv"}, 4},
		"pattern of folders":       {[]string{"globPattern", "**/*.csv"}, 3},
		"pattern, alternatives":    {[]string{"globPattern", "{a,b}.*"}, 2},
		"pattern below a folder":   {[]string{"globPattern", "[ab].*", "blobPrefix", "in"}, 2},
		"whole name, folder":       {[]string{"globPattern", "in/?.json", "blobPrefix", "in"}, 1},
		"pattern that none have":   {[]string{"globPattern", "*.xml"}, 0},
		"pattern, recursive":       {[]string{"globPattern", "*.html", "recursive", "true", "blobPrefix", "in"}, 1},
		"percent in a folder name": {[]string{"blobPrefix", "100%?&="}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			src := open(t, "azure-blob", newEnv(), blobTrigger(append(tc.pairs, "blobContainerName", "which")...), connected(s.Blob))
			if r, err := src.Measure(t.Context()); err != nil || r.Value != tc.want {
				t.Errorf("got %+v, %v; want %v", r, err, tc.want)
			}
		})
	}
}

func TestBlobRefused(t *testing.T) {
	s := azuriteserver.Start(t)
	newBlobs(t, s, "kept")
	wrong := strings.Replace(azuriteserver.Connection(s.Queue, s.Blob), azuriteserver.Key, "d3Jvbmc=", 1)
	_, err := open(t, "azure-blob", newEnv(), blobTrigger("blobContainerName", "kept"), map[string]string{"connection": wrong}).Measure(t.Context())
	refused(t, err, scaler.ReasonDenied, `"kept"`, "AuthorizationFailure") // Azure itself says AuthenticationFailed
	_, err = open(t, "azure-blob", newEnv(), blobTrigger("blobContainerName", "never-made"), connected(s.Blob)).Measure(t.Context())
	refused(t, err, scaler.ReasonMissing, `"never-made"`, "ContainerNotFound")
}

// page is a page of a listing as the service writes it.
func page(next string, blobs ...string) string {
	return `<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="http://x/" ContainerName="incoming"><Blobs>` +
		strings.Join(blobs, "") + `</Blobs><NextMarker>` + next + `</NextMarker></EnumerationResults>`
}

func blob(name, resourceType string) string {
	return `<Blob><Name>` + name + `</Name><Properties><Content-Length>1</Content-Length><ResourceType>` + resourceType + `</ResourceType></Properties></Blob>`
}

func TestBlobPages(t *testing.T) {
	for _, recursive := range []string{"false", "true"} {
		t.Run("recursive "+recursive, func(t *testing.T) {
			var seen []string
			at := answering(t, func(request string) answer {
				_, marker, _ := strings.Cut(request, "marker=")
				marker, _, _ = strings.Cut(marker, "&")
				seen = append(seen, marker)
				switch marker {
				case "":
					return answer{200, nil, page("2", blob("a", "file"), blob("b", ""))}
				case "2":
					return answer{200, nil, page("3")} // the service may answer an empty page that is not the last
				}
				return answer{200, nil, page("", blob("c", ""), blob("d", "directory"), `<BlobPrefix><Name>e/</Name></BlobPrefix>`)}
			})
			src := open(t, "azure-blob", newEnv(), blobTrigger("recursive", recursive), connected(at))
			if r, err := src.Measure(t.Context()); err != nil || r.Value != 3 {
				t.Errorf("got %+v, %v; want 3", r, err)
			}
			if diff := cmp.Diff([]string{"", "2", "3"}, seen); diff != "" {
				t.Errorf("pages (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBlobPartOfPages checks that a listing that breaks off is no number.
func TestBlobPartOfPages(t *testing.T) {
	at := answering(t, func(request string) answer {
		if strings.Contains(request, "marker=") {
			return answer{503, map[string]string{"x-ms-error-code": "ServerBusy", "Retry-After": "4"}, ""}
		}
		return answer{200, nil, page("2", blob("a", ""))}
	})
	src := open(t, "azure-blob", newEnv(), blobTrigger(), connected(at))
	r, err := src.Measure(t.Context())
	refused(t, err, scaler.ReasonUnreachable, "ServerBusy")
	if r.Value != 0 || scaler.RetryAfterOf(err) != 4*time.Second {
		t.Errorf("got %+v, to be tried again after %v", r, scaler.RetryAfterOf(err))
	}
}

func TestBlobAnswers(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":  "",
		"html":     "<html>it works</html>",
		"text":     accountKey,
		"cut off":  `<?xml version="1.0"?><EnumerationResults ServiceEndpoint="http://x/"><Blobs><Blob>`,
		"no list":  `<EnumerationResults ServiceEndpoint="http://x/"></EnumerationResults>`,
		"some XML": `<Other><Blobs></Blobs></Other>`,
	} {
		for _, recursive := range []string{"false", "true"} {
			t.Run(name+", recursive "+recursive, func(t *testing.T) {
				at := answering(t, func(string) answer { return answer{200, nil, body} })
				src := open(t, "azure-blob", newEnv(), blobTrigger("recursive", recursive), connected(at))
				_, err := src.Measure(t.Context())
				refused(t, err, scaler.ReasonBadAnswer, `"incoming"`)
			})
		}
	}
}

func TestBlobProblems(t *testing.T) {
	for name, tc := range map[string]struct {
		metadata, auth map[string]string
		want           []string
	}{
		"right":            {blobTrigger("globPattern", "*.{csv,json}"), connected("h"), nil},
		"system container": {blobTrigger("blobContainerName", "$web"), connected("h"), nil},
		"nothing":          {nil, nil, []string{"error metadata.blobContainerName"}},
		"odd name":         {blobTrigger("blobContainerName", "In/Coming"), connected("h"), []string{"error metadata.blobContainerName"}},
		"odd pattern":      {blobTrigger("globPattern", "[a"), connected("h"), []string{"error metadata.globPattern"}},
		"odd switch":       {blobTrigger("recursive", "sure"), connected("h"), []string{"error metadata.recursive"}},
	} {
		t.Run(name, func(t *testing.T) { problemsOf(t, "azure-blob", tc.metadata, tc.auth, tc.want) })
	}
}
