package scaler

import (
	"context"
	"time"
)

// Pod is what a scaler may know of a pod. Finished pods are not shown.
type Pod struct {
	Name, Node string
}

// Cluster is the narrow view of the cluster that scalers get.
type Cluster interface {
	// CountPods returns the pods of a namespace that match a label selector
	// and have neither succeeded nor failed.
	CountPods(ctx context.Context, namespace, selector string) ([]Pod, error)
	// ServiceAddresses returns the addresses ("10.0.0.7:8080") of the ready
	// endpoints of a Service port; an empty port name or number means the first.
	ServiceAddresses(ctx context.Context, namespace, service, port string) ([]string, error)
}

// Event is what a scaler may know of a Kubernetes Event.
type Event struct {
	// Type is Normal or Warning, Reason such as BackOff.
	Type, Reason string
	// Kind and Name are those of the object that the Event is about.
	Kind, Name string
	// Last is when it was seen last.
	Last time.Time
}

// Events is a Cluster that shows the Events of a namespace, from a watch.
type Events interface {
	// ListEvents returns the Events of a namespace.
	ListEvents(ctx context.Context, namespace string) ([]Event, error)
	// WatchEvents calls on for each Event that comes or is seen again, from
	// when it returns nil until ctx ends.
	WatchEvents(ctx context.Context, namespace string, on func(Event)) error
}

// Data is a Cluster that reads single values of ConfigMaps and Secrets.
type Data interface {
	// ReadData returns the value of a key of a ConfigMap or Secret, which kind
	// says. Errors are of this package, without the value.
	ReadData(ctx context.Context, kind, namespace, name, key string) ([]byte, error)
}

// Statuses is a Cluster that reads what objects of any kind say of themselves.
type Statuses interface {
	// ReadStatus returns the status of an object as JSON, nothing when it has
	// none. Errors are of this package.
	ReadStatus(ctx context.Context, apiVersion, kind, namespace, name string) ([]byte, error)
}

// PoolKey names a shared connection.
type PoolKey struct {
	// Driver is the client's kind, e.g. "redis".
	Driver string
	// Address is where it connects to, with every option that changes how.
	Address string
	// Credentials is a digest of the credentials, never the credentials.
	Credentials string
}

// Pool shares connections among sources, see Lease.
type Pool interface {
	// Acquire returns the connection of key, made by dial when there is none,
	// and a function that gives it back. dial does no I/O and runs at most
	// once at a time per key; what it returns is closed when nobody holds it.
	Acquire(key PoolKey, dial func() (any, error)) (conn any, release func(), err error)
}

// Lease acquires a connection of a known type from the pool.
func Lease[T any](p Pool, key PoolKey, dial func() (T, error)) (conn T, release func(), err error) {
	got, release, err := p.Acquire(key, func() (any, error) { return dial() })
	if err != nil {
		return conn, nil, err
	}
	return got.(T), release, nil
}
