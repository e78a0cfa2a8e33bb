package conn

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/kedago/keda/pkg/scaler"
)

// azureBodyLimit is the largest answer read, in bytes: 5,000 blobs, the most
// that one answer lists, have about 5 MB.
const azureBodyLimit = 32 << 20

// AzureClientOptions are the settings of Azure's clients: the connections
// that all plain HTTP sources share, the operator's time-out, no redirects,
// and one more try when a connection failed. release gives the connections
// back; the caller calls it once the client is not used any more.
func AzureClientOptions(env scaler.Env) (o azcore.ClientOptions, release func(), err error) {
	shared, release, err := leasePlainHTTP(env)
	if err != nil {
		return o, nil, scaler.Misconfigured(err, "preparing an Azure client")
	}
	o.Transport = &azureTransport{client: http.Client{
		Transport: shared.Transport, Timeout: httpTimeout(env.HTTP),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	o.Telemetry = policy.TelemetryOptions{ApplicationID: "keda"}
	o.Retry = policy.RetryOptions{MaxRetries: 1, RetryDelay: 20 * time.Millisecond, MaxRetryDelay: 50 * time.Millisecond, ShouldRetry: azureAgain}
	return o, release, nil
}

// azureAgain says whether a request is sent once more: when its connection
// failed, as one that was idle for long may have. A server that is slow is
// not waited for twice; for anything else the next poll is soon enough.
func azureAgain(_ *http.Response, err error) bool {
	var own *scaler.Error
	var refused *scaler.RefusedError
	var late interface{ Timeout() bool }
	switch {
	case err == nil, errors.As(err, &own), errors.As(err, &refused), errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &late) && late.Timeout():
		return false
	}
	return scaler.IsNetwork(err)
}

// azureTransport implements policy.Transporter.
type azureTransport struct{ client http.Client }

// Do implements policy.Transporter.
func (t *azureTransport) Do(req *http.Request) (*http.Response, error) {
	resp, err := t.client.Do(req)
	if err != nil {
		if f, ok := req.Context().Value(azureFailureKey{}).(*azureFailure); ok {
			f.set(err)
		}
		return nil, err
	}
	resp.Body = &limitedBody{ReadCloser: resp.Body, left: azureBodyLimit}
	return resp, nil
}

// errTooLarge is an answer above the limit.
var errTooLarge = errors.New("the answer is larger than 32 MiB")

// limitedBody is a body that fails past a number of bytes.
type limitedBody struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
