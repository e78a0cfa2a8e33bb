package azure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// checkpointsPerPage is how many checkpoints, read one by one, cost as much as
// one page of a listing: Azure bills that like a write.
const checkpointsPerPage = 13

// checkpointList is the metadata of blobs by their names.
type checkpointList struct {
	blobs map[string]map[string]*string
	// complete says that there are no checkpoints but these.
	complete bool
}

// find looks for a checkpoint. known is false when the blob is to be asked for.
func (l *checkpointList) find(name string) (metadata map[string]*string, found, known bool) {
	if l == nil {
		return nil, false, false
	}
	metadata, found = l.blobs[name]
	return metadata, found, found || l.complete
}

// checkpointRoots are what the names of all checkpoints in metadata begin
// with, of whichever consumer group of a hub.
func checkpointRoots(host, hub string) []string {
	return slices.Compact([]string{strings.ToLower(host + "/" + hub + "/"), host + "/" + hub + "/"})
}

// listCheckpoints lists the checkpoints of all consumer groups of a hub, as
// far as that costs no more than to ask for each that is wanted. Who may not
// list can still read.
func listCheckpoints(ctx context.Context, in *container.Client, roots []string, wanted int) (*checkpointList, error) {
	doing := fmt.Sprintf("listing the checkpoints below %q", roots[0])
	l := &checkpointList{blobs: map[string]map[string]*string{}}
	for _, root := range roots {
		pages := in.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &root, Include: container.ListBlobsInclude{Metadata: true}})
		for pages.More() {
			if wanted -= checkpointsPerPage; wanted < 0 {
				return l, nil
			}
			page, err := pages.NextPage(ctx)
			switch {
			case isNoCheckpoint(err):
				l.complete = true
				return l, nil
			case err != nil:
				err = conn.AzureError(err, doing)
				if scaler.ReasonOf(err) == scaler.ReasonDenied {
					return nil, nil
				}
				return nil, err
			case page.Segment == nil || page.ServiceEndpoint == nil:
				return nil, scaler.BadAnswer(errors.New("the answer holds no list of blobs"), "%s", doing)
			}
			l.add(page.Segment.BlobItems)
		}
	}
	l.complete = true
	return l, nil
}

func (l *checkpointList) add(items []*container.BlobItem) {
	for _, b := range items {
		if b != nil && b.Name != nil && strings.Contains(*b.Name, "/checkpoint/") { // others tell who owns a partition
			l.blobs[*b.Name] = b.Metadata
		}
	}
}

// isNoCheckpoint says whether an error is that the blob or its container does
// not exist.
func isNoCheckpoint(err error) bool {
	return bloberror.HasCode(err, bloberror.BlobNotFound, bloberror.ContainerNotFound, bloberror.ContainerBeingDeleted, bloberror.ResourceNotFound)
}
