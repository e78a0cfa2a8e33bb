package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// The values of checkpointStrategy. Without one, the layout is that of the
// retired event processor hosts, or of Azure Functions without a container.
const (
	checkpointFunction = "azureFunction"
	checkpointMetadata = "blobMetadata"
	checkpointGo       = "goSdk"
	checkpointDapr     = "dapr"
)

// functionContainer is where Azure Functions keep checkpoints.
const functionContainer = "azure-webjobs-eventhub"

// checkpointLimit is the longest checkpoint read, in bytes; usual ones have
// some hundred.
const checkpointLimit = 64 << 10

// checkpointPlace is where checkpoints of a consumer group may be: blobs of a
// container, each with the partition's ID at the end of its name.
type checkpointPlace struct {
	container, prefix string
	// inMetadata says that the blob's metadata are the checkpoint, not its content.
	inMetadata bool
}

// checkpointPlaces lists the places in the order of their worth: writers that
// have moved on leave what they wrote before. host is the namespace's full name.
func checkpointPlaces(strategy, container, host, hub, group string) []checkpointPlace {
	places := func(container string, inMetadata bool, prefixes ...string) (out []checkpointPlace) {
		for _, p := range prefixes {
			if place := (checkpointPlace{container, p, inMetadata}); !slices.Contains(out, place) {
				out = append(out, place)
			}
		}
		return out
	}
	at := func(parts ...string) string { return strings.Join(parts, "/") + "/" }
	low := strings.ToLower
	// The vendor's clients write lower case, all but the one for Go.
	metadata := []string{at(low(host), low(hub), low(group), "checkpoint"), at(host, hub, low(group), "checkpoint"), at(host, hub, group, "checkpoint")}
	switch {
	case strategy == checkpointGo:
		return places(container, false, "")
	case strategy == checkpointDapr:
		return places(container, false, fmt.Sprintf("dapr-%s-%s-", hub, group))
	case strategy == checkpointMetadata:
		return places(container, true, metadata...)
	case strategy == checkpointFunction || container == "":
		// Functions write metadata since version 5 of their extension.
		return append(places(functionContainer, true, metadata...), places(functionContainer, false, at(low(host), low(hub), group), at(host, hub, group))...)
	}
	return places(container, false, group+"/")
}

// checkpointReader reads the checkpoints of one consumer group.
type checkpointReader struct {
	*storageClient[*blobService]
	places []checkpointPlace
	group  string
}

// read returns the checkpoint of a partition. A group without a blob, or
// without a container, has not come anywhere yet. What the list knows is not
// asked for; it may be nil.
func (r *checkpointReader) read(ctx context.Context, partition string, list *checkpointList) (hubCheckpoint, error) {
	doing := fmt.Sprintf("reading the checkpoint of the consumer group %q in partition %s", r.group, partition)
	for _, place := range r.places {
		c, exists, err := r.readAt(ctx, place, partition, list)
		var unfit *checkpointError
		switch {
		case errors.As(err, &unfit):
			return c, scaler.BadAnswer(unfit, "%s", doing)
		case err != nil:
			return c, conn.AzureError(err, doing)
		case exists:
			return c, nil
		}
	}
	return hubCheckpoint{}, nil
}

// readAt reads one blob; exists is false without one.
func (r *checkpointReader) readAt(ctx context.Context, place checkpointPlace, partition string, list *checkpointList) (c hubCheckpoint, exists bool, err error) {
	name, read := place.prefix+partition, readCheckpoint
	if place.inMetadata {
		read = readCheckpointMetadata
		if metadata, found, known := list.find(name); found {
			c, err = parseCheckpointMetadata(metadata)
			return c, true, err
		} else if known {
			return c, false, nil
		}
	}
	c, err = read(ctx, r.api.NewContainerClient(place.container).NewBlobClient(name))
	if isNoCheckpoint(err) {
		return c, false, nil
	}
	return c, true, err
}

func readCheckpoint(ctx context.Context, client *azblob.Client) (hubCheckpoint, error) {
	got, err := client.DownloadStream(ctx, nil)
	if err != nil {
		return hubCheckpoint{}, err
	}
	body, err := io.ReadAll(io.LimitReader(got.Body, checkpointLimit+1))
	_ = got.Body.Close()
	switch {
	case err != nil:
		return hubCheckpoint{}, err
	case len(body) > checkpointLimit:
		return hubCheckpoint{}, &checkpointError{fmt.Sprintf("the blob is larger than %d bytes; expected a checkpoint", checkpointLimit)}
	}
	return parseCheckpoint(body)
}

func readCheckpointMetadata(ctx context.Context, client *azblob.Client) (hubCheckpoint, error) {
	got, err := client.GetProperties(ctx, nil)
	if err != nil {
		return hubCheckpoint{}, err
	}
	return parseCheckpointMetadata(got.Metadata)
}

// checkpointError is a blob that is no checkpoint. It shows nothing of it.
type checkpointError struct{ text string }

// Error implements error.
func (e *checkpointError) Error() string { return e.text }

// checkpointFields is a position as the event processor hosts for .NET, Java,
// Go and Python write it; letter case does not matter.
type checkpointFields struct {
	SequenceNumber *int64
	OfPython       *int64 `json:"sequence_number"`
	Offset         json.RawMessage
}

// parseCheckpoint reads the content of a blob. One that was made with a lease
// has an offset that says nothing until the first event is processed.
func parseCheckpoint(body []byte) (hubCheckpoint, error) {
	var said struct {
		checkpointFields
		Checkpoint *checkpointFields
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return hubCheckpoint{}, &checkpointError{"the blob is not JSON with a sequence number"}
	}
	at := said.checkpointFields
	if said.Checkpoint != nil {
		at = *said.Checkpoint
	}
	sequence := at.SequenceNumber
	if sequence == nil {
		sequence = at.OfPython
	}
	offset := strings.Trim(string(at.Offset), `" `)
	start := offset == "" || offset == "null" || offset == "-1"
	switch {
	case sequence != nil && (*sequence > 0 || *sequence == 0 && (!start || at.Offset == nil)):
		return hubCheckpoint{sequence: *sequence, found: true}, nil
	case start:
		return hubCheckpoint{}, nil
	}
	return hubCheckpoint{}, &checkpointError{"the blob has an offset and no sequence number from 0 on"}
}

// parseCheckpointMetadata reads the metadata of a blob.
func parseCheckpointMetadata(metadata map[string]*string) (hubCheckpoint, error) {
	for name, value := range metadata {
		if !strings.EqualFold(name, "sequencenumber") || value == nil {
			continue
		}
		if n, err := strconv.ParseInt(*value, 10, 64); err == nil && n >= 0 {
			return hubCheckpoint{sequence: n, found: true}, nil
		}
		return hubCheckpoint{}, &checkpointError{"the blob's sequencenumber is no number from 0 on"}
	}
	return hubCheckpoint{}, &checkpointError{"the blob's metadata have no sequencenumber"}
}
