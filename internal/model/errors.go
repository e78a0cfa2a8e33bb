package model

import "errors"

// What may be wrong with a scale target. Whoever reads targets wraps these;
// whoever explains a failure tells them apart with errors.Is.
var (
	// ErrTargetNotFound says that the target does not exist (yet).
	ErrTargetNotFound = errors.New("the scale target does not exist")
	// ErrTargetNotScalable says that the target's kind has no scale
	// subresource or is unknown to the cluster.
	ErrTargetNotScalable = errors.New("the scale target's kind is unknown to the cluster or can't be scaled")
)
