// Package realtest holds the tests that start a real control plane, with build
// tag realplane. They need the built binary: its path is in LOCALPLANE_BINARY.
package realtest
